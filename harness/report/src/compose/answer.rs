//! The answer in words, made from figures.

use plimsoll_analysis::capacity::{Capacity, saturation_ratio};
use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::estimate::ratio;
use plimsoll_analysis::latency::Latency;
use plimsoll_model::accounting::Accounting;
use plimsoll_model::plan::CellId;
use plimsoll_model::sample::Outcome;

use super::Context;
use crate::words;

/// The answer, a sentence each.
pub fn sentences(c: &Context<'_>) -> Vec<String> {
    if c.analysis.cells.iter().all(|x| x.done() == 0) {
        return vec![nothing(c)];
    }
    let mut said = Vec::new();
    if c.is_closed() {
        said.extend(c.analysis.cells.iter().filter(|_| !c.is_stepped()).map(|x| single(c, x)));
        said.extend(closed(c));
        said.push("In the closed model each user waits for an answer before asking again, so no schedule says when an answer was due: response time does not exist, and service time is shown.".to_owned());
        return said;
    }
    if !c.is_stepped() {
        said.extend(c.analysis.of_variant(0).into_iter().map(|x| single(c, x)));
        said.extend((1..c.variants()).flat_map(|v| c.analysis.of_variant(v)).map(|x| single(c, x)));
        said.extend(accounts(c));
        return said;
    }
    said.push(capacity(c));
    said.extend(usual(c));
    said.extend(overload(c));
    said.extend(saturation(c));
    said.extend(standing_errors(c));
    said.extend(accounts(c));
    said
}

/// What fails at the usual load already, and so is not the load's.
fn standing_errors(c: &Context<'_>) -> Option<String> {
    let step = c.analysis.scorecard.reference.usual()?;
    let failing = |variant| {
        let x = c.analysis.cell(CellId { variant, step })?;
        let share = x.error_share().filter(|s| *s > 0.0)?;
        Some(format!("{} of the {} {}", words::share(share), c.variant(variant), c.nouns().1))
    };
    let parts: Vec<String> = (0..c.variants()).filter_map(failing).collect();
    (!parts.is_empty()).then(|| format!("At {}, {} do not end well.", c.step(step), words::list(&parts)))
}

/// What became of all accepted jobs.
fn accounts(c: &Context<'_>) -> Option<String> {
    let mut all = Accounting::default();
    c.analysis.cells.iter().filter_map(|x| x.facts.accounting.as_ref()).for_each(|a| all.merge(a));
    if all.accepted == 0 {
        return None;
    }
    let ends = [
        (all.done, "done"),
        (all.failed, "failed"),
        (all.unfinished, "unfinished"),
        (all.lost, "lost"),
        (all.unobserved, "no longer watched"),
    ];
    let ends: Vec<String> =
        ends.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", words::count(*n))).collect();
    let ledger = match &all.ledger {
        Some(l) if l.disagreements == 0 => "; the target’s own ledger agrees, job by job",
        Some(_) => "; the target’s own ledger does not agree",
        None => "",
    };
    let all_or_not = if all.is_valid() { "All" } else { "Not all" };
    Some(format!(
        "{all_or_not} {} accepted jobs are accounted for: {}{ledger}.",
        words::count(all.accepted),
        words::list(&ends)
    ))
}

fn nothing(c: &Context<'_>) -> String {
    let (mut scheduled, mut parts) = (0, Vec::new());
    for cell in &c.analysis.cells {
        scheduled += cell.total.scheduled;
    }
    for outcome in Outcome::ALL {
        let n: u64 = c.analysis.cells.iter().map(|x| x.total.outcome(outcome)).sum();
        if n > 0 && outcome != Outcome::Ok {
            parts.push(format!("{} {}", words::count(n), outcome.name().replace('_', " ")));
        }
    }
    let accepted: u64 = c.analysis.cells.iter().map(|x| x.total.outcome(Outcome::Ok)).sum();
    if accepted > 0 {
        parts.push(format!("{} accepted but not done", words::count(accepted)));
    }
    let tail = if parts.is_empty() { String::new() } else { format!(": {}", words::list(&parts)) };
    format!("Nothing was completed of {}{tail}.", c.noun(scheduled))
}

