//! Confidence intervals from batches: honest under the autocorrelation that queueing brings.

use plimsoll_model::histogram::LatencyHistogram;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::quantile::{known, min_samples};

/// Fewest batches for an interval.
pub const MIN_BATCHES: usize = 20;

/// Greatest lag-1 autocorrelation of batches that are taken as independent.
pub const MAX_LAG1: f64 = 0.2;

/// The 97.5 % point of Student's t with `dof` degrees of freedom (at least 1).
pub fn t975(dof: f64) -> f64 {
    StudentsT::new(0.0, 1.0, dof.max(1.0)).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
}

/// Mean of a non-empty slice.
pub fn mean(y: &[f64]) -> Option<f64> {
    (!y.is_empty()).then(|| y.iter().sum::<f64>() / y.len() as f64)
}

/// Sample standard deviation (divisor n − 1) of at least two values.
pub fn sd(y: &[f64]) -> Option<f64> {
    let m = mean(y)?;
    (y.len() > 1).then(|| (y.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (y.len() - 1) as f64).sqrt())
}

/// Lag-1 autocorrelation, −1 to 1; zero for a constant series, none for fewer than three values.
pub fn lag1(y: &[f64]) -> Option<f64> {
    let m = mean(y)?;
    let total: f64 = y.iter().map(|v| (v - m).powi(2)).sum();
    let lagged: f64 = y.windows(2).map(|w| (w[0] - m) * (w[1] - m)).sum();
    (y.len() > 2).then(|| if total > 0.0 { lagged / total } else { 0.0 })
}

/// 95 % confidence interval about `centre` from the batches' values, by sectioning: the spread is
/// taken about the whole sample's estimate, which is less biased than the mean of the batches'
/// (Asmussen & Glynn, *Stochastic Simulation*, 2007, §III.5a). None with fewer than
/// [`MIN_BATCHES`] batches, or when neighbours are correlated beyond [`MAX_LAG1`].
pub fn sectioned(batches: &[f64], centre: f64) -> Option<(f64, f64)> {
    let b = batches.len();
    if b < MIN_BATCHES || lag1(batches)?.abs() >= MAX_LAG1 {
        return None;
    }
    let variance = batches.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / (b - 1) as f64;
    let half = t975((b - 1) as f64) * (variance / b as f64).sqrt();
    Some((centre - half, centre + half))
}

/// 95 % confidence interval of the mean of equally long intervals' values, by batch means: batches
/// are doubled in length until their lag-1 autocorrelation is small, while enough are left.
pub fn mean_interval(values: &[f64], centre: f64) -> Option<(f64, f64)> {
    lengths(values.len()).find_map(|k| {
        let batches: Vec<f64> = values.chunks_exact(k).filter_map(mean).collect();
        sectioned(&batches, centre)
    })
}

/// 95 % confidence interval of the quantile `p`, seconds, from the histograms of consecutive
/// intervals; `overall` is the quantile of all. None when it can't be given honestly.
pub fn quantile_interval(parts: &[&LatencyHistogram], p: f64, overall: f64) -> Option<(f64, f64)> {
    if parts.iter().map(|h| h.count()).sum::<u64>() < min_samples(p) * MIN_BATCHES as u64 {
        return None;
    }
    lengths(parts.len()).find_map(|k| {
        let batches: Option<Vec<f64>> = parts.chunks_exact(k).map(|c| known(&merged(c), p)).collect();
        // Latencies are positive: an interval that reaches below zero says that the batches are too few.
        sectioned(&batches?, overall).filter(|(low, _)| *low > 0.0)
    })
}

fn merged(parts: &[&LatencyHistogram]) -> LatencyHistogram {
    let mut all = LatencyHistogram::new();
    parts.iter().for_each(|h| all.merge(h));
    all
}

/// Batch lengths to try on `n` intervals: at most 80 batches at first, then doubled, at least [`MIN_BATCHES`].
fn lengths(n: usize) -> impl Iterator<Item = usize> {
    let first = n.div_ceil(80).max(1);
    std::iter::successors(Some(first), |k| Some(k * 2)).take_while(move |k| n / k >= MIN_BATCHES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::time::Nanos;

    #[test]
    fn t_points() {
        // Standard table of Student's t.
        for (dof, t) in [(1.0, 12.706), (9.0, 2.262), (19.0, 2.093), (1e6, 1.960)] {
            assert!((t975(dof) - t).abs() < 1e-3, "{dof}: {}", t975(dof));
        }
    }

    #[test]
    fn autocorrelation_of_known_series() {
        let alternating: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        assert!((lag1(&alternating).unwrap() + 0.99).abs() < 1e-9);
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(lag1(&rising).unwrap() > 0.9);
        assert_eq!(lag1(&[3.0; 10]), Some(0.0));
        assert_eq!(lag1(&[1.0, 2.0]), None);
    }

    #[test]
    fn no_interval_from_few_or_correlated_batches() {
        assert_eq!(sectioned(&[1.0; 19], 1.0), None);
        let rising: Vec<f64> = (0..40).map(f64::from).collect();
        assert_eq!(mean_interval(&rising, 19.5), None);
    }

    #[test]
    fn interval_of_independent_values_is_students() {
        // A fixed sequence without neighbour correlation: 1, −1, −1, 1, … has lag-1 near zero.
        let y: Vec<f64> = (0..40).map(|i| if i % 4 == 0 || i % 4 == 3 { 1.0 } else { -1.0 }).collect();
        let (low, high) = sectioned(&y, 0.0).unwrap();
        let half = t975(39.0) * (40.0f64 / 39.0 / 40.0).sqrt();
        assert!((high - half).abs() < 1e-12 && (low + half).abs() < 1e-12);
    }

    #[test]
    fn quantile_interval_holds_the_quantile() {
        // A linear congruential sequence: no neighbour correlation to speak of, uniform on (0, 1] s.
        let mut x = 12_345u64;
        let parts: Vec<LatencyHistogram> = (0..24)
            .map(|_| {
                let mut h = LatencyHistogram::new();
                for _ in 0..500 {
                    x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    h.record(Nanos((x >> 34) % 1_000_000_000 + 1));
                }
                h
            })
            .collect();
        let refs: Vec<&LatencyHistogram> = parts.iter().collect();
        if let Some((low, high)) = quantile_interval(&refs, 0.5, known(&merged(&refs), 0.5).unwrap()) {
            assert!(low < 0.5 && 0.5 < high && high - low < 0.05, "{low} {high}");
        }
        assert_eq!(quantile_interval(&refs[..10], 0.5, 0.5), None);
    }
}
