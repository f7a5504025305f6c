//! The control: a bounded queue in memory (D0). Nothing survives the process.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use tokio::sync::Notify;

use super::types::lease_expired;
use super::{
    Ack, AckOutcome, Cancelled, Capabilities, Depth, Durability, Enqueued, JobRecord, JobStore, Lease,
    LedgerEntry, Nack, NackOutcome, NewJob, Queue, QueueConfig, QueueError, Receipt, State,
};
use crate::clock::Clock;

struct Entry {
    record: JobRecord,
    digest: [u8; 32],
    /// Dropped once the job is finished.
    payload: String,
    /// When it may be leased (waiting), or when its lease runs out (leased).
    due_us: u64,
    /// Its place in line, to be given back by `release`.
    visible_us: u64,
    processed: u32,
    /// Of its latest delivery; never used twice.
    token: u64,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<u64, Entry>,
    by_key: HashMap<String, u64>,
    waiting: BTreeSet<(u64, u64)>,
    leased: BTreeSet<(u64, u64)>,
    /// Finished jobs, oldest first, to drop the oldest from.
    finished: VecDeque<u64>,
    ended: HashMap<&'static str, u64>,
    last_seq: u64,
    last_token: u64,
    redelivered: u64,
    closed: bool,
}

/// A bounded queue in this process's memory.
pub struct MemoryQueue {
    inner: Mutex<Inner>,
    arrived: Arc<Notify>,
    config: QueueConfig,
    clock: Clock,
    instance: u32,
}

impl MemoryQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(config: QueueConfig, clock: Clock, instance: u32) -> Self {
        Self { inner: Mutex::default(), arrived: Arc::new(Notify::new()), config, clock, instance }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>, QueueError> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.closed { Err(QueueError::Stopped) } else { Ok(inner) }
    }

    fn lease(&self, max: usize, visibility: Duration) -> Result<Vec<Lease>, QueueError> {
        let now = self.clock.now_us();
        let mut inner = self.lock()?;
        inner.reap(now, &self.config);
        let due: Vec<_> = inner.waiting.range(..=(now, u64::MAX)).take(max).copied().collect();
        let expires_us = now + micros(visibility);
        Ok(due.into_iter().filter_map(|place| inner.take(place, expires_us)).collect())
    }

    /// When the next waiting job or lease falls due.
    fn next_due(&self) -> Option<u64> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |set: &BTreeSet<(u64, u64)>| set.first().map(|(due, _)| *due);
        [first(&inner.waiting), first(&inner.leased)].into_iter().flatten().min()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2)
}

impl Inner {
    fn take(&mut self, place: (u64, u64), expires_us: u64) -> Option<Lease> {
        self.waiting.remove(&place);
        self.last_token += 1;
        let entry = self.entries.get_mut(&place.1)?;
        entry.record.state = State::Leased;
        entry.record.attempts += 1;
        entry.token = self.last_token;
        entry.visible_us = place.0;
        entry.due_us = expires_us;
        self.leased.insert((expires_us, place.1));
        Some(Lease {
            receipt: Receipt { job: place.1, token: entry.token },
            key: entry.record.key.clone(),
            payload: entry.payload.clone(),
            progress: entry.record.progress.clone(),
            traceparent: entry.record.traceparent.clone(),
            attempt: entry.record.attempts,
            expires_us,
        })
    }

    /// Puts jobs whose lease ran out back in line, or among the dead.
    fn reap(&mut self, now: u64, config: &QueueConfig) {
        while let Some(&(due, seq)) = self.leased.first().filter(|(due, _)| *due <= now) {
            self.redelivered += 1;
            let attempts = self.entries.get(&seq).map_or(0, |e| e.record.attempts);
            if attempts >= config.max_attempts {
                let error = lease_expired();
                self.finish(seq, State::Dead, Some(error), now, config);
            } else {
                self.requeue(seq, due);
            }
        }
    }

    fn requeue(&mut self, seq: u64, visible_us: u64) {
        if let Some(entry) = self.entries.get_mut(&seq) {
            self.leased.remove(&(entry.due_us, seq));
            entry.record.state = State::Waiting;
            entry.due_us = visible_us;
            self.waiting.insert((visible_us, seq));
        }
    }

