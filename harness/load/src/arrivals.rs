//! When each request is to start: pure, seeded, computed without a clock.
//!
//! A [`Profile`](plimsoll_model::plan::Segment) gives the rate over time; its integral Λ(t) counts
//! expected arrivals. A spacing gives the steps between arrivals in units of Λ: exactly 1 for
//! constant, exponential with mean 1 for Poisson. Arrival k then comes at Λ⁻¹(sum of the first k
//! steps) (the time-change theorem for Poisson processes; Çinlar, *Introduction to Stochastic
//! Processes*, 1975, ch. 4), so every profile goes with every spacing.

use plimsoll_model::plan::{ArrivalKind, Segment};
use plimsoll_model::time::Nanos;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The intended starts of an open model, in rising order, as offsets from the cell's origin.
///
/// The same seed gives the same starts. Constant arrivals begin at the origin; Poisson arrivals
/// begin after their first gap.
#[derive(Debug, Clone)]
pub struct Arrivals {
    profile: Vec<Segment>,
    spacing: Spacing,
    /// The segment being walked, and where it starts in time (s) and in Λ.
    segment: usize,
    segment_time: f64,
    segment_count: f64,
}

#[derive(Debug, Clone)]
enum Spacing {
    /// The index of the next arrival: multiplied, not summed, so that no rounding error builds up.
    Constant(u64),
    /// Λ at the last arrival.
    Poisson(Box<ChaCha8Rng>, f64),
}

impl Spacing {
    /// Λ at the next arrival.
    fn next_count(&mut self) -> f64 {
        match self {
            Spacing::Constant(index) => {
                let count = *index as f64;
                *index += 1;
                count
            }
            Spacing::Poisson(rng, count) => {
                // 1 - u is in (0, 1], so that the logarithm is finite.
                *count -= (1.0 - rng.random::<f64>()).ln();
                *count
            }
        }
    }
}

impl Arrivals {
    /// Arrivals of `kind` along `profile`. Rates must not be negative.
    pub fn new(kind: ArrivalKind, profile: &[Segment], seed: u64) -> Self {
        let spacing = match kind {
            ArrivalKind::Constant => Spacing::Constant(0),
            ArrivalKind::Poisson => Spacing::Poisson(Box::new(ChaCha8Rng::seed_from_u64(seed)), 0.0),
        };
        Arrivals { profile: profile.to_vec(), spacing, segment: 0, segment_time: 0.0, segment_count: 0.0 }
    }

    /// Every `of`-th arrival beginning with number `index`, with its number: the shards' union is
    /// the same schedule whatever their number.
    pub fn shard(self, index: u32, of: u32) -> impl Iterator<Item = (u64, Nanos)> {
        (0u64..).zip(self).skip(index as usize).step_by(of as usize)
    }
}

impl Iterator for Arrivals {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        let count = self.spacing.next_count();
        loop {
            let segment = self.profile.get(self.segment)?;
            let into = count - self.segment_count;
            let expected = segment.expected_arrivals();
            if into < expected {
                let seconds = self.segment_time + time_of(segment, into);
                return Some(Nanos::from_secs_f64(seconds));
            }
            self.segment_count += expected;
            self.segment_time += segment.duration.as_secs_f64();
            self.segment += 1;
        }
    }
}

