//! Points, lines and their colours.

use super::svg::{Svg, n};
use super::{Dash, Point, Series};

/// Okabe & Ito's colours (*Color Universal Design*, 2008) as they read on white, in the order of variants.
pub const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#aa4499", "#8a6d00", "#1b1f24"];

/// Colour of a variant; beyond the sixth they repeat, with another marker.
pub fn colour(variant: usize) -> &'static str {
    COLOURS[variant % COLOURS.len()]
}

/// Class of a variant's marks.
pub fn class(variant: usize) -> String {
    format!("c{}", variant % COLOURS.len())
}

/// The dash pattern, if it is not solid.
pub fn dash(dash: Dash) -> &'static str {
    match dash {
        Dash::Solid => "none",
        Dash::Dashed => "7 4",
        Dash::Dotted => "1.5 3.5",
    }
}

/// The width of a series' line.
pub fn width(series: &Series) -> &'static str {
    if series.heavy { "2.25" } else { "1.5" }
}

/// A marker whose shape belongs to the variant, with what it says.
pub fn marker(svg: &mut Svg, variant: usize, at: (f64, f64), hollow: bool, tip: &str) {
    let fill = if hollow { "#ffffff" } else { colour(variant) };
    let name = if hollow { "hollow" } else { "solid" };
    let (x, y) = at;
    let common = [("class", name), ("fill", fill), ("stroke", colour(variant)), ("stroke-width", "1.5")];
    let points = match variant % 4 {
        1 => Some(vec![(x - 3.5, y - 3.5), (x + 3.5, y - 3.5), (x + 3.5, y + 3.5), (x - 3.5, y + 3.5)]),
        2 => Some(vec![(x, y - 4.6), (x + 4.4, y + 3.4), (x - 4.4, y + 3.4)]),
        3 => Some(vec![(x, y - 4.8), (x + 4.8, y), (x, y + 4.8), (x - 4.8, y)]),
        _ => None,
    };
    let (cx, cy) = (n(x), n(y));
    let place = points.map(|p| join(&p));
    let mut attributes = common.to_vec();
    let element = match &place {
        Some(points) => {
            attributes.push(("points", points));
            "polygon"
        }
        None => {
            attributes.extend([("cx", cx.as_str()), ("cy", cy.as_str()), ("r", "3.7")]);
            "circle"
        }
    };
    if tip.is_empty() {
        svg.empty(element, &attributes);
    } else {
        svg.open(element, &attributes);
        svg.leaf("title", &[], tip);
        svg.close(element);
    }
}

/// A whisker: the interval of a figure.
pub fn whisker(svg: &mut Svg, variant: usize, x: f64, low: f64, high: f64) {
    let attributes = [("stroke-width", "1")];
    svg.line("whisker", (x, low), (x, high), colour(variant), &attributes);
    for y in [low, high] {
        svg.line("whisker", (x - 3.0, y), (x + 3.0, y), colour(variant), &attributes);
    }
}

/// A line through places, with what each says for the hover read-out.
pub fn polyline(svg: &mut Svg, series: &Series, places: &[(f64, f64)], points: &[&Point]) {
    let tips: Vec<String> = points.iter().map(|p| p.tip.replace('|', "/")).collect();
    svg.empty(
        "polyline",
        &[
            ("points", &join(places)),
            ("data-tips", &tips.join("|")),
            ("fill", "none"),
            ("stroke", colour(series.variant)),
            ("stroke-width", width(series)),
            ("stroke-dasharray", dash(series.dash)),
            ("stroke-linejoin", "round"),
        ],
    );
}

fn join(places: &[(f64, f64)]) -> String {
    places.iter().map(|(x, y)| format!("{},{}", n(*x), n(*y))).collect::<Vec<_>>().join(" ")
}
