//! Tables with a row for each cell.

use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::quantile::REPORTED;
use plimsoll_model::accounting::Accounting;
use plimsoll_model::sample::{FailureKind, Metric, Outcome};

use super::Context;
use crate::document::{Cell, Column, Table};
use crate::words;

/// Cells by step, then variant: neighbours are compared.
pub(super) fn in_order<'a>(c: &'a Context<'_>) -> Vec<&'a CellAnalysis> {
    let mut cells: Vec<&CellAnalysis> = c.analysis.cells.iter().collect();
    cells.sort_by_key(|x| (x.id.step, x.id.variant));
    cells
}

/// The first two cells of each row.
pub(super) fn heads(c: &Context<'_>, x: &CellAnalysis) -> Vec<Cell> {
    vec![Cell::head(c.step(x.id.step)), Cell::new(c.variant(x.id.variant))]
}

/// Every cell's rates and percentiles.
pub fn steps(c: &Context<'_>) -> Table {
    let mut columns = vec![
        Column::text("step"),
        Column::text("variant"),
        Column::text("of"),
        Column::number("offered").hint("Mean rate of the schedule; – in the closed model"),
        Column::number("completed").hint("Work done within the arrivals window ÷ its length"),
    ];
    columns.extend(REPORTED.iter().map(|(_, q)| Column::number(words::quantile(q))));
    columns.extend([
        Column::number("max"),
        Column::number("not ok").hint("Operations and jobs of the measured phase that did not end well"),
        Column::number("n").hint("Samples the percentiles are made from"),
    ]);
    let mut rows = Vec::new();
    for x in in_order(c) {
        let what = if x.is_async { "accept" } else { "response" };
        rows.push(step_row(c, x, what, x.caller_metric(), true));
        if x.is_async {
            rows.push(step_row(c, x, "done", x.completion_metric(), false));
        }
    }
    let caption = "Of ok operations of the measured phase. ≥ marks percentiles taken while the backlog was rising: they grow with the length of the test. – is unknown, for want of samples";
    Table { caption: caption.to_owned(), columns, rows }
}

fn step_row(c: &Context<'_>, x: &CellAnalysis, what: &str, metric: Metric, first: bool) -> Vec<Cell> {
    let l = x.ok(metric);
    let mut row = heads(c, x);
    row.push(Cell::new(what));
    let rate = |e: &plimsoll_analysis::estimate::Estimate| {
        Cell::new(words::or_unknown(e.value, words::rate)).hint(words::support(e, words::rate))
    };
    if first {
        row.push(Cell::new(words::or_unknown(x.offered_rate, words::rate)));
        row.push(rate(&x.rates.completed));
    } else {
        row.extend([Cell::default(), Cell::default()]);
    }
    let unstable = x.grows(metric);
    for (_, q) in REPORTED {
        let e = l.map(|l| l.quantile(q)).unwrap_or_default();
        let text = words::or_unknown(e.value, words::time);
        row.push(Cell::new(text).hint(words::support(&e, words::time)).marked(unstable && e.value.is_some()));
    }
    let max = l.and_then(|l| l.max);
    row.push(Cell::new(words::or_unknown(max, words::time)).marked(unstable && max.is_some()));
    row.push(match first {
        true => Cell::new(words::or_unknown(x.error_share(), words::share)).hint(words::count(x.errors())),
        false => Cell::default(),
    });
    row.push(Cell::new(words::count(l.map_or(0, |l| l.count))));
    row
}

type Count = (&'static str, &'static str, fn(&Accounting) -> u64);

