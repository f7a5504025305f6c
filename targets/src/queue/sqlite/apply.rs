//! One command each, inside the writer's open transaction.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::schema::state;
use crate::queue::types::lease_expired;
use crate::queue::{
    Ack, AckOutcome, Cancelled, Ending, Enqueued, Lease, Nack, NackOutcome, NewJob, QueueConfig, Receipt,
    State,
};

type Result<T> = rusqlite::Result<T>;

/// What the writer keeps in mind between transactions.
pub(super) struct Book {
    pub config: QueueConfig,
    /// Jobs not finished; equals a count over the table.
    pub outstanding: u64,
    pub last_token: u64,
    pub redelivered: u64,
}

/// SQLite's integers are signed; every stamp fits (292,000 years of microseconds).
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn after(now: u64, time: Duration) -> i64 {
    int(now.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)))
}

fn text(value: Option<&Value>) -> Option<String> {
    value.map(Value::to_string)
}

pub(super) fn parse(text: Option<String>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(&text).ok())
}

pub(super) fn state_of(stored: i64) -> State {
    match stored {
        state::WAITING => State::Waiting,
        state::LEASED => State::Leased,
        state::SUCCEEDED => State::Succeeded,
        state::FAILED => State::Failed,
        state::DEAD => State::Dead,
        _ => State::Cancelled,
    }
}

