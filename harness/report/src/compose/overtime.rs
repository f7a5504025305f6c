//! Rates, backlog and waits over time: the steps one after another on one axis, variants overlaid.

use plimsoll_analysis::timeline::{self, Point as Moment};
use plimsoll_model::plan::CellId;
use plimsoll_model::sample::Outcome;

use super::Context;
use super::figures::axis;
use super::{Range, spark};
use crate::chart::{Band, Chart, Dash, Mapping, Panel, Point, Quantity, Series};
use crate::document::{Cell, Column, Figure, Spark, Table};
use crate::words;

/// Most points of a cell on the page; beyond, neighbours are merged.
const MOST_POINTS: usize = 300;

/// One step's stretch of the long axis, and each variant's moments in it.
struct Stretch {
    band: Band,
    step: usize,
    moments: Vec<Vec<Moment>>,
}

fn stretches(c: &Context<'_>) -> Vec<Stretch> {
    let steps = c.run.manifest.plan.steps.len();
    let most = (MOST_POINTS * 4 / steps.max(1)).clamp(40, MOST_POINTS);
    let mut from = 0.0;
    let mut all = Vec::new();
    for step in 0..steps {
        let moments: Vec<Vec<Moment>> = (0..c.variants())
            .map(|variant| {
                let id = CellId { variant, step };
                let (cell, x) = (c.run.cell(id), c.analysis.cell(id));
                cell.zip(x).map_or(Vec::new(), |(cell, x)| timeline::of(c.run, cell, x.caller_metric(), most))
            })
            .collect();
        let length = moments.iter().flatten().map(|m| m.end).fold(0.0, f64::max);
        if length > 0.0 {
            let arrivals = c.analysis.cells.iter().filter(|x| x.id.step == step).map(|x| x.window.1);
            let shaded_from = from + arrivals.fold(0.0, f64::max).min(length);
            let band = Band { from, to: from + length, label: c.step(step).to_owned(), shaded_from };
            all.push(Stretch { band, step, moments });
            from += length;
        }
    }
    all
}

/// A series over all stretches; a moment is placed at its middle (rates) or its end (gauges).
fn series(
    (name, variant, dash, heavy): (String, usize, Dash, bool),
    all: &[Stretch],
    place: impl Fn(&Moment) -> f64,
    value: impl Fn(&Moment) -> Option<f64>,
    word: impl Fn(f64) -> String,
) -> Series {
    let stretches = all
        .iter()
        .map(|s| {
            let point = |m: &Moment| {
                value(m).map(|y| Point {
                    x: s.band.from + place(m),
                    y,
                    whisker: None,
                    hollow: false,
                    tip: format!("{} at {} of {}", word(y), words::time(m.end), s.band.label),
                })
            };
            s.moments[variant].iter().filter_map(point).collect::<Vec<_>>()
        })
        .filter(|points| !points.is_empty())
        .collect();
    Series { name, variant, dash, heavy, markers: false, stretches }
}

/// Whether an interval is too short for a rate: the last piece of a drain counts a few operations
/// over some milliseconds, which would stand out as a spike.
fn is_piece(c: &Context<'_>, m: &Moment) -> bool {
    m.end - m.start < c.run.manifest.plan.interval.as_secs_f64() / 2.0
}

fn middle(m: &Moment) -> f64 {
    (m.start + m.end) / 2.0
}

/// The figure: three panels over one axis.
pub fn figure(c: &Context<'_>) -> Figure {
    let all = stretches(c);
    let bands: Vec<Band> = all.iter().map(|s| s.band.clone()).collect();
    let panel = |y: crate::chart::Axis, series, height| Panel {
        x: axis("time since the start, drain shaded", Quantity::Time, Mapping::Linear),
        y,
        series,
        identity: None,
        bands: bands.clone(),
        height,
    };
    let panels = vec![
        panel(axis("completed rate", Quantity::Rate, Mapping::Linear), rates(c, &all), 150.0),
        panel(
            axis("requests in flight and jobs waiting", Quantity::Count, Mapping::Linear),
            outstanding(c, &all),
            150.0,
        ),
        panel(axis("caller’s wait", Quantity::Time, Mapping::Log), waits(c, &all), 170.0),
    ];
    Figure {
        id: "over-time",
        title: "Rates, backlog and waits over time".to_owned(),
        caption: "The steps one after another, each begun afresh for every variant; after the arrivals of a step its work is drained (shaded). A backlog that rises to the end of a step’s arrivals means that the target does not keep up.".to_owned(),
        description: description(c),
        table: table(c, &all),
        chart: Chart::Panels(panels),
    }
}

