//! Panels with series over one x axis.

use super::axis::labelled;
use super::scale::Scale;
use super::svg::{Svg, n};
use super::{Band, Mapping, Panel, Point, Quantity, Series, WIDTH, key, mark};

const LEFT: f64 = 66.0;
const RIGHT: f64 = 212.0;
const TOP: f64 = 26.0;
const GAP: f64 = 34.0;
const BOTTOM: f64 = 44.0;

/// Where one panel lies.
struct Frame {
    x: Scale,
    y: Scale,
    top: f64,
    bottom: f64,
}

const EDGES: (f64, f64) = (LEFT, WIDTH - RIGHT);

/// Draw panels, one above the other.
pub fn draw(panels: &[Panel], id: &str, title: &str, description: &str) -> String {
    let heights: f64 = panels.iter().map(|p| p.height + GAP).sum();
    let height = TOP + heights - GAP + BOTTOM;
    let mut svg = Svg::begin(id, title, description, WIDTH, height);
    let mut top = TOP;
    for (i, panel) in panels.iter().enumerate() {
        let frame = frame(panel, panels, top);
        svg.open("g", &[("class", "panel")]);
        bands(&mut svg, panel, &frame, i == 0);
        axes(&mut svg, panel, &frame, i + 1 == panels.len());
        if let Some(label) = &panel.identity {
            identity(&mut svg, &frame, label);
        }
        for (index, series) in panel.series.iter().enumerate() {
            draw_series(&mut svg, series, index, &frame);
        }
        let ends: Vec<f64> = panel.series.iter().map(|s| end_of(s, &frame)).collect();
        key::draw(&mut svg, &panel.series, &ends, EDGES.1, (frame.top, frame.bottom));
        svg.close("g");
        top += panel.height + GAP;
    }
    svg.end()
}

fn frame(panel: &Panel, all: &[Panel], top: f64) -> Frame {
    let bottom = top + panel.height;
    let bands = |p: &Panel| p.bands.iter().flat_map(|b| [b.from, b.to]).collect::<Vec<_>>();
    let xs = all.iter().flat_map(|p| points(&p.series).map(|q| q.x).chain(bands(p)).collect::<Vec<_>>());
    let x = match panel
        .bands
        .iter()
        .map(|b| b.to)
        .fold(None, |m: Option<f64>, v| Some(m.map_or(v, |m| m.max(v))))
    {
        // A time axis ends with its last band: rounding it up would only waste room.
        Some(end) if end > 0.0 => Scale::exact((0.0, end), EDGES),
        // Nor is anything gained beyond the greatest load; its names begin there.
        _ if panel.x.mapping == Mapping::Linear => {
            let greatest = xs.fold(0.0, f64::max);
            Scale::exact((0.0, if greatest > 0.0 { greatest * 1.04 } else { 1.0 }), EDGES)
        }
        _ => Scale::of(panel.x.mapping, xs, EDGES),
    };
    let ys = points(&panel.series).flat_map(|p| {
        let (low, high) = p.whisker.unwrap_or((p.y, p.y));
        [p.y, low, high]
    });
    Frame { x, y: Scale::of(panel.y.mapping, ys, (bottom, top)), top, bottom }
}

fn points(series: &[Series]) -> impl Iterator<Item = &Point> {
    series.iter().flat_map(|s| s.stretches.iter().flatten())
}

fn axes(svg: &mut Svg, panel: &Panel, frame: &Frame, is_lowest: bool) {
    let y = labelled(&panel.y, &frame.y, if panel.height < 130.0 { 4 } else { 6 });
    for (value, label) in &y.ticks {
        let Some(at) = frame.y.place(*value) else { continue };
        let (class, stroke) = if label.is_empty() { ("grid faint", "#f3f5f7") } else { ("grid", "#e1e5ea") };
        svg.line(class, (EDGES.0, at), (EDGES.1, at), stroke, &[("stroke-width", "1")]);
        svg.text("tick", (EDGES.0 - 8.0, at + 4.0), "end", label);
    }
    svg.text("title", (EDGES.0, frame.top - 10.0), "start", &y.title);
    let x = labelled(&panel.x, &frame.x, 9);
    let upright = panel.x.quantity == Quantity::Percentile;
    for (value, label) in &x.ticks {
        let Some(at) = frame.x.place(*value) else { continue };
        if upright {
            svg.line("grid", (at, frame.top), (at, frame.bottom), "#e1e5ea", &[("stroke-width", "1")]);
        }
        svg.line("axis", (at, frame.bottom), (at, frame.bottom + 4.0), "#59636e", &[]);
        if is_lowest {
            svg.text("tick", (at, frame.bottom + 18.0), "middle", label);
        }
    }
    svg.line("axis", (EDGES.0, frame.bottom), (EDGES.1, frame.bottom), "#59636e", &[]);
    if is_lowest {
        svg.text("title", ((EDGES.0 + EDGES.1) / 2.0, frame.bottom + 37.0), "middle", &x.title);
    }
}

