//! Latency and throughput against the load, and the percentile curve.

use plimsoll_analysis::cell::{CellAnalysis, KeptUp};
use plimsoll_analysis::estimate::Estimate;
use plimsoll_analysis::latency::Latency;
use plimsoll_analysis::quantile::CurvePoint;
use plimsoll_model::plan::CellId;
use plimsoll_model::sample::Metric;

use super::{View, grows, waits_for_acceptance};
use crate::chart::{Axis, Chart, Dash, Mapping, Panel, Point, Quantity, Series};
use crate::document::{Block, Cell, Column, Figure, Table};
use crate::words;

/// The pair of figures against offered load; none for a single step.
pub fn blocks(view: &View<'_>) -> Vec<Block> {
    if view.performed().len() < 2 {
        return Vec::new();
    }
    vec![Block::Figure(latency(view)), Block::Figure(throughput(view))]
}

/// The load axis: offered rate, or users where no schedule was offered.
pub fn load_axis(view: &View<'_>) -> Axis {
    let (label, quantity) =
        if view.is_open() { ("offered rate", Quantity::Rate) } else { ("users", Quantity::Count) };
    Axis { label: label.into(), quantity, mapping: Mapping::Linear }
}

/// A line over the steps: its quantile, and how it is drawn.
struct Line {
    name: String,
    variant: usize,
    quantile: &'static str,
    done: bool,
}

fn lines(view: &View<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for variant in view.variants() {
        let name = view.variant(variant);
        for quantile in ["p50", "p99"] {
            let what = if view.is_async(variant) { " accepted" } else { "" };
            lines.push(Line { name: format!("{name}{what} {quantile}"), variant, quantile, done: false });
        }
        if view.is_async(variant) {
            for quantile in ["p50", "p99"] {
                lines.push(Line { name: format!("{name} done {quantile}"), variant, quantile, done: true });
            }
        }
    }
    lines
}

fn by_load<'a>(view: &View<'a>, variant: usize) -> Vec<&'a CellAnalysis> {
    let mut cells = view.analysis.of_variant(variant);
    cells.sort_by(|a, b| view.load_of(a).total_cmp(&view.load_of(b)));
    cells
}

fn latency(view: &View<'_>) -> Figure {
    let series = lines(view).into_iter().map(|line| {
        let figure = |c: &CellAnalysis| {
            let l = if line.done { c.completion() } else { c.caller_wait() };
            l.map_or(Estimate::unknown(0), |l| l.quantile(line.quantile))
        };
        let points = by_load(view, line.variant).into_iter().filter_map(|c| {
            let acceptance = !line.done && waits_for_acceptance(c);
            Some(Point { hollow: grows(c, acceptance), ..point(view, c, figure(c), words::time)? })
        });
        Series {
            name: line.name.clone(),
            variant: line.variant,
            dash: if line.done { Dash::Dashed } else { Dash::Solid },
            heavy: line.quantile == "p50",
            markers: true,
            stretches: vec![points.collect()],
        }
    });
    let panel = Panel {
        x: load_axis(view),
        y: Axis {
            label: "time from the intended start".into(),
            quantity: Quantity::Time,
            mapping: Mapping::Log,
        },
        series: series.collect(),
        identity: None,
        bands: Vec::new(),
        height: 340.0,
    };
    Figure {
        id: "latency-load",
        title: "Latency against load".into(),
        caption: "What the caller waits (solid), and when queued work is really done (dashed). Hollow marks \
                  grow with the length of the test, since the target did not keep up. Bars are 95 % intervals."
            .into(),
        description: describe(view),
        chart: Chart::Panels(vec![panel]),
        table: latency_table(view),
    }
}

fn point(view: &View<'_>, cell: &CellAnalysis, e: Estimate, show: fn(f64) -> String) -> Option<Point> {
    let y = e.value?;
    Some(Point {
        x: view.load_of(cell),
        y,
        whisker: e.low.zip(e.high),
        hollow: false,
        tip: format!("{} at {} ({})", show(y), view.step(cell.id.step), words::support(&e, show)),
    })
}

