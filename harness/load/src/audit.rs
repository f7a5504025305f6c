//! Asks a bundled target for its own figures, and compares its ledger of jobs with the driver's.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_model::accounting::{Accounting, LedgerAudit};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::jobs::{JobState, JobStates};
use crate::transport::{Ask, Dialer, Endpoint, HyperH1, Keep, Transport};

/// Rows of the ledger asked for at once.
const PAGE: usize = 10_000;

/// Longest answer read, bytes.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A target that does not tell its figures.
#[derive(Debug, thiserror::Error)]
#[error("the target does not answer {path}: {why}")]
pub struct AuditError {
    path: String,
    why: String,
}

/// One row of the ledger: key, status, attempts, times processed.
#[derive(Debug, Deserialize)]
struct LedgerRow(String, String, #[allow(dead_code)] u64, u64);

#[derive(Debug, Deserialize)]
struct LedgerPage {
    jobs: Vec<LedgerRow>,
    next: Option<serde_json::Value>,
}

/// Get JSON from `path` of `endpoint`. Blocks; not for use while load is made.
///
/// # Errors
/// When the target gives none in ten seconds.
pub fn fetch<T: DeserializeOwned>(endpoint: &Endpoint, path: &str) -> Result<T, AuditError> {
    let failed = |why: String| AuditError { path: path.to_owned(), why };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed(e.to_string()))?;
    let exchange = async {
        let mut transport = HyperH1::dialer(endpoint.clone(), Clock::Monotonic).open();
        transport.exchange(Ask::Get(endpoint, path), Keep::Body(LONGEST_ANSWER)).await
    };
    let local = tokio::task::LocalSet::new();
    let answer = local.block_on(&runtime, async { tokio::time::timeout(PATIENCE, exchange).await });
    let answer = answer
        .map_err(|_| failed("no answer in time".to_owned()))?
        .map_err(|e| failed(format!("connection {}", e.kind.name())))?;
    if answer.status != 200 {
        return Err(failed(format!("status {}", answer.status)));
    }
    serde_json::from_slice(&answer.body).map_err(|e| failed(e.to_string()))
}

/// A bundled target's counters: the whole numbers of `/v1/stats`.
///
/// # Errors
/// See [`fetch`].
pub fn counters(endpoint: &Endpoint) -> Result<BTreeMap<String, u64>, AuditError> {
    let all: BTreeMap<String, serde_json::Value> = fetch(endpoint, "/v1/stats")?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, value.as_u64()?))).collect())
}

/// Read the target's whole ledger and compare it with `jobs`, key by key.
///
/// # Errors
/// See [`fetch`].
pub fn audit(endpoint: &Endpoint, key_prefix: &str, jobs: &mut JobStates) -> Result<Accounting, AuditError> {
    let mut comparison = Comparison::new(key_prefix, jobs);
    let mut after = String::new();
    loop {
        let page: LedgerPage = fetch(endpoint, &format!("/v1/ledger?limit={PAGE}{after}"))?;
        page.jobs.iter().for_each(|row| comparison.row(row));
        match page.next {
            None => return Ok(comparison.conclude()),
            Some(serde_json::Value::String(cursor)) => after = format!("&after={cursor}"),
            Some(cursor) => after = format!("&after={cursor}"),
        }
    }
}

struct Comparison<'a> {
    key_prefix: &'a str,
    jobs: &'a mut JobStates,
    /// Submissions found in the ledger, a bit each.
    found: Vec<bool>,
    ledger: LedgerAudit,
    duplicated: u64,
    unexpected: u64,
    recovered: u64,
}

impl<'a> Comparison<'a> {
    fn new(key_prefix: &'a str, jobs: &'a mut JobStates) -> Self {
        let found = vec![false; jobs.len()];
        let ledger = LedgerAudit::default();
        Comparison { key_prefix, jobs, found, ledger, duplicated: 0, unexpected: 0, recovered: 0 }
    }