fn bands(svg: &mut Svg, panel: &Panel, frame: &Frame, is_first: bool) {
    let place = |v: f64| frame.x.place(v).unwrap_or(EDGES.0).clamp(EDGES.0, EDGES.1);
    // A name that does not fit its band is left out rather than drawn over its neighbour's.
    let fits = |b: &Band| b.label.chars().count() as f64 * 6.6 < place(b.to) - place(b.from) - 4.0;
    for b in &panel.bands {
        let (shaded, to) = (place(b.shaded_from), place(b.to));
        if to - shaded > 0.5 {
            let (x, y, w, h) = (n(shaded), n(frame.top), n(to - shaded), n(frame.bottom - frame.top));
            let place = [
                ("class", "drain"),
                ("x", &x),
                ("y", &y),
                ("width", &w),
                ("height", &h),
                ("fill", "#f1f3f5"),
            ];
            svg.empty("rect", &place);
        }
        svg.line("rule", (to, frame.top), (to, frame.bottom), "#b6bec7", &[("stroke-dasharray", "2 3")]);
        if is_first && fits(b) {
            svg.text("quiet", ((place(b.from) + to) / 2.0, frame.top + 12.0), "middle", &b.label);
        }
    }
}

/// The line y = x, clipped to the plane.
fn identity(svg: &mut Svg, frame: &Frame, label: &str) {
    let (low, high) = (0.0, frame.x.domain().1.min(frame.y.domain().1));
    let at = |v: f64| frame.x.place(v).zip(frame.y.place(v));
    if let (Some(from), Some(to)) = (at(low), at(high)) {
        svg.line("rule", from, to, "#8c959f", &[("stroke-dasharray", "5 4")]);
        svg.text("quiet", (to.0 - 8.0, to.1 + 4.0), "end", label);
    }
}

fn draw_series(svg: &mut Svg, series: &Series, index: usize, frame: &Frame) {
    let colour = mark::colour(series.variant);
    let group = [
        ("class", &*format!("series {}", mark::class(series.variant))),
        ("data-series", &*index.to_string()),
        ("data-name", series.name.as_str()),
        ("stroke", colour),
        ("fill", colour),
    ];
    svg.open("g", &group);
    for stretch in &series.stretches {
        let drawn: Vec<(&Point, (f64, f64))> =
            stretch.iter().filter_map(|p| Some((p, frame.x.place(p.x).zip(frame.y.place(p.y))?))).collect();
        let places: Vec<(f64, f64)> = drawn.iter().map(|(_, at)| *at).collect();
        let tips: Vec<&Point> = drawn.iter().map(|(p, _)| *p).collect();
        if !places.is_empty() {
            mark::polyline(svg, series, &places, &tips);
        }
        for (point, at) in &drawn {
            if let Some((low, high)) = point.whisker.and_then(|(l, h)| frame.y.place(l).zip(frame.y.place(h)))
            {
                mark::whisker(svg, series.variant, at.0, low, high);
            }
            // A stretch of a single point has no line to be seen by.
            if series.markers || drawn.len() == 1 {
                mark::marker(
                    svg,
                    series.variant,
                    *at,
                    point.hollow,
                    &format!("{}: {}", series.name, point.tip),
                );
            }
        }
    }
    svg.close("g");
}

/// Where a series ends, for its name; at the bottom when it has no point.
fn end_of(series: &Series, frame: &Frame) -> f64 {
    let last = series.stretches.iter().flatten().filter_map(|p| frame.y.place(p.y)).next_back();
    last.unwrap_or(frame.bottom).clamp(frame.top, frame.bottom)
}
