//! The scorecard: one column a variant, four headings.

use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::estimate::Estimate;
use plimsoll_analysis::quantile::REPORTED;
use plimsoll_analysis::scorecard::{Figure, Heading, Measure, Row};
use plimsoll_model::plan::CellId;

use super::Context;
use crate::document::{Cell, CellKind, Column, Table};
use crate::words;

/// The scorecard; of a single step, the percentiles of each variant.
pub fn table(c: &Context<'_>) -> Table {
    let mut columns = vec![Column::text("")];
    columns.extend((0..c.variants()).map(|v| Column::number(c.variant(v)).of(v)));
    let rows = match c.is_stepped() || c.variants() > 1 {
        true => compared(c),
        false => single(c),
    };
    Table { caption: "Scorecard".to_owned(), columns, rows }
}

fn compared(c: &Context<'_>) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for (heading, name) in [
        (Heading::Execution, "Execution"),
        (Heading::Response, "Response (p50 · p99)"),
        (Heading::Scalability, "Scalability"),
        (Heading::Complexity, "Complexity"),
    ] {
        let known = |r: &&Row| r.measure.heading() == heading && !r.figures.iter().all(Figure::is_unknown);
        let of: Vec<&Row> =
            c.analysis.scorecard.rows.iter().filter(known).filter(|r| is_told(c, r)).collect();
        if !of.is_empty() {
            rows.push(vec![Cell { text: name.to_owned(), kind: CellKind::Group, ..Cell::default() }]);
            rows.extend(of.iter().map(|r| row(c, r)));
        }
    }
    rows
}

/// What says nothing is left out: a sync run's work is done when it is answered, and a single
/// variant has nobody to be compared with in what its protocol needs.
fn is_told(c: &Context<'_>, r: &Row) -> bool {
    let any_async = c.run.manifest.plan.variants.iter().any(|v| v.is_async());
    match r.measure {
        Measure::CallerShare | Measure::Completion | Measure::ExchangesPerJob => any_async,
        Measure::States => any_async && c.variants() > 1,
        Measure::SustainedRate => !c.is_closed(),
        _ => true,
    }
}

fn row(c: &Context<'_>, r: &Row) -> Vec<Cell> {
    let (label, hint) = words_of(r.measure);
    let at = r.step.map_or(String::new(), |s| place(c, r.measure, s));
    let kind = if is_minor(r.measure) { CellKind::Minor } else { CellKind::Head };
    let mut cells = vec![Cell { text: format!("{label}{at}"), hint: hint.to_owned(), kind }];
    for (variant, figure) in r.figures.iter().enumerate() {
        let unstable = r.step.and_then(|step| c.analysis.cell(CellId { variant, step })).is_some_and(|x| {
            match r.measure {
                Measure::CallerWait => x.grows(x.caller_metric()),
                Measure::Completion => x.grows(x.completion_metric()),
                _ => false,
            }
        });
        cells.push(cell(r.measure, figure).marked(unstable));
    }
    cells
}

/// Rows that the page shows and a terminal leaves out.
fn is_minor(measure: Measure) -> bool {
    matches!(
        measure,
        Measure::States | Measure::AttemptsPerJob | Measure::Utilisation | Measure::DriverCpuPerJob
    )
}

/// ` at 120/s`, with what that load is for the rows that are told at several.
fn place(c: &Context<'_>, measure: Measure, step: usize) -> String {
    let reference = &c.analysis.scorecard.reference;
    let name = c.step(step);
    if !c.is_stepped() {
        return String::new();
    }
    match (measure, Some(step)) {
        (Measure::CallerWait | Measure::Completion, s) if s == reference.overload => {
            format!(", past capacity: {name}")
        }
        (Measure::CallerWait | Measure::Completion, s) if s == reference.working => {
            format!(", about 80 %: {name}")
        }
        (Measure::CallerWait | Measure::Completion, s) if s == reference.lightest => {
            format!(", lightest: {name}")
        }
        _ => format!(" at {name}"),
    }
}