/// From what to what each variant's median goes.
fn describe(view: &View<'_>) -> String {
    let told: Vec<String> = view
        .variants()
        .filter_map(|v| {
            let cells = by_load(view, v);
            let (first, last) = (cells.first()?, cells.last()?);
            let p50 = |c: &CellAnalysis| c.caller_wait().and_then(Latency::p50).map(words::time);
            Some(format!(
                "{}: the caller's median wait goes from {} at {} to {} at {}",
                view.variant(v),
                p50(first)?,
                view.step(first.id.step),
                p50(last)?,
                view.step(last.id.step)
            ))
        })
        .collect();
    format!("{}.", told.join("; "))
}

fn latency_table(view: &View<'_>) -> Table {
    let lines = lines(view);
    let mut columns = vec![Column::text("load")];
    columns.extend(lines.iter().map(|l| Column::number(l.name.clone()).of(l.variant)));
    let row = |step: usize| {
        let mut row = vec![Cell::head(view.step(step))];
        row.extend(lines.iter().map(|line| {
            let Some(c) = view.analysis.cell(CellId { variant: line.variant, step }) else {
                return Cell::new("");
            };
            let l = if line.done { c.completion() } else { c.caller_wait() };
            let e = l.map_or(Estimate::unknown(0), |l| l.quantile(line.quantile));
            Cell::new(words::or_unknown(e.value, words::time))
                .hint(words::support(&e, words::time))
                .marked(grows(c, !line.done && waits_for_acceptance(c)))
        }));
        row
    };
    let rows = view.performed().into_iter().map(row).collect();
    Table { caption: "Latency against load".into(), columns, rows }
}

fn throughput(view: &View<'_>) -> Figure {
    let series = view.variants().map(|variant| {
        let points =
            by_load(view, variant).into_iter().filter_map(|c| point(view, c, c.rates.completed, words::rate));
        Series {
            name: view.variant(variant).to_owned(),
            variant,
            dash: Dash::Solid,
            heavy: true,
            markers: true,
            stretches: vec![points.collect()],
        }
    });
    let panel = Panel {
        x: load_axis(view),
        y: Axis { label: "completed rate".into(), quantity: Quantity::Rate, mapping: Mapping::Linear },
        series: series.collect(),
        identity: view.is_open().then(|| "completed = offered".to_owned()),
        bands: Vec::new(),
        height: 280.0,
    };
    let columns = std::iter::once(Column::text("load"))
        .chain(view.variants().map(|v| Column::number(format!("{}, completed", view.variant(v))).of(v)))
        .collect();
    let row = |step: usize| {
        let figure = |variant| match view.analysis.cell(CellId { variant, step }) {
            Some(c) => Cell::new(words::or_unknown(c.rates.completed.value, words::rate))
                .hint(words::support(&c.rates.completed, words::rate)),
            None => Cell::new(""),
        };
        std::iter::once(Cell::head(view.step(step))).chain(view.variants().map(figure)).collect()
    };
    let rows = view.performed().into_iter().map(row).collect();
    Figure {
        id: "throughput-load",
        title: "Completed work against load".into(),
        caption: "On the line the target keeps up; where a curve bends away from it, work is left over."
            .into(),
        description: "Completed rate of each variant at each load; the table below has the figures.".into(),
        chart: Chart::Panels(vec![panel]),
        table: Table { caption: "Completed work against load".into(), columns, rows },
    }
}