    fn row(&mut self, LedgerRow(key, status, _, processed): &LedgerRow) {
        self.ledger.accepted += 1;
        let theirs = match status.as_str() {
            "succeeded" => JobState::Done,
            "failed" | "dead" | "cancelled" => JobState::Failed,
            _ => JobState::Unfinished,
        };
        match theirs {
            JobState::Done => self.ledger.done += 1,
            JobState::Failed => self.ledger.failed += 1,
            _ => self.ledger.pending += 1,
        }
        self.duplicated += u64::from(*processed > 1);
        let seq = key.strip_prefix(self.key_prefix).and_then(|n| n.parse::<u64>().ok());
        let ours = seq.map_or(JobState::NotAttempted, |seq| self.jobs.get(seq));
        match ours {
            JobState::NotAttempted => self.unexpected += 1,
            JobState::Unknown | JobState::Attempted => self.recovered += 1,
            JobState::Refused => self.ledger.disagreements += 1,
            // Not seen to end here, it may have ended there since.
            JobState::Unfinished | JobState::Accepted | JobState::Unobserved => {}
            ours => self.ledger.disagreements += u64::from(ours != theirs),
        }
        if let Some(found) = seq.and_then(|seq| self.found.get_mut(seq as usize)) {
            // The same key twice in the ledger is one job taken for two.
            self.duplicated += u64::from(std::mem::replace(found, true));
        }
    }

    /// Accepted jobs that the ledger lacks are lost, whatever was noticed of them.
    fn conclude(self) -> Accounting {
        for seq in 0..self.jobs.len() as u64 {
            let accepted = !matches!(
                self.jobs.get(seq),
                JobState::NotAttempted | JobState::Attempted | JobState::Refused | JobState::Unknown
            );
            if accepted && !self.found[seq as usize] {
                self.jobs.set(seq, JobState::Lost);
            }
        }
        let mut accounting = self.jobs.accounting();
        accounting.duplicated += self.duplicated;
        accounting.unexpected = self.unexpected;
        accounting.recovered = self.recovered;
        accounting.ledger = Some(self.ledger);
        accounting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, status: &str, processed: u64) -> LedgerRow {
        LedgerRow(key.to_owned(), status.to_owned(), 1, processed)
    }

    fn compare(states: &[JobState], rows: &[LedgerRow]) -> Accounting {
        let mut jobs = JobStates::default();
        (0..).zip(states).for_each(|(seq, state)| jobs.set(seq, *state));
        let mut comparison = Comparison::new("k-", &mut jobs);
        rows.iter().for_each(|r| comparison.row(r));
        comparison.conclude()
    }

    #[test]
    fn agreeing_ledgers_are_valid() {
        use JobState::*;
        let rows = [row("k-0", "succeeded", 1), row("k-1", "dead", 1)];
        let a = compare(&[Done, Failed, Refused], &rows);
        assert!(a.is_valid(), "{a:?}");
        assert_eq!((a.attempted, a.accepted, a.done, a.failed, a.refused), (3, 2, 1, 1, 1));
    }

    #[test]
    fn each_kind_of_disagreement_is_named() {
        use JobState::*;
        assert_eq!(compare(&[Done], &[]).lost, 1);
        assert_eq!(compare(&[], &[row("k-0", "succeeded", 1)]).unexpected, 1);
        assert_eq!(compare(&[Done], &[row("x-0", "succeeded", 1)]).unexpected, 1);
        assert_eq!(compare(&[Unknown], &[row("k-0", "succeeded", 1)]).recovered, 1);
        assert_eq!(compare(&[Done], &[row("k-0", "succeeded", 2)]).duplicated, 1);
        let twice = [row("k-0", "succeeded", 1), row("k-0", "succeeded", 1)];
        assert_eq!(compare(&[Done], &twice).duplicated, 1);
        let disagrees = |ours, theirs| {
            let ledger = compare(&[ours], &[row("k-0", theirs, 1)]).ledger;
            ledger.is_some_and(|l| l.disagreements == 1)
        };
        assert!(disagrees(Done, "queued") && disagrees(Done, "dead") && disagrees(Refused, "succeeded"));
        assert!(!disagrees(Unfinished, "queued") && !disagrees(Unfinished, "succeeded"));
    }
}