/// `p50 12 ms and p99 41 ms`, as far as they are known.
fn quantiles(l: &Latency) -> String {
    let known: Vec<String> = ["p50", "p99"]
        .into_iter()
        .filter_map(|q| l.quantile(q).value.map(|v| format!("{} {}", words::quantile(q), words::time(v))))
        .collect();
    match (known.is_empty(), l.max) {
        (false, _) => words::list(&known),
        (true, Some(max)) => format!("at most {}", words::time(max)),
        (true, None) => words::UNKNOWN.to_owned(),
    }
}

/// All of one cell, for a run of a single step.
fn single(c: &Context<'_>, x: &CellAnalysis) -> String {
    let who = if c.variants() > 1 { format!("{}: ", c.variant(x.id.variant)) } else { String::new() };
    let load = match x.concurrency {
        Some(users) => format!("With {users} users"),
        None => format!("At {} offered", words::or_unknown(x.offered_rate, words::rate)),
    };
    let done = words::or_unknown(x.rates.completed.value, words::rate);
    let Some(wait) = x.caller_wait() else {
        return format!("{who}{load}, nothing came back in the measured phase.");
    };
    let mut text = format!("{who}{load}, {done} completed; callers waited {}", quantiles(wait));
    if x.is_async
        && let Some(l) = x.completion()
    {
        text += &format!(", and the work was done after {}", quantiles(l));
    }
    let errors = match x.error_share() {
        Some(s) if s > 0.0 => format!("{} did not end well", words::share(s)),
        _ => "no errors".to_owned(),
    };
    text += &format!(" (n = {}; {errors}).", words::count(wait.count));
    if x.stability.is_unstable() {
        let slope = words::or_unknown(x.stability.slope.value, words::rate);
        text += &format!(
            " It does not keep up: the backlog grows by {slope}, and these waits grow with the test’s length."
        );
    }
    text
}

fn closed(c: &Context<'_>) -> Vec<String> {
    let of = |v: usize| {
        let cells = c.by_load(v);
        let (first, last) = (cells.first()?, cells.last()?);
        let rate = |x: &CellAnalysis| words::or_unknown(x.rates.completed.value, words::rate);
        let wait = |x: &CellAnalysis| x.caller_wait().map_or(words::UNKNOWN.to_owned(), quantiles);
        Some(format!(
            "{}: {} completed with {} ({}), {} with {} ({}).",
            c.variant(v),
            rate(first),
            c.load_in_words(c.load(first)),
            wait(first),
            rate(last),
            c.load_in_words(c.load(last)),
            wait(last),
        ))
    };
    (0..c.variants()).filter(|_| c.is_stepped()).filter_map(of).collect()
}

fn capacity(c: &Context<'_>) -> String {
    let caps = &c.analysis.capacities;
    let many = c.nouns().1;
    let first = &caps[0];
    let same = caps.iter().all(|x| (x.lower, x.upper) == (first.lower, first.upper));
    let all = match caps.len() {
        1 => format!("{} keeps", c.variant(0)),
        2 => "both shapes keep".to_owned(),
        n => format!("all {n} variants keep"),
    };
    match (same, first.lower, first.upper) {
        (true, Some(low), Some(high)) => {
            format!(
                "Up to {} {many} a second {all} up; at {} no longer.",
                words::number(low),
                words::rate(high)
            )
        }
        (true, Some(low), None) if caps.iter().any(|x| x.unjudged.is_some()) => format!(
            "Up to {} {many} a second {all} up; heavier loads can’t be judged from this run.",
            words::number(low)
        ),
        (true, Some(low), None) => format!(
            "{} up with every load tested, to {} {many} a second: the capacity lies higher.",
            words::sentence(&all),
            words::number(low)
        ),
        (true, None, Some(high)) => {
            let none = match caps.len() {
                1 => format!("{} does not keep", c.variant(0)),
                2 => "neither shape keeps".to_owned(),
                _ => "no variant keeps".to_owned(),
            };
            format!("Even at {}, the lightest load, {none} up.", words::rate(high))
        }
        (true, None, None) => "Whether the load was kept up with can’t be told from this run.".to_owned(),
        (false, ..) => {
            let each: Vec<String> = caps.iter().map(|x| bracket(c, x)).collect();
            format!("{}.", words::sentence(&words::list(&each)))
        }
    }
}