fn words_of(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::CallerShare => (
            "share of the work’s time that the caller waits",
            "Mean wait of the caller ÷ mean time from intended start to work done",
        ),
        Measure::SaturationRate => (
            "completed at saturation",
            "Work done per second within the arrivals window, at the heaviest load",
        ),
        Measure::Utilisation => (
            "workers busy",
            "Busy time of the target’s workers ÷ (workers × time until the last work was done)",
        ),
        Measure::CallerWait => (
            "caller waits",
            "Intended start to the last byte of the answer: for a queued job, of its acceptance",
        ),
        Measure::Completion => (
            "work done after",
            "Intended start to the work done: for a queued job, to the driver noticing it",
        ),
        Measure::SustainedRate => (
            "keeps up to",
            "Highest offered rate kept up with: 98 % completed, backlog not rising, at most 0.1 % errors; then the lowest not kept up with",
        ),
        Measure::WaitGrowth => (
            "p99 wait ÷ lightest load’s",
            "How many times longer callers wait than at the lightest load, at p99",
        ),
        Measure::RefusedShare => ("refused", "Answers 429 and 503 ÷ starts scheduled"),
        Measure::BacklogSlope => {
            ("backlog grows by", "Growth of requests in flight and jobs waiting, over the arrivals window")
        }
        Measure::DrainTime => {
            ("drained after", "From the end of arrivals to the last work done, to the interval")
        }
        Measure::ExchangesPerJob => {
            ("HTTP exchanges for each done", "Requests sent, polls included, ÷ work done")
        }
        Measure::CommitsPerJob => (
            "queue commits for each done",
            "Durable transactions of the target’s queue and job store ÷ work done",
        ),
        Measure::AttemptsPerJob => {
            ("attempts for each done", "Times that a job was given to a worker ÷ work done")
        }
        Measure::Duplicates => ("duplicates", "Jobs processed or noticed more than once, all steps"),
        Measure::States => (
            "end states to tell apart",
            "Sync: ok, rejected, failed, timed out. Queued: accepted, refused, unknown; then done, failed, unfinished, lost, duplicated",
        ),
        Measure::NoticeDelay => {
            ("notice delay (p50 · p99)", "From done by the target’s clock to noticed by the driver")
        }
        Measure::DriverCpuPerJob => {
            ("driver CPU for each done", "CPU time of the driver ÷ work done: the price of polling is in it")
        }
        Measure::TargetCpuPerJob => ("target CPU for each done", "CPU time of the target ÷ work done"),
    }
}

fn cell(measure: Measure, figure: &Figure) -> Cell {
    let word: fn(f64) -> String = match measure {
        Measure::CallerShare | Measure::Utilisation | Measure::RefusedShare => words::share,
        Measure::SaturationRate | Measure::BacklogSlope | Measure::SustainedRate => words::rate,
        Measure::WaitGrowth => |v| format!("{} ×", words::significant(v)),
        Measure::ExchangesPerJob | Measure::CommitsPerJob | Measure::AttemptsPerJob => words::significant,
        Measure::Duplicates | Measure::States => words::number,
        _ => words::time,
    };
    let one = |e: &Estimate| words::or_unknown(e.value, word);
    match figure {
        Figure::Unknown => Cell::new(words::UNKNOWN).hint("not measured"),
        Figure::Value(e) => Cell::new(one(e)).hint(words::support(e, word)),
        Figure::Quantiles(a, b) => {
            Cell::new(format!("{} · {}", one(a), one(b))).hint(words::support(b, word))
        }
        Figure::Bracket(low, high) => Cell::new(match (low, high) {
            (Some(l), Some(h)) => format!("{} (not {})", word(*l), word(*h)),
            (Some(l), None) => format!("≥ {}", word(*l)),
            (None, Some(h)) => format!("< {}", word(*h)),
            (None, None) => words::UNKNOWN.to_owned(),
        }),
    }
}

/// A run of one variant and one step: its rates and percentiles.
fn single(c: &Context<'_>) -> Vec<Vec<Cell>> {
    let Some(x) = c.analysis.cells.first() else { return Vec::new() };
    let mut rows = Vec::new();
    let mut push = |label: &str, text: String, hint: String| {
        rows.push(vec![
            Cell::head(label),
            Cell::new(text).hint(hint).marked(x.stability.is_unstable() && label.starts_with('p')),
        ]);
    };
    let rate = |e: &Estimate| words::or_unknown(e.value, words::rate);
    push("scheduled", rate(&x.rates.scheduled), words::support(&x.rates.scheduled, words::rate));
    push("completed", rate(&x.rates.completed), words::support(&x.rates.completed, words::rate));
    push("did not end well", words::or_unknown(x.error_share(), words::share), words::count(x.errors()));
    let service = (x.caller_metric() != plimsoll_model::sample::Metric::ServiceTime)
        .then(|| x.ok(plimsoll_model::sample::Metric::ServiceTime))
        .flatten();
    for (name, latency) in [
        (caller_label(x), x.caller_wait()),
        ("service time", service),
        ("work done after", x.completion().filter(|_| x.is_async)),
    ] {
        let Some(l) = latency else { continue };
        rows.push(vec![Cell {
            text: format!("{name} (n = {})", words::count(l.count)),
            kind: CellKind::Group,
            ..Cell::default()
        }]);
        for ((_, q), e) in REPORTED.iter().zip(l.quantiles) {
            let value =
                Cell::new(words::or_unknown(e.value, words::time)).hint(words::support(&e, words::time));
            rows.push(vec![Cell::head(words::quantile(q)), value.marked(x.stability.is_unstable())]);
        }
        rows.push(vec![Cell::head("max"), Cell::new(words::or_unknown(l.max, words::time))]);
    }
    rows
}

fn caller_label(x: &CellAnalysis) -> &'static str {
    match x.caller_metric() {
        plimsoll_model::sample::Metric::AcceptLatency => "accept latency",
        plimsoll_model::sample::Metric::ServiceTime => "service time",
        _ => "response time",
    }
}
