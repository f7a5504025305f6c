//! One interval's figures of a shard, in flat arrays: nothing to look up, nothing to allocate.

use std::collections::BTreeMap;

use plimsoll_model::histogram::LatencyHistogram;
use plimsoll_model::interval::{Interval, SeriesKey, Tally};
use plimsoll_model::sample::{FailureKind, Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;

/// A shard's figures of one interval, in flat arrays.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Which shard filled it.
    pub shard: usize,
    /// Start of the interval, since the origin.
    pub start: Nanos,
    /// Its end.
    pub end: Nanos,
    /// Operations sent and not ended, at its end.
    pub in_flight: u64,
    /// Jobs accepted and not noticed as ended, at its end.
    pub backlog: u64,
    /// Counts and latencies of warm-up and measured phase.
    pub phases: [PhaseShelf; 2],
    /// Jobs that finished in earlier intervals and were noticed in this one.
    pub late: BTreeMap<(Nanos, Nanos, Phase), u64>,
}

/// Counts and latencies of one phase; names are used as indices.
#[derive(Debug)]
pub struct PhaseShelf {
    /// Starts whose time came.
    pub scheduled: u64,
    /// Exchanges begun.
    pub sent: u64,
    /// Operations ended, by outcome.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Failed operations, by cause.
    pub failures: [u64; FailureKind::ALL.len()],
    /// Answers, by status.
    pub statuses: Box<[u64; 600]>,
    /// Jobs ended, by outcome.
    pub jobs: [u64; Outcome::ALL.len()],
    /// Jobs finished, by the target's clock if it can be read.
    pub jobs_finished: u64,
    /// Requests made to learn of completion.
    pub polls: u64,
    /// Bytes of responses.
    pub bytes_in: u64,
    series: [[Option<Box<LatencyHistogram>>; Outcome::ALL.len()]; Metric::ALL.len()],
}

impl Default for PhaseShelf {
    fn default() -> Self {
        PhaseShelf {
            scheduled: 0,
            sent: 0,
            outcomes: Default::default(),
            failures: Default::default(),
            statuses: Box::new([0; 600]),
            jobs: Default::default(),
            jobs_finished: 0,
            polls: 0,
            bytes_in: 0,
            series: Default::default(),
        }
    }
}

impl PhaseShelf {
    /// Count one latency.
    pub fn record(&mut self, metric: Metric, outcome: Outcome, latency: Nanos) {
        self.series[metric as usize][outcome as usize].get_or_insert_default().record(latency);
    }

    fn tally(&self) -> Tally {
        Tally {
            scheduled: self.scheduled,
            sent: self.sent,
            outcomes: counted(Outcome::ALL, &self.outcomes),
            failures: counted(FailureKind::ALL, &self.failures),
            statuses: counted(0u16.., &self.statuses[..]),
            jobs: counted(Outcome::ALL, &self.jobs),
            jobs_finished: self.jobs_finished,
            polls: self.polls,
            bytes_in: self.bytes_in,
        }
    }

    /// Back to nothing; histograms keep their memory.
    fn clear(&mut self) {
        let mut series = std::mem::take(&mut self.series);
        series.iter_mut().flatten().flatten().filter(|h| !h.is_empty()).for_each(|h| h.clear());
        *self = PhaseShelf { series, ..PhaseShelf::default() };
    }
}

/// The counts that are not zero, by name.
fn counted<K: Ord>(names: impl IntoIterator<Item = K>, counts: &[u64]) -> BTreeMap<K, u64> {
    names.into_iter().zip(counts.iter().copied()).filter(|(_, n)| *n > 0).collect()
}

impl Shelf {
    /// As mergeable intervals: this one, then amendments to earlier ones.
    pub fn to_intervals(&self) -> Vec<Interval> {
        let mut this = Interval {
            start: self.start,
            end: self.end,
            in_flight: self.in_flight,
            backlog: self.backlog,
            ..Interval::default()
        };
        for (phase, shelf) in [Phase::Warmup, Phase::Measured].into_iter().zip(&self.phases) {
            let tally = shelf.tally();
            if tally != Tally::default() {
                this.tallies.insert(phase, tally);
            }
            for (metric, by_outcome) in Metric::ALL.into_iter().zip(&shelf.series) {
                for (outcome, histogram) in Outcome::ALL.into_iter().zip(by_outcome) {
                    if let Some(h) = histogram.as_ref().filter(|h| !h.is_empty()) {
                        this.series.insert(SeriesKey { metric, outcome, phase }, (**h).clone());
                    }
                }
            }
        }
        let late = self.late.iter().map(|((start, end, phase), n)| Interval {
            start: *start,
            end: *end,
            tallies: [(*phase, Tally { jobs_finished: *n, ..Tally::default() })].into(),
            ..Interval::default()
        });
        std::iter::once(this).chain(late).collect()
    }

    /// Back to nothing, to be filled again.
    pub fn clear(&mut self) {
        self.phases.iter_mut().for_each(PhaseShelf::clear);
        self.late.clear();
    }
}
