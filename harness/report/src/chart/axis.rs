//! Tick labels.

use super::scale::{Scale, Tick};
use super::{Axis, Mapping, Quantity};
use crate::words;

/// An axis' ticks in words, and its title with the unit that its labels leave out.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Each tick with its label; empty for a tick without one.
    pub ticks: Vec<(f64, String)>,
    /// The title.
    pub title: String,
}

/// Label the ticks of an axis. A linear axis has one unit, in its title; on a log axis, which spans
/// several, each tick carries its own.
pub fn labelled(axis: &Axis, scale: &Scale, most: usize) -> Labelled {
    let ticks = scale.ticks(most);
    let (factor, unit) = match (axis.quantity, axis.mapping) {
        (Quantity::Time, Mapping::Linear) => time_unit(scale.domain().1),
        (Quantity::Rate, Mapping::Linear) => (1.0, "1/s"),
        _ => (1.0, ""),
    };
    let step = ticks.windows(2).map(|w| (w[1].value - w[0].value) * factor).next().unwrap_or(1.0);
    let label = |t: &Tick| match (axis.quantity, axis.mapping) {
        _ if !t.labelled => String::new(),
        (Quantity::Percentile, _) => percentile(t.value),
        (Quantity::Time, Mapping::Log) => words::short_time(t.value),
        (_, Mapping::Linear) => linear(t.value * factor, step),
        _ => words::number(t.value),
    };
    let labels = ticks.iter().map(|t| (t.value, label(t))).collect();
    let title = if unit.is_empty() { axis.label.clone() } else { format!("{} ({unit})", axis.label) };
    Labelled { ticks: labels, title }
}

fn time_unit(greatest: f64) -> (f64, &'static str) {
    match greatest {
        g if g < 1e-6 => (1e9, "ns"),
        g if g < 1e-3 => (1e6, "µs"),
        g if g < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    }
}

/// As many decimals as the step between ticks needs, the same for all of them.
fn linear(v: f64, step: f64) -> String {
    let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    match decimals {
        0 => words::number(v.round()),
        d => format!("{v:.d$}").replace('-', "−"),
    }
}

/// `p99.9` for 0.001 above.
fn percentile(above: f64) -> String {
    let nines = -above.log10();
    let decimals = (nines.ceil() - 2.0).max(0.0) as usize;
    if above >= 1.0 { "min".to_owned() } else { format!("p{:.decimals$}", (1.0 - above) * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(quantity: Quantity, mapping: Mapping, values: &[f64]) -> (Vec<String>, String) {
        let axis = Axis { label: "x".into(), quantity, mapping };
        let l = labelled(&axis, &Scale::of(mapping, values.iter().copied(), (0.0, 1.0)), 6);
        (l.ticks.into_iter().map(|t| t.1.replace('\u{a0}', " ")).filter(|t| !t.is_empty()).collect(), l.title)
    }

    #[test]
    fn the_unit_is_said_once_on_a_linear_axis_and_at_each_tick_of_a_log_one() {
        let (ticks, title) = labels(Quantity::Time, Mapping::Linear, &[0.21]);
        assert_eq!((ticks.join(" ").as_str(), title.as_str()), ("0 50 100 150 200 250", "x (ms)"));
        let (ticks, title) = labels(Quantity::Time, Mapping::Log, &[0.003, 2.0]);
        assert_eq!((ticks.join("|").as_str(), title.as_str()), ("10 ms|100 ms|1 s", "x"));
    }

    #[test]
    fn percentiles_are_named_from_their_value() {
        let (ticks, _) = labels(Quantity::Percentile, Mapping::Nines, &[0.0002]);
        assert_eq!(ticks, ["min", "p50", "p75", "p90", "p99", "p99.9", "p99.99"]);
    }

    #[test]
    fn decimals_follow_the_step() {
        let (ticks, _) = labels(Quantity::Count, Mapping::Linear, &[1.2]);
        assert_eq!(ticks, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "1.2"]);
    }
}
