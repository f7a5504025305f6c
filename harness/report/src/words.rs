//! Figures in words: three significant digits, the unit that suits, "–" for what is not known.

use plimsoll_analysis::estimate::Estimate;

/// What stands for an unknown figure.
pub const UNKNOWN: &str = "–";

/// Three significant digits, thousands marked: `0.123`, `12.3`, `1,234`. Exact for whole numbers.
pub fn number(v: f64) -> String {
    let a = v.abs();
    let decimals = match a {
        a if a >= 99.95 || (a.fract() == 0.0) => 0,
        a if a >= 9.995 => 1,
        a if a >= 0.9995 => 2,
        a if a >= 0.0995 => 3,
        _ => 4,
    };
    let text = format!("{a:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if v < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { "−" } else { "" };
    format!("{sign}{}{rest}", thousands(whole))
}

fn thousands(digits: &str) -> String {
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count, exactly.
pub fn count(n: u64) -> String {
    thousands(&n.to_string())
}

/// A time given in seconds, to three significant digits: `250 ms`, `1.30 s`, `87.2 µs`.
pub fn time(seconds: f64) -> String {
    let (value, unit) = scaled(seconds);
    format!("{}\u{a0}{unit}", significant(value))
}

/// A time without needless zeros, for ticks and settings: `10 ms`, `1.5 s`.
pub fn short_time(seconds: f64) -> String {
    let (value, unit) = scaled(seconds);
    format!("{}\u{a0}{unit}", number(round3(value)))
}

fn scaled(seconds: f64) -> (f64, &'static str) {
    let a = seconds.abs();
    let (scale, unit) = match a {
        0.0 => (1.0, "s"),
        // The limits are half a digit low, so that 999.9 µs is 1 ms and not 1,000 µs.
        a if a < 0.9995e-6 => (1e9, "ns"),
        a if a < 0.9995e-3 => (1e6, "µs"),
        a if a < 0.9995 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    (seconds * scale, unit)
}

/// Three significant digits, final zeros kept: they say how exact a measured figure is.
pub fn significant(v: f64) -> String {
    let v = round3(v);
    match v.abs() {
        a if a == 0.0 || a >= 100.0 => number(v),
        a if a >= 10.0 => format!("{v:.1}"),
        a if a >= 1.0 => format!("{v:.2}"),
        _ => number(v),
    }
    .replace('-', "−")
}

/// To three significant digits, so that exactness is not feigned.
pub fn round3(v: f64) -> f64 {
    if v == 0.0 || v.abs() >= 100.0 {
        return v.round();
    }
    let scale = 10f64.powf(2.0 - v.abs().log10().floor());
    (v * scale).round() / scale
}

/// A rate in 1/s: `197/s`.
pub fn rate(v: f64) -> String {
    format!("{}/s", number(round3(v)))
}

/// A share of one, as per cent.
pub fn share(v: f64) -> String {
    let percent = v * 100.0;
    let text = match percent {
        p if p > 0.0 && p < 0.01 => return "<\u{a0}0.01\u{a0}%".to_owned(),
        // Never rounded up to everything.
        p if p < 100.0 && p > 99.99 => return ">\u{a0}99.99\u{a0}%".to_owned(),
        p if (99.0..100.0).contains(&p) => format!("{p:.2}"),
        p if p == 0.0 || p >= 100.0 => number(p.round()),
        p => significant(p),
    };
    format!("{text}\u{a0}%")
}

/// Bytes, in binary multiples.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n < 1024.0 => format!("{n}\u{a0}B"),
        n if n < 1024f64.powi(2) => format!("{}\u{a0}KiB", number(round3(n / 1024.0))),
        n if n < 1024f64.powi(3) => format!("{}\u{a0}MiB", number(round3(n / 1024f64.powi(2)))),
        n => format!("{}\u{a0}GiB", number(round3(n / 1024f64.powi(3)))),
    }
}

/// `f` of the figure, or "–".
pub fn or_unknown(v: Option<f64>, f: impl Fn(f64) -> String) -> String {
    v.map_or_else(|| UNKNOWN.to_owned(), f)
}

/// Where a figure comes from, for a hover: its interval, else its samples.
pub fn support(e: &Estimate, f: impl Fn(f64) -> String) -> String {
    let n = if e.count > 0 { format!("n = {}", count(e.count)) } else { String::new() };
    match (e.low, e.high) {
        (Some(low), Some(high)) => format!("95 % interval {} to {}; {n}", f(low), f(high)),
        _ if e.value.is_none() && e.count > 0 => format!("unknown: too few samples ({n})"),
        _ => n,
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// With a capital first letter.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

/// A share below as a percentile: `p99.9` for 0.999.
pub fn percentile(below: f64) -> String {
    match below {
        b if b <= 0.0 => "min".to_owned(),
        b => {
            let text = format!("{:.4}", b * 100.0);
            format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// The label of a quantile, from its name in files: `p99_9` is p99.9.
pub fn quantile(name: &str) -> String {
    name.replace('_', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_the_unit_that_suits() {
        for (s, text) in [
            (0.25, "250 ms"),
            (1.3549, "1.35 s"),
            (87.2e-6, "87.2 µs"),
            (0.0, "0 s"),
            (999.9e-6, "1.00 ms"),
            (0.047, "47.0 ms"),
            (0.0030201, "3.02 ms"),
            (15e-9, "15.0 ns"),
            (3_600.0, "3,600 s"),
        ] {
            assert_eq!(time(s).replace('\u{a0}', " "), text);
        }
    }

    #[test]
    fn numbers_and_shares() {
        assert_eq!(
            (number(1_234_567.0), number(0.5), number(-12.34)),
            ("1,234,567".into(), "0.500".into(), "−12.3".into())
        );
        assert_eq!(number(-0.00001), "0.0000");
        assert_eq!(share(0.999999).replace('\u{a0}', " "), "> 99.99 %");
        assert_eq!(share(0.0).replace('\u{a0}', " "), "0 %");
        assert_eq!(
            (rate(197.4), rate(19.74), count(2_000)),
            ("197/s".into(), "19.7/s".into(), "2,000".into())
        );
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
