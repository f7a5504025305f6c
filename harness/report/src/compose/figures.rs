//! Figures under rising load, of distributions, and of a job's stages.

use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::estimate::Estimate;
use plimsoll_analysis::latency::Latency;
use plimsoll_analysis::quantile::CurvePoint;
use plimsoll_model::sample::Metric;

use super::Context;
use crate::chart::{Axis, Chart, Dash, DotGroup, DotRow, Dots, Mapping, Panel, Point, Quantity, Series};
use crate::document::{Block, Cell, Column, Figure, Table};
use crate::words;

pub(super) fn axis(label: &str, quantity: Quantity, mapping: Mapping) -> Axis {
    Axis { label: label.to_owned(), quantity, mapping }
}

fn load_axis(c: &Context<'_>) -> Axis {
    match c.is_closed() {
        true => axis("users (concurrency)", Quantity::Count, Mapping::Linear),
        false => axis("offered rate", Quantity::Rate, Mapping::Linear),
    }
}

/// A series over the loads of a variant.
fn by_load(
    c: &Context<'_>,
    variant: usize,
    (name, dash, heavy): (String, Dash, bool),
    figure: impl Fn(&CellAnalysis) -> Option<(Estimate, bool)>,
    word: impl Fn(f64) -> String,
) -> Series {
    let point = |x: &&CellAnalysis| {
        let (e, hollow) = figure(x)?;
        let y = e.value?;
        Some(Point {
            x: c.load(x),
            y,
            whisker: e.low.zip(e.high),
            hollow,
            tip: format!("{} at {} ({})", word(y), c.step(x.id.step), words::support(&e, &word)),
        })
    };
    let stretches = vec![c.by_load(variant).iter().filter_map(point).collect()];
    Series { name, variant, dash, heavy, markers: true, stretches }
}

/// Both lines of a latency, p50 and p99.
fn pair(
    c: &Context<'_>,
    v: usize,
    what: &str,
    dash: Dash,
    metric: impl Fn(&CellAnalysis) -> Metric + Copy,
) -> Vec<Series> {
    ["p99", "p50"]
        .into_iter()
        .map(|q| {
            let name = format!("{}{what} {q}", c.variant(v));
            let figure = |x: &CellAnalysis| Some((x.ok(metric(x))?.quantile(q), x.grows(metric(x))));
            by_load(c, v, (name, dash, q == "p99"), figure, words::time)
        })
        .collect()
}

/// What callers wait, and until the work is done, against the offered load.
pub fn latency_by_load(c: &Context<'_>) -> Figure {
    let mut series = Vec::new();
    for v in 0..c.variants() {
        let is_async = c.run.manifest.plan.variants[v].is_async();
        series.extend(pair(
            c,
            v,
            if is_async { " accept" } else { "" },
            Dash::Solid,
            CellAnalysis::caller_metric,
        ));
        if is_async {
            series.extend(pair(c, v, " done", Dash::Dashed, CellAnalysis::completion_metric));
        }
    }
    let what = if c.is_closed() { "service time" } else { "time from the intended start" };
    let panel = Panel {
        x: load_axis(c),
        y: axis(what, Quantity::Time, Mapping::Log),
        series,
        identity: None,
        bands: Vec::new(),
        height: 330.0,
    };
    Figure {
        id: "latency-by-load",
        title: "What callers wait, by load".to_owned(),
        caption: "Solid: until the caller is answered; dashed: until the work is really done. Hollow marks: the backlog was rising, so that the value grows with the length of the test. Bars are 95 % intervals, where they can be given.".to_owned(),
        description: describe(&panel.series, words::time),
        table: load_table(c, &panel.series, words::time),
        chart: Chart::Panels(vec![panel]),
    }
}

/// Completed against offered.
pub fn rate_by_load(c: &Context<'_>) -> Figure {
    let series: Vec<Series> = (0..c.variants())
        .map(|v| {
            let name = format!("{} completed", c.variant(v));
            by_load(c, v, (name, Dash::Solid, true), |x| Some((x.rates.completed, false)), words::rate)
        })
        .collect();
    let panel = Panel {
        x: load_axis(c),
        y: axis("completed rate", Quantity::Rate, Mapping::Linear),
        series,
        identity: (!c.is_closed()).then(|| "completed = offered".to_owned()),
        bands: Vec::new(),
        height: 270.0,
    };
    Figure {
        id: "rate-by-load",
        title: "What is completed, by load".to_owned(),
        caption: "On the dashed line everything offered is completed within the arrivals window; where a series leaves it, the target is past its capacity.".to_owned(),
        description: describe(&panel.series, words::rate),
        table: load_table(c, &panel.series, words::rate),
        chart: Chart::Panels(vec![panel]),
    }
}

