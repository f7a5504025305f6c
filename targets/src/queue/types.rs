//! The words of the trade: what is enqueued, leased, acked and recorded.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a backend has survived when `enqueue` and `ack` return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// D0: nothing; jobs live in this process's memory.
    Memory,
    /// D1: the crash of a process.
    ProcessCrash,
    /// D2: a loss of power.
    PowerLoss,
    /// D3: the loss of a machine.
    Replicated,
}

impl Durability {
    /// `D0` to `D3`, as printed in every report.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Memory => "D0",
            Self::ProcessCrash => "D1",
            Self::PowerLoss => "D2",
            Self::Replicated => "D3",
        }
    }
}

/// What a backend does by its own means.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Jobs are first received in the order they were accepted.
    pub fifo: bool,
    /// Leases run out in the backend itself.
    pub native_visibility_timeout: bool,
    /// A nack's delay is kept by the backend itself.
    pub native_delay: bool,
    /// Dead letters are kept by the backend itself.
    pub native_dead_letter: bool,
    /// A repeated key is recognised by the backend itself.
    pub native_dedup: bool,
    /// Most jobs one `receive` may return.
    pub batch_max: usize,
}

/// Limits and policies of a queue, the same for every backend.
#[derive(Clone, Copy, Debug)]
pub struct QueueConfig {
    /// Most jobs outstanding (waiting, delayed or leased) before `enqueue` answers `Full`.
    pub capacity: usize,
    /// Deliveries after which a job that is not acked is dead-lettered; at least 1.
    pub max_attempts: u32,
    /// Finished records kept by a backend that lives in memory; the oldest are dropped beyond it.
    pub retain: usize,
}

/// A job as handed to `enqueue`. Its `Debug` leaves out the payload, which may hold a password.
#[derive(Clone)]
pub struct NewJob {
    /// The client's key; at most one job of a store carries it.
    pub key: String,
    /// The request's JSON body.
    pub payload: String,
    /// Work already done before enqueuing (hybrid shape), passed to the worker.
    pub progress: Option<Value>,
    /// W3C trace context, carried along.
    pub traceparent: Option<String>,
    /// When the request was received.
    pub received_us: u64,
}

impl fmt::Debug for NewJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, received_us, .. } = self;
        f.debug_struct("NewJob").field("key", key).field("received_us", received_us).finish_non_exhaustive()
    }
}

impl NewJob {
    /// What tells two payloads under one key apart.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        payload_digest(&self.payload)
    }
}

/// SHA-256 of a payload.
#[must_use]
pub fn payload_digest(payload: &str) -> [u8; 32] {
    Sha256::digest(payload.as_bytes()).into()
}

/// What became of one job handed to `enqueue`; the number is its place in acceptance order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// Accepted, and as durable as the backend promises.
    Accepted(u64),
    /// The same key and payload was accepted before as this job; nothing was enqueued.
    Duplicate(u64),
    /// The key is taken by this job, whose payload differs; nothing was enqueued.
    Conflict(u64),
    /// The queue is at its capacity; nothing was enqueued.
    Full,
}

/// Proof of one delivery: a later delivery of the same job has another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The job's place in acceptance order.
    pub job: u64,
    /// Which delivery; opaque to callers.
    pub token: u64,
}

/// A job under lease. Its `Debug` leaves out the payload, which may hold a password.
#[derive(Clone)]
pub struct Lease {
    /// To ack, nack or extend with.
    pub receipt: Receipt,
    /// The client's key.
    pub key: String,
    /// The request's JSON body.
    pub payload: String,
    /// What earlier attempts (or the synchronous part) already achieved.
    pub progress: Option<Value>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Which delivery this is, from 1.
    pub attempt: u32,
    /// When the lease runs out unless extended.
    pub expires_us: u64,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { receipt, key, attempt, .. } = self;
        f.debug_struct("Lease")
            .field("receipt", receipt)
            .field("key", key)
            .field("attempt", attempt)
            .finish_non_exhaustive()
    }
}

