//! What the bundled targets are called, take and need to be asked.

use super::error::{Fault, shown};
use super::suggest::did_you_mean;
use super::units;

/// One bundled workload.
pub(super) struct Workload {
    pub name: &'static str,
    /// Shapes it can be served in; the first is the default.
    pub shapes: &'static [&'static str],
    /// Whether (part of) its work takes a drawn service time.
    pub service_time: bool,
    /// A body it accepts; its 16 users are the number there are unless an option says otherwise.
    pub body: &'static str,
}

const SYNC_FIRST: &[&str] = &["sync", "queued"];

/// All workloads.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "api",
        shapes: SYNC_FIRST,
        service_time: false,
        body: r#"{"key":"{{key}}","value":{"n":"{{seq}}"}}"#,
    },
    Workload {
        name: "login",
        shapes: SYNC_FIRST,
        service_time: false,
        body: r#"{"key":"{{key}}","user":"user-{{seq % 16}}","password":"password-{{seq % 16}}"}"#,
    },
    Workload {
        name: "email",
        shapes: SYNC_FIRST,
        service_time: true,
        body: r#"{"key":"{{key}}","to":"user-{{seq}}@example.test","subject":"Hello {{seq}}","text":"Message {{key}}"}"#,
    },
    Workload {
        name: "payment",
        shapes: SYNC_FIRST,
        service_time: true,
        body: r#"{"key":"{{key}}","amount_cents":1999,"currency":"EUR"}"#,
    },
    Workload {
        name: "notifications",
        shapes: SYNC_FIRST,
        service_time: true,
        body: r#"{"key":"{{key}}","event":"order.created"}"#,
    },
    Workload {
        name: "checkout",
        shapes: &["hybrid", "sync", "queued"],
        service_time: true,
        body: r#"{"key":"{{key}}","user":"user-{{seq % 16}}","password":"password-{{seq % 16}}","amount_cents":1999,"currency":"EUR","to":"user-{{seq}}@example.test"}"#,
    },
    Workload { name: "synthetic", shapes: SYNC_FIRST, service_time: true, body: r#"{"key":"{{key}}"}"# },
];

/// Kinds of queue.
pub(super) const QUEUES: &[&str] = &["memory", "sqlite"];

/// The names of all workloads.
pub(super) fn names() -> Vec<&'static str> {
    WORKLOADS.iter().map(|w| w.name).collect()
}

/// Finds a workload.
pub(super) fn find(name: &str) -> Result<&'static Workload, Fault> {
    WORKLOADS.iter().find(|w| w.name == name).ok_or_else(|| choice("a workload", name, &names()))
}

/// Refuses a word that is not one of `known`.
pub(super) fn choice(kind: &str, word: &str, known: &[&str]) -> Fault {
    Fault::new(format!("{} is not {kind}", shown(word)))
        .expected(known.join(", "))
        .maybe_remedy(did_you_mean(word, known))
}

/// What an option of `plimsoll serve` takes.
#[derive(Clone, Copy)]
enum Takes {
    Probability,
    Time,
    Count(u64, u64),
    Flag,
    Word(&'static [&'static str]),
    Address,
}

const OPTIONS: &[(&str, Takes)] = &[
    ("argon2-iterations", Takes::Count(1, 1000)),
    ("argon2-memory", Takes::Count(8, 4_194_304)),
    ("argon2-parallelism", Takes::Count(1, 64)),
    ("backoff", Takes::Time),
    ("backoff-max", Takes::Time),
    ("drain-timeout", Takes::Time),
    ("failure-rate", Takes::Probability),
    ("gateway", Takes::Address),
    ("lost-response-rate", Takes::Probability),
    ("max-attempts", Takes::Count(1, 1000)),
    ("max-connections", Takes::Count(1, 1_000_000)),
    ("no-lease-extension", Takes::Flag),
    ("permanent-rate", Takes::Probability),
    ("smtp", Takes::Address),
    ("subscribers", Takes::Count(1, 100)),
    ("threads", Takes::Count(1, 256)),
    ("users", Takes::Count(1, 100_000)),
    ("visibility-timeout", Takes::Time),
    ("work", Takes::Word(&["sleep", "cpu"])),
];