    fn finish(&mut self, seq: u64, state: State, outcome: Option<Value>, done_us: u64, config: &QueueConfig) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        self.leased.remove(&(entry.due_us, seq));
        self.waiting.remove(&(entry.due_us, seq));
        entry.record.state = state;
        entry.record.done_us = Some(done_us);
        if outcome.is_some() {
            entry.record.outcome = outcome;
        }
        entry.payload = String::new();
        *self.ended.entry(state.label()).or_default() += 1;
        self.finished.push_back(seq);
        while self.finished.len() > config.retain {
            if let Some(gone) = self.finished.pop_front().and_then(|s| self.entries.remove(&s)) {
                self.by_key.remove(&gone.record.key);
            }
        }
    }

    /// The entry of a delivery that still holds its lease.
    fn held(&mut self, receipt: Receipt, now: u64) -> Option<&mut Entry> {
        self.entries
            .get_mut(&receipt.job)
            .filter(|e| e.record.state == State::Leased && e.token == receipt.token && e.due_us > now)
    }

    fn enqueue(&mut self, job: NewJob, now: u64, config: &QueueConfig) -> Enqueued {
        let digest = job.digest();
        if let Some((seq, known)) =
            self.by_key.get(&job.key).and_then(|seq| Some((*seq, self.entries.get(seq)?)))
        {
            let same = known.digest == digest;
            return if same { Enqueued::Duplicate(seq) } else { Enqueued::Conflict(seq) };
        }
        if self.waiting.len() + self.leased.len() >= config.capacity {
            return Enqueued::Full;
        }
        self.last_seq += 1;
        let seq = self.last_seq;
        self.by_key.insert(job.key.clone(), seq);
        self.waiting.insert((now, seq));
        let record = JobRecord {
            seq,
            key: job.key,
            state: State::Waiting,
            attempts: 0,
            received_us: job.received_us,
            enqueued_us: now,
            leased_us: Vec::new(),
            done_us: None,
            outcome: None,
            progress: job.progress,
            traceparent: job.traceparent,
        };
        let entry = Entry {
            record,
            digest,
            payload: job.payload,
            due_us: now,
            visible_us: now,
            processed: 0,
            token: 0,
        };
        self.entries.insert(seq, entry);
        Enqueued::Accepted(seq)
    }

    fn ack(&mut self, ack: Ack, now: u64, config: &QueueConfig) -> AckOutcome {
        // The work was done either way, so that it counts even if the lease is gone.
        if ack.leased_us.is_some()
            && let Some(entry) = self.entries.get_mut(&ack.receipt.job)
        {
            entry.processed += 1;
        }
        let Some(entry) = self.held(ack.receipt, now) else {
            return AckOutcome::LeaseExpired;
        };
        entry.record.leased_us.extend(ack.leased_us);
        self.finish(ack.receipt.job, ack.ending.into(), Some(ack.outcome), ack.done_us, config);
        AckOutcome::Acked
    }

    fn nack(&mut self, nack: Nack, now: u64, config: &QueueConfig) -> NackOutcome {
        let Some(entry) = self.held(nack.receipt, now) else {
            return NackOutcome::LeaseExpired;
        };
        entry.record.leased_us.push(nack.leased_us);
        entry.record.outcome = Some(nack.error);
        if nack.progress.is_some() {
            entry.record.progress = nack.progress;
        }
        if entry.record.attempts >= config.max_attempts {
            self.finish(nack.receipt.job, State::Dead, None, nack.done_us, config);
            NackOutcome::Dead
        } else {
            self.requeue(nack.receipt.job, now + micros(nack.delay));
            NackOutcome::Requeued
        }
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        let now = self.clock.now_us();
        let mut inner = self.lock()?;
        let outcomes = jobs.into_iter().map(|job| inner.enqueue(job, now, &self.config)).collect();
        drop(inner);
        self.arrived.notify_waiters();
        Ok(outcomes)
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Lease>, QueueError> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            // Registered before looking, or an arrival in between would be missed.
            arrived.as_mut().enable();
            let leases = self.lease(max, visibility)?;
            if !leases.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(leases);
            }
            let until_due = self.next_due().map_or(Duration::MAX, |due| {
                Duration::from_micros(due.saturating_sub(self.clock.now_us()).max(100))
            });
            let now = tokio::time::Instant::now();
            let _ = tokio::time::timeout(until_due.min(deadline - now), arrived).await;
        }
    }

    async fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> Result<Vec<AckOutcome>, QueueError> {
        let now = self.clock.now_us();
        let mut inner = self.lock()?;
        let mut extend = |receipt: Receipt| {
            let Some(entry) = inner.held(receipt, now) else {
                return AckOutcome::LeaseExpired;
            };
            let old = std::mem::replace(&mut entry.due_us, now + micros(by));
            inner.leased.remove(&(old, receipt.job));
            inner.leased.insert((now + micros(by), receipt.job));
            AckOutcome::Acked
        };
        Ok(receipts.into_iter().map(&mut extend).collect())
    }

    async fn ack(&self, acks: Vec<Ack>) -> Result<Vec<AckOutcome>, QueueError> {
        let now = self.clock.now_us();
        let mut inner = self.lock()?;
        Ok(acks.into_iter().map(|ack| inner.ack(ack, now, &self.config)).collect())
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<Vec<NackOutcome>, QueueError> {
        let now = self.clock.now_us();
        let mut inner = self.lock()?;
        let outcomes = nacks.into_iter().map(|nack| inner.nack(nack, now, &self.config)).collect();
        drop(inner);
        self.arrived.notify_waiters();
        Ok(outcomes)
    }

    async fn release(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        let now = self.clock.now_us();
        let mut inner = self.lock()?;
        for receipt in receipts {
            let Some(entry) = inner.held(receipt, now) else { continue };
            entry.record.attempts -= 1;
            let place = entry.visible_us;
            inner.requeue(receipt.job, place);
        }
        drop(inner);
        self.arrived.notify_waiters();
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.clock.now_us();
        let mut inner = self.lock()?;
        inner.reap(now, &self.config);
        let ready = inner.waiting.range(..=(now, u64::MAX)).count() as u64;
        let outstanding = inner.waiting.iter().chain(&inner.leased).map(|(_, seq)| *seq);
        // Acceptance order is age order.
        let oldest = outstanding.min().and_then(|seq| inner.entries.get(&seq));
        Ok(Depth {
            ready,
            in_flight: inner.leased.len() as u64,
            delayed: inner.waiting.len() as u64 - ready,
            dead: inner.ended.get(State::Dead.label()).copied().unwrap_or(0),
            oldest_age_us: oldest.map_or(0, |e| now.saturating_sub(e.record.enqueued_us)),
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durability: Durability::Memory,
            fifo: true,
            native_visibility_timeout: true,
            native_delay: true,
            native_dead_letter: true,
            native_dedup: true,
            batch_max: 1024,
        }
    }

    fn redelivered(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).redelivered
    }

    async fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.arrived.notify_waiters();
    }
}

