//! How it was measured: method, plan, machine, terms.

use plimsoll_model::config;

use super::View;
use crate::document::{Block, Cell, Column, Table};
use crate::words::{self, UNKNOWN};

/// Method, plan, environment and glossary.
pub fn blocks(view: &View<'_>) -> Vec<Block> {
    vec![
        Block::Text(method(view)),
        Block::Table(environment(view)),
        Block::Code("The plan, every default filled in".into(), config::describe(&view.run.manifest.plan)),
        Block::Definitions(glossary()),
    ]
}

fn method(view: &View<'_>) -> String {
    let model = match view.is_open() {
        true => {
            "In the open model requests start by a seeded schedule, whatever the answers do; latencies run from the \
             intended start, so that a target that stands still can't hide the requests it holds up."
        }
        false => {
            "In the closed model each user waits for its answer, thinks and asks again. No schedule says when a request \
             was due, so a slow target slows the load itself: the figures are service times."
        }
    };
    let cells = match view.analysis.cells.len() {
        0 | 1 => "",
        _ => {
            " Each cell (a variant under a step's load) has a fresh target; the variants of a step follow one another, in alternating order."
        }
    };
    format!(
        "{model}{cells} Percentiles are by nearest rank from HDR histograms with three significant digits, merged and never \
         averaged; one that the samples do not support is left out. Rates are counts of whole intervals between the end of \
         the warm-up and the last arrival, divided by their length."
    )
}

fn environment(view: &View<'_>) -> Table {
    let e = &view.run.manifest.environment;
    let known = |s: &str| if s.is_empty() { UNKNOWN.to_owned() } else { s.to_owned() };
    let facts = [
        ("CPU", known(&e.cpu)),
        ("cores", words::count(u64::from(e.cores))),
        ("memory", words::bytes(e.memory_bytes)),
        ("kernel", known(&e.kernel)),
        ("clock source", known(&e.clock_source)),
        ("frequency governor", e.governor.clone().unwrap_or_else(|| UNKNOWN.to_owned())),
        ("open-file limit", words::count(e.fd_limit)),
        ("fsync, median of 4 KiB", words::or_unknown(e.fsync.map(|t| t.as_secs_f64()), words::time)),
    ];
    let rows = facts.into_iter().map(|(name, text)| vec![Cell::head(name), Cell::new(text)]).collect();
    Table { caption: "The machine".into(), columns: vec![Column::text("fact"), Column::text("value")], rows }
}

fn glossary() -> Vec<(String, String)> {
    [
        ("offered rate", "arrivals per second of the schedule"),
        ("response time", "intended start to the last byte of the response"),
        ("service time", "actual send to the last byte"),
        ("lateness", "intended start to actual send: the driver's own health"),
        ("accept latency", "intended start to the last byte of the response that accepts a job"),
        ("queue wait", "enqueued to first taken by a worker, by the target's clock"),
        ("processing time", "last taken by a worker to done, by the target's clock"),
        ("notice delay", "done to noticed by the driver: the price of polling"),
        ("completion time", "intended start to the job noticed as done"),
        ("outstanding", "requests sent and not ended, and jobs accepted and not noticed as ended"),
        ("dropped", "a start that came while max_in_flight operations were out: never sent"),
        ("unresolved", "still out when the drain ended"),
        ("generator-limited", "the driver could not do what was asked; the figures are not the target's"),
    ]
    .map(|(term, meaning)| (term.to_owned(), meaning.to_owned()))
    .into()
}
