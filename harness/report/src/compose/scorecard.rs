//! The variants side by side.

use plimsoll_analysis::estimate::Estimate;
use plimsoll_analysis::scorecard::{Figure, Heading, Measure, Row};
use plimsoll_model::plan::CellId;

use super::{View, grows, waits_for_acceptance};
use crate::document::{Cell, CellKind, Column, Table};
use crate::words::{self, UNKNOWN};

/// The scorecard as a table; rows of which nothing is known are left out.
pub fn table(view: &View<'_>) -> Table {
    let columns = std::iter::once(Column::text(""))
        .chain(view.variants().map(|v| Column::number(view.variant(v)).of(v)))
        .collect();
    let mut rows = Vec::new();
    let mut heading = None;
    for row in &view.analysis.scorecard.rows {
        if row.figures.iter().all(Figure::is_unknown) {
            continue;
        }
        if heading.replace(row.measure.heading()) != Some(row.measure.heading()) {
            rows.push(vec![Cell {
                text: heading_name(row.measure.heading()).into(),
                kind: CellKind::Group,
                ..Cell::default()
            }]);
        }
        rows.push(cells(view, row));
    }
    let caption =
        "Percentiles are from the intended start; a figure after ± or in a hover is its 95 % interval."
            .into();
    Table { caption, columns, rows }
}

fn heading_name(heading: Heading) -> &'static str {
    match heading {
        Heading::Execution => "Execution",
        Heading::Response => "Response",
        Heading::Scalability => "Scalability",
        Heading::Complexity => "Complexity",
    }
}

fn cells(view: &View<'_>, row: &Row) -> Vec<Cell> {
    let (name, hint) = label(row.measure);
    let name = match row.step {
        Some(step) => format!("{name} at {}", view.step(step)),
        None => name.to_owned(),
    };
    let kind = if is_minor(row.measure) { CellKind::Minor } else { CellKind::Head };
    let head = Cell { text: name, hint: hint.to_owned(), kind };
    let figure = |(variant, f): (usize, &Figure)| {
        let id = row.step.map(|step| CellId { variant, step });
        let grows = id
            .and_then(|id| view.analysis.cell(id))
            .is_some_and(|c| grows(c, row.measure == Measure::CallerWait && waits_for_acceptance(c)));
        shown(row.measure, f).marked(grows && matches!(f, Figure::Quantiles(..)))
    };
    std::iter::once(head).chain(row.figures.iter().enumerate().map(figure)).collect()
}

/// Rows that the terminal leaves out.
fn is_minor(measure: Measure) -> bool {
    matches!(
        measure,
        Measure::Utilisation
            | Measure::WaitGrowth
            | Measure::States
            | Measure::AttemptsPerJob
            | Measure::DriverCpuPerJob
            | Measure::Duplicates
    )
}

fn shown(measure: Measure, figure: &Figure) -> Cell {
    let value = |e: &Estimate| {
        Cell::new(words::or_unknown(e.value, in_unit(measure))).hint(words::support(e, in_unit(measure)))
    };
    match figure {
        Figure::Unknown => Cell::new(UNKNOWN),
        Figure::Value(e) => value(e),
        Figure::Quantiles(p50, p99) => {
            let text = |e: &Estimate| words::or_unknown(e.value, words::time);
            let hint = format!(
                "p50: {}; p99: {}",
                words::support(p50, words::time),
                words::support(p99, words::time)
            );
            Cell::new(format!("{} / {}", text(p50), text(p99))).hint(hint)
        }
        Figure::Bracket(Some(lower), Some(upper)) => {
            Cell::new(format!("{} – {}", words::rate(*lower), words::rate(*upper)))
                .hint("kept up with the first, did not with the second")
        }
        Figure::Bracket(Some(lower), None) => Cell::new(format!("≥ {}", words::rate(*lower))),
        Figure::Bracket(None, Some(upper)) => Cell::new(format!("< {}", words::rate(*upper))),
        Figure::Bracket(None, None) => Cell::new(UNKNOWN),
    }
}

fn in_unit(measure: Measure) -> fn(f64) -> String {
    match measure {
        Measure::CallerShare | Measure::Utilisation | Measure::RefusedShare => words::share,
        Measure::SaturationRate | Measure::SustainedRate | Measure::BacklogSlope => words::rate,
        Measure::WaitGrowth => |v| format!("{}×", words::number(v)),
        Measure::CallerWait
        | Measure::Completion
        | Measure::DrainTime
        | Measure::NoticeDelay
        | Measure::DriverCpuPerJob
        | Measure::TargetCpuPerJob => words::time,
        _ => words::number,
    }
}

/// A row's name, and what it means.
fn label(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::CallerShare => {
            ("caller blocked, share of the job", "mean wait of the caller ÷ mean time until the work is done")
        }
        Measure::SaturationRate => ("completed at saturation", "work done per second at the heaviest load"),
        Measure::Utilisation => ("workers busy", "busy time of the workers ÷ (workers × time)"),
        Measure::CallerWait => {
            ("caller waits, p50 / p99,", "intended start to the response, or to the acceptance of the job")
        }
        Measure::Completion => {
            ("work done, p50 / p99,", "intended start to the response, or to the job noticed as done")
        }
        Measure::SustainedRate => (
            "keeps up with",
            "the highest rate kept up with and the lowest that was not: the capacity lies between",
        ),
        Measure::WaitGrowth => {
            ("caller waits longer", "p99 of the caller's wait here ÷ at the lightest load")
        }
        Measure::RefusedShare => ("refused", "answers 429 and 503 ÷ scheduled"),
        Measure::BacklogSlope => ("backlog grows by", "work accepted or waiting, and not done"),
        Measure::DrainTime => ("drained after", "from the last arrival to the last work done"),
        Measure::ExchangesPerJob => ("HTTP exchanges per job", "requests, polls included, for each job done"),
        Measure::CommitsPerJob => {
            ("queue commits per job", "durable transactions of the queue and job store for each job done")
        }
        Measure::AttemptsPerJob => ("attempts per job", "times a job was given to a worker"),
        Measure::Duplicates => {
            ("jobs processed twice", "processed or noticed more than once, in the whole run")
        }
        Measure::States => ("end states to handle", "outcomes a caller has to tell apart"),
        Measure::NoticeDelay => {
            ("noticed late by, p50 / p99,", "done to noticed by the driver: the price of polling")
        }
        Measure::DriverCpuPerJob => ("driver CPU per job", "CPU time of the driver for each job done"),
        Measure::TargetCpuPerJob => ("target CPU per job", "CPU time of the target for each job done"),
    }
}
