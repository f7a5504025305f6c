//! The figures of one latency: exact extremes, sum and count, and quantiles with what is known of them.

use plimsoll_model::histogram::LatencyHistogram;

use crate::batch::quantile_interval;
use crate::estimate::Estimate;
use crate::quantile::{REPORTED, known};

/// Figures of the latencies of one metric and outcome; times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Exact smallest.
    pub min: Option<f64>,
    /// Exact greatest.
    pub max: Option<f64>,
    /// Exact mean; never shown alone.
    pub mean: Option<f64>,
    /// Exact sum.
    pub sum: f64,
    /// In the order of [`REPORTED`].
    pub quantiles: [Estimate; REPORTED.len()],
}

impl Latency {
    /// Of all latencies `all`; `parts` are those of consecutive intervals of a stable window, or
    /// empty when no interval may be given.
    pub fn of(all: &LatencyHistogram, parts: &[&LatencyHistogram]) -> Self {
        let quantiles = REPORTED.map(|(p, _)| match known(all, p) {
            Some(v) => Estimate::point(v, all.count()).within(quantile_interval(parts, p, v)),
            None => Estimate::unknown(all.count()),
        });
        Latency {
            count: all.count(),
            min: all.min().map(|v| v.as_secs_f64()),
            max: all.max().map(|v| v.as_secs_f64()),
            mean: all.mean().map(|v| v.as_secs_f64()),
            sum: all.sum().as_secs_f64(),
            quantiles,
        }
    }

    /// One of the [`REPORTED`] quantiles, by its name in files; unknown for any other name.
    pub fn quantile(&self, name: &str) -> Estimate {
        REPORTED
            .iter()
            .position(|(_, n)| *n == name)
            .map_or(Estimate::unknown(self.count), |i| self.quantiles[i])
    }

    /// The median.
    pub fn p50(&self) -> Option<f64> {
        self.quantiles[0].value
    }

    /// The 99th percentile.
    pub fn p99(&self) -> Option<f64> {
        self.quantiles[3].value
    }
}
