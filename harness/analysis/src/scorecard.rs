//! The variants side by side, under four headings: execution, response, scalability, complexity.

use plimsoll_model::artefact::Run;
use plimsoll_model::plan::{CellId, Load, Target};
use plimsoll_model::sample::{Metric, Outcome};

use crate::capacity::Capacity;
use crate::cell::{CellAnalysis, KeptUp};
use crate::estimate::{Estimate, ratio};
use crate::latency::Latency;

/// The four headings, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heading {
    /// Who does the work, and who waits for it.
    Execution,
    /// What is waited for, and how long.
    Response,
    /// How heavily it may be loaded, and what happens beyond.
    Scalability,
    /// What it costs, in figures.
    Complexity,
}

/// What a row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Mean wait of the caller ÷ mean time to completion.
    CallerShare,
    /// Completed rate at the highest load, if past capacity.
    SaturationRate,
    /// Workers' busy time ÷ (workers × time), from the target's counter `busy_us`.
    Utilisation,
    /// p50 and p99 of what the caller waits.
    CallerWait,
    /// p50 and p99 from intended start to the work done.
    Completion,
    /// The highest rate kept up with and the lowest that was not.
    SustainedRate,
    /// p99 of the caller's wait here ÷ at the lightest load.
    WaitGrowth,
    /// Refused (429, 503) ÷ scheduled.
    RefusedShare,
    /// Growth of the outstanding work.
    BacklogSlope,
    /// From the end of arrivals to the last work done.
    DrainTime,
    /// HTTP requests, polls included, for each job done.
    ExchangesPerJob,
    /// Durable transactions for each job done, from the counter `commits`.
    CommitsPerJob,
    /// Times a job was given to a worker, from the counter `attempts`.
    AttemptsPerJob,
    /// Jobs processed or noticed more than once, in all cells.
    Duplicates,
    /// End states a caller has to tell apart.
    States,
    /// p50 and p99 from done to noticed.
    NoticeDelay,
    /// Driver's CPU time for each job done.
    DriverCpuPerJob,
    /// Target's CPU time for each job done.
    TargetCpuPerJob,
}

impl Measure {
    /// Under which heading it stands.
    pub const fn heading(self) -> Heading {
        match self {
            Measure::CallerShare | Measure::SaturationRate | Measure::Utilisation => Heading::Execution,
            Measure::CallerWait | Measure::Completion => Heading::Response,
            Measure::SustainedRate
            | Measure::WaitGrowth
            | Measure::RefusedShare
            | Measure::BacklogSlope
            | Measure::DrainTime => Heading::Scalability,
            _ => Heading::Complexity,
        }
    }
}

/// One figure of the scorecard, in SI units; shares and ratios are plain numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// Not measured, or not computable.
    Unknown,
    /// A figure.
    Value(Estimate),
    /// p50 and p99.
    Quantiles(Estimate, Estimate),
    /// Kept up at, did not keep up at.
    Bracket(Option<f64>, Option<f64>),
}

impl Figure {
    /// Whether there is nothing to show.
    pub fn is_unknown(&self) -> bool {
        match self {
            Figure::Unknown => true,
            Figure::Value(e) => e.value.is_none(),
            Figure::Quantiles(a, b) => a.value.is_none() && b.value.is_none(),
            Figure::Bracket(a, b) => a.is_none() && b.is_none(),
        }
    }

    fn of(value: Option<f64>) -> Self {
        value.map_or(Figure::Unknown, |v| Figure::Value(Estimate::from(Some(v))))
    }

    fn quantiles(latency: Option<&Latency>) -> Self {
        latency.map_or(Figure::Unknown, |l| Figure::Quantiles(l.quantile("p50"), l.quantile("p99")))
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it tells.
    pub measure: Measure,
    /// Under which step's load; none when it is of the whole run.
    pub step: Option<usize>,
    /// One for each variant, in the plan's order.
    pub figures: Vec<Figure>,
}

/// The steps at which variants are compared; the same for all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reference {
    /// The lightest load.
    pub lightest: Option<usize>,
    /// The one nearest to 80 % of the smallest capacity, if another than the lightest and not past it.
    pub working: Option<usize>,
    /// The heaviest, if some variant did not keep up with it.
    pub overload: Option<usize>,
}

