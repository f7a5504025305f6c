//! Service times: what a job costs, drawn reproducibly from `(seed, key)`.
//!
//! The same key costs the same in every shape and in every process, because the draw depends on
//! nothing but the seed, a domain label and the key: the uniforms are the words of
//! `SHA-256(seed as 8 little-endian bytes ‖ domain ‖ 0x00 ‖ key)`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// No sample is longer than this, so that one draw from a heavy tail cannot hang a run.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// Uniform numbers that belong to one `(seed, domain, key)`.
#[derive(Clone, Debug)]
pub struct Draw {
    words: [u64; 4],
}

impl Draw {
    /// The draw of `key` for one purpose (`domain`), under `seed`.
    #[must_use]
    pub fn new(seed: u64, domain: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(domain.as_bytes());
        hash.update([0]);
        hash.update(key.as_bytes());
        let digest = hash.finalize();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = bytes.iter().fold(0, |acc, b| (acc << 8) | u64::from(*b));
        }
        Self { words }
    }

    /// The `i`-th uniform in `[0, 1)`; there are four, `i` wraps.
    #[must_use]
    pub fn uniform(&self, i: usize) -> f64 {
        // 53 bits are what a double can hold exactly.
        (self.words[i % 4] >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `p` (0 to 1), from the `i`-th uniform.
    #[must_use]
    pub fn chance(&self, i: usize, p: f64) -> bool {
        self.uniform(i) < p
    }
}

/// A service-time distribution, as written on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// `20ms`: always the same.
    Constant(Duration),
    /// `exponential:MEAN`.
    Exponential(Duration),
    /// `lognormal:MEAN:SIGMA`: the mean of the samples, and the σ of their logarithm.
    Lognormal(Duration, f64),
    /// `bimodal:SHORT:LONG:P`: `LONG` with probability `P`, else `SHORT`.
    Bimodal(Duration, Duration, f64),
}

impl Distribution {
    /// One sample; uses the first two uniforms of `draw`. At most [`LONGEST`].
    #[must_use]
    pub fn sample(&self, draw: &Draw) -> Duration {
        let (u, v) = (draw.uniform(0), draw.uniform(1));
        let seconds = match *self {
            Self::Constant(time) => return time.min(LONGEST),
            Self::Exponential(mean) => -mean.as_secs_f64() * (1.0 - u).ln(),
            Self::Lognormal(mean, sigma) => {
                let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
                // exp(µ + σ²/2) is the mean, so µ takes σ²/2 off.
                mean.as_secs_f64() * (sigma * normal - sigma * sigma / 2.0).exp()
            }
            Self::Bimodal(short, long, p) => {
                return if u < p { long } else { short }.min(LONGEST);
            }
        };
        Duration::from_secs_f64(seconds.clamp(0.0, LONGEST.as_secs_f64()))
    }

    /// The mean of the samples.
    #[must_use]
    pub fn mean(&self) -> Duration {
        match *self {
            Self::Constant(mean) | Self::Exponential(mean) | Self::Lognormal(mean, _) => mean,
            Self::Bimodal(short, long, p) => short.mul_f64(1.0 - p) + long.mul_f64(p),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |d: Duration| format!("{}us", d.as_micros());
        match *self {
            Self::Constant(time) => f.write_str(&us(time)),
            Self::Exponential(mean) => write!(f, "exponential:{}", us(mean)),
            Self::Lognormal(mean, sigma) => write!(f, "lognormal:{}:{sigma}", us(mean)),
            Self::Bimodal(short, long, p) => write!(f, "bimodal:{}:{}:{p}", us(short), us(long)),
        }
    }
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let duration = |part: &str| parse_duration(part);
        match parts.as_slice() {
            [time] | ["constant", time] => Ok(Self::Constant(duration(time)?)),
            ["exponential", mean] => Ok(Self::Exponential(duration(mean)?)),
            ["lognormal", mean, sigma] => {
                let sigma: f64 = sigma
                    .parse()
                    .ok()
                    .filter(|s| (0.0..=4.0).contains(s))
                    .ok_or("lognormal's SIGMA must be a number from 0 to 4, such as 0.5")?;
                Ok(Self::Lognormal(duration(mean)?, sigma))
            }
            ["bimodal", short, long, p] => {
                Ok(Self::Bimodal(duration(short)?, duration(long)?, parse_probability(p)?))
            }
            _ => Err("expected 20ms, exponential:20ms, lognormal:MEAN:SIGMA (lognormal:20ms:0.5) or \
                 bimodal:SHORT:LONG:P (bimodal:1ms:50ms:0.05)"
                .to_owned()),
        }
    }
}