/// The percentile curve of the heaviest load that every variant kept up with, else of the lightest.
pub fn distribution(view: &View<'_>) -> Vec<Block> {
    let kept_up = |step: &usize| {
        view.variants().all(|variant| {
            view.analysis.cell(CellId { variant, step: *step }).is_some_and(|c| c.kept_up == KeptUp::Yes)
        })
    };
    let performed = view.performed();
    let Some(step) = performed.iter().copied().rev().find(kept_up).or(performed.first().copied()) else {
        return Vec::new();
    };
    let cells = view.variants().filter_map(|variant| view.analysis.cell(CellId { variant, step }));
    let series: Vec<Series> = cells.flat_map(|c| curves(view, c)).collect();
    if series.is_empty() {
        return Vec::new();
    }
    vec![Block::Figure(percentiles(view, step, series))]
}

fn curves(view: &View<'_>, cell: &CellAnalysis) -> Vec<Series> {
    let name = view.variant(cell.id.variant);
    let wait = cell.caller_metric();
    let mut drawn = vec![(wait, metric_word(wait), Dash::Solid, true)];
    if cell.is_async {
        drawn.push((Metric::CompletionTime, "done", Dash::Dashed, true));
    }
    if wait != Metric::ServiceTime {
        drawn.push((Metric::ServiceTime, "service time", Dash::Dotted, false));
    }
    let series = |(metric, what, dash, heavy): (Metric, &str, Dash, bool)| {
        let curve = cell.curves.get(&metric)?;
        let points: Vec<Point> = curve.iter().map(|p| curve_point(p, cell)).collect();
        let name = format!("{name} {what}");
        (!points.is_empty()).then(|| Series {
            name,
            variant: cell.id.variant,
            dash,
            heavy,
            markers: false,
            stretches: vec![points],
        })
    };
    drawn.into_iter().filter_map(series).collect()
}

fn metric_word(metric: Metric) -> &'static str {
    match metric {
        Metric::AcceptLatency => "accepted",
        Metric::ServiceTime => "service time",
        _ => "response",
    }
}

fn curve_point(p: &CurvePoint, cell: &CellAnalysis) -> Point {
    Point {
        x: p.above,
        y: p.value,
        whisker: None,
        hollow: cell.stability.is_unstable(),
        tip: format!(
            "{} of the operations take at most {}",
            words::share(1.0 - p.above),
            words::time(p.value)
        ),
    }
}

fn percentiles(view: &View<'_>, step: usize, series: Vec<Series>) -> Figure {
    let columns = std::iter::once(Column::text("percentile"))
        .chain(series.iter().map(|s| Column::number(s.name.clone()).of(s.variant)))
        .collect();
    let points: Vec<Vec<&Point>> = series.iter().map(|s| s.stretches.iter().flatten().collect()).collect();
    let longest = points.iter().max_by_key(|p| p.len()).cloned().unwrap_or_default();
    let row = |(i, p): (usize, &&Point)| {
        let figure = |s: &Vec<&Point>| Cell::new(words::or_unknown(s.get(i).map(|p| p.y), words::time));
        std::iter::once(Cell::head(words::share(1.0 - p.x))).chain(points.iter().map(figure)).collect()
    };
    let rows = longest.iter().enumerate().map(row).collect();
    let table = Table { caption: "Percentiles".into(), columns, rows };
    let panel = Panel {
        x: Axis {
            label: "percentile, each further nine as wide".into(),
            quantity: Quantity::Percentile,
            mapping: Mapping::Nines,
        },
        y: Axis { label: "time".into(), quantity: Quantity::Time, mapping: Mapping::Log },
        series,
        identity: None,
        bands: Vec::new(),
        height: 300.0,
    };
    Figure {
        id: "percentiles",
        title: format!("Percentiles at {}", view.step(step)),
        caption: "The share of operations that took at most so long. Response times run from the intended start, \
                  service times (dotted) from the actual send: the gap between them is time spent waiting to be sent. \
                  A curve ends where the samples do not support a further percentile."
            .into(),
        description: format!("Percentile curves at {}; the table below has the figures.", view.step(step)),
        chart: Chart::Panels(vec![panel]),
        table,
    }
}
