//! Rows of dots: p50 and p99 of several stages on one axis. Percentiles do not add, so nothing is stacked.

use super::axis::labelled;
use super::scale::Scale;
use super::svg::Svg;
use super::{DotRow, Dots, WIDTH, mark};

const LEFT: f64 = 210.0;
const RIGHT: f64 = 150.0;
const ROW: f64 = 17.0;
const GROUP_GAP: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const EDGES: (f64, f64) = (LEFT, WIDTH - RIGHT);

/// Draw the rows.
pub fn draw(dots: &Dots, id: &str, title: &str, description: &str) -> String {
    let rows: usize = dots.groups.iter().map(|g| g.rows.len()).sum();
    let plane = rows as f64 * ROW + dots.groups.len() as f64 * GROUP_GAP;
    let bottom = TOP + plane;
    let mut svg = Svg::begin(id, title, description, WIDTH, bottom + BOTTOM);
    let values = dots.groups.iter().flat_map(|g| &g.rows).flat_map(|r| [r.low, r.high]).flatten();
    let x = Scale::of(dots.x.mapping, values, EDGES);
    axis(&mut svg, dots, &x, bottom);
    let mut y = TOP + GROUP_GAP;
    for (i, group) in dots.groups.iter().enumerate() {
        if i > 0 {
            let at = y - ROW / 2.0 - GROUP_GAP / 2.0 + 1.0;
            svg.line("rule", (8.0, at), (EDGES.1, at), "#b6bec7", &[("stroke-dasharray", "2 3")]);
        }
        svg.text("group", (8.0, y + 4.0), "start", &group.label);
        for row in &group.rows {
            draw_row(&mut svg, row, &x, y);
            y += ROW;
        }
        y += GROUP_GAP;
    }
    svg.end()
}

fn axis(svg: &mut Svg, dots: &Dots, x: &Scale, bottom: f64) {
    let labels = labelled(&dots.x, x, 9);
    for (value, label) in &labels.ticks {
        let Some(at) = x.place(*value) else { continue };
        let (class, stroke) = if label.is_empty() { ("grid faint", "#f3f5f7") } else { ("grid", "#e1e5ea") };
        svg.line(class, (at, TOP), (at, bottom), stroke, &[]);
        svg.text("tick", (at, bottom + 18.0), "middle", label);
        svg.text("tick", (at, TOP - 8.0), "middle", label);
    }
    svg.line("axis", (EDGES.0, bottom), (EDGES.1, bottom), "#59636e", &[]);
    svg.text("title", ((EDGES.0 + EDGES.1) / 2.0, bottom + 37.0), "middle", &labels.title);
}

fn draw_row(svg: &mut Svg, row: &DotRow, x: &Scale, y: f64) {
    let colour = mark::colour(row.variant);
    svg.text("tick", (EDGES.0 - 10.0, y + 4.0), "end", &row.label);
    let class = format!("series {}", mark::class(row.variant));
    svg.open("g", &[("class", &class), ("stroke", colour), ("fill", colour)]);
    let (low, high) = (row.low.and_then(|v| x.place(v)), row.high.and_then(|v| x.place(v)));
    if let (Some(a), Some(b)) = (low, high) {
        svg.line("range", (a, y), (b, y), colour, &[("stroke-width", "1.5")]);
    }
    if let Some(a) = low {
        mark::marker(svg, row.variant, (a, y), row.hollow, &row.tip);
    }
    if let Some(b) = high {
        // A bar, not a dot: which end is p99 is seen without a key.
        svg.line("end", (b, y - 5.0), (b, y + 5.0), colour, &[("stroke-width", "2.5")]);
    }
    svg.close("g");
    if let Some(last) = high.or(low) {
        svg.text("quiet", (last + 9.0, y + 4.0), "start", &row.tip);
    }
}
