//! Quantiles of a sample: when they are known, and how their ranks are bounded.

use plimsoll_model::histogram::LatencyHistogram;
use statrs::distribution::{Binomial, DiscreteCDF};

/// The quantiles of every table, and their names in files.
pub const REPORTED: [(f64, &str); 5] =
    [(0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99_9")];

/// Fewest samples for the quantile `p` (0 to 1, exclusive) to be told at all: with fewer, even the
/// greatest sample is not above the true quantile with 95 % confidence, `1 − pⁿ < 0.95`.
///
/// 5 for p50, 29 for p90, 59 for p95, 299 for p99, 2,995 for p99.9. The samples are taken as
/// independent; where they are not, more are needed, so this is a necessary condition only.
/// (Distribution-free bound by order statistics: David & Nagaraja, *Order Statistics*, 2003, §7.1.)
pub fn min_samples(p: f64) -> u64 {
    (0.05f64.ln() / p.ln()).ceil() as u64
}

/// The quantile `p` of a histogram in seconds, if it has enough samples to tell it.
pub fn known(h: &LatencyHistogram, p: f64) -> Option<f64> {
    (h.count() >= min_samples(p)).then(|| h.quantile(p).map(|v| v.as_secs_f64())).flatten()
}

/// Ranks (from 1) of the order statistics that bound the quantile `p` of `n` **independent**
/// samples with at least the given confidence, by the exact binomial distribution; none when the
/// upper rank would lie beyond the sample.
///
/// The quantile lies in `[X(l), X(u))` when `l ≤ B < u` for `B ~ Bin(n, p)`; `l` is the greatest and
/// `u` the smallest rank that leave at most half of the remaining probability outside on their side.
/// Under queueing the samples are far from independent, and the interval covers much less than it
/// says (49 % for a nominal 95 % at ρ = 0.5): it is never shown as a confidence interval of a run.
pub fn binomial_ranks(n: u64, p: f64, confidence: f64) -> Option<(u64, u64)> {
    let b = Binomial::new(p, n).ok()?;
    let tail = (1.0 - confidence) / 2.0;
    // P(B ≤ k) > tail first at k = l, and P(B ≤ u − 1) ≥ 1 − tail first at u − 1: both by bisection.
    let lower = first(n, |k| b.cdf(k) > tail)?;
    let upper = first(n, |k| b.cdf(k) >= 1.0 - tail)? + 1;
    (lower >= 1 && upper <= n).then_some((lower, upper))
}

fn first(n: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, n);
    if !holds(n) {
        return None;
    }
    while low < high {
        let mid = low + (high - low) / 2;
        if holds(mid) { high = mid } else { low = mid + 1 }
    }
    Some(low)
}

/// One point of a percentile curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Share of the samples above, `1 − p`.
    pub above: f64,
    /// The quantile, seconds.
    pub value: f64,
}

/// The percentile curve of a histogram, ten points for each further nine, as far as the sample
/// supports it (see [`min_samples`]).
pub fn curve(h: &LatencyHistogram) -> Vec<CurvePoint> {
    (0..=70)
        .map(|k| 10f64.powf(-f64::from(k) / 10.0))
        .map_while(|above| match 1.0 - above {
            p if p <= 0.0 => h.min().map(|v| CurvePoint { above, value: v.as_secs_f64() }),
            p => known(h, p).map(|value| CurvePoint { above, value }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::time::Nanos;

    #[test]
    fn fewest_samples_are_those_of_the_method() {
        for (p, n) in [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2_995), (0.9999, 29_956)] {
            assert_eq!(min_samples(p), n, "at {p}");
        }
    }

    #[test]
    fn exact_ranks() {
        assert_eq!(binomial_ranks(10_000, 0.99, 0.95), Some((9_880, 9_920)));
        assert_eq!(binomial_ranks(100_000, 0.999, 0.95), Some((99_880, 99_920)));
    }

    #[test]
    fn ranks_beyond_the_sample_are_refused() {
        assert_eq!(binomial_ranks(100, 0.99, 0.95), None);
        assert_eq!(binomial_ranks(1, 0.5, 0.95), None);
    }

    #[test]
    fn ranks_cover_independent_samples() {
        // P(l ≤ B ≤ u − 1), summed directly, for a case small enough to check by hand.
        let (l, u) = binomial_ranks(20, 0.5, 0.95).unwrap();
        assert_eq!((l, u), (6, 15));
        let b = Binomial::new(0.5, 20).unwrap();
        assert!(b.cdf(u - 1) - b.cdf(l - 1) >= 0.95);
    }

    #[test]
    fn unknown_below_the_fewest() {
        let mut h = LatencyHistogram::new();
        (1..=298).for_each(|ms| h.record(Nanos::from_millis(ms)));
        assert_eq!(known(&h, 0.99), None);
        h.record(Nanos::from_millis(299));
        assert!((known(&h, 0.99).unwrap() - 0.297).abs() < 0.001);
        assert!(curve(&h).last().unwrap().above >= 0.01 - 1e-12);
    }
}
