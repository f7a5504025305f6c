//! Acks and nacks in batches, behind the workers' backs.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Engine, Report};
use crate::queue::{Ack, AckOutcome, Ending, Nack, NackOutcome, QueueError};

/// Most reports in one batch.
const BATCH_MAX: usize = 256;

impl Engine {
    /// Runs until every worker is gone and every report is durable.
    pub(super) async fn report(self: Arc<Self>, mut reports: mpsc::Receiver<Report>) {
        let mut batch = Vec::new();
        while reports.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let (mut acks, mut nacks) = (Vec::new(), Vec::new());
            for report in batch.drain(..) {
                match report {
                    Report::Ended(ack) => acks.push(ack),
                    Report::Failed(nack) => nacks.push(nack),
                }
            }
            // Together, so that they share a transaction.
            let done = tokio::try_join!(self.ack(acks), self.nack(nacks));
            if let Err(error) = done {
                return self.fail(error);
            }
        }
    }

    async fn ack(&self, acks: Vec<Ack>) -> Result<(), QueueError> {
        if acks.is_empty() {
            return Ok(());
        }
        let ended: Vec<_> = acks.iter().map(|ack| (ack.receipt, ack.ending)).collect();
        let outcomes = self.backend.ack(acks).await?;
        for ((receipt, ending), outcome) in ended.into_iter().zip(outcomes) {
            self.held().finish(receipt);
            match (outcome, ending) {
                (AckOutcome::LeaseExpired, _) => self.counters.late_acks.add(1),
                (AckOutcome::Acked, Ending::Succeeded) => self.counters.succeeded.add(1),
                (AckOutcome::Acked, Ending::Failed) => self.counters.failed.add(1),
                (AckOutcome::Acked, Ending::Cancelled) => {}
            }
            self.ring(receipt.job);
        }
        Ok(())
    }

    async fn nack(&self, nacks: Vec<Nack>) -> Result<(), QueueError> {
        if nacks.is_empty() {
            return Ok(());
        }
        let receipts: Vec<_> = nacks.iter().map(|nack| nack.receipt).collect();
        let outcomes = self.backend.nack(nacks).await?;
        for (receipt, outcome) in receipts.into_iter().zip(outcomes) {
            self.held().finish(receipt);
            match outcome {
                NackOutcome::Requeued => self.counters.retried.add(1),
                NackOutcome::Dead => self.counters.dead.add(1),
                NackOutcome::LeaseExpired => self.counters.late_acks.add(1),
            }
            self.ring(receipt.job);
        }
        Ok(())
    }
}
