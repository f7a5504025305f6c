//! Leasing ahead, and keeping leases alive.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::queue::AckOutcome;

/// Most jobs leased ahead, or the number of workers if that is more.
const PREFETCH_MAX: usize = 512;
/// Longest wait of one receive; only bounds how long a lost wake-up could last.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);

impl Engine {
    /// Keeps the buffer filled. The buffer starts at the number of workers, and doubles whenever
    /// they emptied it although the queue had more: work shorter than a sync needs more ahead.
    pub(super) async fn dispatch(self: Arc<Self>) {
        let mut prefetch = self.policy.workers.max(2);
        // More workers than that need at least one job each.
        let prefetch_max = PREFETCH_MAX.max(prefetch);
        let mut queue_had_more = false;
        while !self.is_stopping() {
            let buffered = self.held().buffered();
            if buffered > prefetch / 2 {
                tokio::select! {
                    () = self.room.notified() => {}
                    () = self.stopped() => {}
                }
                continue;
            }
            if buffered == 0 && queue_had_more {
                prefetch = (prefetch * 2).min(prefetch_max);
            }
            let wanted = prefetch - buffered;
            let received = tokio::select! {
                received = self.backend.receive(wanted, RECEIVE_WAIT, self.policy.visibility) => received,
                // A lease on its way is given back by the backend, or runs out.
                () = self.stopped() => return,
            };
            match received {
                Ok(leases) => {
                    queue_had_more = leases.len() == wanted;
                    let count = leases.len();
                    self.held().add(leases);
                    self.buffered.add_permits(count);
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Renews every lease held at every third of the visibility time-out.
    pub(super) async fn extend(self: Arc<Self>) {
        let visibility = self.policy.visibility;
        if !self.policy.extend_leases {
            return;
        }
        loop {
            tokio::time::sleep(visibility / 3).await;
            let receipts = self.held().receipts();
            if receipts.is_empty() {
                continue;
            }
            // Counted from before the call, so never later than what the store says.
            let expires_us =
                self.clock.now_us() + u64::try_from(visibility.as_micros()).unwrap_or(u64::MAX / 2);
            match self.backend.extend(receipts.clone(), visibility).await {
                Ok(outcomes) => {
                    let kept = receipts.into_iter().zip(outcomes);
                    let kept: Vec<_> = kept
                        .filter(|(_, outcome)| *outcome == AckOutcome::Acked)
                        .map(|(receipt, _)| receipt)
                        .collect();
                    self.held().extended(&kept, expires_us);
                }
                Err(error) => return self.fail(error),
            }
        }
    }
}
