//! Whether the work outstanding kept rising while arrivals came.

use crate::batch::{mean, sd, t975};
use crate::estimate::Estimate;

/// Fewest increments for a verdict.
pub const MIN_INCREMENTS: usize = 4;

/// Least slope that matters, as a share of the arrival rate.
pub const MATERIAL_SHARE: f64 = 0.01;

/// Least growth over the window that matters, operations or jobs.
pub const MATERIAL_GROWTH: f64 = 5.0;

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No material rise is shown.
    Stable,
    /// The outstanding work rises: any percentile is a function of the test's length.
    Unstable,
    /// Too few intervals to tell.
    Unknown,
}

/// How the outstanding work (requests in flight and jobs accepted but not noticed as ended) went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stability {
    /// The verdict.
    pub verdict: Verdict,
    /// Growth rate over the window, operations per second, with its 95 % interval.
    pub slope: Estimate,
    /// Greatest number out at an interval's end, over the whole cell.
    pub peak: u64,
}

impl Stability {
    /// Whether it is [`Verdict::Unstable`].
    pub fn is_unstable(&self) -> bool {
        self.verdict == Verdict::Unstable
    }
}

/// Growth rate of `y` (instant in seconds, value) and its 95 % interval.
///
/// Past saturation the backlog is a random walk with drift λ − μ, whose *increments* are
/// independent: their mean is the maximum-likelihood estimate of the drift, with Student's interval.
/// Least squares on the levels would take the walk's wandering for evidence. Of a stable queue the
/// increments are negatively correlated, which makes the interval too wide, so that chance gives no
/// alarm.
pub fn slope(y: &[(f64, f64)]) -> Estimate {
    let increments: Vec<f64> =
        y.windows(2).filter(|w| w[1].0 > w[0].0).map(|w| (w[1].1 - w[0].1) / (w[1].0 - w[0].0)).collect();
    let n = increments.len();
    let (Some(first), Some(last)) = (y.first(), y.last()) else { return Estimate::unknown(0) };
    if n == 0 {
        return Estimate::unknown(0);
    }
    let drift = (last.1 - first.1) / (last.0 - first.0);
    let interval = match (sd(&increments), mean(&increments)) {
        (Some(s), Some(_)) if n >= MIN_INCREMENTS => {
            let half = t975((n - 1) as f64) * s / (n as f64).sqrt();
            Some((drift - half, drift + half))
        }
        _ => None,
    };
    Estimate::point(drift, n as u64).within(interval)
}

/// The verdict on `outstanding` (instant in seconds, number out) at an arrival rate in 1/s.
pub fn judge(outstanding: &[(f64, f64)], arrival_rate: Option<f64>, peak: u64) -> Stability {
    let slope = slope(outstanding);
    let length = match (outstanding.first(), outstanding.last()) {
        (Some(a), Some(b)) => b.0 - a.0,
        _ => 0.0,
    };
    let verdict = match (slope.value, slope.low) {
        (Some(v), Some(low)) => {
            let material = v >= MATERIAL_SHARE * arrival_rate.unwrap_or(0.0) && v * length >= MATERIAL_GROWTH;
            if low > 0.0 && material { Verdict::Unstable } else { Verdict::Stable }
        }
        _ => Verdict::Unknown,
    };
    Stability { verdict, slope, peak }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slope: f64, wobble: f64, n: u32) -> Vec<(f64, f64)> {
        (0..n).map(|i| (f64::from(i), slope * f64::from(i) + if i % 2 == 0 { 0.0 } else { wobble })).collect()
    }

    #[test]
    fn a_straight_rise_has_its_slope_exactly() {
        let s = slope(&line(40.0, 0.0, 11));
        assert_eq!((s.value, s.low, s.high, s.count), (Some(40.0), Some(40.0), Some(40.0), 10));
        assert_eq!(judge(&line(40.0, 0.0, 11), Some(240.0), 400).verdict, Verdict::Unstable);
    }

    #[test]
    fn students_interval_of_the_increments() {
        // Increments 1, 3, 1, 3: mean 2, sd 2/√3, t(3) = 3.182.
        let y = [(0.0, 0.0), (1.0, 1.0), (2.0, 4.0), (3.0, 5.0), (4.0, 8.0)];
        let s = slope(&y);
        let half = t975(3.0) * (2.0 / 3f64.sqrt()) / 2.0;
        assert_eq!(s.value, Some(2.0));
        assert!((s.low.unwrap() - (2.0 - half)).abs() < 1e-12);
    }

    #[test]
    fn noise_about_a_level_is_stable_and_a_trickle_is_not_material() {
        assert_eq!(judge(&line(0.0, 30.0, 20), Some(200.0), 30).verdict, Verdict::Stable);
        assert_eq!(judge(&line(1.0, 0.0, 20), Some(200.0), 20).verdict, Verdict::Stable);
    }

    #[test]
    fn few_intervals_tell_nothing() {
        assert_eq!(judge(&line(40.0, 0.0, 4), Some(200.0), 0).verdict, Verdict::Unknown);
        assert_eq!(judge(&[], None, 0).verdict, Verdict::Unknown);
    }
}