fn rates(c: &Context<'_>, all: &[Stretch]) -> Vec<Series> {
    let mut out: Vec<Series> = (0..c.variants())
        .map(|v| {
            let id = (format!("{} completed", c.variant(v)), v, Dash::Solid, true);
            series(id, all, middle, |m| (!is_piece(c, m)).then_some(m.completed), words::rate)
        })
        .collect();
    for v in 0..c.variants() {
        let bad = |m: &Moment| {
            m.outcomes
                .iter()
                .zip(Outcome::ALL)
                .filter(|(_, o)| *o != Outcome::Ok)
                .map(|(r, _)| r)
                .sum::<f64>()
        };
        let any = all.iter().any(|s| s.moments[v].iter().any(|m| bad(m) > 0.0));
        if any {
            let id = (format!("{} not ok", c.variant(v)), v, Dash::Dotted, false);
            out.push(series(id, all, middle, |m| (!is_piece(c, m)).then(|| bad(m)), words::rate));
        }
    }
    out
}

fn outstanding(c: &Context<'_>, all: &[Stretch]) -> Vec<Series> {
    (0..c.variants())
        .map(|v| {
            let id = (c.variant(v).to_owned(), v, Dash::Solid, true);
            series(id, all, |m| m.end, |m| Some((m.in_flight + m.backlog) as f64), |n| words::count(n as u64))
        })
        .collect()
}

fn waits(c: &Context<'_>, all: &[Stretch]) -> Vec<Series> {
    (0..c.variants())
        .flat_map(|v| {
            let name = c.variant(v);
            [
                series(
                    (format!("{name} greatest"), v, Dash::Dotted, false),
                    all,
                    middle,
                    |m| m.caller_wait.max,
                    words::time,
                ),
                series(
                    (format!("{name} p50"), v, Dash::Solid, true),
                    all,
                    middle,
                    |m| m.caller_wait.p50,
                    words::time,
                ),
            ]
        })
        .collect()
}

fn description(c: &Context<'_>) -> String {
    let of = |x: &plimsoll_analysis::cell::CellAnalysis| {
        let slope = words::or_unknown(x.stability.slope.value, words::rate);
        format!(
            "{}: at most {} out at once, growing by {slope}.",
            c.cell_name(x),
            words::count(x.stability.peak)
        )
    };
    (0..c.variants()).flat_map(|v| c.analysis.of_variant(v)).map(of).collect::<Vec<_>>().join(" ")
}

/// A row a cell rather than a row an interval, of which there may be thousands: those are in intervals.csv.
fn table(c: &Context<'_>, all: &[Stretch]) -> Table {
    let columns = vec![
        Column::text("step"),
        Column::text("variant"),
        Column::number("greatest outstanding")
            .hint("Requests in flight and jobs waiting, at an interval’s end"),
        Column::number("backlog growth").hint("Over the arrivals window, with its 95 % interval"),
        Column::number("drain").hint("From the end of arrivals to the last work done"),
        Column::number("greatest wait"),
    ];
    let mut rows = Vec::new();
    for s in all {
        for variant in 0..c.variants() {
            let Some(x) = c.analysis.cell(CellId { variant, step: s.step }) else { continue };
            let slope = x.stability.slope;
            rows.push(vec![
                Cell::head(s.band.label.clone()),
                Cell::new(c.variant(variant)),
                Cell::new(words::count(x.stability.peak)),
                Cell::new(words::or_unknown(slope.value, words::rate))
                    .hint(words::support(&slope, words::rate)),
                Cell::new(words::or_unknown(x.drain_time, words::time)),
                Cell::new(words::or_unknown(x.caller_wait().and_then(|l| l.max), words::time)),
            ]);
        }
    }
    Table { caption: "Each step in figures; every interval is in intervals.csv".to_owned(), columns, rows }
}

/// Waits and backlog over the time of a single step.
pub fn sparks(c: &Context<'_>) -> Vec<Spark> {
    let all = stretches(c);
    let of = |v: usize, f: &dyn Fn(&Moment) -> Option<f64>| {
        let moments: Vec<&Moment> = all.iter().flat_map(|s| &s.moments[v]).collect();
        let k = moments.len().div_ceil(40).max(1);
        moments.chunks(k).map(|m| f(m[m.len() - 1])).collect::<Vec<_>>()
    };
    (0..c.variants())
        .flat_map(|v| {
            let name = c.variant(v);
            let waits = of(v, &|m| m.caller_wait.p50);
            let out = of(v, &|m| Some((m.in_flight + m.backlog) as f64));
            let (slow, many) = (Range::of(waits.iter(), true), Range::of(out.iter(), false));
            [
                spark(format!("{name}: p50 wait over time"), &waits, slow, words::time),
                spark(format!("{name}: outstanding over time"), &out, many, |n| words::count(n as u64)),
            ]
        })
        .collect()
}
