//! From a run to a document: what is said, in which order and in which words.

mod about;
mod answer;
mod figures;
mod overtime;
mod scorecard;
mod tables;
mod verdict;

use plimsoll_analysis::Analysis;
use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::scorecard::load_of;
use plimsoll_model::artefact::{Ending, Run};
use plimsoll_model::plan::{Load, Target};

use crate::document::{Block, Document, Section, Spark};
use crate::words;

/// What every part of the composition looks at.
pub(crate) struct Context<'a> {
    pub run: &'a Run,
    pub analysis: &'a Analysis,
}

/// Compose the document of a run.
pub(crate) fn document(run: &Run, analysis: &Analysis) -> Document {
    let c = Context { run, analysis };
    Document {
        title: run.manifest.plan.name.clone(),
        subtitle: subtitle(&c),
        verdict: verdict::verdict(&c),
        answer: answer::sentences(&c),
        notices: verdict::notices(&c),
        variants: run.manifest.plan.variants.iter().map(|v| v.name.clone()).collect(),
        scorecard: scorecard::table(&c),
        sparks: sparks(&c),
        sections: sections(&c),
    }
}

fn sections(c: &Context<'_>) -> Vec<Section> {
    let mut load = Vec::new();
    if c.is_stepped() {
        load.extend([Block::Figure(figures::latency_by_load(c)), Block::Figure(figures::rate_by_load(c))]);
    }
    let mut jobs = Vec::new();
    if c.analysis.cells.iter().any(|cell| cell.is_async) {
        jobs.push(Block::Figure(figures::anatomy(c)));
        jobs.push(Block::Table(tables::jobs(c)));
    }
    let mut errors = Vec::new();
    match tables::errors(c) {
        Some(table) => errors.push(Block::Table(table)),
        None => errors.push(Block::Text("Every operation ended well.".to_owned())),
    }
    let section = |id, title: &str, blocks| Section { id, title: title.to_owned(), blocks };
    let all = vec![
        section("load", "Under rising load", load),
        section("percentiles", "How waits are distributed", figures::percentiles(c)),
        section("time", "Over time", vec![Block::Figure(overtime::figure(c))]),
        section("jobs", "What became of a job", jobs),
        section("steps", "Steps", vec![Block::Table(tables::steps(c))]),
        section("errors", "Errors", errors),
        section("trust", "Can the driver be trusted?", about::trust(c)),
        section("method", "Method", about::method(c)),
        section("plan", "Plan and environment", about::plan(c)),
        section("glossary", "Glossary", vec![Block::Definitions(about::glossary())]),
    ];
    all.into_iter().filter(|s| !s.blocks.is_empty()).collect()
}

fn subtitle(c: &Context<'_>) -> String {
    let m = &c.run.manifest;
    let ending = match &m.ending {
        Ending::Complete => "complete",
        Ending::Unfinished => "unfinished",
        Ending::Interrupted => "interrupted",
        Ending::Aborted { .. } => "stopped by a fault",
    };
    let scheduled: u64 = c.analysis.cells.iter().map(|cell| cell.total.scheduled).sum();
    format!(
        "{} {} on {} with plimsoll {}; {} started; seed {}",
        words::sentence(&m.command),
        ending,
        m.started_at.replace('T', " ").replace('Z', " UTC"),
        m.version,
        c.noun(scheduled),
        m.plan.seed
    )
}

/// What callers wait by load; with a single step, over time.
fn sparks(c: &Context<'_>) -> Vec<Spark> {
    if !c.is_stepped() {
        return overtime::sparks(c);
    }
    let variants = 0..c.variants();
    let of =
        |v: usize, f: fn(&CellAnalysis) -> Option<f64>| c.by_load(v).into_iter().map(f).collect::<Vec<_>>();
    let waits: Vec<_> = variants.clone().map(|v| of(v, |x| x.caller_wait()?.p99())).collect();
    let rates: Vec<_> = variants.clone().map(|v| of(v, |x| x.rates.completed.value)).collect();
    let (slowest, fastest) =
        (Range::of(waits.iter().flatten(), true), Range::of(rates.iter().flatten(), false));
    variants
        .flat_map(|v| {
            let name = c.variant(v);
            [
                spark(format!("{name}: p99 wait by load"), &waits[v], slowest, words::time),
                spark(format!("{name}: completed by load"), &rates[v], fastest, words::rate),
            ]
        })
        .collect()
}

