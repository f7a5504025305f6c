//! Values with a unit or a range, refused where they are read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::de::refuse;
use super::error::shown;
use super::schema::{BundledConfig, TargetConfig};
use super::units;
use crate::time::Nanos;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole<const MIN: u64, const MAX: u64>(pub u64);

/// A number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number<const MIN: u64, const MAX: u64>(pub f64);

/// A duration from `MIN_MS` to `MAX_MS` milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duration<const MIN_MS: u64, const MAX_MS: u64>(pub Nanos);

/// A rate, 1/s; zero only if `ZERO`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate<const ZERO: bool>(pub f64);

/// A name: 1 to 64 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(pub String);

/// A mapping with keys of the user's choice, in their order.
#[derive(Debug, Clone)]
pub(super) struct Table<T>(pub Vec<(String, T)>);

fn whole_expected(min: u64, max: u64) -> String {
    match (min, max) {
        (min, u64::MAX) => format!("a whole number from {min} to 2^64-1"),
        (min, max) => format!("a whole number from {min} to {max}"),
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<const MIN: u64, const MAX: u64>;
        impl<const MIN: u64, const MAX: u64> Visitor<'_> for V<MIN, MAX> {
            type Value = Whole<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&whole_expected(MIN, MAX))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let problem = match text.replace('_', "").parse::<i128>() {
                    Ok(_) if text.starts_with(['+', '_']) || text.ends_with('_') => "is not a whole number",
                    Ok(n) if text.len() > 1 && text.starts_with('0') && n != 0 => "has a leading zero",
                    Ok(n) if n < i128::from(MIN) => {
                        return Err(refuse(&format!("{n} is too small"), &whole_expected(MIN, MAX), None));
                    }
                    Ok(n) if n > i128::from(MAX) => {
                        return Err(refuse(&format!("{n} is too large"), &whole_expected(MIN, MAX), None));
                    }
                    Ok(n) => return Ok(Whole(n as u64)),
                    Err(_) => "is not a whole number",
                };
                Err(refuse(&format!("{} {problem}", shown(text)), &whole_expected(MIN, MAX), None))
            }
        }
        deserializer.deserialize_u64(V)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Number<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<const MIN: u64, const MAX: u64>;
        impl<const MIN: u64, const MAX: u64> Visitor<'_> for V<MIN, MAX> {
            type Value = Number<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from {MIN} to {MAX}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let expected = format!("a number from {MIN} to {MAX}");
                match text.parse::<f64>() {
                    // NaN is in no range.
                    Ok(n) if (MIN as f64..=MAX as f64).contains(&n) => Ok(Number(n)),
                    Ok(_) => Err(refuse(&format!("{} is out of range", shown(text)), &expected, None)),
                    Err(_) => Err(refuse(&format!("{} is not a number", shown(text)), &expected, None)),
                }
            }
        }
        deserializer.deserialize_f64(V)
    }
}

impl<'de, const MIN_MS: u64, const MAX_MS: u64> Deserialize<'de> for Duration<MIN_MS, MAX_MS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<const MIN_MS: u64, const MAX_MS: u64>;
        impl<const MIN_MS: u64, const MAX_MS: u64> Visitor<'_> for V<MIN_MS, MAX_MS> {
            type Value = Duration<MIN_MS, MAX_MS>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(units::DURATION_EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let (min, max) = (Nanos::from_millis(MIN_MS), Nanos::from_millis(MAX_MS));
                let duration = units::parse_duration(text)
                    .map_err(|e| refuse(&e.message, e.expected, e.remedy.as_deref()))?;
                let problem = match duration {
                    d if d < min => "too short",
                    d if d > max => "too long",
                    d => return Ok(Duration(d)),
                };
                let range = format!("{} to {}", units::format_duration(min), units::format_duration(max));
                Err(refuse(&format!("{} is {problem}", shown(text)), &range, None))
            }
        }
        deserializer.deserialize_str(V)
    }
}

impl<'de, const ZERO: bool> Deserialize<'de> for Rate<ZERO> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<const ZERO: bool>;
        impl<const ZERO: bool> Visitor<'_> for V<ZERO> {
            type Value = Rate<ZERO>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(units::RATE_EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let rate = units::parse_rate(text)
                    .map_err(|e| refuse(&e.message, e.expected, e.remedy.as_deref()))?;
                if rate == 0.0 && !ZERO {
                    let message = format!("{} is no load", shown(text));
                    return Err(refuse(&message, "a rate above zero, such as 500/s", None));
                }
                Ok(Rate(rate))
            }
        }
        deserializer.deserialize_str(V)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match name_problem(&text) {
            None => Ok(Name(text)),
            Some(problem) => Err(refuse(&format!("{} {problem}", shown(&text)), NAME_EXPECTED, None)),
        }
    }
}

/// What is accepted as a name.
pub(super) const NAME_EXPECTED: &str = "1 to 64 characters on one line, without spaces around them";

/// Why a text is no name.
pub(super) fn name_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("is empty")
    } else if text.chars().count() > 64 {
        Some("is too long for a name")
    } else if text.chars().any(char::is_control) || text.trim() != text {
        Some("is not a name")
    } else {
        None
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names to values, or {}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Table(entries))
            }
        }
        deserializer.deserialize_map(V(PhantomData))
    }
}

impl<'de> Deserialize<'de> for TargetConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = TargetConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL such as http://127.0.0.1:8080/, or a mapping such as { serve: email }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TargetConfig, E> {
                Ok(TargetConfig::Url(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TargetConfig, A::Error> {
                BundledConfig::deserialize(MapAccessDeserializer::new(map)).map(TargetConfig::Bundled)
            }
        }
        deserializer.deserialize_any(V)
    }
}
