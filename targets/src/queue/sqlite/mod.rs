//! The default: an embedded, durable queue (D2) in one SQLite file.
//!
//! WAL with `synchronous=FULL`; one writer thread with group commit; reads on connections of their
//! own. Queue and job store are one table, so that accepting a job and finishing it are one
//! transaction each, and there is no state in which one knows the job and the other does not.
//! The directory is locked, so that no second process takes this one's leases for a dead one's.

mod apply;
mod reader;
mod schema;
mod writer;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot, watch};

use super::{
    Ack, AckOutcome, Cancelled, Capabilities, Depth, Durability, Enqueued, JobRecord, JobStore, Lease,
    LedgerEntry, Nack, NackOutcome, NewJob, Queue, QueueConfig, QueueError, Receipt,
};
use crate::clock::Clock;
use reader::Reader;
use writer::{Command, Counters, Envelope, Wanted, Writer};

/// Most commands waiting for the writer; further callers wait for a place.
const COMMANDS_MAX: usize = 4096;

fn storage(error: rusqlite::Error) -> QueueError {
    QueueError::Storage(error.to_string())
}

/// A durable queue in one SQLite database.
pub struct SqliteQueue {
    commands: mpsc::Sender<Envelope>,
    places: Arc<Semaphore>,
    status: Reader,
    bulk: Reader,
    counters: Arc<Counters>,
    failed: watch::Receiver<Option<QueueError>>,
    clock: Clock,
    instance: u32,
    recovered: u64,
    /// Held for the life of the queue.
    _lock: File,
}

impl SqliteQueue {
    /// Opens (or creates) `queue.sqlite` in `directory`, and puts jobs that a dead process held
    /// back in line.
    ///
    /// # Errors
    /// If another process uses the directory, or the database cannot be opened.
    pub fn open(
        directory: &Path,
        config: QueueConfig,
        clock: Clock,
        fresh_instance: u32,
    ) -> Result<Self, QueueError> {
        let lock = lock(directory)?;
        let path = directory.join("queue.sqlite");
        let opened = schema::open_writer(
            &path,
            fresh_instance,
            config.max_attempts,
            i64::try_from(clock.now_us()).unwrap_or(i64::MAX),
        )?;
        let (commands, waiting) = mpsc::channel();
        let (failed_sender, failed) = watch::channel(None);
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            connection: opened.connection,
            book: apply::Book {
                config,
                outstanding: opened.outstanding,
                last_token: opened.last_token,
                redelivered: opened.released,
            },
            clock: clock.clone(),
            counters: Arc::clone(&counters),
            failed: failed_sender,
        };
        std::thread::Builder::new()
            .name("queue-writer".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(|error| QueueError::Storage(error.to_string()))?;
        counters.redelivered.store(opened.released, Ordering::Relaxed);
        Ok(Self {
            commands,
            places: Arc::new(Semaphore::new(COMMANDS_MAX)),
            status: Reader::start(&path, "queue-status")?,
            bulk: Reader::start(&path, "queue-bulk")?,
            counters,
            failed,
            clock,
            instance: opened.instance,
            recovered: opened.released,
            _lock: lock,
        })
    }

    /// Jobs that were under lease when the last process ended, now back in line.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.recovered
    }

    /// Becomes `Some` when the storage has failed and the queue has stopped.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<Option<QueueError>> {
        self.failed.clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, QueueError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| QueueError::Stopped)?;
        let (reply, answer) = oneshot::channel();
        let envelope = Envelope { command: command(reply), _place: place };
        let stopped = || self.failed.borrow().clone().unwrap_or(QueueError::Stopped);
        self.commands.send(envelope).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }
}

fn lock(directory: &Path) -> Result<File, QueueError> {
    let path = directory.join("lock");
    let io = |error: std::io::Error| QueueError::Storage(format!("{}: {error}", path.display()));
    let file = File::create(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(QueueError::Storage(format!(
            "{} is in use by another server; stop it, or give this one another --data",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        self.ask(|reply| Command::Enqueue(jobs, reply)).await
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Lease>, QueueError> {
        let deadline = Instant::now() + wait;
        self.ask(|reply| Command::Receive(Wanted { max, deadline, visibility, reply })).await
    }

    async fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> Result<Vec<AckOutcome>, QueueError> {
        self.ask(|reply| Command::Extend(receipts, by, reply)).await
    }

    async fn ack(&self, acks: Vec<Ack>) -> Result<Vec<AckOutcome>, QueueError> {
        self.ask(|reply| Command::Ack(acks, reply)).await
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<NackOutcome>, QueueError> {
        self.ask(|reply| Command::Nack(nacks, reply)).await
    }

    async fn release(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        self.ask(|reply| Command::Release(receipts, reply)).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.clock.now_us();
        self.bulk.read(move |c| reader::depth(c, now)).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durability: Durability::PowerLoss,
            fifo: true,
            native_visibility_timeout: true,
            native_delay: true,
            native_dead_letter: true,
            native_dedup: true,
            batch_max: 1024,
        }
    }

    fn commits(&self) -> u64 {
        self.counters.commits.load(Ordering::Relaxed)
    }

    fn redelivered(&self) -> u64 {
        self.counters.redelivered.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        // An error means it has stopped already.
        let _ = self.ask(Command::Close).await;
    }
}

#[async_trait]
impl JobStore for SqliteQueue {
    fn instance(&self) -> u32 {
        self.instance
    }

    async fn job(&self, seq: u64) -> Result<Option<JobRecord>, QueueError> {
        self.status.read(move |c| reader::job(c, seq)).await
    }

    async fn ledger(&self, after: u64, limit: usize) -> Result<Vec<LedgerEntry>, QueueError> {
        self.bulk.read(move |c| reader::ledger(c, after, limit)).await
    }

    async fn ended(&self) -> Result<(u64, u64, u64), QueueError> {
        self.bulk.read(reader::ended).await
    }

    async fn cancel(&self, seq: u64, now_us: u64) -> Result<Cancelled, QueueError> {
        self.ask(|reply| Command::Cancel(seq, now_us, reply)).await
    }
}
