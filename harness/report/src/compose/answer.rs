//! The answer in sentences, made from figures.

use plimsoll_analysis::capacity::{Capacity, saturation_ratio};
use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_model::accounting::Accounting;
use plimsoll_model::plan::CellId;
use plimsoll_model::sample::{Metric, Outcome};

use super::{View, quantiles_in_words};
use crate::words;

/// The sentences, most important first.
pub fn sentences(view: &View<'_>) -> Vec<String> {
    let mut all = Vec::new();
    let several_steps = view.performed().len() > 1;
    if view.is_open() && several_steps {
        all.extend(capacity(view));
        all.extend(past_saturation(view));
        all.extend(same_capacity(view));
        all.extend(at_working_load(view));
        all.extend(standing_errors(view));
    } else {
        let cells = &view.analysis.cells;
        all.extend(cells.iter().take(4).map(|c| one_cell(view, c)));
    }
    all.extend(accounts(view));
    if all.is_empty() {
        all.push("Nothing was measured.".to_owned());
    }
    all
}

/// What each variant keeps up with.
fn capacity(view: &View<'_>) -> Vec<String> {
    let capacities = &view.analysis.capacities;
    let same = capacities.iter().all(|c| (c.lower, c.upper) == (capacities[0].lower, capacities[0].upper));
    if same || capacities.len() == 1 {
        let who = match capacities.len() {
            1 => "it",
            2 => "both variants",
            _ => "all variants",
        };
        return vec![kept_up(who, capacities.len() > 1, &capacities[0])];
    }
    capacities.iter().map(|c| kept_up(view.variant(c.variant), false, c)).collect()
}

fn kept_up(who: &str, plural: bool, capacity: &Capacity) -> String {
    let s = if plural { "" } else { "s" };
    match (capacity.lower, capacity.upper) {
        (Some(lower), Some(upper)) => {
            format!("Up to {} {who} keep{s} up, at {} no longer.", words::rate(lower), words::rate(upper))
        }
        (Some(lower), None) if capacity.unjudged.is_some() => {
            format!(
                "Up to {} {who} keep{s} up; heavier loads can't be judged from this run.",
                words::rate(lower)
            )
        }
        (Some(lower), None) => {
            format!(
                "Up to {}, the heaviest load tried, {who} keep{s} up: the capacity is higher.",
                words::rate(lower)
            )
        }
        (None, Some(upper)) => {
            let not = if plural { "do" } else { "does" };
            format!("Already at {}, {who} {not} not keep up.", words::rate(upper))
        }
        (None, None) => format!("What {who} can keep up with can't be told from this run."),
    }
}

/// What happens to each variant's callers at the heaviest load.
fn past_saturation(view: &View<'_>) -> Vec<String> {
    let Some(step) = view.analysis.scorecard.reference.overload else { return Vec::new() };
    let at = view.step(step);
    let cells = view.variants().filter_map(|variant| view.analysis.cell(CellId { variant, step }));
    let told: Vec<String> = cells.filter_map(|c| in_overload(view, c)).collect();
    match told.is_empty() {
        true => Vec::new(),
        false => vec![format!("At {at}, {}.", told.join("; "))],
    }
}

fn in_overload(view: &View<'_>, cell: &CellAnalysis) -> Option<String> {
    let who = match view.is_comparison() {
        true => format!("{} callers", view.variant(cell.id.variant)),
        false => "callers".to_owned(),
    };
    let wait = quantiles_in_words(cell.caller_wait())?;
    let rejected = cell.tally.outcome(Outcome::Rejected);
    let slope = cell.stability.slope.value.filter(|_| cell.stability.is_unstable());
    let grows = slope.map_or(String::new(), |s| {
        format!(" and longer the longer the test, as the backlog grows by {}", words::rate(s))
    });
    let mut text = match (cell.is_async, quantiles_in_words(cell.completion())) {
        (true, Some(done)) => {
            format!("{who} are still answered in {wait}, but their work is done only after {done},{grows}")
        }
        (true, None) => format!("{who} are still answered in {wait}"),
        (false, _) => format!("{who} wait {wait},{grows}"),
    };
    if slope.is_none() {
        text = text.trim_end_matches(',').to_owned();
    }
    if rejected > 0 {
        let share = rejected as f64 / cell.tally.scheduled.max(1) as f64;
        text.push_str(&format!(", and {} are refused", words::share(share)));
    }
    Some(text)
}

