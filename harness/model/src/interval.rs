//! What happened in one short stretch of a cell: counts and histograms that add up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::histogram::{DecodeError, EncodedHistogram, LatencyHistogram};
use crate::sample::{FailureKind, Metric, Outcome, Phase};
use crate::time::Nanos;

/// Which latencies a histogram holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    /// What was measured.
    pub metric: Metric,
    /// Of operations that ended so. For the metrics of jobs after acceptance, how the job ended.
    pub outcome: Outcome,
    /// By intended start.
    pub phase: Phase,
}

/// Exact counts. Every operation is counted once as scheduled and once in one outcome, at the time
/// each happened, under the phase of its intended start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Starts whose intended time came.
    pub scheduled: u64,
    /// Requests really sent.
    pub sent: u64,
    /// Operations ended as each outcome; for jobs, this is the outcome of their submission.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Failed operations by cause.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Jobs by how they ended: `ok` done, `failed` failed or dead, `unresolved` unfinished at the end of the drain.
    pub jobs: BTreeMap<Outcome, u64>,
    /// Jobs done, at the time the *target* finished them where its clock can be read, else when noticed.
    pub jobs_finished: u64,
    /// Requests made to learn of completion.
    pub polls: u64,
    /// Bytes of responses read, heads included where known.
    pub bytes_in: u64,
}

impl Tally {
    /// How many operations ended as `outcome`.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// How many accepted jobs ended as `outcome`.
    pub fn job(&self, outcome: Outcome) -> u64 {
        self.jobs.get(&outcome).copied().unwrap_or(0)
    }

    /// Operations that ended, in any way.
    pub fn ended(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Add `other`'s counts.
    pub fn merge(&mut self, other: &Tally) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.jobs_finished += other.jobs_finished;
        self.polls += other.polls;
        self.bytes_in += other.bytes_in;
        add_all(&mut self.outcomes, &other.outcomes);
        add_all(&mut self.failures, &other.failures);
        add_all(&mut self.statuses, &other.statuses);
        add_all(&mut self.jobs, &other.jobs);
    }
}

fn add_all<K: Ord + Copy>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, n) in from {
        *into.entry(*key).or_default() += n;
    }
}

/// Counts and histograms of what happened in `[start, end)` of a cell, over all shards.
///
/// Intervals merge by addition: counts, and histograms bucket by bucket. Latencies belong to the
/// interval in which the operation *ended*; the gauges are the values at the interval's end.
#[derive(Debug, Clone, Default)]
pub struct Interval {
    /// Since the cell's first intended start.
    pub start: Nanos,
    /// Since the cell's first intended start.
    pub end: Nanos,
    /// Operations sent and not ended.
    pub in_flight: u64,
    /// Jobs accepted and not yet noticed as ended.
    pub backlog: u64,
    /// Counts of operations by phase.
    pub tallies: BTreeMap<Phase, Tally>,
    /// Latencies.
    pub series: BTreeMap<SeriesKey, LatencyHistogram>,
}

impl Interval {
    /// The tally of one phase; empty when nothing happened.
    pub fn tally(&self, phase: Phase) -> Tally {
        self.tallies.get(&phase).cloned().unwrap_or_default()
    }

    /// Both phases' tallies together.
    pub fn total(&self) -> Tally {
        self.tallies.values().fold(Tally::default(), |mut sum, t| {
            sum.merge(t);
            sum
        })
    }

    /// Add another shard's figures of the same stretch of time: gauges add up too.
    pub fn merge_shard(&mut self, other: &Interval) {
        self.in_flight += other.in_flight;
        self.backlog += other.backlog;
        self.merge_figures(other);
    }

    /// Add a later interval's figures: the gauges become those of the later one.
    pub fn merge_later(&mut self, later: &Interval) {
        self.in_flight = later.in_flight;
        self.backlog = later.backlog;
        self.merge_figures(later);
    }

    fn merge_figures(&mut self, other: &Interval) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        for (phase, tally) in &other.tallies {
            self.tallies.entry(*phase).or_default().merge(tally);
        }
        for (key, histogram) in &other.series {
            self.series.entry(*key).or_default().merge(histogram);
        }
    }

    /// All latencies of a metric in a phase with one of the outcomes, merged.
    pub fn merged(&self, metric: Metric, phase: Phase, outcomes: &[Outcome]) -> LatencyHistogram {
        let mut all = LatencyHistogram::new();
        for outcome in outcomes {
            if let Some(h) = self.series.get(&SeriesKey { metric, outcome: *outcome, phase }) {
                all.merge(h);
            }
        }
        all
    }
}

/// An interval as a line of `intervals.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IntervalRecord {
    /// Index of the cell in performance order.
    pub cell: usize,
    /// See [`Interval::start`], ns.
    pub start_ns: Nanos,
    /// See [`Interval::end`], ns.
    pub end_ns: Nanos,
    /// See [`Interval::in_flight`].
    pub in_flight: u64,
    /// See [`Interval::backlog`].
    pub backlog: u64,
    /// See [`Interval::tallies`].
    pub tallies: BTreeMap<Phase, Tally>,
    /// See [`Interval::series`].
    pub series: Vec<SeriesRecord>,
}

/// One histogram of an [`IntervalRecord`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeriesRecord {
    /// What it holds.
    #[serde(flatten)]
    pub key: SeriesKey,
    /// The histogram.
    #[serde(flatten)]
    pub histogram: EncodedHistogram,
}

impl IntervalRecord {
    /// `interval` of the cell with index `cell`, empty histograms left out.
    pub fn new(cell: usize, interval: &Interval) -> Self {
        IntervalRecord {
            cell,
            start_ns: interval.start,
            end_ns: interval.end,
            in_flight: interval.in_flight,
            backlog: interval.backlog,
            tallies: interval.tallies.clone(),
            series: interval
                .series
                .iter()
                .filter(|(_, h)| !h.is_empty())
                .map(|(key, h)| SeriesRecord { key: *key, histogram: h.encode() })
                .collect(),
        }
    }

    /// Back to an interval.
    ///
    /// # Errors
    /// When a histogram can't be read.
    pub fn decode(&self) -> Result<Interval, DecodeError> {
        let mut series = BTreeMap::new();
        for s in &self.series {
            series.insert(s.key, s.histogram.decode()?);
        }
        Ok(Interval {
            start: self.start_ns,
            end: self.end_ns,
            in_flight: self.in_flight,
            backlog: self.backlog,
            tallies: self.tallies.clone(),
            series,
        })
    }
}