impl Reference {
    /// Where costs are compared: at the working load, else the lightest.
    pub fn usual(&self) -> Option<usize> {
        self.working.or(self.lightest)
    }

    fn all(&self) -> impl Iterator<Item = usize> {
        [self.lightest, self.working, self.overload].into_iter().flatten()
    }
}

/// All rows, in the order of reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scorecard {
    /// Where the variants are compared.
    pub reference: Reference,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Scorecard {
    /// Of a whole run.
    pub fn of(run: &Run, cells: &[CellAnalysis], capacities: &[Capacity]) -> Self {
        let reference = reference(run, cells, capacities);
        let build = Builder { run, cells, capacities, reference };
        Scorecard { reference, rows: build.rows() }
    }
}

/// Orders steps by load: offered rate in the open model, users in the closed.
pub fn load_of(load: &Load) -> f64 {
    match load {
        Load::Closed { concurrency, .. } => f64::from(*concurrency),
        open => open.offered_rate().unwrap_or(0.0),
    }
}

fn reference(run: &Run, cells: &[CellAnalysis], capacities: &[Capacity]) -> Reference {
    let steps = &run.manifest.plan.steps;
    let mut performed: Vec<usize> =
        (0..steps.len()).filter(|s| cells.iter().any(|c| c.id.step == *s)).collect();
    performed.sort_by(|a, b| load_of(&steps[*a].load).total_cmp(&load_of(&steps[*b].load)));
    let lightest = performed.first().copied();
    let smallest = capacities.iter().filter_map(|c| c.lower).min_by(f64::total_cmp);
    let working = smallest.and_then(|capacity| {
        let distance = |s: &usize| (load_of(&steps[*s].load) - 0.8 * capacity).abs();
        performed
            .iter()
            .copied()
            .filter(|s| Some(*s) != lightest && load_of(&steps[*s].load) <= capacity)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
    });
    let failed = |s: usize| cells.iter().any(|c| c.id.step == s && matches!(c.kept_up, KeptUp::No(_)));
    let overload = performed.last().copied().filter(|s| Some(*s) != lightest && failed(*s));
    Reference { lightest, working, overload }
}

struct Builder<'a> {
    run: &'a Run,
    cells: &'a [CellAnalysis],
    capacities: &'a [Capacity],
    reference: Reference,
}

