//! The stretch of a cell over which rates and trends are taken.

use plimsoll_model::artefact::{Cell, Run};
use plimsoll_model::interval::{Interval, Tally};
use plimsoll_model::time::Nanos;

/// The arrivals window `[warmup, arrivals_end)` of a cell, and the intervals **wholly inside** it.
///
/// Rates are counts of those intervals ÷ their total length, whatever the phase of the operations
/// in them: work done is work done. An interval that straddles the end of the warm-up or of the
/// arrivals counts for nothing here, since its events can't be told apart; the engine cuts an
/// interval at `arrivals_end`, so that at that end none is lost.
#[derive(Debug, Clone)]
pub struct Window<'a> {
    /// Since the cell's origin.
    pub from: Nanos,
    /// Since the cell's origin.
    pub to: Nanos,
    /// In order.
    pub intervals: Vec<&'a Interval>,
}

impl<'a> Window<'a> {
    /// The window of a cell.
    pub fn of(run: &Run, cell: &'a Cell) -> Self {
        let to = arrivals_end(run, cell);
        let from = run.manifest.plan.warmup;
        let intervals = cell.intervals.iter().filter(|i| i.start >= from && i.end <= to).collect();
        Window { from, to, intervals }
    }

    /// Total length of its intervals, seconds.
    pub fn seconds(&self) -> f64 {
        self.intervals.iter().map(|i| seconds(i)).sum()
    }

    /// Rate of what `count` counts, 1/s; unknown when no interval is wholly inside.
    pub fn rate(&self, count: impl Fn(&Tally) -> u64) -> Option<f64> {
        let n: u64 = self.intervals.iter().map(|i| count(&i.total())).sum();
        crate::estimate::ratio(n as f64, self.seconds())
    }

    /// Each interval's own rate, 1/s.
    pub fn rates(&self, count: impl Fn(&Tally) -> u64) -> Vec<f64> {
        self.intervals.iter().map(|i| count(&i.total()) as f64 / seconds(i)).collect()
    }

    /// Operations and jobs out at each interval's end, with that instant in seconds.
    pub fn outstanding(&self) -> Vec<(f64, f64)> {
        self.intervals.iter().map(|i| (i.end.as_secs_f64(), (i.in_flight + i.backlog) as f64)).collect()
    }
}

/// Length of an interval, seconds; at least a nanosecond, so that it can be divided by.
pub fn seconds(i: &Interval) -> f64 {
    i.end.saturating_sub(i.start).as_secs_f64().max(1e-9)
}

/// When the arrivals of a cell ended, since its origin: as told, or for a cell that was cut off, as
/// far as its intervals go, and not beyond the plan.
pub fn arrivals_end(run: &Run, cell: &Cell) -> Nanos {
    if is_finished(cell) {
        return cell.facts.arrivals_end;
    }
    let last = cell.intervals.last().map_or(Nanos::ZERO, |i| i.end);
    last.min(run.step(cell).load.duration())
}

/// Whether the cell came to its end: facts are written with it.
pub fn is_finished(cell: &Cell) -> bool {
    cell.facts.drain_end > Nanos::ZERO
}
