//! Every figure of a run in the long form that scripts rely on: one figure a row.
//!
//! # The contract
//!
//! Columns: [`COLUMNS`]. Times are in seconds (`s`), rates in `1/s`, counts in `count`, sizes in
//! `bytes`, yes/no in `bool` (1 or 0). An unknown figure is an empty field, never 0. Numbers are
//! plain decimals, the shortest that read back to the same `f64` (Rust's `Display`): no exponent, no
//! thousands mark. Rows come by variant, then step, then metric in a fixed order.
//!
//! Latencies, `operations`, `failures` and `statuses` are of the measured phase over the whole cell;
//! `rate` is over the window (see [`crate::window`]) with both phases; `jobs`, `polls`, CPU, backlog and
//! drain are of the whole cell; `count` is how many samples or events a figure was made from.

use plimsoll_model::artefact::Run;
use plimsoll_model::sample::{FailureKind, Metric, Outcome};

use crate::Analysis;
use crate::cell::{CellAnalysis, KeptUp};
use crate::estimate::{Estimate, ratio};
use crate::latency::Latency;
use crate::quantile::REPORTED;
use crate::stability::Verdict;

/// The columns of `summary.csv`, and the keys of its JSON form, in order.
pub const COLUMNS: [&str; 11] =
    ["variant", "step", "offered_rate", "metric", "outcome", "stat", "value", "unit", "low", "high", "count"];

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name of the variant.
    pub variant: String,
    /// Name of the step; empty for figures of all steps.
    pub step: String,
    /// Mean offered rate, 1/s; none in the closed model.
    pub offered_rate: Option<f64>,
    /// What was measured.
    pub metric: &'static str,
    /// Of what: an outcome, or a kind of event; empty where there is none.
    pub outcome: String,
    /// Which figure of it.
    pub stat: &'static str,
    /// The figure, if known.
    pub value: Option<f64>,
    /// `s`, `1/s`, `count`, `bytes`, `bool` or `ratio`.
    pub unit: &'static str,
    /// Lower end of its 95 % confidence interval, if there is one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// How many samples or events it was made from, where that says something.
    pub count: Option<u64>,
}

/// All rows of a run.
pub fn rows(run: &Run, analysis: &Analysis) -> Vec<Row> {
    let mut out = Vec::new();
    for (v, variant) in run.manifest.plan.variants.iter().enumerate() {
        for cell in analysis.of_variant(v) {
            let step = &run.manifest.plan.steps[cell.id.step].name;
            let mut rows = Rows { variant: &variant.name, step, offered: cell.offered_rate, out: &mut out };
            rows.cell(cell);
        }
        let capacity = &analysis.capacities[v];
        let mut rows = Rows { variant: &variant.name, step: "", offered: None, out: &mut out };
        rows.push("capacity", "", "lower", capacity.lower.into(), "1/s");
        rows.push("capacity", "", "upper", capacity.upper.into(), "1/s");
        let saturation = capacity.saturation.unwrap_or_default();
        rows.push("capacity", "", "saturation", saturation, "1/s");
    }
    out
}

struct Rows<'a> {
    variant: &'a str,
    step: &'a str,
    offered: Option<f64>,
    out: &'a mut Vec<Row>,
}

