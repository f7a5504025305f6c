//! The figures of one cell: a variant under one step's load.

use std::collections::BTreeMap;

use plimsoll_model::artefact::{Cell, CellFacts, Run};
use plimsoll_model::histogram::LatencyHistogram;
use plimsoll_model::interval::{SeriesKey, Tally};
use plimsoll_model::plan::{CellId, Load};
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;

use crate::batch::mean_interval;
use crate::estimate::{Estimate, ratio};
use crate::latency::Latency;
use crate::quantile::{CurvePoint, curve};
use crate::scorecard::load_of;
use crate::stability::{self, Stability};
use crate::trust::Trust;
use crate::window::{Window, is_finished};

/// Rates over the window (see [`crate::window`]), 1/s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Starts whose time came.
    pub scheduled: Estimate,
    /// Requests sent.
    pub sent: Estimate,
    /// Operations that ended as each outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [Estimate; Outcome::ALL.len()],
    /// Work done: ok responses, or jobs finished by the target's clock.
    pub completed: Estimate,
}

/// Why a cell did not keep up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shortfall {
    /// Less was completed than was scheduled: this share.
    Completed(f64),
    /// The outstanding work rose by this many a second.
    Unstable(f64),
    /// This share of the operations did not end well.
    Errors(f64),
}

/// Whether the target kept up with the load.
#[derive(Debug, Clone, PartialEq)]
pub enum KeptUp {
    /// It did.
    Yes,
    /// It did not, for these reasons.
    No(Vec<Shortfall>),
    /// Can't be told: closed model, too short, or the driver was late.
    Unknown,
}

/// Most of the operations that may end badly while the target still keeps up.
pub const MAX_ERROR_SHARE: f64 = 0.001;

/// Least share of the scheduled work that must be completed within the window.
pub const MIN_COMPLETED_SHARE: f64 = 0.98;

/// Everything computed of one cell. Latencies and tallies are of the measured phase unless said.
#[derive(Debug, Clone)]
pub struct CellAnalysis {
    /// Which.
    pub id: CellId,
    /// Whether the variant's answers only accept a job.
    pub is_async: bool,
    /// Whether it came to its end.
    pub is_finished: bool,
    /// Mean offered rate, 1/s; none in the closed model.
    pub offered_rate: Option<f64>,
    /// Users, in the closed model.
    pub concurrency: Option<u32>,
    /// The window the rates are taken over: from, to, and the total of its whole intervals, seconds.
    pub window: (f64, f64, f64),
    /// Rates over the window.
    pub rates: Rates,
    /// Counts of the measured phase, over the whole cell.
    pub tally: Tally,
    /// Counts of both phases, over the whole cell.
    pub total: Tally,
    /// Latencies by metric and outcome.
    pub latencies: BTreeMap<(Metric, Outcome), Latency>,
    /// Percentile curves of ok operations, for the metrics that are drawn.
    pub curves: BTreeMap<Metric, Vec<CurvePoint>>,
    /// How the outstanding work went.
    pub stability: Stability,
    /// How far the driver can be trusted here.
    pub trust: Trust,
    /// Whether the target kept up.
    pub kept_up: KeptUp,
    /// From the end of arrivals to the last work done, seconds; unknown if not all was done.
    pub drain_time: Option<f64>,
    /// The facts stored with the cell.
    pub facts: CellFacts,
}

impl CellAnalysis {
    /// Analyse one cell of `run`.
    pub fn of(run: &Run, cell: &Cell) -> Self {
        let window = Window::of(run, cell);
        let load = &run.step(cell).load;
        let is_async = run.variant(cell).is_async();
        let merged = histograms(cell);
        let (mut tally, mut total) = (Tally::default(), Tally::default());
        for i in &cell.intervals {
            tally.merge(&i.tally(Phase::Measured));
            total.merge(&i.total());
        }
        let rates = rates(&window, is_async);
        let peak = cell.intervals.iter().map(|i| i.in_flight + i.backlog).max().unwrap_or(0);
        let is_open = matches!(load, Load::Open { .. });
        let stability = stability::judge(&window.outstanding(), rates.scheduled.value, peak);
        let stable = stability.verdict == stability::Verdict::Stable;
        let latencies = latencies(&merged, &window, stable);
        let mut analysis = CellAnalysis {
            id: cell.facts.id,
            is_async,
            is_finished: is_finished(cell),
            offered_rate: load.offered_rate(),
            concurrency: match load {
                Load::Closed { concurrency, .. } => Some(*concurrency),
                Load::Open { .. } => None,
            },
            window: (window.from.as_secs_f64(), window.to.as_secs_f64(), window.seconds()),
            rates,
            tally,
            total,
            curves: curves(&merged),
            latencies,
            stability,
            trust: Trust::default(),
            kept_up: KeptUp::Unknown,
            drain_time: None,
            facts: cell.facts.clone(),
        };
        analysis.trust = Trust::of(&analysis, cell, &window, is_open);
        analysis.kept_up = if is_open { kept_up(&analysis, &window) } else { KeptUp::Unknown };
        analysis.drain_time = drain_time(&analysis, cell, window.to);
        analysis
    }

