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

/// How often a waiter looks without having been called: nobody rings for a job that the store
/// itself ended, because its last lease ran out.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

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

/// Somebody who waits for a job's end, even if only until the caller disconnects.
struct Listener<'a> {
    engine: &'a Engine,
    seq: u64,
    bell: Arc<Notify>,
}

impl Drop for Listener<'_> {
    /// Takes the bell down unless somebody else waits by it: the map holds only bells in use.
    fn drop(&mut self) {
        let mut bells = self.engine.bells();
        // Once rung it is out of the map, and the one found there is a later listener's.
        let ours = bells.get(&self.seq).is_some_and(|bell| Arc::ptr_eq(bell, &self.bell));
        if ours && Arc::strong_count(&self.bell) <= 2 {
            bells.remove(&self.seq);
        }
    }
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

    /// Waits until the job has ended, at most `time`. Returns its record as it is then. Cancel-safe.
    pub async fn wait(&self, seq: u64, time: Duration) -> Result<Option<JobRecord>, QueueError> {
        let deadline = Instant::now() + time;
        loop {
            let listener = self.listen(seq);
            let rung = listener.bell.notified();
            tokio::pin!(rung);
            // Registered before looking, or an end in between would be missed.
            rung.as_mut().enable();
            let record = self.job(seq).await?;
            let over = record.as_ref().is_none_or(|record| record.state.is_terminal());
            let now = Instant::now();
            if over || self.is_stopping() || now >= deadline {
                return Ok(record);
            }
            tokio::select! {
                () = rung => {}
                () = self.stopped() => {}
                () = tokio::time::sleep_until(deadline.min(now + LOOK_AGAIN)) => {}
            }
        }
    }

    fn bells(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Notify>>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, seq: u64) -> Listener<'_> {
        let bell = Arc::clone(self.bells().entry(seq).or_default());
        Listener { engine: self, seq, bell }
    }

    fn ring(&self, seq: u64) {
        if let Some(bell) = self.bells().remove(&seq) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::memory::MemoryQueue;
    use crate::queue::{NewJob, QueueConfig};
    use crate::work::{Job, WorkError};

    struct Nothing;

    #[async_trait::async_trait]
    impl Work for Nothing {
        fn validate(&self, _body: &Value) -> Result<(), String> {
            Ok(())
        }

        async fn perform(&self, _job: &Job) -> Result<Value, WorkError> {
            Ok(Value::Null)
        }
    }

    /// An engine without workers, and one job in its queue.
    async fn idle() -> Arc<Engine> {
        let config = QueueConfig { capacity: 10, max_attempts: 3, retain: 10 };
        let clock = Clock::manual(1_000_000);
        let policy = Policy {
            workers: 1,
            seed: 1,
            backoff: Duration::ZERO,
            backoff_max: Duration::ZERO,
            visibility: Duration::from_secs(30),
            extend_leases: true,
        };
        let queue = Arc::new(MemoryQueue::new(config, clock.clone(), 1));
        let engine = Engine::new(queue, Arc::new(Nothing), policy, Arc::default(), clock);
        let job = NewJob {
            key: "k".to_owned(),
            payload: "{}".to_owned(),
            progress: None,
            traceparent: None,
            received_us: 1,
        };
        engine.backend.enqueue(vec![job]).await.unwrap();
        engine
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_takes_down_only_its_own_bell() {
        let engine = idle().await;
        let long = Duration::from_secs(60);
        let stays = tokio::spawn({
            let engine = Arc::clone(&engine);
            async move { engine.wait(1, long).await }
        });
        tokio::task::yield_now().await;
        // Disconnected in the middle, and timed out.
        let _ = tokio::time::timeout(Duration::from_millis(5), engine.wait(1, long)).await;
        engine.wait(1, Duration::from_millis(5)).await.unwrap();
        assert_eq!(engine.bells().len(), 1);
        assert_eq!(engine.cancel(1).await.unwrap(), Cancelled::Done);
        let told = tokio::time::timeout(Duration::from_secs(2), stays).await.unwrap().unwrap();
        assert_eq!(told.unwrap().unwrap().state, State::Cancelled);
        assert!(engine.bells().is_empty());
    }

    #[tokio::test]
    async fn no_bell_is_left_by_a_caller_that_disconnected() {
        let engine = idle().await;
        let wait = engine.wait(1, Duration::from_secs(60));
        assert!(tokio::time::timeout(Duration::from_millis(5), wait).await.is_err());
        assert!(engine.bells().is_empty());
    }
}