#[async_trait]
impl JobStore for MemoryQueue {
    fn instance(&self) -> u32 {
        self.instance
    }

    async fn job(&self, seq: u64) -> Result<Option<JobRecord>, QueueError> {
        Ok(self.lock()?.entries.get(&seq).map(|entry| entry.record.clone()))
    }

    async fn ledger(&self, after: u64, limit: usize) -> Result<Vec<LedgerEntry>, QueueError> {
        let inner = self.lock()?;
        let known = (after.saturating_add(1)..=inner.last_seq).filter_map(|seq| inner.entries.get(&seq));
        let entry = |e: &Entry| LedgerEntry {
            seq: e.record.seq,
            key: e.record.key.clone(),
            state: e.record.state,
            attempts: e.record.attempts,
            processed: e.processed,
        };
        Ok(known.take(limit).map(entry).collect())
    }

    fn evicted(&self) -> u64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.last_seq - inner.entries.len() as u64
    }

    async fn ended(&self) -> Result<(u64, u64, u64), QueueError> {
        let inner = self.lock()?;
        let count = |state: State| inner.ended.get(state.label()).copied().unwrap_or(0);
        Ok((count(State::Succeeded), count(State::Failed), count(State::Cancelled)))
    }

    async fn cancel(&self, seq: u64, now_us: u64) -> Result<Cancelled, QueueError> {
        let mut inner = self.lock()?;
        match inner.entries.get(&seq).map(|entry| entry.record.state) {
            None => Ok(Cancelled::Unknown),
            Some(State::Waiting) => {
                inner.finish(seq, State::Cancelled, None, now_us, &self.config);
                Ok(Cancelled::Done)
            }
            Some(state) => Ok(Cancelled::Not(state)),
        }
    }
}
