//! What this process has under lease: jobs waiting in the buffer, and attempts in progress.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::queue::{Lease, Receipt};

struct Attempt {
    token: u64,
    /// When a worker took it up.
    leased_us: u64,
}

/// Leases of this process. An attempt stays here until its ack or nack is durable.
#[derive(Default)]
pub(super) struct Held {
    buffer: VecDeque<Lease>,
    running: HashMap<u64, Vec<Attempt>>,
    /// The latest job taken up, in acceptance order.
    pub last_taken: u64,
}

impl Held {
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    pub fn running_count(&self) -> usize {
        self.running.values().map(Vec::len).sum()
    }

    pub fn add(&mut self, leases: Vec<Lease>) {
        self.buffer.extend(leases);
    }

    /// The next job, now in progress. One whose lease has run out is left to its redelivery.
    pub fn take(&mut self, now_us: u64) -> Option<Lease> {
        let lease = self.buffer.pop_front()?;
        if lease.expires_us <= now_us {
            return None;
        }
        let attempt = Attempt { token: lease.receipt.token, leased_us: now_us };
        self.running.entry(lease.receipt.job).or_default().push(attempt);
        self.last_taken = self.last_taken.max(lease.receipt.job);
        Some(lease)
    }

    pub fn take_buffered(&mut self, seq: u64) -> Option<Lease> {
        let at = self.buffer.iter().position(|lease| lease.receipt.job == seq)?;
        self.buffer.remove(at)
    }

    pub fn drain_buffer(&mut self) -> Vec<Lease> {
        self.buffer.drain(..).collect()
    }

    /// The attempt is over, and durably so.
    pub fn finish(&mut self, receipt: Receipt) {
        if let Some(attempts) = self.running.get_mut(&receipt.job) {
            attempts.retain(|attempt| attempt.token != receipt.token);
            if attempts.is_empty() {
                self.running.remove(&receipt.job);
            }
        }
    }

    /// When the attempts in progress at this job were taken up.
    pub fn running(&self, seq: u64) -> Vec<u64> {
        let attempts = self.running.get(&seq).map(Vec::as_slice).unwrap_or_default();
        attempts.iter().map(|attempt| attempt.leased_us).collect()
    }

    /// Every lease held.
    pub fn receipts(&self) -> Vec<Receipt> {
        let running = self.running.iter().flat_map(|(job, attempts)| {
            attempts.iter().map(|attempt| Receipt { job: *job, token: attempt.token })
        });
        self.buffer.iter().map(|lease| lease.receipt).chain(running).collect()
    }

    /// Buffered leases were extended to `expires_us`.
    pub fn extended(&mut self, receipts: &[Receipt], expires_us: u64) {
        let receipts: HashSet<_> = receipts.iter().collect();
        for lease in &mut self.buffer {
            if receipts.contains(&&lease.receipt) {
                lease.expires_us = expires_us;
            }
        }
    }
}