/// The time into `segment`, s, at which its rate's integral reaches `count`: the root of
/// `from·t + (to − from)/(2·d)·t² = count`, in the form that stays exact as the slope goes to 0.
fn time_of(segment: &Segment, count: f64) -> f64 {
    let slope = (segment.to - segment.from) / segment.duration.as_secs_f64();
    if count <= 0.0 {
        return 0.0;
    }
    if slope == 0.0 {
        return count / segment.from;
    }
    // At the very end of a falling ramp to zero rounding may make the discriminant negative.
    let root = (segment.from * segment.from + 2.0 * slope * count).max(0.0).sqrt();
    2.0 * count / (segment.from + root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat(rate: f64, seconds: u64) -> Vec<Segment> {
        vec![Segment { from: rate, to: rate, duration: Nanos::from_secs(seconds) }]
    }

    #[test]
    fn a_constant_rate_gives_exactly_rate_times_duration() {
        let all: Vec<_> = Arrivals::new(ArrivalKind::Constant, &flat(2000.0, 20), 0).collect();
        assert_eq!(all.len(), 40_000);
        for (k, at) in all.iter().enumerate() {
            assert!(at.0.abs_diff(k as u64 * 500_000) <= 1, "arrival {k} at {at}");
        }
    }

    #[test]
    fn a_ramp_follows_its_square_root() {
        // λ(t) = 10 t, Λ = 5 t²: arrival k at sqrt(k / 5).
        let ramp = [Segment { from: 0.0, to: 100.0, duration: Nanos::from_secs(10) }];
        let all: Vec<_> = Arrivals::new(ArrivalKind::Constant, &ramp, 0).collect();
        assert_eq!(all.len(), 500);
        for (k, at) in all.iter().enumerate() {
            assert!((at.as_secs_f64() - (k as f64 / 5.0).sqrt()).abs() < 1e-8, "arrival {k} at {at}");
        }
    }

    #[test]
    fn a_falling_ramp_mirrors_a_rising_one() {
        let fall = [Segment { from: 100.0, to: 0.0, duration: Nanos::from_secs(10) }];
        let all: Vec<_> = Arrivals::new(ArrivalKind::Constant, &fall, 0).collect();
        assert_eq!(all.len(), 500);
        let (k, at) = (123, all[123].as_secs_f64());
        assert!((100.0 * at - 5.0 * at * at - k as f64).abs() < 1e-4);
    }

    #[test]
    fn a_pause_between_stages_is_kept() {
        let pause = Segment { from: 0.0, to: 0.0, duration: Nanos::from_secs(5) };
        let stages = [flat(10.0, 1), vec![pause], flat(10.0, 1)].concat();
        let all: Vec<_> = Arrivals::new(ArrivalKind::Constant, &stages, 0).collect();
        assert_eq!(all.len(), 20);
        assert_eq!((all[9], all[10]), (Nanos::from_millis(900), Nanos::from_secs(6)));
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let at: Vec<f64> =
            Arrivals::new(ArrivalKind::Poisson, &flat(1000.0, 100), 7).map(Nanos::as_secs_f64).collect();
        let mut gaps: Vec<f64> = at.windows(2).map(|w| w[1] - w[0]).collect();
        let n = gaps.len() as f64;
        assert!((n - 100_000.0).abs() < 4.0 * 100_000f64.sqrt(), "{n} arrivals");
        let mean = gaps.iter().sum::<f64>() / n;
        let sd = (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((sd / mean - 1.0).abs() < 3.0 / n.sqrt() * 1.5, "CV {}", sd / mean);
        // Kolmogorov–Smirnov at 1 %: 1.628 / sqrt(n) (Stephens 1974, mean known).
        gaps.sort_by(f64::total_cmp);
        let distance = gaps.iter().enumerate().fold(0f64, |d, (i, g)| {
            let cdf = 1.0 - (-g * 1000.0).exp();
            d.max((cdf - i as f64 / n).abs()).max(((i + 1) as f64 / n - cdf).abs())
        });
        assert!(distance < 1.628 / n.sqrt(), "KS distance {distance}");
    }

    #[test]
    fn the_same_seed_gives_the_same_starts_and_another_does_not() {
        let of = |seed| Arrivals::new(ArrivalKind::Poisson, &flat(100.0, 5), seed).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    proptest! {
        #[test]
        fn rising_and_of_the_right_number(from in 0.0f64..500.0, to in 0.0f64..500.0, ms in 1u64..5000, poisson: bool) {
            let kind = if poisson { ArrivalKind::Poisson } else { ArrivalKind::Constant };
            let profile = [Segment { from, to, duration: Nanos::from_millis(ms) }];
            let all: Vec<_> = Arrivals::new(kind, &profile, 3).collect();
            prop_assert!(all.is_sorted());
            prop_assert!(all.iter().all(|t| t.0 <= ms * 1_000_000));
            if !poisson {
                prop_assert!((all.len() as f64 - profile[0].expected_arrivals()).abs() <= 1.0);
            }
        }

        #[test]
        fn shards_together_are_the_whole(rate in 1.0f64..300.0, shards in 1u32..6) {
            let whole = Arrivals::new(ArrivalKind::Poisson, &flat(rate, 3), 9);
            let mut union: Vec<_> = (0..shards).flat_map(|i| whole.clone().shard(i, shards)).collect();
            union.sort_unstable();
            prop_assert_eq!(union, (0u64..).zip(whole).collect::<Vec<_>>());
        }
    }
}
