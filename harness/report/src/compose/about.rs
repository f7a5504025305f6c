//! How far the driver can be trusted, how it was measured, with what, and what the words mean.

use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::trust::Limit;

use super::Context;
use super::tables::{heads, in_order};
use crate::document::{Block, Cell, Column, Table};
use crate::words;

/// The driver's own figures.
pub fn trust(c: &Context<'_>) -> Vec<Block> {
    let text = "A load generator that can’t keep its schedule reports its own delays as the target’s. These are the driver’s figures: it is generator-limited when starts were dropped, when less than 99 % were sent, or when the 99th percentile of its lateness passes both 1 ms and 5 % of the median wait.";
    let columns = vec![
        Column::text("step"),
        Column::text("variant"),
        Column::text("generator-limited"),
        Column::number("sent").hint("Requests sent ÷ starts scheduled"),
        Column::number("dropped").hint("Starts that came while the most operations were out"),
        Column::number("late p50").hint("Intended start to actual send"),
        Column::number("late p99"),
        Column::number("late max"),
        Column::number("driver CPU").hint("100 % is one core; spinning pacing takes one a shard by design"),
        Column::number("waited for a core").hint("Time that load threads were runnable but did not run ÷ length of the step"),
        Column::number("Little’s law").hint("Mean number out · what rate × mean time says; looked at once an interval, so within its tolerance only"),
        Column::text("counts").hint("Scheduled = the sum of all outcomes"),
    ];
    let rows = in_order(c).into_iter().map(|x| trust_row(c, x)).collect();
    let caption = "The driver in each step, both phases; lateness of the measured phase".to_owned();
    vec![Block::Text(text.to_owned()), Block::Table(Table { caption, columns, rows })]
}

fn trust_row(c: &Context<'_>, x: &CellAnalysis) -> Vec<Cell> {
    let t = &x.trust;
    let reasons: Vec<&str> = t
        .limits
        .iter()
        .map(|l| match l {
            Limit::Dropped(_) => "dropped",
            Limit::NotSent(_) => "not sent",
            Limit::Late { .. } => "late",
        })
        .collect();
    let limited = if reasons.is_empty() { "no".to_owned() } else { format!("yes: {}", reasons.join(", ")) };
    let late = |f: &dyn Fn(&plimsoll_analysis::latency::Latency) -> Option<f64>| {
        Cell::new(words::or_unknown(t.lateness.as_ref().and_then(f), words::time))
    };
    let mut row = heads(c, x);
    row.extend([
        Cell::new(limited),
        Cell::new(words::or_unknown(t.sent_share, words::share)),
        Cell::new(words::count(t.dropped)),
        late(&|l| l.p50()),
        late(&|l| l.p99()),
        late(&|l| l.max),
        Cell::new(words::or_unknown(t.driver_cpu, words::share)),
        Cell::new(words::or_unknown(t.run_queue_wait, words::share)),
    ]);
    row.push(match &t.little {
        None => Cell::new(words::UNKNOWN).hint("too short, or not stable"),
        Some(l) => {
            let near = |v: f64| words::number(words::round3(v));
            let sign = if l.holds() { "≈" } else { "≠" };
            Cell::new(format!("{} {sign} {}", near(l.outstanding), near(l.expected)))
                .hint(format!("tolerance ± {}", near(l.tolerance)))
        }
    });
    let sums = format!("{} scheduled, {} ended", words::count(t.scheduled), words::count(t.ended));
    row.push(
        Cell::new(match t.balanced {
            Some(true) => "balance",
            Some(false) => "do not balance",
            None => "cut off",
        })
        .hint(sums),
    );
    row
}

