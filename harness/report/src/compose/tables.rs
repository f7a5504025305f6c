//! Tables of all cells: figures, errors, and the driver's own health.

use plimsoll_analysis::cell::{CellAnalysis, KeptUp};
use plimsoll_analysis::estimate::Estimate;
use plimsoll_analysis::latency::Latency;
use plimsoll_model::sample::Outcome;

use super::{View, grows, waits_for_acceptance};
use crate::document::{Block, Cell, Column, Table};
use crate::words::{self, UNKNOWN};

/// A row a cell, and the errors if there were any.
pub fn steps(view: &View<'_>) -> Vec<Block> {
    let mut blocks = vec![Block::Table(figures(view)), Block::Table(outcomes(view))];
    let errors = errors(view);
    if errors.rows.is_empty() {
        blocks.push(Block::Text("No operation failed, was refused, timed out or was dropped.".to_owned()));
    } else {
        blocks.push(Block::Table(errors));
    }
    blocks
}

const QUANTILES: [&str; 5] = ["p50", "p90", "p95", "p99", "p99_9"];

fn figures(view: &View<'_>) -> Table {
    let mut columns = vec![
        Column::text("cell"),
        Column::number("offered (1/s)").hint("mean rate of the schedule"),
        Column::number("completed (1/s)").hint("work done while arrivals came"),
        Column::text("kept up"),
    ];
    columns.extend(QUANTILES.map(|q| {
        Column::number(format!("wait {}", words::quantile(q)))
            .hint("intended start to the response, or to the acceptance")
    }));
    columns.push(Column::number("wait max"));
    columns.push(Column::number("done p50").hint("intended start to the work done"));
    columns.push(Column::number("done p99"));
    columns.push(Column::number("n").hint("ok responses behind the percentiles"));
    let rows = view.analysis.cells.iter().map(|c| figure_row(view, c)).collect();
    Table { caption: "Figures of each cell, of ok operations".into(), columns, rows }
}

fn figure_row(view: &View<'_>, c: &CellAnalysis) -> Vec<Cell> {
    let wait_grows = grows(c, waits_for_acceptance(c));
    let of = |l: Option<&Latency>, q: &str, grows: bool| {
        let e = l.map_or(Estimate::unknown(0), |l| l.quantile(q));
        Cell::new(words::or_unknown(e.value, words::time)).hint(words::support(&e, words::time)).marked(grows)
    };
    let (wait, done) = (c.caller_wait(), c.completion());
    let offered = c.offered_rate.or(c.rates.scheduled.value);
    let completed =
        Cell::new(words::or_unknown(c.rates.completed.value, |v| words::rate(v).replace("/s", "")))
            .hint(words::support(&c.rates.completed, words::rate));
    let kept_up = match c.kept_up {
        KeptUp::Yes => "yes",
        KeptUp::No(_) => "no",
        KeptUp::Unknown => UNKNOWN,
    };
    let mut row = vec![
        Cell::head(view.cell_name(c)),
        Cell::new(words::or_unknown(offered, |v| words::rate(v).replace("/s", ""))),
        completed,
        Cell::new(kept_up),
    ];
    row.extend(QUANTILES.map(|q| of(wait, q, wait_grows)));
    row.push(Cell::new(words::or_unknown(wait.and_then(|l| l.max), words::time)).marked(wait_grows));
    row.push(of(done, "p50", grows(c, false)));
    row.push(of(done, "p99", grows(c, false)));
    row.push(Cell::new(words::count(wait.map_or(0, |l| l.count))));
    row
}

fn outcomes(view: &View<'_>) -> Table {
    let mut columns = vec![Column::text("cell"), Column::number("scheduled"), Column::number("sent")];
    columns.extend(Outcome::ALL.map(|o| Column::number(o.name().replace('_', " "))));
    columns.push(Column::number("polls").hint("requests made to learn of completion"));
    let row = |c: &CellAnalysis| {
        let t = &c.tally;
        let mut row = vec![
            Cell::head(view.cell_name(c)),
            Cell::new(words::count(t.scheduled)),
            Cell::new(words::count(t.sent)),
        ];
        row.extend(Outcome::ALL.map(|o| Cell::new(words::count(t.outcome(o)))));
        row.push(Cell::new(words::count(t.polls)));
        row
    };
    let rows = view.analysis.cells.iter().map(row).collect();
    let caption = "Outcomes: scheduled = ok + rejected + failed + timed out + dropped + unresolved".into();
    Table { caption, columns, rows }
}

