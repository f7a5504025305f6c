//! The database file: its tables, its settings, and what a start finds left over.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::storage;
use crate::clock::boot_id;
use crate::queue::QueueError;
use crate::queue::types::lease_expired;

/// States as stored. Waiting and leased have partial indexes, so that neither the head of the
/// line nor the next lease to run out is searched for among finished jobs.
pub(super) mod state {
    pub const WAITING: i64 = 0;
    pub const LEASED: i64 = 1;
    pub const SUCCEEDED: i64 = 2;
    pub const FAILED: i64 = 3;
    pub const DEAD: i64 = 4;
    pub const CANCELLED: i64 = 5;
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS jobs(
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  digest BLOB NOT NULL,
  payload TEXT NOT NULL,
  progress TEXT,
  traceparent TEXT,
  state INTEGER NOT NULL,
  due_us INTEGER NOT NULL,
  visible_us INTEGER NOT NULL,
  token INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  processed INTEGER NOT NULL DEFAULT 0,
  received_us INTEGER NOT NULL,
  enqueued_us INTEGER NOT NULL,
  leased_us TEXT NOT NULL DEFAULT '',
  done_us INTEGER,
  outcome TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs(due_us, seq) WHERE state = 0;
CREATE INDEX IF NOT EXISTS jobs_leased ON jobs(due_us, seq) WHERE state = 1;
CREATE INDEX IF NOT EXISTS jobs_ended ON jobs(state) WHERE state >= 2;
";

/// What [`open_writer`] found.
pub(super) struct Opened {
    pub connection: Connection,
    pub instance: u32,
    /// Jobs whose holder died: put back in line.
    pub released: u64,
    /// Jobs not finished.
    pub outstanding: u64,
    pub last_token: u64,
}

/// Opens the database for writing and makes what an earlier process left behind deliverable.
pub(super) fn open_writer(
    path: &Path,
    fresh_instance: u32,
    max_attempts: u32,
    now_us: i64,
) -> Result<Opened, QueueError> {
    let connection = Connection::open(path).map_err(storage)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(storage)?;
    // FULL syncs the log at every commit: that is what makes this backend D2.
    connection.pragma_update(None, "synchronous", "FULL").map_err(storage)?;
    // Without it macOS only flushes to the drive's cache; other systems ignore it.
    connection.pragma_update(None, "fullfsync", true).map_err(storage)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(SCHEMA).map_err(storage)?;
    recover(connection, fresh_instance, max_attempts, now_us).map_err(storage)
}

fn recover(
    connection: Connection,
    fresh_instance: u32,
    max_attempts: u32,
    now_us: i64,
) -> rusqlite::Result<Opened> {
    let meta = |name: &str| -> rusqlite::Result<Option<String>> {
        connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()
    };
    let instance = meta("instance")?.and_then(|text| text.parse().ok()).unwrap_or(fresh_instance);
    let boot = boot_id();
    let rebooted = meta("boot_id")?.is_some_and(|known| known != boot);
    let put = "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2";
    connection.execute(put, params!["instance", instance.to_string()])?;
    connection.execute(put, params!["boot_id", boot])?;

    // Only one process may hold the database, so whoever held these leases is gone. A job whose
    // attempts are used up is not given another: it may be what killed the holder.
    let released = connection.execute(
        "UPDATE jobs SET state = 0, due_us = visible_us WHERE state = 1 AND attempts < ?1",
        [max_attempts],
    )?;
    connection.execute(
        "UPDATE jobs SET state = 4, done_us = ?1, outcome = ?2, payload = '' WHERE state = 1",
        params![now_us, lease_expired().to_string()],
    )?;
    if rebooted {
        // The clock started anew: old due times would lie in a far future.
        connection.execute("UPDATE jobs SET due_us = 0, visible_us = 0 WHERE state = 0", [])?;
    }
    let count = "SELECT count(*) FROM jobs WHERE state < 2";
    let outstanding: i64 = connection.query_row(count, [], |row| row.get(0))?;
    let last = "SELECT coalesce(max(token), 0) FROM jobs";
    let last_token: i64 = connection.query_row(last, [], |row| row.get(0))?;
    Ok(Opened {
        instance,
        released: released as u64,
        outstanding: outstanding.unsigned_abs(),
        last_token: last_token.unsigned_abs(),
        connection,
    })
}

/// Opens the database for reading; in WAL mode a reader neither waits for the writer nor blocks it.
pub(super) fn open_reader(path: &Path) -> Result<Connection, QueueError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(storage)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(connection)
}