/// `sync p99 goes from 41 ms to 2.3 s.`
fn describe(series: &[Series], word: impl Fn(f64) -> String) -> String {
    let of = |s: &Series| {
        let mut points = s.stretches.iter().flatten();
        let first = points.next()?;
        let last = points.next_back().unwrap_or(first);
        Some(format!("{} goes from {} to {}.", s.name, word(first.y), word(last.y)))
    };
    series.iter().filter_map(of).collect::<Vec<_>>().join(" ")
}

/// The figures of series over loads: a row a load, a column a series.
fn load_table(c: &Context<'_>, series: &[Series], word: impl Fn(f64) -> String) -> Table {
    let mut loads: Vec<f64> = series.iter().flat_map(|s| s.stretches.iter().flatten()).map(|p| p.x).collect();
    loads.sort_by(f64::total_cmp);
    loads.dedup();
    let mut columns = vec![Column::text(if c.is_closed() { "users" } else { "offered" })];
    columns.extend(series.iter().map(|s| Column::number(s.name.clone()).of(s.variant)));
    let cell = |s: &Series, load: f64| {
        s.stretches.iter().flatten().find(|p| p.x == load).map_or_else(
            || Cell::new(words::UNKNOWN),
            |p| Cell::new(word(p.y)).hint(p.tip.clone()).marked(p.hollow),
        )
    };
    let row = |load: &f64| {
        let mut row = vec![Cell::head(c.load_in_words(*load))];
        row.extend(series.iter().map(|s| cell(s, *load)));
        row
    };
    Table { caption: "The figures drawn above".to_owned(), rows: loads.iter().map(row).collect(), columns }
}

/// The percentile curves of the highest load that each variant kept up with.
pub fn percentiles(c: &Context<'_>) -> Vec<Block> {
    let mut series = Vec::new();
    let mut shown = Vec::new();
    for v in 0..c.variants() {
        let cells = c.analysis.of_variant(v);
        let stable = c.analysis.capacities[v].lower_step;
        let chosen = cells.iter().find(|x| Some(x.id.step) == stable).or(cells.first());
        let Some(x) = chosen.filter(|x| x.caller_wait().is_some()) else { continue };
        shown.push(c.cell_name(x));
        let mut add = |metric: Metric, what: &str, dash, heavy| {
            if let Some(curve) = x.curves.get(&metric).filter(|k| k.len() > 1) {
                series.push(curve_series(c, v, (what, dash, heavy), curve));
            }
        };
        add(x.caller_metric(), if x.is_async { " accept" } else { " response" }, Dash::Solid, true);
        if x.caller_metric() != Metric::ServiceTime {
            add(Metric::ServiceTime, " service", Dash::Dotted, false);
        }
        if x.is_async {
            add(Metric::CompletionTime, " done", Dash::Dashed, true);
        }
    }
    if series.is_empty() {
        return Vec::new();
    }
    let table = curve_table(&series);
    let panel = Panel {
        x: axis("percentile", Quantity::Percentile, Mapping::Nines),
        y: axis("time", Quantity::Time, Mapping::Log),
        series,
        identity: None,
        bands: Vec::new(),
        height: 310.0,
    };
    vec![Block::Figure(Figure {
        id: "percentile-curve",
        title: format!("Percentiles: {}", words::list(&shown)),
        caption: "Each further nine takes the same room. A curve ends where its samples end to support it. Where a solid line leaves the dotted one, starts were waiting for their turn to be sent: the delay that a tool without a schedule would omit.".to_owned(),
        description: describe(&panel.series, words::time),
        chart: Chart::Panels(vec![panel]),
        table,
    })]
}

fn curve_series(
    c: &Context<'_>,
    v: usize,
    (what, dash, heavy): (&str, Dash, bool),
    curve: &[CurvePoint],
) -> Series {
    let point = |k: &CurvePoint| Point {
        x: k.above,
        y: k.value,
        whisker: None,
        hollow: false,
        tip: format!("{} at {}", words::time(k.value), words::percentile(1.0 - k.above)),
    };
    let stretches = vec![curve.iter().map(point).collect()];
    Series { name: format!("{}{what}", c.variant(v)), variant: v, dash, heavy, markers: false, stretches }
}