/// How a job ended, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The work was done.
    Succeeded,
    /// The work cannot be done, and trying again would not help.
    Failed,
    /// The client cancelled it before it was taken up.
    Cancelled,
}

/// The end of a job: persisted together with its removal from the queue.
#[derive(Clone, Debug)]
pub struct Ack {
    /// The delivery that ended.
    pub receipt: Receipt,
    /// How it ended.
    pub ending: Ending,
    /// The result or the error, as shown by the status resource.
    pub outcome: Value,
    /// When a worker took this delivery up; absent if none did.
    pub leased_us: Option<u64>,
    /// When the worker was done.
    pub done_us: u64,
}

/// Whether an ack, an extension or a release still counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// It did.
    Acked,
    /// The lease had run out: the job was, or will be, delivered again.
    LeaseExpired,
}

/// An attempt that failed and may be repeated.
#[derive(Clone, Debug)]
pub struct Nack {
    /// The delivery that failed.
    pub receipt: Receipt,
    /// How long to hide the job before the next delivery.
    pub delay: Duration,
    /// Why, as shown by the status resource.
    pub error: Value,
    /// What was achieved so far, passed to the next attempt.
    pub progress: Option<Value>,
    /// When a worker took this delivery up.
    pub leased_us: u64,
    /// When the attempt ended.
    pub done_us: u64,
}

/// What a nack led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackOutcome {
    /// It will be delivered again.
    Requeued,
    /// Its attempts are used up: it is a dead letter now.
    Dead,
    /// The lease had run out already.
    LeaseExpired,
}

/// How many jobs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Could be received now.
    pub ready: u64,
    /// Under lease.
    pub in_flight: u64,
    /// Hidden by a nack's delay.
    pub delayed: u64,
    /// Dead letters.
    pub dead: u64,
    /// Age of the oldest job not finished, in microseconds since it was enqueued; 0 if none.
    pub oldest_age_us: u64,
}

/// The state a store knows a job to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting or delayed.
    Waiting,
    /// Delivered, not finished.
    Leased,
    /// Done.
    Succeeded,
    /// Permanently failed.
    Failed,
    /// Attempts used up.
    Dead,
    /// Cancelled by the client.
    Cancelled,
}

impl State {
    /// True once nothing more will happen to the job.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Waiting | Self::Leased)
    }

    /// The word used in status documents and ledgers.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Waiting => "queued",
            Self::Leased => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<Ending> for State {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Succeeded => Self::Succeeded,
            Ending::Failed => Self::Failed,
            Ending::Cancelled => Self::Cancelled,
        }
    }
}

/// All that is known of a job, except its payload.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its place in acceptance order, from 1.
    pub seq: u64,
    /// The client's key.
    pub key: String,
    /// Where it stands.
    pub state: State,
    /// Deliveries so far.
    pub attempts: u32,
    /// When the request was received.
    pub received_us: u64,
    /// When it was enqueued: read just before the commit that made it durable.
    pub enqueued_us: u64,
    /// When a worker took it up, one entry an attempt that ended or failed.
    pub leased_us: Vec<u64>,
    /// When it ended.
    pub done_us: Option<u64>,
    /// The result if it succeeded, else the latest error.
    pub outcome: Option<Value>,
    /// What was achieved so far.
    pub progress: Option<Value>,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its place in acceptance order.
    pub seq: u64,
    /// The client's key.
    pub key: String,
    /// Where it stands.
    pub state: State,
    /// Deliveries so far.
    pub attempts: u32,
    /// Times a worker reported the work as finished, late reports included.
    pub processed: u32,
}

/// What a cancellation met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The job was waiting, and is cancelled now.
    Done,
    /// It is under lease or finished: it cannot be cancelled here.
    Not(State),
    /// There is no such job.
    Unknown,
}

/// The error of a job whose last allowed delivery was never acked.
pub(super) fn lease_expired() -> Value {
    json!({
        "status": 504,
        "code": "lease_expired",
        "detail": "the lease of the last allowed attempt ran out",
    })
}