/// Reads a duration with its unit: `250us` (or `µs`), `20ms`, `1.5s`, `2m`; at most one hour.
///
/// # Errors
/// If there is no number, no known unit, or the value is negative or beyond an hour.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(|| format!("{text:?} has no unit: write 250us, 20ms, 1.5s or 2m"))?;
    let (number, unit) = text.split_at(split);
    let number: f64 =
        number.parse().map_err(|_| format!("{text:?} is not a duration such as 250us, 20ms, 1.5s or 2m"))?;
    let scale = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("unknown unit {unit:?} in {text:?}: use us, ms, s or m")),
    };
    let seconds = number * scale;
    if seconds > LONGEST.as_secs_f64() {
        return Err(format!("{text} is longer than one hour, the most that is allowed"));
    }
    // Rounded to the microsecond, the unit of every stamp.
    Ok(Duration::from_micros((seconds * 1e6).round() as u64))
}

/// Reads a probability, 0 to 1 inclusive.
///
/// # Errors
/// If it is not a number in that range.
pub fn parse_probability(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|p| (0.0..=1.0).contains(p))
        .ok_or_else(|| format!("{text:?} is not a probability from 0 to 1, such as 0.05"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(text: &str) -> f64 {
        let distribution: Distribution = text.parse().unwrap();
        let n = 40_000;
        let total: f64 =
            (0..n).map(|i| distribution.sample(&Draw::new(7, "t", &format!("k{i}"))).as_secs_f64()).sum();
        total / f64::from(n)
    }

    #[test]
    fn samples_have_the_stated_mean() {
        for text in ["20ms", "exponential:20ms", "lognormal:20ms:0.5", "bimodal:1ms:50ms:0.05"] {
            let expected: Distribution = text.parse().unwrap();
            let expected = expected.mean().as_secs_f64();
            let found = mean_of(text);
            assert!((found / expected - 1.0).abs() < 0.03, "{text}: {found} vs {expected}");
        }
    }

    #[test]
    fn a_key_always_costs_the_same() {
        let d: Distribution = "exponential:20ms".parse().unwrap();
        let one = d.sample(&Draw::new(1, "service", "a"));
        assert_eq!(one, d.sample(&Draw::new(1, "service", "a")));
        assert_ne!(one, d.sample(&Draw::new(2, "service", "a")));
        assert_ne!(one, d.sample(&Draw::new(1, "service", "b")));
        assert_ne!(one, d.sample(&Draw::new(1, "other", "a")));
    }

    #[test]
    fn durations_need_a_unit_and_a_limit() {
        assert_eq!(parse_duration("1.5s").unwrap(), Duration::from_millis(1500));
        assert_eq!(parse_duration("250us").unwrap(), Duration::from_micros(250));
        for bad in ["20", "ms", "-1s", "20 ms", "2h", "61m", ""] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn display_reads_back() {
        for text in ["20ms", "exponential:20ms", "lognormal:20ms:0.5", "bimodal:1ms:50ms:0.05"] {
            let d: Distribution = text.parse().unwrap();
            assert_eq!(d, d.to_string().parse().unwrap());
        }
    }
}
