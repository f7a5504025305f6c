//! The anatomy of a job, and what became of all of them.

use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::latency::Latency;
use plimsoll_model::accounting::Accounting;
use plimsoll_model::plan::CellId;
use plimsoll_model::sample::Metric;

use super::{View, grows};
use crate::chart::{Axis, Chart, DotGroup, DotRow, Dots, Mapping, Quantity};
use crate::document::{Block, Cell, Column, Figure, Table};
use crate::words;

/// The stages of a job, in the order in which they happen.
const STAGES: [(Metric, &str); 5] = [
    (Metric::AcceptLatency, "accepted"),
    (Metric::QueueWait, "queue wait"),
    (Metric::ProcessingTime, "processing"),
    (Metric::NoticeDelay, "notice delay"),
    (Metric::CompletionTime, "in all, done"),
];

/// The stages that hold the waiting for work.
const WAITING: [&str; 3] = ["queue wait", "in all, done", "in all, response"];

/// Figure and accounts; none if nothing asynchronous was tested.
pub fn blocks(view: &View<'_>) -> Vec<Block> {
    if !view.variants().any(|v| view.is_async(v)) {
        return Vec::new();
    }
    vec![Block::Figure(anatomy(view)), Block::Table(accounts(view))]
}

/// The steps shown: those at which variants are compared.
fn steps(view: &View<'_>) -> Vec<usize> {
    let r = view.analysis.scorecard.reference;
    let mut steps: Vec<usize> = [r.lightest, r.working, r.overload].into_iter().flatten().collect();
    steps.dedup();
    steps
}

fn anatomy(view: &View<'_>) -> Figure {
    let mut groups = Vec::new();
    let mut rows = Vec::new();
    for step in steps(view) {
        let cells = view.variants().filter_map(|variant| view.analysis.cell(CellId { variant, step }));
        let mut group = DotGroup { label: format!("at {}", view.step(step)), rows: Vec::new() };
        for cell in cells {
            for (name, latency) in stages(cell) {
                let label = format!("{} {name}", view.variant(cell.id.variant));
                let row = dot_row(&label, cell, latency);
                group.rows.push(DotRow { hollow: grows(cell, !WAITING.contains(&name)), ..row });
                rows.push(table_row(view, cell, name, latency));
            }
        }
        groups.push(group);
    }
    let columns = vec![
        Column::text("load"),
        Column::text("variant"),
        Column::text("stage"),
        Column::number("p50"),
        Column::number("p99"),
        Column::number("mean").hint("means of stages add up, percentiles do not"),
        Column::number("n"),
    ];
    Figure {
        id: "anatomy",
        title: "Anatomy of a job".into(),
        caption: "Where the time goes: from the dot (p50) to the bar (p99) of each stage. Queue wait and processing are by \
                  the target's clock. Percentiles of stages do not add up, so they stand side by side."
            .into(),
        description: "p50 and p99 of each stage of a job at a light, a working and an excessive load; the table has the figures.".into(),
        chart: Chart::Dots(Dots {
            x: Axis { label: "time".into(), quantity: Quantity::Time, mapping: Mapping::Log },
            groups,
        }),
        table: Table { caption: "Anatomy of a job".into(), columns, rows },
    }
}

fn stages(cell: &CellAnalysis) -> Vec<(&'static str, &Latency)> {
    if cell.is_async {
        return STAGES.iter().filter_map(|(metric, name)| Some((*name, cell.ok(*metric)?))).collect();
    }
    cell.caller_wait().map(|l| ("in all, response", l)).into_iter().collect()
}

fn dot_row(label: &str, cell: &CellAnalysis, latency: &Latency) -> DotRow {
    let (low, high) = (latency.p50(), latency.p99());
    let show = |v| words::or_unknown(v, words::time);
    DotRow {
        label: label.to_owned(),
        variant: cell.id.variant,
        low,
        high,
        hollow: false,
        tip: format!("{} / {}", show(low), show(high)),
    }
}

fn table_row(view: &View<'_>, cell: &CellAnalysis, stage: &str, latency: &Latency) -> Vec<Cell> {
    let grows = grows(cell, !WAITING.contains(&stage));
    let time = |v| Cell::new(words::or_unknown(v, words::time)).marked(grows);
    vec![
        Cell::head(view.step(cell.id.step)),
        Cell::new(view.variant(cell.id.variant)),
        Cell::new(stage),
        time(latency.p50()),
        time(latency.p99()),
        time(latency.mean),
        Cell::new(words::count(latency.count)),
    ]
}

type Account = (&'static str, &'static str, fn(&Accounting) -> u64);

const ACCOUNTS: [Account; 12] = [
    ("attempted", "submissions sent", |a| a.attempted),
    ("accepted", "answered with an acceptance", |a| a.accepted),
    ("refused", "definitely not taken", |a| a.refused),
    ("unknown", "may have been taken: timed out, or broken after the send", |a| a.unknown),
    ("done", "noticed as done", |a| a.done),
    ("failed", "noticed as failed, dead-lettered or cancelled", |a| a.failed),
    ("unfinished", "pending when the drain ended", |a| a.unfinished),
    ("lost", "accepted, and then unknown to the target", |a| a.lost),
    ("unobserved", "no longer watched", |a| a.unobserved),
    ("duplicated", "processed or noticed more than once", |a| a.duplicated),
    ("unexpected", "in the target's ledger, never attempted", |a| a.unexpected),
    ("recovered", "of unknown fate, and in the target's ledger after all", |a| a.recovered),
];

fn accounts(view: &View<'_>) -> Table {
    let mut columns = vec![Column::text("cell")];
    columns.extend(ACCOUNTS.iter().map(|(name, hint, _)| Column::number(*name).hint(*hint)));
    columns.push(Column::text("target's ledger").hint("the target's own list of jobs, compared job by job"));
    columns.push(
        Column::text("durability")
            .hint("D0 memory, D1 survives a process crash, D2 a power loss, D3 replicated"),
    );
    let row = |c: &CellAnalysis| {
        let a = c.facts.accounting.as_ref()?;
        let mut row = vec![Cell::head(view.cell_name(c))];
        row.extend(ACCOUNTS.iter().map(|(.., count)| Cell::new(words::count(count(a)))));
        let ledger = match &a.ledger {
            None => words::UNKNOWN.to_owned(),
            Some(l) if l.disagreements == 0 => format!("{} jobs, agrees", words::count(l.accepted)),
            Some(l) => format!("{} disagree", words::count(l.disagreements)),
        };
        row.push(Cell::new(ledger));
        row.push(Cell::new(c.facts.durability.clone().unwrap_or_else(|| words::UNKNOWN.to_owned())));
        Some(row)
    };
    let caption = "Job accounting: attempted = accepted + refused + unknown; accepted = done + failed + unfinished + lost + unobserved";
    Table { caption: caption.into(), columns, rows: view.analysis.cells.iter().filter_map(row).collect() }
}
