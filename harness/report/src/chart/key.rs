//! The key: series named at their right ends, spread so that no two names overlap.

use super::mark;
use super::svg::Svg;
use super::{Dash, Series};

/// Least distance between two names, px.
const LINE_HEIGHT: f64 = 17.0;

/// Names of `series` right of `x`, each near its own height in `heights`, within `top..bottom` as far
/// as they fit.
pub fn draw(svg: &mut Svg, series: &[Series], heights: &[f64], x: f64, (top, bottom): (f64, f64)) {
    let mut order: Vec<usize> = (0..series.len()).collect();
    order.sort_by(|a, b| heights[*a].total_cmp(&heights[*b]).then(a.cmp(b)));
    let wanted: Vec<f64> = order.iter().map(|i| heights[*i]).collect();
    for (i, y) in order.iter().zip(spread(&wanted, LINE_HEIGHT, top, bottom)) {
        entry(svg, &series[*i], *i, heights[*i], x, y);
    }
}

fn entry(svg: &mut Svg, s: &Series, index: usize, from: f64, x: f64, y: f64) {
    let variant = mark::class(s.variant);
    let colour = mark::colour(s.variant);
    svg.open(
        "g",
        &[("class", &format!("key {variant}")), ("data-series", &index.to_string()), ("stroke", colour)],
    );
    svg.line("leader", (x + 2.0, from), (x + 12.0, y), "#8c959f", &[("stroke-width", "0.75")]);
    let line = [("stroke-width", mark::width(s)), ("stroke-dasharray", mark::dash(s.dash))];
    svg.line("sample", (x + 15.0, y), (x + 39.0, y), colour, &line);
    if s.markers {
        mark::marker(svg, s.variant, (x + 27.0, y), s.dash == Dash::Dotted, "");
    }
    svg.text("label", (x + 45.0, y + 4.0), "start", &s.name);
    svg.close("g");
}

/// A variant's line and marker, for text; hidden from those to whom the name beside it is read.
pub fn swatch(variant: usize) -> String {
    let mut svg = Svg::default();
    let class = mark::class(variant);
    svg.open(
        "svg",
        &[
            ("class", "swatch"),
            ("width", "26"),
            ("height", "12"),
            ("viewBox", "0 0 26 12"),
            ("aria-hidden", "true"),
        ],
    );
    svg.open("g", &[("class", &class), ("stroke", mark::colour(variant)), ("fill", mark::colour(variant))]);
    svg.line("sample", (1.0, 6.0), (25.0, 6.0), mark::colour(variant), &[("stroke-width", "2.25")]);
    mark::marker(&mut svg, variant, (13.0, 6.0), false, "");
    svg.close("g");
    svg.close("svg");
    svg.finish()
}

/// Heights as near to the rising `wanted` as a least distance allows: neighbours that would overlap
/// form a block about their mean; the whole is then kept within `top..bottom`.
fn spread(wanted: &[f64], distance: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for w in wanted {
        blocks.push((*w, 1));
        while let [.., (a, n), (b, m)] = blocks[..] {
            let apart = distance * (n + m) as f64 / 2.0;
            if b - a >= apart {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            // The centres of the parts, moved apart evenly, keep their weighted mean.
            blocks.push(((a * n as f64 + b * m as f64) / (n + m) as f64, n + m));
        }
    }
    let mut places: Vec<f64> = blocks
        .iter()
        .flat_map(|(centre, n)| {
            (0..*n).map(move |i| centre + (i as f64 - (*n as f64 - 1.0) / 2.0) * distance)
        })
        .collect();
    for i in (0..places.len()).rev() {
        let limit = if i + 1 < places.len() { places[i + 1] - distance } else { bottom };
        places[i] = places[i].min(limit);
    }
    for i in 0..places.len() {
        let limit = if i > 0 { places[i - 1] + distance } else { top };
        places[i] = places[i].max(limit);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn names_never_overlap_and_stay_in_order() {
        let places = spread(&[10.0, 11.0, 12.0, 100.0], 17.0, 5.0, 200.0);
        assert!(places.windows(2).all(|w| w[1] - w[0] >= 17.0 - 1e-9), "{places:?}");
        assert_eq!(places[3], 100.0);
        assert!(places[0] >= 5.0);
    }

    #[test]
    fn names_at_the_bottom_are_pushed_up() {
        assert_eq!(spread(&[199.0, 200.0], 17.0, 0.0, 200.0), [183.0, 200.0]);
    }
}
