//! Job queues behind one trait, in the words of SQS, AMQP and JetStream.
//!
//! A job is *enqueued*, *received* under a lease that hides it for a visibility time-out,
//! perhaps *extended*, and then *acked* (finished for good) or *nacked* (to be tried again after
//! a delay, or dead-lettered once its attempts are used up). A lease that runs out is redelivered:
//! delivery is at least once, and an ack that comes too late is told so.
//!
//! Two traits: [`Queue`] is what a message broker can do; [`JobStore`] is the record that a status
//! resource and a ledger are read from. The bundled backends keep both in one place, so that
//! "accepted" and "finished" are one transaction each; a backend for a broker may pair its queue
//! with a store of its own. All times are microseconds of [`crate::clock::Clock`].

pub mod memory;
pub mod sqlite;
mod types;

use std::time::Duration;

use async_trait::async_trait;

pub use types::{
    Ack, AckOutcome, Cancelled, Capabilities, Depth, Durability, Ending, Enqueued, JobRecord, Lease,
    LedgerEntry, Nack, NackOutcome, NewJob, QueueConfig, Receipt, State, payload_digest,
};

/// Why a queue could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// The storage failed. The backend has stopped: nothing more will be acknowledged.
    #[error("storage error: {0}")]
    Storage(String),
    /// The backend has stopped, by an earlier error or by closing.
    #[error("the queue has stopped")]
    Stopped,
}

/// What a message broker can do. See the [module](self) for the life of a job.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Enqueues, in order; returns once every `Accepted` is as durable as promised.
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError>;

    /// Leases up to `max` jobs for `visibility`, waiting up to `wait` for the first.
    /// Not cancel-safe on every backend: a lease lost that way runs out and is redelivered.
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Lease>, QueueError>;

    /// Makes each lease run out `by` from now instead.
    async fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> Result<Vec<AckOutcome>, QueueError>;

    /// Ends jobs for good; returns once that is as durable as promised.
    async fn ack(&self, acks: Vec<Ack>) -> Result<Vec<AckOutcome>, QueueError>;

    /// Reports failed attempts: redelivered after the delay, or dead-lettered.
    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<NackOutcome>, QueueError>;

    /// Gives leases back untouched, at their old places; the delivery does not count as an
    /// attempt where the backend can take it back.
    async fn release(&self, receipts: Vec<Receipt>) -> Result<(), QueueError>;

    /// How many jobs are in which state.
    async fn depth(&self) -> Result<Depth, QueueError>;

    /// What the backend does by its own means.
    fn capabilities(&self) -> Capabilities;

    /// Durable transactions so far (each at least one fsync); 0 for a backend without any.
    fn commits(&self) -> u64 {
        0
    }

    /// Redeliveries so far because a lease ran out or its holder died.
    fn redelivered(&self) -> u64;

    /// Stops the backend after what it was already given; later calls fail with `Stopped`.
    async fn close(&self);
}

/// The record of every accepted job.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// A number that differs from store to store, so that a job id of one means nothing to another.
    fn instance(&self) -> u32;

    /// The record of a job.
    async fn job(&self, seq: u64) -> Result<Option<JobRecord>, QueueError>;

    /// Up to `limit` entries with `seq > after`, in acceptance order.
    async fn ledger(&self, after: u64, limit: usize) -> Result<Vec<LedgerEntry>, QueueError>;

    /// Finished jobs whose records were dropped, so that the ledger no longer lists them; 0 for a
    /// store that keeps all.
    fn evicted(&self) -> u64 {
        0
    }

    /// Jobs by state, terminal ones included: `(succeeded, failed, cancelled)`.
    async fn ended(&self) -> Result<(u64, u64, u64), QueueError>;

    /// Cancels a job that is waiting.
    async fn cancel(&self, seq: u64, now_us: u64) -> Result<Cancelled, QueueError>;
}

/// A queue and its store in one.
pub trait Backend: Queue + JobStore {}

impl<T: Queue + JobStore> Backend for T {}