/// What was done to get these figures.
pub fn method(c: &Context<'_>) -> Vec<Block> {
    let plan = &c.run.manifest.plan;
    let warmup = match plan.warmup.as_secs_f64() {
        0.0 => String::new(),
        t => format!(
            "The first {} of each step are warm-up and left out of latencies and counts. ",
            words::short_time(t)
        ),
    };
    let mut text = vec![
        format!(
            "Each step is performed on every variant before the next step, the order of the variants alternating, with the same arrivals and the same work (seed {}). {}Operations out when arrivals end are waited for, at most {}.",
            plan.seed,
            warmup,
            words::short_time(plan.drain_timeout.as_secs_f64())
        ),
        "Response time runs from the intended start, which the schedule fixes and no slow answer moves, to the last byte: waiting caused by a slow target is in it. Nothing is back-filled or invented. Failed, refused and timed-out operations keep their own histograms; percentiles are of ok ones, merged from histograms of 0.1 % resolution, never averaged.".to_owned(),
        "Rates are counts of the intervals wholly inside the arrivals window, from the end of the warm-up to the end of arrivals, divided by their total length; an interval across an edge counts for nothing. Queued work counts when the target finished it, synchronous work when it was answered.".to_owned(),
        "A percentile is told only with enough samples for a distribution-free upper bound: 5 for p50, 29 for p90, 59 for p95, 299 for p99, 2,995 for p99.9. Neighbouring requests wait for the same queue, so the usual rank intervals, which take them as independent, would be far too narrow: an interval is given only from at least 20 batches of the step whose lag-1 autocorrelation is below 0.2, and otherwise left out.".to_owned(),
        "A step is unstable when the growth of the work outstanding has a 95 % interval above zero and is at least 1 % of the arrival rate and five operations over the window. A variant keeps up when it completes 98 % of what was scheduled in the window (less one standard deviation of the count in short ones), is not unstable, and at most 0.1 % end badly; its capacity is a bracket of two tested rates.".to_owned(),
    ];
    if c.is_closed() {
        text.push("These loads are of the closed model: a slow answer holds back the next request, so that long waits are under-represented. Compare with an open-model test before drawing conclusions about waits.".to_owned());
    }
    text.into_iter().map(Block::Text).collect()
}

/// The test itself, and the machine.
pub fn plan(c: &Context<'_>) -> Vec<Block> {
    let m = &c.run.manifest;
    let e = &m.environment;
    let told = |s: &str| if s.is_empty() { words::UNKNOWN.to_owned() } else { s.to_owned() };
    let mut facts = vec![
        ("plimsoll", m.version.clone()),
        ("started", m.started_at.clone()),
        ("CPU", format!("{}, {} cores", told(&e.cpu), e.cores)),
        ("memory", words::bytes(e.memory_bytes)),
        ("kernel", told(&e.kernel)),
        ("clock source", told(&e.clock_source)),
        ("CPU governor", e.governor.clone().unwrap_or_else(|| words::UNKNOWN.to_owned())),
        ("open-file limit", words::count(e.fd_limit)),
        ("median fsync", words::or_unknown(e.fsync.map(|t| t.as_secs_f64()), words::time)),
    ];
    let durability: Vec<String> = (0..c.variants())
        .filter_map(|v| {
            let cells = c.analysis.of_variant(v);
            let class = cells.iter().find_map(|x| x.facts.durability.clone())?;
            Some(format!("{}: {class}", c.variant(v)))
        })
        .collect();
    if !durability.is_empty() {
        facts.push(("durability", durability.join(", ")));
    }
    let rows = facts.into_iter().map(|(k, v)| vec![Cell::head(k), Cell::new(v)]).collect();
    let columns = vec![Column::text("fact"), Column::text("value")];
    let json = serde_json::to_string_pretty(&m.plan).unwrap_or_default();
    vec![
        Block::Table(Table { caption: "Environment".to_owned(), columns, rows }),
        Block::Code("The plan, every default filled in".to_owned(), json),
    ]
}

/// What the words mean.
pub fn glossary() -> Vec<(String, String)> {
    [
        ("response time", "from the intended start of a request to the last byte of its answer"),
        ("service time", "from the actual send to the last byte: without the wait for the send"),
        ("lateness", "from the intended start to the actual send: the driver’s own delay"),
        ("accept latency", "from the intended start to the last byte of the answer that accepts a job: what its caller waits"),
        ("queue wait", "from enqueued to taken by a worker, by the target’s clock"),
        ("processing time", "from taken by a worker to done, by the target’s clock"),
        ("notice delay", "from done to noticed by the driver: the price of polling"),
        ("completion time", "from the intended start to noticed as done"),
        ("open model", "arrivals come by a schedule, whatever the answers do, as independent callers do"),
        ("closed model", "each of a fixed number of users waits for an answer before asking again"),
        ("p99", "99 % of the samples are at most this; p50 is the median"),
        ("backlog", "jobs accepted and not yet noticed as ended"),
        ("unstable", "the outstanding work keeps rising: waits have no limit but the test’s length"),
        ("capacity", "between the highest load kept up with and the lowest that was not"),
        ("generator-limited", "the driver did not do what was asked, so the figures are not the target’s alone"),
        ("rejected", "refused by the server for load: 429 or 503"),
        ("timed out", "no full answer within the time-out"),
        ("dropped", "a start that came while the most operations allowed were out: counted, not sent"),
        ("unresolved", "still out when the drain ended"),
        ("lost", "accepted, and then unknown to the target"),
        ("cell", "one variant under one step’s load"),
        ("n", "number of samples"),
    ]
    .into_iter()
    .map(|(term, text)| (term.to_owned(), text.to_owned()))
    .collect()
}