/// What the heights of sparks are measured against: shared by those that are compared.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    low: f64,
    high: f64,
    log: bool,
}

impl Range {
    /// Of all the values known; by their logarithm if asked, else from zero.
    pub fn of<'v>(values: impl Iterator<Item = &'v Option<f64>>, log: bool) -> Self {
        let (low, high) =
            values.flatten().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        Range { low: if log { low } else { 0.0 }, high, log }
    }

    fn height(self, v: f64) -> f64 {
        let map = |v: f64| if self.log { v.max(1e-9).log10() } else { v };
        let span = map(self.high) - map(self.low);
        if span > 0.0 { ((map(v) - map(self.low)) / span).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// A spark of `values`.
pub(crate) fn spark(
    label: String,
    values: &[Option<f64>],
    range: Range,
    word: impl Fn(f64) -> String,
) -> Spark {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let words = match (known.first(), known.last()) {
        (Some(first), Some(last)) if known.len() > 1 => format!("{} → {}", word(*first), word(*last)),
        (Some(only), _) => word(*only),
        _ => words::UNKNOWN.to_owned(),
    };
    Spark { label, heights: values.iter().map(|v| v.map(|v| range.height(v))).collect(), range: words }
}

impl Context<'_> {
    /// Name of a variant.
    pub fn variant(&self, variant: usize) -> &str {
        &self.run.manifest.plan.variants[variant].name
    }

    /// Name of a step.
    pub fn step(&self, step: usize) -> &str {
        &self.run.manifest.plan.steps[step].name
    }

    /// How many variants the plan has.
    pub fn variants(&self) -> usize {
        self.run.manifest.plan.variants.len()
    }

    /// Whether several loads are compared.
    pub fn is_stepped(&self) -> bool {
        self.run.manifest.plan.steps.len() > 1
    }

    /// Whether every step is of the closed model.
    pub fn is_closed(&self) -> bool {
        self.run.manifest.plan.steps.iter().all(|s| matches!(s.load, Load::Closed { .. }))
    }

    /// The name of a cell in a sentence.
    pub fn cell_name(&self, cell: &CellAnalysis) -> String {
        match (self.variants() > 1, self.is_stepped()) {
            (true, true) => format!("{} at {}", self.variant(cell.id.variant), self.step(cell.id.step)),
            (true, false) => self.variant(cell.id.variant).to_owned(),
            (false, _) => self.step(cell.id.step).to_owned(),
        }
    }

    /// The cells of a variant by rising load, of the model that is drawn.
    pub fn by_load(&self, variant: usize) -> Vec<&CellAnalysis> {
        let mut cells = self.analysis.of_variant(variant);
        cells.retain(|c| c.concurrency.is_some() == self.is_closed());
        cells.sort_by(|a, b| self.load(a).total_cmp(&self.load(b)));
        cells
    }

    /// Offered rate, or users.
    pub fn load(&self, cell: &CellAnalysis) -> f64 {
        load_of(&self.run.manifest.plan.steps[cell.id.step].load)
    }

    /// A load in words.
    pub fn load_in_words(&self, load: f64) -> String {
        if self.is_closed() { format!("{} users", words::number(load)) } else { words::rate(load) }
    }

    /// A number of operations, by the name of the bundled work where all variants do the same.
    pub fn noun(&self, n: u64) -> String {
        let (one, many) = self.nouns();
        format!("{} {}", words::count(n), if n == 1 { one } else { many })
    }

    /// What an operation is called: one, several.
    pub fn nouns(&self) -> (&'static str, &'static str) {
        let mut workloads = self.run.manifest.plan.variants.iter().map(|v| match &v.target {
            Target::Bundled(b) => b.workload.as_str(),
            Target::External { .. } => "",
        });
        let first = workloads.next().unwrap_or("");
        match first {
            f if !workloads.all(|w| w == f) => ("operation", "operations"),
            "email" => ("email", "emails"),
            "login" => ("login", "logins"),
            "payment" => ("payment", "payments"),
            "notifications" => ("notification", "notifications"),
            "checkout" => ("checkout", "checkouts"),
            _ => ("request", "requests"),
        }
    }
}