const JOB_COUNTS: [Count; 12] = [
    ("attempted", "Submissions sent", |a| a.attempted),
    ("accepted", "Submissions answered with an acceptance", |a| a.accepted),
    ("refused", "Definitely not taken: 4xx, 429, 503, or never connected", |a| a.refused),
    ("unknown", "Timed out, or broken after the send", |a| a.unknown),
    ("done", "Accepted and noticed as done", |a| a.done),
    ("failed", "Accepted and noticed as failed, dead-lettered or cancelled", |a| a.failed),
    ("unfinished", "Still pending when the drain time-out ended", |a| a.unfinished),
    ("lost", "Accepted, and then unknown to the target", |a| a.lost),
    ("unobserved", "The driver stopped watching", |a| a.unobserved),
    ("duplicated", "Processed or noticed more than once", |a| a.duplicated),
    ("unexpected", "In the target’s ledger, never attempted", |a| a.unexpected),
    ("recovered", "Of unknown fate, but in the target’s ledger", |a| a.recovered),
];

/// What became of every job.
pub fn jobs(c: &Context<'_>) -> Table {
    let mut columns = vec![Column::text("step"), Column::text("variant")];
    columns.extend(JOB_COUNTS.iter().map(|(name, hint, _)| Column::number(*name).hint(*hint)));
    columns.push(Column::text("sums").hint(
        "attempted = accepted + refused + unknown; accepted = done + failed + unfinished + lost + unobserved",
    ));
    columns.push(Column::text("target’s ledger").hint("Compared job by job, where the target keeps one"));
    let row = |x: &CellAnalysis| {
        let a = x.facts.accounting.as_ref()?;
        let mut row = heads(c, x);
        row.extend(JOB_COUNTS.iter().map(|(.., of)| Cell::new(words::count(of(a)))));
        row.push(Cell::new(if a.balances() { "hold" } else { "do not hold" }));
        row.push(Cell::new(match &a.ledger {
            None => "none".to_owned(),
            Some(l) if l.disagreements == 0 => format!("agrees ({})", words::count(l.accepted)),
            Some(l) => format!("{} differ", words::count(l.disagreements)),
        }));
        Some(row)
    };
    let rows = in_order(c).into_iter().filter_map(row).collect();
    Table { caption: "Every job of the whole step, warm-up included; valid after a full drain if lost and unexpected are 0".to_owned(), columns, rows }
}

/// What did not end well; none when everything did.
pub fn errors(c: &Context<'_>) -> Option<Table> {
    let mut rows = Vec::new();
    for x in in_order(c) {
        let mut push = |what: String, n: u64, hint: &str| {
            if n > 0 {
                let mut row = heads(c, x);
                let share = plimsoll_analysis::estimate::ratio(n as f64, x.tally.scheduled as f64);
                row.push(Cell::new(what).hint(hint));
                row.push(Cell::new(words::count(n)));
                row.push(Cell::new(words::or_unknown(share, words::share)));
                rows.push(row);
            }
        };
        for outcome in Outcome::ALL.into_iter().filter(|o| *o != Outcome::Ok) {
            push(outcome.name().replace('_', " "), x.tally.outcome(outcome), meaning(outcome));
        }
        for kind in FailureKind::ALL {
            let n = x.tally.failures.get(&kind).copied().unwrap_or(0);
            push(format!("failed by: {}", kind.name()), n, "cause of failed operations");
        }
        for (status, n) in x.tally.statuses.iter().filter(|(s, _)| **s >= 400) {
            push(format!("status {status}"), *n, "answers with this HTTP status");
        }
        push(
            "jobs failed".to_owned(),
            x.tally.job(Outcome::Failed),
            "accepted, and then failed or dead-lettered",
        );
        push(
            "jobs unfinished".to_owned(),
            x.tally.job(Outcome::Unresolved),
            "not done by the end of the drain",
        );
    }
    (!rows.is_empty()).then(|| Table {
        caption: "By outcome, then by cause and by status; of the measured phase".to_owned(),
        columns: vec![
            Column::text("step"),
            Column::text("variant"),
            Column::text("what"),
            Column::number("count"),
            Column::number("of scheduled"),
        ],
        rows,
    })
}

const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "answered as expected",
        Outcome::Rejected => "refused for load: 429 or 503",
        Outcome::Failed => "wrong answer or broken connection",
        Outcome::TimedOut => "no full answer within the time-out",
        Outcome::Dropped => "its start came while the most operations were out: not sent",
        Outcome::Unresolved => "still out when the drain ended",
    }
}