impl Rows<'_> {
    fn push(
        &mut self,
        metric: &'static str,
        outcome: &str,
        stat: &'static str,
        e: Estimate,
        unit: &'static str,
    ) {
        self.out.push(Row {
            variant: self.variant.to_owned(),
            step: self.step.to_owned(),
            offered_rate: self.offered,
            metric,
            outcome: outcome.to_owned(),
            stat,
            value: e.value,
            unit,
            low: e.low,
            high: e.high,
            count: (e.count > 0).then_some(e.count),
        });
    }

    fn count(&mut self, metric: &'static str, outcome: &str, n: u64) {
        self.push(metric, outcome, "value", Estimate::point(n as f64, n), "count");
    }

    fn value(&mut self, metric: &'static str, value: Option<f64>, unit: &'static str) {
        self.push(metric, "", "value", value.into(), unit);
    }

    fn cell(&mut self, cell: &CellAnalysis) {
        for metric in Metric::ALL {
            for outcome in Outcome::ALL {
                if let Some(latency) = cell.latencies.get(&(metric, outcome)) {
                    self.latency(metric.name(), outcome.name(), latency);
                }
            }
        }
        self.rates(cell);
        self.operations(cell);
        self.jobs(cell);
        self.health(cell);
    }

    fn latency(&mut self, metric: &'static str, outcome: &str, l: &Latency) {
        let exact = |v: Option<f64>| Estimate { value: v, count: l.count, ..Estimate::default() };
        self.push(metric, outcome, "count", exact(Some(l.count as f64)), "count");
        self.push(metric, outcome, "sum", exact(Some(l.sum)), "s");
        self.push(metric, outcome, "mean", exact(l.mean), "s");
        self.push(metric, outcome, "min", exact(l.min), "s");
        for ((_, name), e) in REPORTED.iter().zip(l.quantiles) {
            self.push(metric, outcome, name, e, "s");
        }
        self.push(metric, outcome, "max", exact(l.max), "s");
    }

    fn rates(&mut self, cell: &CellAnalysis) {
        self.push("rate", "scheduled", "value", cell.rates.scheduled, "1/s");
        self.push("rate", "sent", "value", cell.rates.sent, "1/s");
        for (outcome, rate) in Outcome::ALL.iter().zip(cell.rates.outcomes) {
            self.push("rate", outcome.name(), "value", rate, "1/s");
        }
        self.push("rate", "completed", "value", cell.rates.completed, "1/s");
    }

    fn operations(&mut self, cell: &CellAnalysis) {
        self.count("operations", "scheduled", cell.tally.scheduled);
        self.count("operations", "sent", cell.tally.sent);
        for outcome in Outcome::ALL {
            self.count("operations", outcome.name(), cell.tally.outcome(outcome));
        }
        for kind in FailureKind::ALL {
            if let Some(n) = cell.tally.failures.get(&kind) {
                self.count("failures", kind.name(), *n);
            }
        }
        for (status, n) in &cell.tally.statuses {
            self.count("statuses", &status.to_string(), *n);
        }
    }

    fn jobs(&mut self, cell: &CellAnalysis) {
        let Some(a) = &cell.facts.accounting else { return };
        for (outcome, n) in [
            ("attempted", a.attempted),
            ("accepted", a.accepted),
            ("refused", a.refused),
            ("unknown", a.unknown),
            ("done", a.done),
            ("failed", a.failed),
            ("unfinished", a.unfinished),
            ("lost", a.lost),
            ("unobserved", a.unobserved),
            ("duplicated", a.duplicated),
            ("unexpected", a.unexpected),
            ("recovered", a.recovered),
        ] {
            self.count("jobs", outcome, n);
        }
        self.count("polls", "", cell.total.polls);
    }

    fn health(&mut self, cell: &CellAnalysis) {
        let bool = |b: bool| Some(f64::from(u8::from(b)));
        let kept_up = match cell.kept_up {
            KeptUp::Yes => bool(true),
            KeptUp::No(_) => bool(false),
            KeptUp::Unknown => None,
        };
        let stable = match cell.stability.verdict {
            Verdict::Unknown => None,
            verdict => bool(verdict == Verdict::Stable),
        };
        self.value("kept_up", kept_up, "bool");
        self.value("stable", stable, "bool");
        self.push("backlog", "", "slope", cell.stability.slope, "1/s");
        self.push("backlog", "", "max", Some(cell.stability.peak as f64).into(), "count");
        self.value("drain_time", cell.drain_time, "s");
        self.value("generator_limited", bool(cell.trust.is_generator_limited()), "bool");
        self.value("balanced", cell.trust.balanced.and_then(bool), "bool");
        self.value("sent_share", cell.trust.sent_share, "ratio");
        let driver = Some(cell.facts.driver_cpu.as_secs_f64()).filter(|_| cell.is_finished);
        self.value("driver_cpu", driver, "s");
        self.value("driver_cpu_per_operation", driver.and_then(|t| ratio(t, cell.total.ended() as f64)), "s");
        self.value("target_cpu", cell.facts.target_cpu.map(|t| t.as_secs_f64()), "s");
        self.value("target_peak_rss", cell.facts.target_peak_rss.map(|n| n as f64), "bytes");
    }
}
