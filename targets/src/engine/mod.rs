//! The workers behind the queue.
//!
//! A queue adds no capacity, and must not cost any: no worker ever waits for the store between
//! two jobs. A dispatcher leases ahead into a small buffer, workers take from the buffer, and
//! their reports are acked in batches behind their backs:
//!
//! ```text
//! queue ──receive──▶ dispatcher ──buffer──▶ N workers ──reports──▶ reporter ──ack/nack──▶ queue
//! ```
//!
//! A job counts as taken up (`leased_us`) when a worker takes it, not when it was leased ahead.

mod dispatcher;
mod held;
mod reporter;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::counters::Counters;
use crate::queue::{Ack, AckOutcome, Backend, Cancelled, Ending, JobRecord, QueueError, State};
use crate::work::Work;
use held::Held;
pub(crate) use worker::Report;

/// Most reports waiting to be acked; a worker that meets a full channel waits.
const REPORTS_MAX: usize = 1024;

/// How jobs are delivered and retried.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub workers: usize,
    pub seed: u64,
    pub backoff: Duration,
    pub backoff_max: Duration,
    pub visibility: Duration,
    pub extend_leases: bool,
}

/// Dispatcher, workers and reporter, sharing what is under lease.
pub(crate) struct Engine {
    pub backend: Arc<dyn Backend>,
    pub counters: Arc<Counters>,
    pub clock: Clock,
    work: Arc<dyn Work>,
    policy: Policy,
    held: Mutex<Held>,
    /// One permit for each job in the buffer.
    buffered: Semaphore,
    /// The buffer has room again.
    room: Notify,
    stopping: watch::Sender<bool>,
    ended: Mutex<HashMap<u64, Arc<Notify>>>,
    failed: watch::Sender<Option<QueueError>>,
}

/// What [`Engine::start`] set going.
pub(crate) struct Running {
    tasks: JoinSet<()>,
    reporter: tokio::task::JoinHandle<()>,
    extender: tokio::task::JoinHandle<()>,
}

