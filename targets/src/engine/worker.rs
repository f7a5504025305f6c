//! One worker: take a job, do it, report, take the next.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::{Engine, Policy};
use crate::distribution::Draw;
use crate::queue::{Ack, Ending, Lease, Nack};
use crate::work::{Job, WorkError};

/// How an attempt ended.
pub(crate) enum Report {
    /// For good.
    Ended(Ack),
    /// To be tried again.
    Failed(Nack),
}

impl Engine {
    pub(super) async fn work(self: Arc<Self>, reports: mpsc::Sender<Report>) {
        loop {
            // Closed when the engine stops.
            let Ok(permit) = self.buffered.acquire().await else { return };
            permit.forget();
            let leased_us = self.clock.now_us();
            let taken = self.held().take(leased_us);
            self.room.notify_one();
            // None if the job was cancelled in the buffer, or its lease ran out there.
            let Some(lease) = taken else { continue };
            let outcome = self.attempt(&lease).await;
            let done_us = self.clock.now_us();
            self.counters.worked(done_us - leased_us);
            let report = report(&self.policy, lease, outcome, leased_us, done_us);
            if reports.send(report).await.is_err() {
                return;
            }
        }
    }

    async fn attempt(&self, lease: &Lease) -> Result<Value, WorkError> {
        self.counters.attempts.add(1);
        let Ok(payload) = serde_json::from_str(&lease.payload) else {
            return Err(WorkError::permanent(500, "payload_lost", "the stored payload is no JSON"));
        };
        let job = Job {
            key: lease.key.clone(),
            payload,
            progress: lease.progress.clone(),
            traceparent: lease.traceparent.clone(),
            attempt: lease.attempt,
        };
        let work = Arc::clone(&self.work);
        // A task of its own, so that a panic costs an attempt and not a worker.
        match tokio::spawn(async move { work.perform(&job).await }).await {
            Ok(outcome) => outcome,
            Err(error) => Err(WorkError::transient("worker_lost", error.to_string())),
        }
    }
}

fn report(
    policy: &Policy,
    lease: Lease,
    outcome: Result<Value, WorkError>,
    leased_us: u64,
    done_us: u64,
) -> Report {
    let receipt = lease.receipt;
    let leased = Some(leased_us);
    match outcome {
        Ok(result) => {
            let ending = Ending::Succeeded;
            Report::Ended(Ack { receipt, ending, outcome: result, leased_us: leased, done_us })
        }
        Err(error) if !error.retry => {
            let ending = Ending::Failed;
            let mut outcome = error.document();
            if let (Some(progress), Some(outcome)) = (error.progress, outcome.as_object_mut()) {
                outcome.insert("progress".to_owned(), progress);
            }
            Report::Ended(Ack { receipt, ending, outcome, leased_us: leased, done_us })
        }
        Err(error) => Report::Failed(Nack {
            receipt,
            delay: backoff(policy, &lease.key, lease.attempt),
            error: error.document(),
            progress: error.progress,
            leased_us,
            done_us,
        }),
    }
}

/// The wait after attempt `attempt`: doubled each time, less up to half of it, drawn from the key
/// so that jobs that failed together do not come back together.
fn backoff(policy: &Policy, key: &str, attempt: u32) -> Duration {
    let doubled = policy.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(30));
    let draw = Draw::new(policy.seed, &format!("backoff/{attempt}"), key);
    doubled.min(policy.backoff_max).mul_f64(1.0 - draw.uniform(0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_within_its_jitter_up_to_the_limit() {
        let policy = Policy {
            workers: 1,
            seed: 1,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            visibility: Duration::from_secs(30),
            extend_leases: true,
        };
        for (attempt, full) in [(1, 100), (2, 200), (3, 400), (5, 1000), (60, 1000)] {
            let wait = backoff(&policy, "k", attempt);
            let full = Duration::from_millis(full);
            assert!(wait <= full && wait >= full / 2, "{attempt}: {wait:?}");
            assert_eq!(wait, backoff(&policy, "k", attempt));
        }
    }
}