/// Options that a key of the configuration, or the harness itself, sets.
const SET_OTHERWISE: &[(&str, &str)] = &[
    ("shape", "write target.shape"),
    ("workers", "write target.workers"),
    ("queue", "write target.queue"),
    ("queue-capacity", "write target.queue_capacity"),
    ("service-time", "write target.service_time"),
    ("seed", "write seed at the top of the file"),
    ("listen", "remove it: the harness chooses the address"),
    ("data", "remove it: each cell gets a directory of its own"),
    ("exit-with-parent", "remove it: the harness always sets it"),
];

/// Checks the name of an option.
pub(super) fn check_option_name(name: &str) -> Result<(), Fault> {
    if let Some((_, remedy)) = SET_OTHERWISE.iter().find(|o| o.0 == name) {
        return Err(Fault::new("is not set here").remedy(*remedy));
    }
    if OPTIONS.iter().any(|o| o.0 == name) {
        return Ok(());
    }
    let known: Vec<&str> = OPTIONS.iter().map(|o| o.0).collect();
    Err(choice("an option of a bundled target", name.trim_start_matches('-'), &known))
}

/// Checks the value of a known option.
pub(super) fn check_option_value(name: &str, value: &str) -> Result<(), Fault> {
    let Some((_, takes)) = OPTIONS.iter().find(|o| o.0 == name) else { return Ok(()) };
    let (right, expected) = match *takes {
        Takes::Probability => (is_probability(value), "a probability from 0 to 1, such as 0.01".to_owned()),
        Takes::Time => return served_duration(value),
        Takes::Count(min, max) => (
            value.parse::<u64>().is_ok_and(|n| (min..=max).contains(&n)),
            format!("a whole number from {min} to {max}"),
        ),
        Takes::Flag => (value == "true", "true; without it, leave the option out".to_owned()),
        Takes::Word(words) => (words.contains(&value), words.join(" or ")),
        Takes::Address => (
            value.parse::<std::net::SocketAddr>().is_ok(),
            "an address with port such as 127.0.0.1:2525".to_owned(),
        ),
    };
    if right { Ok(()) } else { Err(Fault::new(format!("{} is not right", shown(value))).expected(expected)) }
}

fn is_probability(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|p| (0.0..=1.0).contains(&p))
}

/// Durations as `plimsoll serve` takes them: one number with us, ms, s or m, up to an hour.
fn served_duration(text: &str) -> Result<(), Fault> {
    let expected = "one number with us, ms, s or m, such as 20ms, of at most 60m";
    let duration = units::parse_duration(text).map_err(|e| Fault::from(e).expected(expected))?;
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !["us", "µs", "ms", "s", "m"].contains(&unit) || duration.as_secs_f64() > 3600.0 {
        return Err(Fault::new(format!("{} is not allowed here", shown(text))).expected(expected));
    }
    Ok(())
}

/// Checks a service-time distribution such as `lognormal:20ms:0.5`.
pub(super) fn check_service_time(text: &str) -> Result<(), Fault> {
    const KINDS: &[&str] = &["constant", "exponential", "lognormal", "bimodal"];
    const EXPECTED: &str = "20ms, exponential:20ms, lognormal:MEAN:SIGMA (lognormal:20ms:0.5) or bimodal:SHORT:LONG:P (bimodal:1ms:50ms:0.05)";
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [time] | ["constant" | "exponential", time] => served_duration(time),
        ["lognormal", mean, sigma] => {
            served_duration(mean)?;
            if sigma.parse::<f64>().is_ok_and(|s| (0.0..=4.0).contains(&s)) {
                return Ok(());
            }
            Err(Fault::new(format!("{} is not a σ", shown(sigma)))
                .expected("a number from 0 to 4, such as 0.5"))
        }
        ["bimodal", short, long, p] => {
            served_duration(short)?;
            served_duration(long)?;
            if is_probability(p) {
                return Ok(());
            }
            let fault = Fault::new(format!("{} is not a probability", shown(p)));
            Err(fault.expected("a number from 0 to 1, such as 0.05"))
        }
        parts => Err(Fault::new(format!("{} is not a distribution", shown(text)))
            .expected(EXPECTED)
            .maybe_remedy(did_you_mean(parts.first().unwrap_or(&""), KINDS))),
    }
}
