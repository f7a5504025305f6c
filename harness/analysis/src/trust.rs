//! Whether the driver did what it was asked to: the test of the tester.

use plimsoll_model::artefact::Cell;
use plimsoll_model::histogram::LatencyHistogram;
use plimsoll_model::interval::SeriesKey;
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;

use crate::batch::{mean, sd};
use crate::cell::CellAnalysis;
use crate::estimate::ratio;
use crate::latency::Latency;
use crate::window::Window;

/// Least share of the scheduled starts that must have been sent.
pub const MIN_SENT_SHARE: f64 = 0.99;

/// Fewest late starts that matter.
pub const MIN_LATE: u64 = 3;

/// Lateness that never matters, seconds.
pub const LATENESS_FLOOR: f64 = 0.001;

/// Lateness that does not matter, as a share of the median of what the caller waits.
pub const LATENESS_SHARE: f64 = 0.05;

/// A reason for which a cell is generator-limited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// This many starts came while the most operations were out, and were not sent.
    Dropped(u64),
    /// Only this share of the scheduled starts was sent.
    NotSent(f64),
    /// Starts were sent too late: the 99th percentile of lateness, and its limit, seconds.
    Late {
        /// Nearest rank, whatever the number of samples.
        p99: f64,
        /// max([`LATENESS_FLOOR`], [`LATENESS_SHARE`] × median wait).
        limit: f64,
    },
}

/// Little's law over the window: mean number out = rate × mean time out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Little {
    /// Mean of the number out at the intervals' ends.
    pub outstanding: f64,
    /// Time spent by the operations that ended in the window ÷ the window's length.
    pub expected: f64,
    /// By how much the two may differ: 1 %, or three standard errors of the mean of the few instants looked at.
    pub tolerance: f64,
}

impl Little {
    /// Whether the two agree.
    pub fn holds(&self) -> bool {
        (self.outstanding - self.expected).abs() <= self.tolerance
    }
}

/// The driver's own figures in one cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trust {
    /// Sent ÷ scheduled, both phases.
    pub sent_share: Option<f64>,
    /// Starts not sent because too many operations were out.
    pub dropped: u64,
    /// Intended start to actual send, all outcomes of the measured phase.
    pub lateness: Option<Latency>,
    /// Driver's CPU time ÷ the cell's length: 1 is one core.
    pub driver_cpu: Option<f64>,
    /// Time its load threads, together, waited for a core ÷ the cell's length.
    pub run_queue_wait: Option<f64>,
    /// Little's law, where it can be computed: a stable window of ten intervals and more.
    pub little: Option<Little>,
    /// Scheduled, both phases.
    pub scheduled: u64,
    /// Ended in any way, both phases.
    pub ended: u64,
    /// Whether the two agree; unknown for a cell that was cut off.
    pub balanced: Option<bool>,
    /// Why it is generator-limited; empty when it is not.
    pub limits: Vec<Limit>,
}

impl Trust {
    /// Of one cell, whose other figures are known.
    pub(crate) fn of(analysis: &CellAnalysis, cell: &Cell, window: &Window<'_>, is_open: bool) -> Self {
        let late = lateness(cell);
        let total = &analysis.total;
        let length = analysis.facts.drain_end.as_secs_f64();
        let mut trust = Trust {
            sent_share: ratio(total.sent as f64, total.scheduled as f64),
            dropped: total.outcome(Outcome::Dropped),
            lateness: (!late.is_empty()).then(|| Latency::of(&late, &[])),
            driver_cpu: ratio(analysis.facts.driver_cpu.as_secs_f64(), length),
            run_queue_wait: analysis.facts.driver_run_queue_wait.and_then(|w| ratio(w.as_secs_f64(), length)),
            little: little(analysis, window),
            scheduled: total.scheduled,
            ended: total.ended(),
            balanced: analysis.is_finished.then(|| total.scheduled == total.ended()),
            limits: Vec::new(),
        };
        trust.limits = limits(&trust, analysis, &late, is_open);
        trust
    }

    /// Whether the figures say more about the driver than about the target.
    pub fn is_generator_limited(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Whether starts were sent too late.
    pub fn is_late(&self) -> bool {
        self.limits.iter().any(|l| matches!(l, Limit::Late { .. }))
    }
}

fn limits(trust: &Trust, analysis: &CellAnalysis, late: &LatencyHistogram, is_open: bool) -> Vec<Limit> {
    let mut limits = Vec::new();
    if trust.dropped > 0 {
        limits.push(Limit::Dropped(trust.dropped));
    }
    if let Some(share) = trust.sent_share.filter(|s| *s < MIN_SENT_SHARE && analysis.is_finished) {
        limits.push(Limit::NotSent(share));
    }
    let wait = analysis.caller_wait().and_then(Latency::p50).unwrap_or(0.0);
    let limit = LATENESS_FLOOR.max(LATENESS_SHARE * wait);
    // Nearest rank even of a small sample: for an alarm, a rough figure is better than none. But a
    // start or two of a light load, late by a hiccup of the machine, decide no percentile.
    let too_late = late.count_above(Nanos::from_secs_f64(limit));
    match late.quantile(0.99).map(|v| v.as_secs_f64()) {
        Some(p99) if is_open && p99 > limit && too_late >= MIN_LATE => {
            limits.push(Limit::Late { p99, limit });
        }
        _ => (),
    }
    limits
}

fn lateness(cell: &Cell) -> LatencyHistogram {
    let mut all = LatencyHistogram::new();
    for (key, h) in cell.intervals.iter().flat_map(|i| &i.series) {
        if key.metric == Metric::Lateness && key.phase == Phase::Measured {
            all.merge(h);
        }
    }
    all
}

/// Both sides from the window's intervals. The right side sums time spent rather than multiplying a
/// rate by a mean, which is the same and needs no rate: requests by service time, and for jobs what
/// follows their acceptance.
fn little(analysis: &CellAnalysis, window: &Window<'_>) -> Option<Little> {
    let out: Vec<f64> = window.outstanding().iter().map(|(_, n)| *n).collect();
    if out.len() < 10 || analysis.stability.is_unstable() {
        return None;
    }
    let (requests, requested) = spent(window, Metric::ServiceTime);
    let (completion, jobs) = spent(window, Metric::CompletionTime);
    if requested == 0 {
        return None;
    }
    let accept = analysis.ok(Metric::AcceptLatency).and_then(|l| l.mean).unwrap_or(0.0);
    let expected = (requests + completion - accept * jobs as f64).max(0.0) / window.seconds();
    let outstanding = mean(&out)?;
    let error = 3.0 * sd(&out)? / (out.len() as f64).sqrt();
    Some(Little { outstanding, expected, tolerance: (0.01 * expected).max(error) })
}

/// Time spent (seconds) by, and number of, the operations that ended in the window.
fn spent(window: &Window<'_>, metric: Metric) -> (f64, u64) {
    let of = |key: &SeriesKey| key.metric == metric;
    window
        .intervals
        .iter()
        .flat_map(|i| &i.series)
        .filter(|(k, _)| of(k))
        .fold((0.0, 0), |(time, n), (_, h)| (time + h.sum().as_secs_f64(), n + h.count()))
}
