//! Threads that read: status documents on one, counts and ledgers on the other, so that a page of
//! ten thousand ledger lines does not hold up a status.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::{mpsc, oneshot};

use super::apply::{parse, state_of};
use super::schema::open_reader;
use super::storage;
use crate::queue::{Depth, JobRecord, LedgerEntry, QueueError};

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// A thread with a read-only connection. Waiting queries are bounded.
pub(super) struct Reader {
    queries: mpsc::Sender<Query>,
}

impl Reader {
    pub fn start(path: &Path, name: &str) -> Result<Self, QueueError> {
        let connection = open_reader(path)?;
        let (queries, mut waiting) = mpsc::channel::<Query>(1024);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Some(query) = waiting.blocking_recv() {
                    query(&connection);
                }
            })
            .map_err(|error| QueueError::Storage(error.to_string()))?;
        Ok(Self { queries })
    }

    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        let query: Query = Box::new(move |connection| drop(reply.send(query(connection))));
        self.queries.send(query).await.map_err(|_| QueueError::Stopped)?;
        answer.await.map_err(|_| QueueError::Stopped)?.map_err(storage)
    }
}

fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

pub(super) fn job(c: &Connection, seq: u64) -> rusqlite::Result<Option<JobRecord>> {
    let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
    c.prepare_cached(
        "SELECT seq, key, state, attempts, received_us, enqueued_us, leased_us, done_us, outcome,
           progress, traceparent FROM jobs WHERE seq = ?1",
    )?
    .query_row([seq], |row| {
        let leased: String = row.get(6)?;
        Ok(JobRecord {
            seq: at(row, 0)?,
            key: row.get(1)?,
            state: state_of(row.get(2)?),
            attempts: row.get(3)?,
            received_us: at(row, 4)?,
            enqueued_us: at(row, 5)?,
            leased_us: leased.split_whitespace().filter_map(|us| us.parse().ok()).collect(),
            done_us: row.get::<_, Option<i64>>(7)?.map(i64::unsigned_abs),
            outcome: parse(row.get(8)?),
            progress: parse(row.get(9)?),
            traceparent: row.get(10)?,
        })
    })
    .optional()
}

pub(super) fn ledger(c: &Connection, after: u64, limit: usize) -> rusqlite::Result<Vec<LedgerEntry>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    c.prepare_cached(
        "SELECT seq, key, state, attempts, processed FROM jobs WHERE seq > ?1
         ORDER BY seq LIMIT ?2",
    )?
    .query_map(params![after, limit], |row| {
        Ok(LedgerEntry {
            seq: at(row, 0)?,
            key: row.get(1)?,
            state: state_of(row.get(2)?),
            attempts: row.get(3)?,
            processed: row.get(4)?,
        })
    })?
    .collect()
}

pub(super) fn depth(c: &Connection, now: u64) -> rusqlite::Result<Depth> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let depth = c
        .prepare_cached(
            // A lease that has run out makes its job ready, even before a receive notices.
            "SELECT
               (SELECT count(*) FROM jobs WHERE state = 0 AND due_us <= ?1)
                 + (SELECT count(*) FROM jobs WHERE state = 1 AND due_us <= ?1),
               (SELECT count(*) FROM jobs WHERE state = 1 AND due_us > ?1),
               (SELECT count(*) FROM jobs WHERE state = 0 AND due_us > ?1),
               (SELECT count(*) FROM jobs WHERE state = 4 AND state >= 2),
               (SELECT enqueued_us FROM jobs WHERE seq = (SELECT min(seq) FROM (
                  SELECT min(seq) AS seq FROM jobs WHERE state = 0 UNION ALL
                  SELECT min(seq) FROM jobs WHERE state = 1)))",
        )?
        .query_row([now], |row| {
            let oldest: Option<i64> = row.get(4)?;
            Ok(Depth {
                ready: at(row, 0)?,
                in_flight: at(row, 1)?,
                delayed: at(row, 2)?,
                dead: at(row, 3)?,
                oldest_age_us: oldest.map_or(0, |us| (now - us).max(0).unsigned_abs()),
            })
        })?;
    Ok(depth)
}

pub(super) fn ended(c: &Connection) -> rusqlite::Result<(u64, u64, u64)> {
    c.prepare_cached(
        "SELECT
           (SELECT count(*) FROM jobs WHERE state = 2 AND state >= 2),
           (SELECT count(*) FROM jobs WHERE state = 3 AND state >= 2),
           (SELECT count(*) FROM jobs WHERE state = 5 AND state >= 2)",
    )?
    .query_row([], |row| Ok((at(row, 0)?, at(row, 1)?, at(row, 2)?)))
}
