//! Rates and outstanding work over time.

use plimsoll_analysis::cell::CellAnalysis;
use plimsoll_analysis::latency::Latency;
use plimsoll_analysis::timeline::{self, Point as Moment};
use plimsoll_model::plan::CellId;

use super::View;
use crate::chart::{Axis, Band, Chart, Dash, Mapping, Panel, Point, Quantity, Series};
use crate::document::{Block, Cell, Column, Figure, Spark, Table};
use crate::words;

/// Most points of one line on the time axis.
const MOST_POINTS: usize = 600;

/// Most rows of the table under the figure.
const MOST_ROWS: usize = 400;

/// A cell's moments, shifted to where its step begins on the common axis.
struct Shifted<'a> {
    cell: &'a CellAnalysis,
    offset: f64,
    moments: Vec<Moment>,
}

/// The figure of rates, outstanding work and waits, the steps one after the other.
pub fn blocks(view: &View<'_>) -> Vec<Block> {
    let (bands, cells) = lay_out(view);
    if cells.iter().all(|c| c.moments.is_empty()) {
        return Vec::new();
    }
    let rate = |m: &Moment| Some(m.completed);
    let outstanding = |m: &Moment| Some((m.in_flight + m.backlog) as f64);
    let wait = |m: &Moment| m.caller_wait.p50;
    let axis = |label: &str, quantity, mapping| Axis { label: label.into(), quantity, mapping };
    let panel = |y: Axis, height, series: Vec<Series>| Panel {
        x: axis("time, the steps one after the other", Quantity::Time, Mapping::Linear),
        y,
        series,
        identity: None,
        bands: bands.clone(),
        height,
    };
    let mut rates = lines(view, &cells, "completed", Dash::Solid, rate, words::rate);
    rates.extend(offered(view, &cells));
    let panels = vec![
        panel(axis("rate", Quantity::Rate, Mapping::Linear), 150.0, rates),
        panel(
            axis("outstanding: sent or accepted, and not done", Quantity::Count, Mapping::Linear),
            130.0,
            lines(view, &cells, "", Dash::Solid, outstanding, words::number),
        ),
        panel(
            axis("caller's median wait", Quantity::Time, Mapping::Log),
            130.0,
            lines(view, &cells, "", Dash::Solid, wait, words::time),
        ),
    ];
    let figure = Figure {
        id: "timeline",
        title: "Rates, outstanding work and waits over time".into(),
        caption: "Each step begins at a dotted line; in the shaded part no more arrivals come and the rest is drained. \
                  Outstanding work that rises through a step means that the load can't be kept up with."
            .into(),
        description: "Completed rate, outstanding work and median wait of each variant in each interval.".into(),
        chart: Chart::Panels(panels),
        table: table(view, &cells),
    };
    vec![Block::Figure(figure)]
}

/// The steps one after the other, the variants of one step over one another.
fn lay_out<'a>(view: &View<'a>) -> (Vec<Band>, Vec<Shifted<'a>>) {
    let steps = view.performed();
    let most = (MOST_POINTS / steps.len().max(1)).max(10);
    let (mut bands, mut cells) = (Vec::new(), Vec::new());
    let mut offset = 0.0;
    for step in steps {
        let mut length: f64 = 0.0;
        let mut arrivals: f64 = 0.0;
        for variant in view.variants() {
            let id = CellId { variant, step };
            let (Some(cell), Some(raw)) = (view.analysis.cell(id), view.run.cell(id)) else { continue };
            let moments = timeline::of(view.run, raw, cell.caller_metric(), most);
            length = length.max(moments.last().map_or(0.0, |m| m.end));
            arrivals = arrivals.max(cell.window.1);
            cells.push(Shifted { cell, offset, moments });
        }
        let label = view.step(step).to_owned();
        bands.push(Band {
            from: offset,
            to: offset + length,
            label,
            shaded_from: offset + arrivals.min(length),
        });
        offset += length;
    }
    (bands, cells)
}