fn bracket(c: &Context<'_>, x: &Capacity) -> String {
    let name = c.variant(x.variant);
    match (x.lower, x.upper) {
        (Some(l), Some(u)) => format!("{name} keeps up to {} (not at {})", words::rate(l), words::rate(u)),
        (Some(l), None) if x.unjudged.is_some() => {
            format!("{name} keeps up to {} (heavier loads can’t be judged)", words::rate(l))
        }
        (Some(l), None) => format!("{name} keeps up with all tested, to {}", words::rate(l)),
        (None, Some(u)) => format!("{name} does not keep up even at {}", words::rate(u)),
        (None, None) => format!("of {name} it can’t be told"),
    }
}

/// What callers wait at about 80 % of the capacity.
fn usual(c: &Context<'_>) -> Option<String> {
    let step = c.analysis.scorecard.reference.usual()?;
    let parts: Vec<String> = (0..c.variants())
        .filter_map(|variant| {
            let x = c.analysis.cell(CellId { variant, step })?;
            let wait = quantiles(x.caller_wait()?);
            let done = match (x.is_async, x.completion()) {
                (true, Some(l)) => format!(", and their {} is done after {}", c.nouns().0, quantiles(l)),
                _ => String::new(),
            };
            Some(format!("{} callers wait {wait}{done}", c.variant(variant)))
        })
        .collect();
    (!parts.is_empty()).then(|| format!("At {}, {}.", c.step(step), parts.join("; ")))
}

/// What happens past the capacity.
fn overload(c: &Context<'_>) -> Option<String> {
    let step = c.analysis.scorecard.reference.overload?;
    let parts: Vec<String> = (0..c.variants())
        .filter_map(|variant| c.analysis.cell(CellId { variant, step }))
        .filter_map(|x| if x.is_async { overloaded_queue(c, x) } else { overloaded_sync(c, x) })
        .collect();
    (!parts.is_empty()).then(|| format!("Beyond it, at {}, {}.", c.step(step), parts.join("; ")))
}

fn refused(x: &CellAnalysis) -> String {
    let share = ratio(x.tally.outcome(Outcome::Rejected) as f64, x.tally.scheduled as f64).unwrap_or(0.0);
    if share > 0.0 { format!(", {} are refused", words::share(share)) } else { String::new() }
}

/// By Little's law a wait grows as fast as the number out, divided by the rate of completion.
fn growth(x: &CellAnalysis) -> Option<f64> {
    let (slope, done) = (x.stability.slope.value?, x.rates.completed.value?);
    ratio(slope, done).filter(|g| x.stability.is_unstable() && *g > 0.0)
}

fn overloaded_sync(c: &Context<'_>, x: &CellAnalysis) -> Option<String> {
    let name = c.variant(x.id.variant);
    let wait = quantiles(x.caller_wait()?);
    let grows = growth(x)
        .map_or(String::new(), |g| format!(", their wait growing by {} each second", words::time(g)));
    Some(format!("{name} callers wait {wait}{grows}{}", refused(x)))
}

fn overloaded_queue(c: &Context<'_>, x: &CellAnalysis) -> Option<String> {
    let name = c.variant(x.id.variant);
    let wait = quantiles(x.caller_wait()?);
    let done = x.completion().map_or(String::new(), |l| {
        let (one, _) = c.nouns();
        format!(", and their {one} is done after {}", quantiles(l))
    });
    let grows = x.stability.slope.value.filter(|_| x.stability.is_unstable());
    let grows = grows.map_or(String::new(), |g| format!(", the backlog growing by {}", words::rate(g)));
    Some(format!("{name} callers are still answered in {wait}{done}{grows}{}", refused(x)))
}

/// A queue adds no capacity: said only when the figures say it.
fn saturation(c: &Context<'_>) -> Option<String> {
    let caps = &c.analysis.capacities;
    let rates: Vec<String> = caps
        .iter()
        .filter_map(|x| {
            let rate = x.saturation?.value?;
            Some(format!("{} completed {}", c.variant(x.variant), words::rate(rate)))
        })
        .collect();
    if rates.len() < 2 {
        return None;
    }
    let shapes = |is_async: bool| c.run.manifest.plan.variants.iter().any(|v| v.is_async() == is_async);
    let ratio = saturation_ratio(caps)?;
    let lead = match ratio <= 1.05 && shapes(true) && shapes(false) {
        true => "A queue adds no capacity: at saturation ",
        false => "At saturation ",
    };
    Some(format!("{lead}{} (ratio {ratio:.2}).", words::list(&rates)))
}
