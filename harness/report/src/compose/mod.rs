//! From an analysis to a document: which figures are said, in which words, in which order.

mod answer;
mod jobs;
mod load;
mod method;
mod scorecard;
mod tables;
mod timeline;
mod verdict;

use plimsoll_analysis::Analysis;
use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_model::artefact::{Ending, Run};
use plimsoll_model::plan::Load;
use plimsoll_model::sample::Metric;

use crate::document::{Document, Section};
use crate::words;

/// The whole document.
pub fn document(run: &Run, analysis: &Analysis) -> Document {
    let view = View { run, analysis };
    let plan = &run.manifest.plan;
    Document {
        title: plan.name.clone(),
        subtitle: subtitle(run),
        verdict: verdict::verdict(&view),
        answer: answer::sentences(&view),
        notices: verdict::notices(&view),
        variants: plan.variants.iter().map(|v| v.name.clone()).collect(),
        scorecard: scorecard::table(&view),
        sparks: timeline::sparks(&view),
        sections: sections(&view),
    }
}

fn sections(view: &View<'_>) -> Vec<Section> {
    let all = [
        ("load", "Under load", load::blocks(view)),
        ("distribution", "Distribution", load::distribution(view)),
        ("time", "Over time", timeline::blocks(view)),
        ("jobs", "Jobs", jobs::blocks(view)),
        ("steps", "Steps and errors", tables::steps(view)),
        ("trust", "Trust: was the driver the bottleneck?", tables::trust(view)),
        ("method", "Method", method::blocks(view)),
    ];
    let section =
        |(id, title, blocks): (&'static str, &str, Vec<_>)| Section { id, title: title.to_owned(), blocks };
    all.into_iter().map(section).filter(|s| !s.blocks.is_empty()).collect()
}

fn subtitle(run: &Run) -> String {
    let m = &run.manifest;
    let planned = m.plan.variants.len() * m.plan.steps.len();
    let cells = match m.cells.len() {
        n if n == planned => format!("{n} cell{}", if n == 1 { "" } else { "s" }),
        n => format!("{n} of {planned} cells"),
    };
    let ending = match m.ending {
        Ending::Complete => "",
        Ending::Unfinished => ", unfinished",
        Ending::Interrupted => ", interrupted",
        Ending::Aborted { .. } => ", stopped by a fault",
    };
    format!(
        "{} of {}, {cells}{ending}, seed {}, plimsoll {}",
        m.command, m.started_at, m.plan.seed, m.version
    )
}

/// A run with its analysis, and the names of its parts.
pub struct View<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its analysis.
    pub analysis: &'a Analysis,
}

impl<'a> View<'a> {
    /// Name of a variant.
    pub fn variant(&self, index: usize) -> &'a str {
        &self.run.manifest.plan.variants[index].name
    }

    /// Indices of the variants.
    pub fn variants(&self) -> std::ops::Range<usize> {
        0..self.run.manifest.plan.variants.len()
    }

    /// Name of a step.
    pub fn step(&self, index: usize) -> &'a str {
        &self.run.manifest.plan.steps[index].name
    }

    /// `variant at step`, or only the one of them that there are several of.
    pub fn cell_name(&self, cell: &CellAnalysis) -> String {
        let (variant, step) = (self.variant(cell.id.variant), self.step(cell.id.step));
        match (self.is_comparison(), self.run.manifest.plan.steps.len() > 1) {
            (true, true) => format!("{variant} at {step}"),
            (true, false) => variant.to_owned(),
            (false, _) => step.to_owned(),
        }
    }

    /// Whether there are variants to compare.
    pub fn is_comparison(&self) -> bool {
        self.run.manifest.plan.variants.len() > 1
    }

    /// Whether some step was performed in the open model.
    pub fn is_open(&self) -> bool {
        self.run.manifest.plan.steps.iter().any(|s| matches!(s.load, Load::Open { .. }))
    }

    /// Where a cell lies on the load axis: offered rate, else users.
    pub fn load_of(&self, cell: &CellAnalysis) -> f64 {
        plimsoll_analysis::scorecard::load_of(&self.run.manifest.plan.steps[cell.id.step].load)
    }

    /// Steps of which some variant's cell was begun, in plan order.
    pub fn performed(&self) -> Vec<usize> {
        let begun = |s: &usize| self.analysis.cells.iter().any(|c| c.id.step == *s);
        (0..self.run.manifest.plan.steps.len()).filter(begun).collect()
    }

    /// Whether the variant's answers only accept a job.
    pub fn is_async(&self, variant: usize) -> bool {
        self.run.manifest.plan.variants[variant].is_async()
    }
}

/// Whether a latency of `cell` grows with the length of the test: what is done does, once the backlog
/// rises; an acceptance does not, since it waits for no work.
fn grows(cell: &CellAnalysis, is_acceptance: bool) -> bool {
    cell.stability.is_unstable() && !is_acceptance
}

/// Whether what the cell's caller waits is only an acceptance.
fn waits_for_acceptance(cell: &CellAnalysis) -> bool {
    cell.caller_metric() == Metric::AcceptLatency
}

/// `12 ms at p50 and 40 ms at p99`, as far as they are known; none if not even p50 is.
fn quantiles_in_words(latency: Option<&plimsoll_analysis::latency::Latency>) -> Option<String> {
    let latency = latency?;
    let p50 = format!("{} at p50", words::time(latency.p50()?));
    Some(match (latency.p99(), latency.quantile("p90").value) {
        (Some(p99), _) => format!("{p50} and {} at p99", words::time(p99)),
        (None, Some(p90)) => format!("{p50} and {} at p90", words::time(p90)),
        (None, None) => p50,
    })
}