impl Builder<'_> {
    fn rows(&self) -> Vec<Row> {
        let usual = self.reference.usual();
        let overload = self.reference.overload;
        let mut rows = vec![
            self.row(Measure::CallerShare, usual, |c| Figure::of(caller_share(c))),
            self.saturation(),
            self.row(Measure::Utilisation, overload.or(usual), |c| Figure::of(self.utilisation(c))),
        ];
        for step in self.reference.all() {
            rows.push(self.row(Measure::CallerWait, Some(step), |c| Figure::quantiles(c.caller_wait())));
            rows.push(self.row(Measure::Completion, Some(step), |c| Figure::quantiles(c.completion())));
        }
        rows.push(self.sustained());
        rows.push(self.row(Measure::WaitGrowth, overload, |c| Figure::of(self.growth(c))));
        rows.push(self.row(Measure::RefusedShare, overload, |c| {
            Figure::of(ratio(c.tally.outcome(Outcome::Rejected) as f64, c.tally.scheduled as f64))
        }));
        rows.push(self.row(Measure::BacklogSlope, overload, |c| Figure::Value(c.stability.slope)));
        rows.push(self.row(Measure::DrainTime, overload, |c| Figure::of(c.drain_time)));
        self.complexity(&mut rows, usual);
        rows
    }

    fn complexity(&self, rows: &mut Vec<Row>, step: Option<usize>) {
        let per_job = |c: &CellAnalysis, n: Option<f64>| {
            n.map_or(Figure::Unknown, |n| Figure::of(ratio(n, c.done() as f64)))
        };
        rows.push(self.row(Measure::ExchangesPerJob, step, |c| {
            per_job(c, Some((c.total.sent + c.total.polls) as f64))
        }));
        rows.push(self.row(Measure::CommitsPerJob, step, |c| per_job(c, counter(c, "commits"))));
        rows.push(self.row(Measure::AttemptsPerJob, step, |c| per_job(c, counter(c, "attempts"))));
        rows.push(self.whole(Measure::Duplicates, |v| {
            let all: Option<u64> =
                self.of_variant(v).map(|c| c.facts.accounting.as_ref().map(|a| a.duplicated)).sum();
            Figure::of(all.map(|n| n as f64))
        }));
        // Of an operation: ok, rejected, failed, timed out. Of a job: its submission accepted, refused
        // or of unknown fate, and then done, failed, unfinished, lost or duplicated.
        rows.push(self.whole(Measure::States, |v| {
            Figure::of(Some(if self.run.manifest.plan.variants[v].is_async() { 8.0 } else { 4.0 }))
        }));
        rows.push(self.row(Measure::NoticeDelay, step, |c| Figure::quantiles(c.ok(Metric::NoticeDelay))));
        rows.push(self.row(Measure::DriverCpuPerJob, step, |c| {
            per_job(c, Some(c.facts.driver_cpu.as_secs_f64()).filter(|t| *t > 0.0))
        }));
        rows.push(self.row(Measure::TargetCpuPerJob, step, |c| {
            per_job(c, c.facts.target_cpu.map(|t| t.as_secs_f64()))
        }));
    }

    fn row(&self, measure: Measure, step: Option<usize>, figure: impl Fn(&CellAnalysis) -> Figure) -> Row {
        let of = |variant| {
            let id = CellId { variant, step: step? };
            self.cells.iter().find(|c| c.id == id).map(&figure)
        };
        let figures = (0..self.capacities.len()).map(|v| of(v).unwrap_or(Figure::Unknown)).collect();
        Row { measure, step, figures }
    }

    fn whole(&self, measure: Measure, figure: impl Fn(usize) -> Figure) -> Row {
        Row { measure, step: None, figures: (0..self.capacities.len()).map(figure).collect() }
    }

    fn of_variant(&self, variant: usize) -> impl Iterator<Item = &CellAnalysis> {
        self.cells.iter().filter(move |c| c.id.variant == variant)
    }

    fn saturation(&self) -> Row {
        let step = self.capacities.iter().find_map(|c| c.saturation_step);
        let of = |c: &Capacity| c.saturation.map_or(Figure::Unknown, Figure::Value);
        Row { measure: Measure::SaturationRate, step, figures: self.capacities.iter().map(of).collect() }
    }

    fn sustained(&self) -> Row {
        let figures = self.capacities.iter().map(|c| Figure::Bracket(c.lower, c.upper)).collect();
        Row { measure: Measure::SustainedRate, step: None, figures }
    }

    fn growth(&self, cell: &CellAnalysis) -> Option<f64> {
        let id = CellId { step: self.reference.lightest?, ..cell.id };
        let light = self.cells.iter().find(|c| c.id == id)?.caller_wait()?.p99()?;
        ratio(cell.caller_wait()?.p99()?, light)
    }

    fn utilisation(&self, cell: &CellAnalysis) -> Option<f64> {
        let busy = counter(cell, "busy_us")? / 1e6;
        let Target::Bundled(target) = &self.run.manifest.plan.variants[cell.id.variant].target else {
            return None;
        };
        let working = cell.window.1
            + cell
                .drain_time
                .unwrap_or(cell.facts.drain_end.saturating_sub(cell.facts.arrivals_end).as_secs_f64());
        ratio(busy, f64::from(target.workers) * working)
    }
}

fn caller_share(cell: &CellAnalysis) -> Option<f64> {
    ratio(cell.caller_wait()?.mean?, cell.completion()?.mean?)
}

fn counter(cell: &CellAnalysis, name: &str) -> Option<f64> {
    cell.facts.target_counters.get(name).map(|n| *n as f64)
}