    /// Latencies of ok operations (or done jobs).
    pub fn ok(&self, metric: Metric) -> Option<&Latency> {
        self.latencies.get(&(metric, Outcome::Ok)).filter(|l| l.count > 0)
    }

    /// Which latency the caller waits: the acceptance of a job, else the response; service time
    /// in the closed model, where no schedule says when a response was due.
    pub fn caller_metric(&self) -> Metric {
        let order: &[Metric] = match (self.is_async, self.concurrency) {
            (true, _) => &[Metric::AcceptLatency, Metric::ResponseTime, Metric::ServiceTime],
            (false, Some(_)) => &[Metric::ServiceTime, Metric::ResponseTime],
            (false, None) => &[Metric::ResponseTime, Metric::ServiceTime],
        };
        order.iter().copied().find(|m| self.ok(*m).is_some()).unwrap_or(order[0])
    }

    /// What the caller waits, of ok operations.
    pub fn caller_wait(&self) -> Option<&Latency> {
        self.ok(self.caller_metric())
    }

    /// Which latency spans the whole work.
    pub fn completion_metric(&self) -> Metric {
        if self.is_async { Metric::CompletionTime } else { self.caller_metric() }
    }

    /// Whether this latency grows with the length of the test: the outstanding work rises, and the
    /// latency waits for it. The acceptance of a job does not.
    pub fn grows(&self, metric: Metric) -> bool {
        let waits = !self.is_async
            || matches!(metric, Metric::QueueWait | Metric::CompletionTime | Metric::NoticeDelay);
        self.stability.is_unstable() && waits
    }

    /// Until the work is really done.
    pub fn completion(&self) -> Option<&Latency> {
        self.ok(self.completion_metric())
    }

    /// Operations that did not end well, jobs that failed or were not finished included.
    pub fn errors(&self) -> u64 {
        let operations = self.tally.ended() - self.tally.outcome(Outcome::Ok);
        let jobs = self.tally.jobs.iter().filter(|(o, _)| **o != Outcome::Ok).map(|(_, n)| n).sum::<u64>();
        operations + jobs
    }

    /// [`errors`](Self::errors) ÷ scheduled.
    pub fn error_share(&self) -> Option<f64> {
        ratio(self.errors() as f64, self.tally.scheduled as f64)
    }

    /// Operations whose work was done: ok responses, or jobs done, over the whole cell and both phases.
    pub fn done(&self) -> u64 {
        if self.is_async { self.total.job(Outcome::Ok) } else { self.total.outcome(Outcome::Ok) }
    }
}

/// Measured-phase histograms of the whole cell.
fn histograms(cell: &Cell) -> BTreeMap<(Metric, Outcome), LatencyHistogram> {
    let mut merged: BTreeMap<_, LatencyHistogram> = BTreeMap::new();
    for (key, h) in cell.intervals.iter().flat_map(|i| &i.series) {
        if key.phase == Phase::Measured && !h.is_empty() {
            merged.entry((key.metric, key.outcome)).or_default().merge(h);
        }
    }
    merged
}

fn latencies(
    merged: &BTreeMap<(Metric, Outcome), LatencyHistogram>,
    window: &Window<'_>,
    stable: bool,
) -> BTreeMap<(Metric, Outcome), Latency> {
    let of = |&(metric, outcome): &(Metric, Outcome), all: &LatencyHistogram| {
        let key = SeriesKey { metric, outcome, phase: Phase::Measured };
        // An interval for percentiles that depend on the test's length would be an interval of nothing.
        let parts: Vec<&LatencyHistogram> = match stable {
            true => window.intervals.iter().filter_map(|i| i.series.get(&key)).collect(),
            false => Vec::new(),
        };
        Latency::of(all, &parts)
    };
    merged.iter().map(|(key, all)| (*key, of(key, all))).collect()
}

fn curves(merged: &BTreeMap<(Metric, Outcome), LatencyHistogram>) -> BTreeMap<Metric, Vec<CurvePoint>> {
    [Metric::ResponseTime, Metric::ServiceTime, Metric::AcceptLatency, Metric::CompletionTime]
        .into_iter()
        .filter_map(|m| merged.get(&(m, Outcome::Ok)).map(|h| (m, curve(h))))
        .collect()
}