pub(super) fn enqueue(c: &Connection, book: &mut Book, job: &NewJob, now: u64) -> Result<Enqueued> {
    let digest = job.digest();
    let known: Option<(i64, Vec<u8>)> = c
        .prepare_cached("SELECT seq, digest FROM jobs WHERE key = ?1")?
        .query_row([&job.key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((seq, theirs)) = known {
        let seq = seq.unsigned_abs();
        let same = theirs == digest;
        return Ok(if same { Enqueued::Duplicate(seq) } else { Enqueued::Conflict(seq) });
    }
    if book.outstanding >= book.config.capacity as u64 {
        return Ok(Enqueued::Full);
    }
    c.prepare_cached(
        "INSERT INTO jobs(key, digest, payload, progress, traceparent, state, due_us, visible_us,
           received_us, enqueued_us) VALUES(?1, ?2, ?3, ?4, ?5, 0, ?6, ?6, ?7, ?6)",
    )?
    .execute(params![
        job.key,
        digest,
        job.payload,
        text(job.progress.as_ref()),
        job.traceparent,
        int(now),
        int(job.received_us),
    ])?;
    book.outstanding += 1;
    Ok(Enqueued::Accepted(c.last_insert_rowid().unsigned_abs()))
}

/// Puts jobs whose lease ran out back in line, or among the dead.
pub(super) fn reap(c: &Connection, book: &mut Book, now: u64) -> Result<()> {
    let max = i64::from(book.config.max_attempts);
    let error = lease_expired();
    let dead = c
        .prepare_cached(
            "UPDATE jobs SET state = 4, done_us = ?1, outcome = ?3, payload = ''
             WHERE state = 1 AND due_us <= ?1 AND attempts >= ?2",
        )?
        .execute(params![int(now), max, error.to_string()])?;
    let back = c
        .prepare_cached("UPDATE jobs SET state = 0 WHERE state = 1 AND due_us <= ?1")?
        .execute([int(now)])?;
    book.outstanding = book.outstanding.saturating_sub(dead as u64);
    book.redelivered += (dead + back) as u64;
    Ok(())
}

pub(super) fn receive(
    c: &Connection,
    book: &mut Book,
    max: usize,
    visibility: Duration,
    now: u64,
) -> Result<Vec<Lease>> {
    reap(c, book, now)?;
    let expires = after(now, visibility);
    let mut leases = Vec::new();
    {
        let mut select = c.prepare_cached(
            "SELECT seq, key, payload, progress, traceparent, attempts FROM jobs
             WHERE state = 0 AND due_us <= ?1 ORDER BY due_us, seq LIMIT ?2",
        )?;
        let mut rows = select.query(params![int(now), int(max as u64)])?;
        while let Some(row) = rows.next()? {
            book.last_token += 1;
            leases.push(lease_of(row, book.last_token, expires.unsigned_abs())?);
        }
    }
    let mut update = c.prepare_cached(
        "UPDATE jobs SET state = 1, visible_us = due_us, due_us = ?2, token = ?3, attempts = ?4
         WHERE seq = ?1",
    )?;
    for lease in &leases {
        let Receipt { job, token } = lease.receipt;
        update.execute(params![int(job), expires, int(token), lease.attempt])?;
    }
    Ok(leases)
}

fn lease_of(row: &Row<'_>, token: u64, expires_us: u64) -> Result<Lease> {
    let job: i64 = row.get(0)?;
    Ok(Lease {
        receipt: Receipt { job: job.unsigned_abs(), token },
        key: row.get(1)?,
        payload: row.get(2)?,
        progress: parse(row.get(3)?),
        traceparent: row.get(4)?,
        attempt: row.get::<_, u32>(5)? + 1,
        expires_us,
    })
}

const HELD: &str = "seq = ?1 AND state = 1 AND token = ?2 AND due_us > ?3";

fn counted(changed: usize) -> AckOutcome {
    if changed > 0 { AckOutcome::Acked } else { AckOutcome::LeaseExpired }
}

pub(super) fn extend(c: &Connection, r: Receipt, by: Duration, now: u64) -> Result<AckOutcome> {
    let sql = format!("UPDATE jobs SET due_us = ?4 WHERE {HELD}");
    let changed =
        c.prepare_cached(&sql)?.execute(params![int(r.job), int(r.token), int(now), after(now, by)])?;
    Ok(counted(changed))
}

pub(super) fn ack(c: &Connection, book: &mut Book, ack: &Ack, now: u64) -> Result<AckOutcome> {
    let Receipt { job, token } = ack.receipt;
    if ack.leased_us.is_some() {
        // The work was done either way, so that it counts even if the lease is gone.
        c.prepare_cached("UPDATE jobs SET processed = processed + 1 WHERE seq = ?1")?.execute([int(job)])?;
    }
    let state = match ack.ending {
        Ending::Succeeded => state::SUCCEEDED,
        Ending::Failed => state::FAILED,
        Ending::Cancelled => state::CANCELLED,
    };
    let sql = format!(
        "UPDATE jobs SET state = ?4, done_us = ?5, outcome = ?6, leased_us = leased_us || ?7,
           payload = '' WHERE {HELD}"
    );
    let changed = c.prepare_cached(&sql)?.execute(params![
        int(job),
        int(token),
        int(now),
        state,
        int(ack.done_us),
        ack.outcome.to_string(),
        ack.leased_us.map_or_else(String::new, |us| format!("{us} ")),
    ])?;
    book.outstanding = book.outstanding.saturating_sub(changed as u64);
    Ok(counted(changed))
}

pub(super) fn nack(c: &Connection, book: &mut Book, nack: &Nack, now: u64) -> Result<NackOutcome> {
    let Receipt { job, token } = nack.receipt;
    let sql = format!("SELECT attempts FROM jobs WHERE {HELD}");
    let attempts: Option<u32> = c
        .prepare_cached(&sql)?
        .query_row(params![int(job), int(token), int(now)], |row| row.get(0))
        .optional()?;
    let Some(attempts) = attempts else { return Ok(NackOutcome::LeaseExpired) };
    let dead = attempts >= book.config.max_attempts;
    c.prepare_cached(
        "UPDATE jobs SET state = ?2, due_us = ?3, outcome = ?4, leased_us = leased_us || ?5,
           progress = coalesce(?6, progress), done_us = ?7,
           payload = CASE WHEN ?2 = 4 THEN '' ELSE payload END WHERE seq = ?1",
    )?
    .execute(params![
        int(job),
        if dead { state::DEAD } else { state::WAITING },
        after(now, nack.delay),
        nack.error.to_string(),
        format!("{} ", nack.leased_us),
        text(nack.progress.as_ref()),
        dead.then_some(int(nack.done_us)),
    ])?;
    if dead {
        book.outstanding = book.outstanding.saturating_sub(1);
        return Ok(NackOutcome::Dead);
    }
    Ok(NackOutcome::Requeued)
}

pub(super) fn release(c: &Connection, r: Receipt, now: u64) -> Result<()> {
    let sql = format!("UPDATE jobs SET state = 0, due_us = visible_us, attempts = attempts - 1 WHERE {HELD}");
    c.prepare_cached(&sql)?.execute(params![int(r.job), int(r.token), int(now)])?;
    Ok(())
}

pub(super) fn cancel(c: &Connection, book: &mut Book, seq: u64, now: u64) -> Result<Cancelled> {
    let known: Option<i64> = c
        .prepare_cached("SELECT state FROM jobs WHERE seq = ?1")?
        .query_row([int(seq)], |row| row.get(0))
        .optional()?;
    match known {
        None => Ok(Cancelled::Unknown),
        Some(state::WAITING) => {
            c.prepare_cached("UPDATE jobs SET state = 5, done_us = ?2, payload = '' WHERE seq = ?1")?
                .execute([int(seq), int(now)])?;
            book.outstanding = book.outstanding.saturating_sub(1);
            Ok(Cancelled::Done)
        }
        Some(other) => Ok(Cancelled::Not(state_of(other))),
    }
}

/// When the next waiting job or lease falls due.
pub(super) fn next_due(c: &Connection) -> Result<Option<u64>> {
    let due: Option<i64> = c
        .prepare_cached(
            "SELECT min(due) FROM (
               SELECT min(due_us) AS due FROM jobs WHERE state = 0 UNION ALL
               SELECT min(due_us) FROM jobs WHERE state = 1)",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(due.map(i64::unsigned_abs))
}