fn errors(view: &View<'_>) -> Table {
    let columns = vec![Column::text("cell"), Column::text("what"), Column::number("operations")];
    let mut rows = Vec::new();
    for c in &view.analysis.cells {
        let mut row = |what: String, n: u64| {
            if n > 0 {
                rows.push(vec![Cell::head(view.cell_name(c)), Cell::new(what), Cell::new(words::count(n))]);
            }
        };
        for (kind, n) in &c.tally.failures {
            row(format!("failed: {}", kind.name()), *n);
        }
        for (status, n) in c.tally.statuses.iter().filter(|(s, _)| **s >= 400) {
            row(format!("status {status}"), *n);
        }
        for outcome in [Outcome::TimedOut, Outcome::Dropped, Outcome::Unresolved] {
            row(outcome.name().replace('_', " "), c.tally.outcome(outcome));
        }
    }
    Table { caption: "What went wrong".into(), columns, rows }
}

/// The driver's own figures.
pub fn trust(view: &View<'_>) -> Vec<Block> {
    let columns = vec![
        Column::text("cell"),
        Column::text("generator-limited")
            .hint("whether the figures say more about the driver than about the target"),
        Column::number("sent ÷ scheduled"),
        Column::number("lateness p50").hint("intended start to actual send"),
        Column::number("lateness p99"),
        Column::number("lateness max"),
        Column::number("driver CPU").hint("100 % is one core"),
        Column::number("waited for a core")
            .hint("time its threads were runnable and not running, of the cell's length"),
        Column::text("Little's law").hint("mean number out = rate × mean time, within its tolerance"),
        Column::text("counts balance").hint("scheduled = sum of all outcomes"),
    ];
    let rows = view.analysis.cells.iter().map(|c| trust_row(view, c)).collect();
    let text = "A cell is generator-limited if a start was dropped, less than 99 % of the starts were sent, or at least three \
                starts and the 99th percentile of the lateness exceed 1 ms and 5 % of the caller's median wait. Its figures are then the driver's.";
    vec![
        Block::Text(text.to_owned()),
        Block::Table(Table { caption: "The driver in each cell".into(), columns, rows }),
    ]
}

fn trust_row(view: &View<'_>, c: &CellAnalysis) -> Vec<Cell> {
    let t = &c.trust;
    let late = |q: &str| {
        let e = t.lateness.as_ref().map_or(Estimate::unknown(0), |l| l.quantile(q));
        Cell::new(words::or_unknown(e.value, words::time)).hint(words::support(&e, words::time))
    };
    let yes_no = |b: Option<bool>| Cell::new(b.map_or(UNKNOWN, |b| if b { "yes" } else { "no" }));
    let little = match t.little {
        Some(l) => Cell::new(if l.holds() { "holds" } else { "does not hold" }).hint(format!(
            "{} out, {} expected, ± {}",
            words::number(l.outstanding),
            words::number(l.expected),
            words::number(l.tolerance)
        )),
        None => Cell::new(UNKNOWN).hint("needs a stable window of ten intervals"),
    };
    vec![
        Cell::head(view.cell_name(c)),
        yes_no(Some(t.is_generator_limited())),
        Cell::new(words::or_unknown(t.sent_share, words::share)),
        late("p50"),
        late("p99"),
        Cell::new(words::or_unknown(t.lateness.as_ref().and_then(|l| l.max), words::time)),
        Cell::new(words::or_unknown(t.driver_cpu, words::share)),
        Cell::new(words::or_unknown(t.run_queue_wait, words::share)),
        little,
        yes_no(t.balanced),
    ]
}