/// Jobs finished, or ok operations.
pub(crate) fn completed(is_async: bool) -> impl Fn(&Tally) -> u64 + Copy {
    move |t: &Tally| if is_async { t.jobs_finished } else { t.outcome(Outcome::Ok) }
}

fn rates(window: &Window<'_>, is_async: bool) -> Rates {
    let estimate = |count: &dyn Fn(&Tally) -> u64| {
        let n: u64 = window.intervals.iter().map(|i| count(&i.total())).sum();
        match window.rate(count) {
            Some(rate) => Estimate::point(rate, n).within(mean_interval(&window.rates(count), rate)),
            None => Estimate::unknown(n),
        }
    };
    Rates {
        scheduled: estimate(&|t| t.scheduled),
        sent: estimate(&|t| t.sent),
        outcomes: Outcome::ALL.map(|o| estimate(&|t| t.outcome(o))),
        completed: estimate(&completed(is_async)),
    }
}

/// Judged on the window's own counts: scheduled there against completed there. The two differ by
/// what was out at its ends, so a deficit within one standard deviation of a Poisson count, or
/// within [`MIN_COMPLETED_SHARE`], is none.
fn kept_up(cell: &CellAnalysis, window: &Window<'_>) -> KeptUp {
    let (scheduled, completed) = (cell.rates.scheduled, cell.rates.completed);
    let (Some(offered), Some(done)) = (scheduled.value, completed.value) else { return KeptUp::Unknown };
    if scheduled.count == 0 || window.intervals.is_empty() {
        return KeptUp::Unknown;
    }
    let n = scheduled.count as f64;
    let deficit = n - completed.count as f64;
    let mut reasons = Vec::new();
    if deficit > ((1.0 - MIN_COMPLETED_SHARE) * n).max(n.sqrt()) {
        reasons.push(Shortfall::Completed(done / offered));
    }
    if cell.stability.is_unstable() {
        reasons.push(Shortfall::Unstable(cell.stability.slope.value.unwrap_or(0.0)));
    }
    if let Some(share) = cell.error_share().filter(|s| *s > MAX_ERROR_SHARE) {
        reasons.push(Shortfall::Errors(share));
    }
    // A late driver offers its starts in bunches, which is harder on the target, not easier: what was
    // kept up with all the same was kept up with, and outstanding work counts only what was sent. A
    // deficit or an error alone may be the driver's.
    let unstable = reasons.iter().any(|r| matches!(r, Shortfall::Unstable(_)));
    match (reasons.is_empty(), cell.trust.is_late() && !unstable) {
        (true, _) => KeptUp::Yes,
        (false, true) => KeptUp::Unknown,
        (false, false) => KeptUp::No(reasons),
    }
}

/// Errors that a variant makes at its lightest load already, such as declined payments, are not the
/// load's: a heavier cell is held to fail by them only if their share more than doubles.
pub(crate) fn excuse_standing_errors(run: &Run, cells: &mut [CellAnalysis]) {
    let load = |c: &CellAnalysis| load_of(&run.manifest.plan.steps[c.id.step].load);
    for variant in 0..run.manifest.plan.variants.len() {
        let of_variant = cells.iter().filter(|c| c.id.variant == variant);
        let lightest = of_variant.min_by(|a, b| load(a).total_cmp(&load(b)));
        let Some(standing) = lightest.and_then(CellAnalysis::error_share) else { continue };
        for cell in cells.iter_mut().filter(|c| c.id.variant == variant) {
            if let KeptUp::No(reasons) = &mut cell.kept_up {
                let excused = |s: f64| s <= 2.0 * standing + MAX_ERROR_SHARE;
                reasons.retain(|r| !matches!(r, Shortfall::Errors(share) if excused(*share)));
                if reasons.is_empty() {
                    cell.kept_up = KeptUp::Yes;
                }
            }
        }
    }
}

/// To the end of the interval in which the last work was finished, at the interval's resolution.
fn drain_time(analysis: &CellAnalysis, cell: &Cell, arrivals_end: Nanos) -> Option<f64> {
    let jobs_left = analysis.facts.accounting.as_ref().is_some_and(|a| a.unfinished + a.unobserved > 0);
    let left = jobs_left || analysis.total.outcome(Outcome::Unresolved) > 0;
    if !analysis.is_finished || left {
        return None;
    }
    let done = completed(analysis.is_async);
    let last = cell.intervals.iter().rev().find(|i| done(&i.total()) > 0)?;
    Some(last.end.min(analysis.facts.drain_end).saturating_sub(arrivals_end).as_secs_f64())
}
