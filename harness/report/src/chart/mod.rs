//! Charts as data, and their drawing as SVG.
//!
//! One back-end: every mark is an SVG element with presentation attributes (the light palette), so
//! that a chart is whole where scripts *and* style sheets are refused; class names let a style sheet
//! recolour it. Series differ by colour, dash and marker, so that no colour need be told apart.
//! A renderer chooses ticks and positions; it computes no figure.

pub mod axis;
mod dots;
mod key;
mod mark;
pub mod scale;
mod svg;
mod xy;

/// A chart.
#[derive(Debug, Clone, PartialEq)]
pub enum Chart {
    /// Panels over one x axis, top to bottom.
    Panels(Vec<Panel>),
    /// Rows of dots on one x axis.
    Dots(Dots),
}

/// A plane with series.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Horizontal; of the lowest panel, for all.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Whether the line y = x is drawn, with its label.
    pub identity: Option<String>,
    /// Vertical stretches, such as steps on a time axis.
    pub bands: Vec<Band>,
    /// Height of the plane, px.
    pub height: f64,
}

/// What an axis measures, which decides its tick labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Seconds.
    Time,
    /// 1/s.
    Rate,
    /// A plain number.
    Count,
    /// A share above, as percentile: values are `1 − p`.
    Percentile,
}

/// How an axis maps values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// Evenly, from zero.
    Linear,
    /// By ratio; values at or below zero are not drawn.
    Log,
    /// By further nines: −log₁₀ of the value, which is `1 − p`.
    Nines,
}

/// An axis; its domain is that of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// What it shows; the unit is added where the ticks don't carry it.
    pub label: String,
    /// What it measures.
    pub quantity: Quantity,
    /// How it maps.
    pub mapping: Mapping,
}

/// How a line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dash {
    /// Not.
    Solid,
    /// Long dashes.
    Dashed,
    /// Dots.
    Dotted,
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, shown at its end.
    pub name: String,
    /// Index of the variant: colour and marker.
    pub variant: usize,
    /// Broken how.
    pub dash: Dash,
    /// Whether it is one of the heavier lines.
    pub heavy: bool,
    /// Whether each point has a marker.
    pub markers: bool,
    /// Its points, in stretches that are not joined.
    pub stretches: Vec<Vec<Point>>,
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Horizontal.
    pub x: f64,
    /// Vertical.
    pub y: f64,
    /// Ends of its interval.
    pub whisker: Option<(f64, f64)>,
    /// Whether it means something else than the others, such as a percentile of an unstable cell: drawn hollow.
    pub hollow: bool,
    /// What it says.
    pub tip: String,
}

/// A stretch of the x axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// From.
    pub from: f64,
    /// To.
    pub to: f64,
    /// Its name.
    pub label: String,
    /// From here on it is shaded lightly: the drain of a step.
    pub shaded_from: f64,
}

/// Rows of dots: a range from p50 to p99 each.
#[derive(Debug, Clone, PartialEq)]
pub struct Dots {
    /// Horizontal.
    pub x: Axis,
    /// Groups of rows, top to bottom.
    pub groups: Vec<DotGroup>,
}

/// Rows that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct DotGroup {
    /// Its heading.
    pub label: String,
    /// Its rows.
    pub rows: Vec<DotRow>,
}

/// A row of dots.
#[derive(Debug, Clone, PartialEq)]
pub struct DotRow {
    /// What it shows.
    pub label: String,
    /// Index of the variant.
    pub variant: usize,
    /// p50.
    pub low: Option<f64>,
    /// p99.
    pub high: Option<f64>,
    /// Whether it means something else than the others.
    pub hollow: bool,
    /// What it says.
    pub tip: String,
}

/// How many colours variants have before they repeat.
pub const COLOURS: usize = mark::COLOURS.len();

/// Width of every chart, px.
pub const WIDTH: f64 = 920.0;

/// The chart as an `<svg>` element; `id` prefixes the ids in it, `title` and `description` are read
/// to those who can't see it.
pub fn svg(chart: &Chart, id: &str, title: &str, description: &str) -> String {
    match chart {
        Chart::Panels(panels) => xy::draw(panels, id, title, description),
        Chart::Dots(dots) => dots::draw(dots, id, title, description),
    }
}

/// A variant's line and marker as a small drawing, to set beside its name.
pub fn swatch(variant: usize) -> String {
    key::swatch(variant)
}