impl Engine {
    /// An engine that does nothing yet.
    pub fn new(
        backend: Arc<dyn Backend>,
        work: Arc<dyn Work>,
        policy: Policy,
        counters: Arc<Counters>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            backend,
            counters,
            clock,
            work,
            policy,
            held: Mutex::default(),
            buffered: Semaphore::new(0),
            room: Notify::new(),
            stopping: watch::channel(false).0,
            ended: Mutex::default(),
            failed: watch::channel(None).0,
        })
    }

    /// Starts dispatcher, workers, reporter and lease extension.
    pub fn start(self: &Arc<Self>) -> Running {
        let (reports, waiting) = mpsc::channel(REPORTS_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(self).dispatch());
        for _ in 0..self.policy.workers {
            tasks.spawn(Arc::clone(self).work(reports.clone()));
        }
        Running {
            tasks,
            reporter: tokio::spawn(Arc::clone(self).report(waiting)),
            extender: tokio::spawn(Arc::clone(self).extend()),
        }
    }

    /// Becomes `Some` when the store has failed: nothing can be acknowledged any more.
    pub fn failed(&self) -> watch::Receiver<Option<QueueError>> {
        self.failed.subscribe()
    }

    fn fail(&self, error: QueueError) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(error);
            first
        });
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns once the engine stops. Cancel-safe.
    async fn stopped(&self) {
        // An error would mean that the engine is gone, which holds the sender itself.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Stops taking up jobs, waits for those in progress until `deadline`, gives leased ones back.
    /// Returns the number of jobs whose work was cut off.
    pub async fn stop(&self, mut running: Running, deadline: Instant) -> usize {
        self.stopping.send_replace(true);
        self.buffered.close();
        let finish = async {
            while running.tasks.join_next().await.is_some() {}
            let leases = self.held().drain_buffer();
            let receipts = leases.into_iter().map(|lease| lease.receipt).collect();
            if let Err(error) = self.backend.release(receipts).await {
                self.fail(error);
            }
            let _ = (&mut running.reporter).await;
        };
        let _ = tokio::time::timeout_at(deadline, finish).await;
        running.tasks.abort_all();
        running.reporter.abort();
        running.extender.abort();
        self.held().running_count()
    }

    /// Waits until nothing is waiting, buffered or in progress, or until `deadline`.
    pub async fn drain(&self, deadline: Instant) {
        while Instant::now() < deadline {
            match self.backend.depth().await {
                Ok(depth) if depth.ready + depth.in_flight + depth.delayed == 0 => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(_) => return,
            }
        }
    }

    /// The record of a job, with what only this process knows of it.
    pub async fn job(&self, seq: u64) -> Result<Option<JobRecord>, QueueError> {
        // Looked up first: an attempt that ends in between is then found ended in the store.
        let running = self.held().running(seq);
        let Some(mut record) = self.backend.job(seq).await? else { return Ok(None) };
        if record.state.is_terminal() {
            return Ok(Some(record));
        }
        if running.is_empty() {
            // Leased ahead, but no worker has taken it up.
            if record.state == State::Leased {
                record.attempts = record.attempts.saturating_sub(1);
            }
            record.state = State::Waiting;
        } else {
            record.state = State::Leased;
            record.leased_us.extend(running);
        }
        Ok(Some(record))
    }

    /// Waits until the job has ended, at most `time`. Returns its record as it is then.
    pub async fn wait(&self, seq: u64, time: Duration) -> Result<Option<JobRecord>, QueueError> {
        let deadline = Instant::now() + time;
        loop {
            let bell = {
                let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(ended.entry(seq).or_default())
            };
            let rung = bell.notified();
            tokio::pin!(rung);
            // Registered before looking, or an end in between would be missed.
            rung.as_mut().enable();
            let record = self.job(seq).await?;
            let over = record.as_ref().is_none_or(|record| record.state.is_terminal());
            if over || self.is_stopping() || Instant::now() >= deadline {
                self.forget_bell(seq, &bell);
                return Ok(record);
            }
            tokio::select! {
                () = rung => {}
                () = self.stopped() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    /// Removes the bell unless somebody else waits by it: the map holds only bells in use.
    fn forget_bell(&self, seq: u64, bell: &Arc<Notify>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(bell) <= 2 {
            ended.remove(&seq);
        }
    }

    fn ring(&self, seq: u64) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = ended.remove(&seq) {
            bell.notify_waiters();
        }
    }

    /// Cancels a job that no worker has taken up.
    pub async fn cancel(&self, seq: u64) -> Result<Cancelled, QueueError> {
        // A job between the store and the buffer is in neither for a moment: look again.
        for _ in 0..20 {
            let lease = self.held().take_buffered(seq);
            if let Some(lease) = lease {
                let ack = Ack {
                    receipt: lease.receipt,
                    ending: Ending::Cancelled,
                    outcome: Value::Null,
                    leased_us: None,
                    done_us: self.clock.now_us(),
                };
                let outcome = self.backend.ack(vec![ack]).await?;
                if outcome.first() == Some(&AckOutcome::Acked) {
                    self.cancelled(seq);
                    return Ok(Cancelled::Done);
                }
            }
            let outcome = self.backend.cancel(seq, self.clock.now_us()).await?;
            if outcome == Cancelled::Done {
                self.cancelled(seq);
            }
            if outcome != Cancelled::Not(State::Leased) || !self.held().running(seq).is_empty() {
                return Ok(outcome);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Cancelled::Not(State::Leased))
    }

    fn cancelled(&self, seq: u64) {
        self.counters.cancelled.add(1);
        self.ring(seq);
    }

    /// Jobs ahead of `seq`, by the last one taken up: jobs are taken up in order.
    pub fn ahead(&self, seq: u64) -> u64 {
        seq.saturating_sub(self.held().last_taken + 1)
    }
}