fn lines(
    view: &View<'_>,
    cells: &[Shifted<'_>],
    what: &str,
    dash: Dash,
    figure: impl Fn(&Moment) -> Option<f64>,
    show: fn(f64) -> String,
) -> Vec<Series> {
    let line = |variant: usize| {
        let of_variant = cells.iter().filter(|c| c.cell.id.variant == variant);
        let stretches = of_variant.map(|c| {
            let point = |m: &Moment| {
                let y = figure(m)?;
                let at = words::time((m.start + m.end) / 2.0);
                let tip = format!("{} at {at} of {}", show(y), view.step(c.cell.id.step));
                Some(Point { x: c.offset + (m.start + m.end) / 2.0, y, whisker: None, hollow: false, tip })
            };
            c.moments.iter().filter_map(point).collect()
        });
        let name = format!("{} {what}", view.variant(variant)).trim().to_owned();
        Series { name, variant, dash, heavy: true, markers: false, stretches: stretches.collect() }
    };
    view.variants().map(line).collect()
}

/// What was offered, of the first variant: the schedule is the same for all.
fn offered(view: &View<'_>, cells: &[Shifted<'_>]) -> Option<Series> {
    let mut all = lines(view, cells, "", Dash::Dotted, |m| Some(m.scheduled), words::rate);
    let first = all.drain(..).next()?;
    Some(Series { name: "offered".into(), heavy: false, ..first })
}

fn table(view: &View<'_>, cells: &[Shifted<'_>]) -> Table {
    let columns = vec![
        Column::text("variant"),
        Column::text("step"),
        Column::number("from (s)"),
        Column::number("to (s)"),
        Column::number("offered (1/s)"),
        Column::number("completed (1/s)"),
        Column::number("outstanding"),
        Column::number("wait p50"),
        Column::number("wait p99"),
    ];
    let all: Vec<(&Shifted<'_>, &Moment)> =
        cells.iter().flat_map(|c| c.moments.iter().map(move |m| (c, m))).collect();
    let row = |(c, m): &(&Shifted<'_>, &Moment)| {
        vec![
            Cell::head(view.variant(c.cell.id.variant)),
            Cell::new(view.step(c.cell.id.step)),
            Cell::new(words::number(m.start)),
            Cell::new(words::number(m.end)),
            Cell::new(words::number(m.scheduled)),
            Cell::new(words::number(m.completed)),
            Cell::new(words::count(m.in_flight + m.backlog)),
            Cell::new(words::or_unknown(m.caller_wait.p50, words::time)),
            Cell::new(words::or_unknown(m.caller_wait.p99, words::time)),
        ]
    };
    let caption = match all.len() {
        n if n > MOST_ROWS => {
            format!("Over time: the first {MOST_ROWS} of {n} intervals; all are in intervals.csv")
        }
        _ => "Over time".to_owned(),
    };
    Table { caption, columns, rows: all.iter().take(MOST_ROWS).map(row).collect() }
}

/// Small series for the terminal: over the steps, or over time if there is one step.
pub fn sparks(view: &View<'_>) -> Vec<Spark> {
    let several = view.performed().len() > 1;
    let mut sparks = Vec::new();
    for variant in view.variants() {
        let name = view.variant(variant);
        let cells = view.analysis.of_variant(variant);
        let (waits, out): (Vec<Option<f64>>, Vec<Option<f64>>) = if several {
            cells
                .iter()
                .map(|c| (c.caller_wait().and_then(Latency::p50), Some(c.stability.peak as f64)))
                .unzip()
        } else {
            let moments = cells.first().and_then(|c| Some((c, view.run.cell(c.id)?)));
            let moments = moments
                .map(|(c, raw)| timeline::of(view.run, raw, c.caller_metric(), 40))
                .unwrap_or_default();
            moments.iter().map(|m| (m.caller_wait.p50, Some((m.in_flight + m.backlog) as f64))).unzip()
        };
        let over = if several { "by step" } else { "over time" };
        sparks.extend(spark(format!("{name}: median wait {over}"), &waits, true, words::time));
        sparks.extend(spark(format!("{name}: most outstanding {over}"), &out, false, words::number));
    }
    sparks
}

fn spark(label: String, values: &[Option<f64>], log: bool, show: fn(f64) -> String) -> Option<Spark> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let (low, high) =
        known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if known.len() < 2 {
        return None;
    }
    let scale = |v: f64| if log { v.max(1e-9).ln() } else { v };
    let bottom = if log { scale(low) } else { 0.0 };
    let span = (scale(high) - bottom).max(1e-12);
    let heights = values.iter().map(|v| v.map(|v| (scale(v) - bottom) / span)).collect();
    Some(Spark { label, heights, range: format!("{} to {}", show(low), show(high)) })
}
