//! The figures of a cell over time.

use plimsoll_model::artefact::{Cell, Run};
use plimsoll_model::histogram::LatencyHistogram;
use plimsoll_model::interval::Interval;
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;

use crate::cell::completed;
use crate::quantile::known;
use crate::window::{arrivals_end, seconds};

/// Which part of a cell an interval lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// Before the end of the warm-up.
    Warmup,
    /// Wholly inside the window that rates are taken over.
    Window,
    /// It straddles an end of the window.
    Edge,
    /// After the end of arrivals.
    Drain,
}

impl Stretch {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Stretch::Warmup => "warmup",
            Stretch::Window => "window",
            Stretch::Edge => "edge",
            Stretch::Drain => "drain",
        }
    }
}

/// Latencies of ok operations that ended in an interval, in seconds, both phases.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spot {
    /// How many.
    pub count: u64,
    /// Median, if enough.
    pub p50: Option<f64>,
    /// 99th percentile, if enough (299 in one interval).
    pub p99: Option<f64>,
    /// Exact greatest.
    pub max: Option<f64>,
}

/// One interval's figures; rates in 1/s.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Since the cell's origin, seconds.
    pub start: f64,
    /// Since the cell's origin, seconds.
    pub end: f64,
    /// Where it lies.
    pub stretch: Stretch,
    /// Rate of starts that came.
    pub scheduled: f64,
    /// Rate of requests sent.
    pub sent: f64,
    /// Rate of operations by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [f64; Outcome::ALL.len()],
    /// Rate of work done: ok responses, or jobs finished by the target's clock.
    pub completed: f64,
    /// Requests out at its end.
    pub in_flight: u64,
    /// Jobs accepted and not noticed as ended, at its end.
    pub backlog: u64,
    /// What callers waited.
    pub caller_wait: Spot,
    /// Until the work was really done, for asynchronous variants; else the same as `caller_wait`.
    pub completion: Spot,
}

/// The timeline of a cell, neighbours merged so that at most `max_points` are left; counts, sums and
/// histograms are merged, never percentiles.
pub fn of(run: &Run, cell: &Cell, caller: Metric, max_points: usize) -> Vec<Point> {
    let end = arrivals_end(run, cell);
    let k = cell.intervals.len().div_ceil(max_points.max(1)).max(1);
    let is_async = run.variant(cell).is_async();
    let point = |chunk: &[Interval]| {
        let mut i = Interval { start: Nanos::MAX, ..Interval::default() };
        chunk.iter().for_each(|later| i.merge_later(later));
        point(&i, run.manifest.plan.warmup, end, is_async, caller)
    };
    cell.intervals.chunks(k).map(point).collect()
}

fn point(i: &Interval, warmup: Nanos, end: Nanos, is_async: bool, caller: Metric) -> Point {
    let t = i.total();
    let rate = |n: u64| n as f64 / seconds(i);
    let stretch = match (i.start, i.end) {
        (start, _) if start >= end => Stretch::Drain,
        (_, stop) if stop <= warmup => Stretch::Warmup,
        (start, stop) if start >= warmup && stop <= end => Stretch::Window,
        _ => Stretch::Edge,
    };
    let caller_wait = spot(i, caller);
    Point {
        start: i.start.as_secs_f64(),
        end: i.end.as_secs_f64(),
        stretch,
        scheduled: rate(t.scheduled),
        sent: rate(t.sent),
        outcomes: Outcome::ALL.map(|o| rate(t.outcome(o))),
        completed: rate(completed(is_async)(&t)),
        in_flight: i.in_flight,
        backlog: i.backlog,
        caller_wait,
        completion: if is_async { spot(i, Metric::CompletionTime) } else { caller_wait },
    }
}

fn spot(i: &Interval, metric: Metric) -> Spot {
    let mut h: LatencyHistogram = i.merged(metric, Phase::Measured, &[Outcome::Ok]);
    h.merge(&i.merged(metric, Phase::Warmup, &[Outcome::Ok]));
    Spot {
        count: h.count(),
        p50: known(&h, 0.5),
        p99: known(&h, 0.99),
        max: h.max().map(|v| v.as_secs_f64()),
    }
}