/// Whether the variants complete the same when they do all they can.
fn same_capacity(view: &View<'_>) -> Option<String> {
    let capacities = &view.analysis.capacities;
    let ratio = saturation_ratio(capacities)?;
    let rates: Vec<String> = capacities
        .iter()
        .filter_map(|c| {
            Some(format!("{} completed {}", view.variant(c.variant), words::rate(c.saturation?.value?)))
        })
        .collect();
    let shapes = view.variants().any(|v| view.is_async(v)) && view.variants().any(|v| !view.is_async(v));
    let lesson = match (shapes, ratio <= 1.1) {
        (true, true) => "A queue adds no capacity, it moves the waiting: past",
        _ => "Past",
    };
    Some(format!("{lesson} saturation {} (ratio {ratio:.2}).", words::list(&rates)))
}

/// What fails even while all is well.
fn standing_errors(view: &View<'_>) -> Option<String> {
    let step = view.analysis.scorecard.reference.usual()?;
    let told: Vec<String> = view
        .variants()
        .filter_map(|variant| view.analysis.cell(CellId { variant, step }))
        .filter(|c| c.errors() > 0)
        .filter_map(|c| {
            Some(format!(
                "{} of the {} operations",
                words::share(c.error_share()?),
                view.variant(c.id.variant)
            ))
        })
        .collect();
    (!told.is_empty()).then(|| format!("At {}, {} did not end well.", view.step(step), words::list(&told)))
}

/// What the caller saves and pays while all is well.
fn at_working_load(view: &View<'_>) -> Option<String> {
    let step = view.analysis.scorecard.reference.usual()?;
    let told: Vec<String> = view
        .variants()
        .filter_map(|variant| view.analysis.cell(CellId { variant, step }))
        .filter_map(|c| calm(view, c))
        .collect();
    (!told.is_empty()).then(|| format!("At {}, {}.", view.step(step), told.join("; ")))
}

fn calm(view: &View<'_>, cell: &CellAnalysis) -> Option<String> {
    let who = match view.is_comparison() {
        true => format!("{} callers", view.variant(cell.id.variant)),
        false => "callers".to_owned(),
    };
    let wait = quantiles_in_words(cell.caller_wait())?;
    if !cell.is_async {
        return Some(format!("{who} wait {wait}"));
    }
    let done = quantiles_in_words(cell.completion())?;
    let notice = cell.ok(Metric::NoticeDelay).and_then(|l| l.p50());
    let notice = notice.map_or(String::new(), |n| format!(", {} of it until it is noticed", words::time(n)));
    Some(format!("{who} are answered in {wait}, and their work is known to be done after {done}{notice}"))
}

/// A cell that is compared with no other load.
fn one_cell(view: &View<'_>, cell: &CellAnalysis) -> String {
    let name = view.cell_name(cell);
    let what = if cell.is_async { "acceptances" } else { "responses" };
    let wait = match quantiles_in_words(cell.caller_wait()) {
        Some(wait) => format!("{what} took {wait}"),
        None => format!("too few {what} came for a percentile"),
    };
    let rate =
        cell.rates.completed.value.map_or(String::new(), |r| format!(", {} completed", words::rate(r)));
    let errors = match cell.errors() {
        0 => "none failed".to_owned(),
        n => format!("{} of {} did not end well", words::count(n), words::count(cell.tally.scheduled)),
    };
    let closed = match cell.concurrency {
        Some(_) => " There is no schedule in the closed model: this is service time.",
        None => "",
    };
    format!("{name}: {wait}{rate}; {errors}.{closed}")
}

/// What became of all jobs.
fn accounts(view: &View<'_>) -> Option<String> {
    let mut all = Accounting::default();
    let accounts = view.analysis.cells.iter().filter_map(|c| c.facts.accounting.as_ref());
    accounts.for_each(|a| all.merge(a));
    if all.attempted == 0 {
        return None;
    }
    let n = words::count;
    let rest = [
        ("failed", all.failed),
        ("unfinished", all.unfinished),
        ("lost", all.lost),
        ("no longer watched", all.unobserved),
    ];
    let rest: Vec<String> =
        rest.iter().filter(|(_, k)| *k > 0).map(|(what, k)| format!(", {} {what}", n(*k))).collect();
    let ledger = match &all.ledger {
        Some(l) if l.disagreements == 0 => "; the target's own ledger agrees, job by job",
        Some(_) => "; the target's own ledger does not agree",
        None => "",
    };
    let duplicated = if all.duplicated > 0 {
        format!(", {} processed more than once", n(all.duplicated))
    } else {
        String::new()
    };
    let verdict = if all.is_valid() { "All" } else { "Not all" };
    Some(format!(
        "{verdict} {} accepted jobs are accounted for: {} done{}{duplicated}{ledger}.",
        n(all.accepted),
        n(all.done),
        rest.concat()
    ))
}