fn curve_table(series: &[Series]) -> Table {
    let mut columns = vec![Column::text("percentile")];
    columns.extend(series.iter().map(|s| Column::number(s.name.clone()).of(s.variant)));
    let wanted = [1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 0.0001, 0.00001];
    let near = |s: &Series, above: f64| {
        // The curve has ten points a nine; the nearest within a tenth of a nine is the same figure.
        s.stretches
            .iter()
            .flatten()
            .filter(|p| (p.x.log10() - above.log10()).abs() < 0.03)
            .min_by(|a, b| {
                (a.x.log10() - above.log10()).abs().total_cmp(&(b.x.log10() - above.log10()).abs())
            })
            .map(|p| p.y)
    };
    let rows = wanted
        .into_iter()
        .filter(|a| series.iter().any(|s| near(s, *a).is_some()))
        .map(|above| {
            let mut row = vec![Cell::head(words::percentile(1.0 - above))];
            row.extend(series.iter().map(|s| Cell::new(words::or_unknown(near(s, above), words::time))));
            row
        })
        .collect();
    Table { caption: "The figures drawn above".to_owned(), columns, rows }
}

/// Most steps whose stages are all drawn; beyond, only those of the scorecard are.
const MOST_STEPS: usize = 8;

/// The stages of a job, each on its own: percentiles do not add.
pub fn anatomy(c: &Context<'_>) -> Figure {
    let reference = c.analysis.scorecard.reference;
    let all = c.run.manifest.plan.steps.len() <= MOST_STEPS;
    let chosen =
        |s: usize| all || [reference.lightest, reference.working, reference.overload].contains(&Some(s));
    let mut groups = Vec::new();
    let mut table = Table {
        caption: "The stages in figures".to_owned(),
        columns: vec![
            Column::text("step"),
            Column::text("stage"),
            Column::number("p50"),
            Column::number("p99"),
            Column::number("mean")
                .hint("Means of the stages add up to about the mean of the whole; percentiles do not"),
            Column::number("n"),
        ],
        rows: Vec::new(),
    };
    for step in (0..c.run.manifest.plan.steps.len()).filter(|s| chosen(*s)) {
        let mut rows = Vec::new();
        for x in c.analysis.cells.iter().filter(|x| x.id.step == step) {
            for (label, metric, latency) in stages(c, x) {
                rows.push(dot_row(x, label.clone(), metric, latency));
                table.rows.push(stage_row(c, x, label, metric, latency));
            }
        }
        // Cells alternate in performance order; a reader wants the variants' order.
        rows.sort_by_key(|r| r.variant);
        groups.extend((!rows.is_empty()).then(|| DotGroup { label: c.step(step).to_owned(), rows }));
    }
    let low = groups
        .first()
        .map_or(String::new(), |g| g.rows.iter().map(|r| format!("{}: {}. ", r.label, r.tip)).collect());
    let high = groups
        .last()
        .map_or(String::new(), |g| g.rows.iter().map(|r| format!("{}: {}. ", r.label, r.tip)).collect());
    Figure {
        id: "anatomy",
        title: "Anatomy of a job".to_owned(),
        caption: "Each stage on its own: the mark is p50, the bar p99. Percentiles of stages do not add up to those of the whole. Queue wait and processing are by the target’s clock.".to_owned(),
        description: format!("Lightest load: {low}Heaviest load: {high}"),
        chart: Chart::Dots(Dots { x: axis("time, p50 to p99", Quantity::Time, Mapping::Log), groups }),
        table,
    }
}

fn stages<'a>(c: &Context<'_>, x: &'a CellAnalysis) -> Vec<(String, Metric, &'a Latency)> {
    let name = c.variant(x.id.variant);
    let stages: &[(Metric, &str)] = if x.is_async {
        &[
            (Metric::AcceptLatency, "accept"),
            (Metric::QueueWait, "queue wait"),
            (Metric::ProcessingTime, "processing"),
            (Metric::NoticeDelay, "notice"),
            (Metric::CompletionTime, "whole"),
        ]
    } else {
        &[(Metric::ResponseTime, "response")]
    };
    stages.iter().filter_map(|(m, s)| Some((format!("{name} {s}"), *m, x.ok(*m)?))).collect()
}

fn dot_row(x: &CellAnalysis, label: String, metric: Metric, l: &Latency) -> DotRow {
    let (low, high) = (l.p50(), l.p99());
    let tip = format!("{} · {}", words::or_unknown(low, words::time), words::or_unknown(high, words::time));
    DotRow { label, variant: x.id.variant, low, high, hollow: x.grows(metric), tip }
}

fn stage_row(c: &Context<'_>, x: &CellAnalysis, label: String, metric: Metric, l: &Latency) -> Vec<Cell> {
    let time = |v: Option<f64>| Cell::new(words::or_unknown(v, words::time)).marked(x.grows(metric));
    vec![
        Cell::head(c.step(x.id.step)),
        Cell::new(label),
        time(l.p50()),
        time(l.p99()),
        time(l.mean),
        Cell::new(words::count(l.count)),
    ]
}
