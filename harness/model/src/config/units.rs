//! Quantities with their unit: `1.5s`, `2k/s`, `64KiB`. A bare number is refused, since the reader
//! of a file should not have to know which unit was meant.

use std::fmt;

use crate::time::Nanos;

/// Greatest rate that may be asked for, 1/s.
pub const MAX_RATE: f64 = 1e7;

/// What is accepted as a duration.
pub const DURATION_EXPECTED: &str = "a number with its unit (ns, us, ms, s, m or h), such as 250ms or 1m30s";
/// What is accepted as a rate.
pub const RATE_EXPECTED: &str = "a number per s, m or h (k and M multiply), such as 500/s or 2k/s";
/// What is accepted as a size.
pub const SIZE_EXPECTED: &str = "a number of B, kB, MB, GB, KiB, MiB or GiB, such as 64KiB";

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    /// What is wrong, naming the text.
    pub message: String,
    /// What would be right.
    pub expected: &'static str,
    /// What to write instead, when that can be told.
    pub remedy: Option<String>,
}

impl UnitError {
    fn new(message: String, expected: &'static str, remedy: Option<String>) -> Self {
        Self { message, expected, remedy }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected {}", self.message, self.expected)?;
        self.remedy.as_ref().map_or(Ok(()), |r| write!(f, "; {r}"))
    }
}

impl std::error::Error for UnitError {}

/// Units of time with their length in ns, longest first, and what else people write for them.
const TIMES: &[(&str, u64, &[&str])] = &[
    ("h", 3_600_000_000_000, &["hr", "hrs", "hour", "hours"]),
    ("m", 60_000_000_000, &["min", "mins", "minute", "minutes"]),
    ("s", 1_000_000_000, &["sec", "secs", "second", "seconds"]),
    ("ms", 1_000_000, &["msec", "msecs", "millis", "millisecond", "milliseconds"]),
    ("us", 1_000, &["µs", "μs", "usec", "usecs", "micros", "microsecond", "microseconds"]),
    ("ns", 1, &["nsec", "nanos", "nanosecond", "nanoseconds"]),
];

/// Units of size with their length in bytes, largest first.
const SIZES: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Splits `text` after its leading unsigned decimal number, when there is one.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then_some((number, rest))
}

/// `number × scale` exactly; `None` when it is not whole or does not fit.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let ten_to = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let product = digits.checked_mul(u128::from(scale))?;
    (product % ten_to == 0).then_some(product / ten_to).and_then(|v| u64::try_from(v).ok())
}

/// What all three parsers refuse alike: nothing, a sign, a number that is none.
fn refuse_common(text: &str, kind: &str, expected: &'static str) -> Result<(), UnitError> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.trim_start_matches(['-', '+', '.']);
    let message = if text.is_empty() {
        format!("an empty text is not a {kind}")
    } else if text.starts_with('-') && split_number(&text[1..]).is_some() {
        format!("{text:?} is negative")
    } else if bare.starts_with("inf") || bare.starts_with("nan") {
        format!("{text:?} is not finite, so it is not a {kind}")
    } else if text.parse::<f64>().is_ok() && lower.contains('e') {
        format!("{text:?} is written with an exponent")
    } else {
        return Ok(());
    };
    Err(UnitError::new(message, expected, None))
}

/// Reads a duration such as `250ms`, `1.5s` or `1m30s`; of bare numbers only `0`.
///
/// # Errors
/// Without a unit, with an unknown one, when negative, finer than 1 ns or over 584 years.
pub fn parse_duration(text: &str) -> Result<Nanos, UnitError> {
    let fail = |message: String, remedy| Err(UnitError::new(message, DURATION_EXPECTED, remedy));
    refuse_common(text, "duration", DURATION_EXPECTED)?;
    let (mut total, mut rest, mut shorter_than) = (0_u64, text, u64::MAX);
    while !rest.is_empty() {
        let Some((number, tail)) = split_number(rest) else {
            return fail(format!("{text:?} is not a duration"), None);
        };
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        if unit.is_empty() {
            if text.trim_start_matches(['0', '.']).is_empty() {
                return Ok(Nanos::ZERO);
            }
            let remedy = if rest == text {
                format!("write {number}s for seconds or {number}ms for milliseconds")
            } else {
                format!("add the unit of {number}")
            };
            return fail(format!("{text:?} has no unit"), Some(remedy));
        }
        let known = TIMES.iter().find(|t| t.0 == unit || (t.0 == "us" && t.2[..2].contains(&unit)));
        let Some(&(_, scale, _)) = known else {
            let meant = unit.trim().to_lowercase();
            let meant = TIMES.iter().find(|t| t.0 == meant || t.2.contains(&meant.as_str()));
            let remedy = meant.filter(|_| rest == text && next.is_empty());
            let remedy = remedy.map(|t| format!("write {number}{}", t.0));
            return fail(format!("{text:?} has an unknown unit, {:?}", unit.trim()), remedy);
        };
        if scale >= shorter_than {
            return fail(format!("{text:?} does not name its units from long to short, each once"), None);
        }
        let Some(sum) = scaled(number, scale).and_then(|ns| total.checked_add(ns)) else {
            return fail(format!("{text:?} is not a whole number of ns below 584 years"), None);
        };
        (total, rest, shorter_than) = (sum, next, scale);
    }
    Ok(Nanos(total))
}

