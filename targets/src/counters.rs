//! What a server counts, since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts of one server.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub accepted: Counter,
    pub refused: Counter,
    pub invalid: Counter,
    pub succeeded: Counter,
    pub failed: Counter,
    pub dead: Counter,
    pub cancelled: Counter,
    /// Sync callers that left while waiting in line.
    pub left: Counter,
    pub attempts: Counter,
    pub retried: Counter,
    pub duplicates_suppressed: Counter,
    pub late_acks: Counter,
    pub busy_us: Counter,
    /// Exponentially weighted mean of the time of an attempt, in µs; 0 before the first.
    mean_us: AtomicU64,
}

impl Counters {
    /// Records one attempt's time.
    pub fn worked(&self, us: u64) {
        self.busy_us.add(us);
        let _ = self.mean_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |mean| {
            Some(if mean == 0 { us.max(1) } else { (mean * 31 + us).div_ceil(32) })
        });
    }

    /// Whole seconds until a job with `ahead` others before it should be done, rounded down (0
    /// under one second), at most 30: from the recent time of an attempt and the number of workers.
    ///
    /// 0 while no attempt has ended: pollers take it as their least wait, and a second made up
    /// here would be measured as the delay of every first job.
    pub fn retry_after(&self, ahead: u64, workers: usize) -> u64 {
        let mean = self.mean_us.load(Ordering::Relaxed);
        let total = ahead.saturating_add(1).saturating_mul(mean);
        (total / (workers as u64 * 1_000_000)).min(30)
    }

    /// The same for a caller that was refused, but at least 1: 0 would ask it to come straight
    /// back to a queue that is still full.
    pub fn retry_after_refusal(&self, ahead: u64, workers: usize) -> u64 {
        self.retry_after(ahead, workers).max(1)
    }

    /// The members of `/v1/stats` that every shape has.
    pub fn document(&self) -> Value {
        json!({
            "accepted": self.accepted.get(),
            "refused": self.refused.get(),
            "invalid": self.invalid.get(),
            "succeeded": self.succeeded.get(),
            "failed": self.failed.get(),
            "dead": self.dead.get(),
            "cancelled": self.cancelled.get(),
            "left": self.left.get(),
            "attempts": self.attempts.get(),
            "retried": self.retried.get(),
            "duplicates_suppressed": self.duplicates_suppressed.get(),
            "late_acks": self.late_acks.get(),
            "busy_us": self.busy_us.get(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_rounded_down_and_capped() {
        let counters = Counters::default();
        assert_eq!(counters.retry_after(0, 4), 0);
        assert_eq!(counters.retry_after_refusal(0, 4), 1);
        counters.worked(20_000);
        assert_eq!(counters.retry_after(10, 4), 0);
        assert_eq!(counters.retry_after(198, 4), 0, "0.995 s");
        assert_eq!(counters.retry_after(199, 4), 1, "1 s");
        assert_eq!(counters.retry_after_refusal(399, 4), 2);
        assert_eq!(counters.retry_after(399, 4), 2);
        assert_eq!(counters.retry_after(1_000_000, 4), 30);
    }
}
