//! What became of every job: the ledger of a cell, after Jepsen's *total-queue* checker.

use serde::{Deserialize, Serialize};

/// Counts of jobs that must add up. Valid after a full drain if `lost` and `unexpected` are 0;
/// duplicates are shown, since at-least-once delivery allows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// Submissions sent.
    pub attempted: u64,
    /// Submissions answered with an acceptance.
    pub accepted: u64,
    /// Submissions definitely not taken: 4xx, 429, 503, or never connected.
    pub refused: u64,
    /// Submissions of unknown fate: timed out, or the connection broke after the send.
    pub unknown: u64,
    /// Accepted and noticed as done.
    pub done: u64,
    /// Accepted and noticed as failed, dead-lettered or cancelled.
    pub failed: u64,
    /// Accepted and still pending when the drain time-out ended.
    pub unfinished: u64,
    /// Accepted, and then unknown to the target.
    pub lost: u64,
    /// Accepted, but the driver stopped watching: a broken observer, or the run was cut off.
    pub unobserved: u64,
    /// Jobs the target processed or the driver noticed more than once.
    pub duplicated: u64,
    /// Jobs in the target's ledger that were never attempted.
    pub unexpected: u64,
    /// Jobs of unknown fate that were in the target's ledger after all.
    pub recovered: u64,
    /// The comparison with the target's own ledger, where it keeps one.
    pub ledger: Option<LedgerAudit>,
}

/// The target's own ledger beside the driver's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerAudit {
    /// Jobs in the target's ledger.
    pub accepted: u64,
    /// Of those, done.
    pub done: u64,
    /// Of those, failed, dead-lettered or cancelled.
    pub failed: u64,
    /// Of those, not in a final state.
    pub pending: u64,
    /// Jobs whose state differs between the two ledgers, job by job.
    pub disagreements: u64,
}

impl Accounting {
    /// Whether the sums hold: attempted = accepted + refused + unknown, and
    /// accepted = done + failed + unfinished + lost + unobserved.
    pub fn balances(&self) -> bool {
        self.attempted == self.accepted + self.refused + self.unknown
            && self.accepted == self.done + self.failed + self.unfinished + self.lost + self.unobserved
    }

    /// Whether nothing was lost, nothing came from nowhere, and the target's ledger agrees.
    pub fn is_valid(&self) -> bool {
        self.balances()
            && self.lost == 0
            && self.unexpected == 0
            && self.ledger.as_ref().is_none_or(|l| l.disagreements == 0)
    }

    /// Add another cell's jobs.
    pub fn merge(&mut self, other: &Accounting) {
        self.attempted += other.attempted;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.done += other.done;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
        self.lost += other.lost;
        self.unobserved += other.unobserved;
        self.duplicated += other.duplicated;
        self.unexpected += other.unexpected;
        self.recovered += other.recovered;
        if let Some(theirs) = &other.ledger {
            let ours = self.ledger.get_or_insert_default();
            ours.accepted += theirs.accepted;
            ours.done += theirs.done;
            ours.failed += theirs.failed;
            ours.pending += theirs.pending;
            ours.disagreements += theirs.disagreements;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_only_when_every_job_is_told() {
        let mut a = Accounting {
            attempted: 10,
            accepted: 7,
            refused: 2,
            unknown: 1,
            done: 5,
            failed: 1,
            unfinished: 1,
            ..Default::default()
        };
        assert!(a.balances() && a.is_valid());
        a.done -= 1;
        assert!(!a.balances());
        a.lost += 1;
        assert!(a.balances() && !a.is_valid());
    }

    #[test]
    fn a_disagreeing_ledger_is_not_valid() {
        let ledger = LedgerAudit { disagreements: 1, ..Default::default() };
        assert!(!Accounting { ledger: Some(ledger), ..Default::default() }.is_valid());
    }
}