/// Reads a rate such as `500/s`, `2k/s`, `1.5M/s`, `30/m` or `10/h`, in 1/s; zero is a rate.
///
/// # Errors
/// Without `/s`, `/m` or `/h`, when negative, not finite or above [`MAX_RATE`].
pub fn parse_rate(text: &str) -> Result<f64, UnitError> {
    let fail = |message: String, remedy| Err(UnitError::new(message, RATE_EXPECTED, remedy));
    refuse_common(text, "rate", RATE_EXPECTED)?;
    let Some((number, suffix)) = split_number(text) else {
        return fail(format!("{text:?} is not a rate"), None);
    };
    let (scale, per) = match suffix.as_bytes() {
        [b'k', ..] => (1e3, &suffix[1..]),
        [b'M', ..] => (1e6, &suffix[1..]),
        _ => (1.0, suffix),
    };
    let seconds = match per {
        "/s" => 1.0,
        "/m" => 60.0,
        "/h" => 3600.0,
        "" => return fail(format!("{text:?} has no unit"), Some(format!("write {text}/s"))),
        _ => {
            let remedy = rate_meant(suffix).map(|s| format!("write {number}{s}"));
            return fail(format!("{text:?} is not a rate"), remedy);
        }
    };
    let rate = number.parse::<f64>().map_or(f64::INFINITY, |n| n * scale / seconds);
    if rate > MAX_RATE {
        return fail(format!("{text:?} is above {}, the most", format_rate(MAX_RATE)), None);
    }
    Ok(rate)
}

/// What `suffix` probably stands for: `req/sec` is `/s`, `Krps` is `k/s`.
fn rate_meant(suffix: &str) -> Option<String> {
    let suffix = suffix.trim().to_lowercase();
    let (scale, rest) = match suffix.as_bytes().first() {
        Some(b'k') => ("k", &suffix[1..]),
        Some(b'm') if !suffix.starts_with("min") => ("M", &suffix[1..]),
        _ => ("", suffix.as_str()),
    };
    let rest = rest.trim().trim_start_matches("requests").trim_start_matches("req").trim_start();
    let per = match rest {
        "/s" | "/sec" | "/second" | "rps" | "qps" | "hz" | "per second" | "s" => "/s",
        "/m" | "/min" | "/minute" | "rpm" | "per minute" => "/m",
        "/h" | "/hr" | "/hour" | "rph" | "per hour" => "/h",
        _ => return None,
    };
    Some(format!("{scale}{per}"))
}

/// Reads a size such as `512B`, `64KiB` or `10MB`, in bytes.
///
/// # Errors
/// Without a unit, with an unknown one, when negative, not whole or beyond 2⁶⁴.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let fail = |message: String, remedy| Err(UnitError::new(message, SIZE_EXPECTED, remedy));
    refuse_common(text, "size", SIZE_EXPECTED)?;
    let Some((number, unit)) = split_number(text) else {
        return fail(format!("{text:?} is not a size"), None);
    };
    if unit.is_empty() {
        return if scaled(number, 1) == Some(0) {
            Ok(0)
        } else {
            fail(format!("{text:?} has no unit"), Some(format!("write {number}B for bytes")))
        };
    }
    let Some((_, scale)) = SIZES.iter().find(|s| s.0 == unit) else {
        let meant = SIZES.iter().find(|s| s.0.eq_ignore_ascii_case(unit.trim()));
        let remedy = meant.map(|s| format!("write {number}{}", s.0));
        return fail(format!("{text:?} has an unknown unit, {:?}", unit.trim()), remedy);
    };
    match scaled(number, *scale) {
        Some(bytes) => Ok(bytes),
        None => fail(format!("{text:?} is not a whole number of bytes that fits 64 bits"), None),
    }
}

/// Writes a duration so that [`parse_duration`] gives it back exactly: `250ms`, `1.5s`, `2m`.
pub fn format_duration(duration: Nanos) -> String {
    let ns = duration.0;
    if ns == 0 {
        return "0s".to_owned();
    }
    for (unit, scale, _) in TIMES {
        let thousandths = (*scale / 1000).max(1);
        let exact =
            if *scale > 1_000_000_000 { ns.is_multiple_of(*scale) } else { ns.is_multiple_of(thousandths) };
        if ns >= *scale && exact {
            let (whole, part) = (ns / scale, ns % scale / thousandths);
            return decimal(whole, part) + unit;
        }
    }
    format!("{ns}ns")
}

/// `whole.part`, where `part` counts thousandths, without closing zeros.
fn decimal(whole: u64, part: u64) -> String {
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:03}").trim_end_matches('0').to_owned() }
}

/// Writes a rate (1/s) so that [`parse_rate`] gives it back exactly: `2000/s`, `30/m`, `10/h`.
///
/// Per second unless only a longer unit keeps it short. Meant for rates that [`parse_rate`] gives:
/// finite and not negative.
pub fn format_rate(rate: f64) -> String {
    for (unit, seconds) in [("s", 1.0), ("m", 60.0), ("h", 3600.0)] {
        let thousandths = (rate * seconds * 1000.0).round();
        let text = format!("{}/{unit}", decimal(thousandths as u64 / 1000, thousandths as u64 % 1000));
        if parse_rate(&text) == Ok(rate) {
            return text;
        }
    }
    format!("{rate}/s")
}

/// Writes a size (bytes) in the largest unit that divides it: `64KiB`, `10MB`, `1500B`.
pub fn format_size(bytes: u64) -> String {
    let fits = SIZES.iter().find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale));
    fits.map_or_else(|| format!("{bytes}B"), |(unit, scale)| format!("{}{unit}", bytes / scale))
}
