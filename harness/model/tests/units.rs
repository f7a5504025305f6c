//! Units: what is read, what is refused with which remedy, and that writing and reading agree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use plimsoll_model::config::units::{
    MAX_RATE, format_duration, format_rate, format_size, parse_duration, parse_rate, parse_size,
};
use plimsoll_model::time::Nanos;
use proptest::prelude::*;

#[test]
fn durations() {
    for (text, ns) in [
        ("250ms", 250_000_000),
        ("1.5s", 1_500_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("10us", 10_000),
        ("10µs", 10_000),
        ("10μs", 10_000),
        ("100ns", 100),
        ("1m30s", 90_000_000_000),
        ("1h0m0.5s", 3_600_500_000_000),
        ("0", 0),
        ("0s", 0),
        ("0.0", 0),
        ("0.000001ms", 1),
    ] {
        assert_eq!(parse_duration(text), Ok(Nanos(ns)), "{text}");
    }
}

#[test]
fn durations_refused() {
    for (text, part) in [
        ("", "empty"),
        ("20", "write 20s for seconds or 20ms"),
        ("1.5", "write 1.5s"),
        ("1m30", "add the unit of 30"),
        ("20 s", "write 20s"),
        ("20sec", "write 20s"),
        ("20 minutes", "write 20m"),
        ("5S", "write 5s"),
        ("3days", "unknown unit, \"days\""),
        ("-5s", "negative"),
        ("inf", "not finite"),
        (".inf", "not finite"),
        ("-.inf", "not finite"),
        (".nan", "not finite"),
        ("1e400", "exponent"),
        ("1e3s", "unknown unit"),
        ("30s1m", "from long to short"),
        ("1s1s", "from long to short"),
        ("0.5ns", "whole number of ns"),
        ("99999999999h", "584 years"),
        ("99999999999999999999999999999999999999999999h", "584 years"),
        (".5s", "not a duration"),
        ("5.s", "not a duration"),
        ("1.2.3s", "not a duration"),
        ("s", "not a duration"),
        ("1s x", "unknown unit"),
        ("+5s", "not a duration"),
    ] {
        let error = parse_duration(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn rates() {
    for (text, rate) in [
        ("500/s", 500.0),
        ("2k/s", 2_000.0),
        ("1.5M/s", 1_500_000.0),
        ("30/m", 0.5),
        ("36/h", 0.01),
        ("0/s", 0.0),
        ("2k/h", 2_000.0 / 3600.0),
    ] {
        assert_eq!(parse_rate(text), Ok(rate), "{text}");
    }
}

#[test]
fn rates_refused() {
    for (text, part) in [
        ("", "empty"),
        ("500", "write 500/s"),
        ("2k", "write 2k/s"),
        ("500rps", "write 500/s"),
        ("500 req/s", "write 500/s"),
        ("500/sec", "write 500/s"),
        ("2K/s", "write 2k/s"),
        ("30/min", "write 30/m"),
        ("30rpm", "write 30/m"),
        ("1Mrps", "write 1M/s"),
        ("-1/s", "negative"),
        (".inf", "not finite"),
        ("nan", "not finite"),
        ("1e400", "exponent"),
        ("11M/s", "above 10000000/s"),
        ("99999999999999999999999999M/s", "above"),
        ("x/s", "not a rate"),
        ("5/d", "not a rate"),
        ("5/", "not a rate"),
    ] {
        let error = parse_rate(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn sizes() {
    for (text, bytes) in
        [("64KiB", 65_536), ("10MB", 10_000_000), ("512B", 512), ("0", 0), ("1.5kB", 1500), ("1GiB", 1 << 30)]
    {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for (text, part) in [
        ("64", "write 64B"),
        ("64kib", "write 64KiB"),
        ("64 MB", "write 64MB"),
        ("0.5B", "whole number of bytes"),
        ("-1B", "negative"),
        ("99999999999999GiB", "64 bits"),
        ("5XB", "unknown unit"),
        ("", "empty"),
    ] {
        let error = parse_size(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn written_as_people_would() {
    for (ns, text) in [
        (0, "0s"),
        (1_500_000_000, "1.5s"),
        (250_000_000, "250ms"),
        (90_000_000_000, "90s"),
        (120_000_000_000, "2m"),
        (7_200_000_000_000, "2h"),
        (3_333_333_333, "3333333.333us"),
        (17, "17ns"),
    ] {
        assert_eq!(format_duration(Nanos(ns)), text);
    }
    for (rate, text) in [(2000.0, "2000/s"), (0.5, "0.5/s"), (10.0 / 3600.0, "10/h"), (1.0 / 60.0, "1/m")] {
        assert_eq!(format_rate(rate), text);
    }
    for (bytes, text) in [(65_536, "64KiB"), (10_000_000, "10MB"), (1500, "1500B"), (0, "0B")] {
        assert_eq!(format_size(bytes), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn durations_round_trip(ns in any::<u64>()) {
        prop_assert_eq!(parse_duration(&format_duration(Nanos(ns))), Ok(Nanos(ns)));
    }

    #[test]
    fn round_durations_round_trip(n in 0_u64..100_000, scale in prop_oneof![Just(1_000), Just(1_000_000), Just(1_000_000_000_u64)]) {
        prop_assert_eq!(parse_duration(&format_duration(Nanos(n * scale))), Ok(Nanos(n * scale)));
    }

    #[test]
    fn rates_round_trip(rate in 0.0..MAX_RATE) {
        prop_assert_eq!(parse_rate(&format_rate(rate)), Ok(rate));
    }

    #[test]
    fn written_rates_round_trip(n in 0_u32..10_000, per in prop_oneof![Just("s"), Just("m"), Just("h")]) {
        let rate = parse_rate(&format!("{n}/{per}")).unwrap();
        prop_assert_eq!(parse_rate(&format_rate(rate)), Ok(rate));
    }

    #[test]
    fn sizes_round_trip(bytes in any::<u64>()) {
        prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
    }

    #[test]
    fn no_text_makes_them_panic(text in any::<String>(), number in "[0-9.]{0,30}[a-zA-Zµ/]{0,4}") {
        for text in [text, number] {
            let _ = (parse_duration(&text), parse_rate(&text), parse_size(&text));
        }
    }
}
