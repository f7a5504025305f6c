//! A plan in the words of a configuration: complete, and itself a configuration.

use std::fmt::{self, Write};

use super::units::{format_duration, format_rate};
use crate::plan::{ArrivalKind, Bundled, Completion, Load, Plan, Request, Segment, Target, Variant};
use crate::time::Nanos;

/// The whole plan as a configuration with every default written out, after a line that tells how
/// long it takes. Reading it gives the same plan, as long as the steps are such as one
/// configuration can give; other plans show their steps as comments.
pub fn describe(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_plan(plan, &mut out);
    out
}

fn write_plan(plan: &Plan, out: &mut String) -> fmt::Result {
    writeln!(out, "# {}", how_long(plan))?;
    writeln!(out, "name: {}", text(&plan.name))?;
    writeln!(out, "seed: {}", plan.seed)?;
    match plan.variants.as_slice() {
        [only] if only.name == plan.name => write_variant(only, "", out)?,
        variants => {
            writeln!(out, "variants:")?;
            for variant in variants {
                writeln!(out, "  {}:", text(&variant.name))?;
                write_variant(variant, "    ", out)?;
            }
        }
    }
    write_load(plan, out)?;
    writeln!(out, "timeout: {}", format_duration(plan.timeout))?;
    writeln!(out, "drain_timeout: {}", format_duration(plan.drain_timeout))?;
    writeln!(out, "max_in_flight: {}", plan.max_in_flight)?;
    writeln!(out, "shards: {}", plan.shards)?;
    writeln!(out, "interval: {}", format_duration(plan.interval))?;
    writeln!(out, "pacing: {}", plan.pacing.name())?;
    writeln!(out, "transport: {}", plan.transport.name())?;
    writeln!(out, "job_ledger: {}", plan.job_ledger)
}

/// `2 variants × 6 steps = 12 cells: 48 s of load, and up to 30 s of drain after each`.
fn how_long(plan: &Plan) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let cells = plan.variants.len() * plan.steps.len();
    format!(
        "{} × {} = {}: {} of load, and up to {} of drain after each.",
        count(plan.variants.len(), "variant"),
        count(plan.steps.len(), "step"),
        count(cells, "cell"),
        long(plan.arrivals_duration()),
        format_duration(plan.drain_timeout),
    )
}

/// A duration for people: `48s`, `2m30s`, `1h5m`.
fn long(duration: Nanos) -> String {
    let seconds = duration.0 / 1_000_000_000;
    let parts = [(seconds / 3600, "h"), (seconds % 3600 / 60, "m"), (seconds % 60, "s")];
    if seconds < 60 {
        return format_duration(Nanos(duration.0 / 1_000_000 * 1_000_000));
    }
    parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect()
}

fn write_variant(variant: &Variant, indent: &str, out: &mut String) -> fmt::Result {
    match &variant.target {
        Target::External { url } => writeln!(out, "{indent}target: {}", text(url))?,
        Target::Bundled(bundled) => write_bundled(bundled, indent, out)?,
    }
    write_request(&variant.request, indent, out)?;
    match &variant.completion {
        Completion::Immediate => writeln!(out, "{indent}completion: immediate"),
        Completion::Poll(poll) => {
            writeln!(out, "{indent}completion:\n{indent}  poll:")?;
            writeln!(out, "{indent}    interval: {}", format_duration(poll.interval))?;
            writeln!(out, "{indent}    backoff: {}", poll.backoff)?;
            writeln!(out, "{indent}    cap: {}", format_duration(poll.cap))?;
            writeln!(out, "{indent}    retry_after: {}", poll.honour_retry_after)
        }
    }
}

fn write_bundled(bundled: &Bundled, indent: &str, out: &mut String) -> fmt::Result {
    writeln!(out, "{indent}target:")?;
    writeln!(out, "{indent}  serve: {}", text(&bundled.workload))?;
    writeln!(out, "{indent}  shape: {}", text(&bundled.shape))?;
    writeln!(out, "{indent}  workers: {}", bundled.workers)?;
    writeln!(out, "{indent}  queue: {}", text(&bundled.queue))?;
    writeln!(out, "{indent}  queue_capacity: {}", bundled.queue_capacity)?;
    match &bundled.service_time {
        Some(time) => writeln!(out, "{indent}  service_time: {}", text(time))?,
        None => writeln!(out, "{indent}  # service_time: the workload's own")?,
    }
    write_table("options", &bundled.options, indent, out)
}

fn write_request(request: &Request, indent: &str, out: &mut String) -> fmt::Result {
    writeln!(out, "{indent}request:")?;
    writeln!(out, "{indent}  method: {}", text(&request.method))?;
    writeln!(out, "{indent}  path: {}", text(&request.path))?;
    write_table("headers", &request.headers, indent, out)?;
    writeln!(out, "{indent}  body: {}", text(request.body.as_deref().unwrap_or("")))?;
    let statuses: Vec<String> = request.expect.iter().map(u16::to_string).collect();
    let meaning = if statuses.is_empty() { " # any 2xx or 3xx" } else { "" };
    writeln!(out, "{indent}  expect: [{}]{meaning}", statuses.join(", "))
}

fn write_table(key: &str, entries: &[(String, String)], indent: &str, out: &mut String) -> fmt::Result {
    if entries.is_empty() {
        return writeln!(out, "{indent}  {key}: {{}}");
    }
    writeln!(out, "{indent}  {key}:")?;
    entries.iter().try_for_each(|(name, value)| writeln!(out, "{indent}    {}: {}", text(name), text(value)))
}

fn write_load(plan: &Plan, out: &mut String) -> fmt::Result {
    writeln!(out, "load:")?;
    let Some(lines) = load_lines(plan) else {
        writeln!(out, "  # No single configuration gives these steps:")?;
        for step in &plan.steps {
            writeln!(out, "  # {}: {}", step.name, long(step.load.duration()))?;
        }
        return Ok(());
    };
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    writeln!(out, "  warmup: {}", format_duration(plan.warmup))
}

/// The keys of `load` for steps that differ in nothing but their rate or users.
fn load_lines(plan: &Plan) -> Option<Vec<String>> {
    let first = &plan.steps.first()?.load;
    let duration = first.duration();
    let list = |values: Vec<String>, one: &str, many: &str| match values.as_slice() {
        [value] => format!("{one}: {value}"),
        values => format!("{many}: [{}]", values.join(", ")),
    };
    match first {
        Load::Closed { think_time, .. } => {
            let users = plan.steps.iter().map(|s| match &s.load {
                Load::Closed { concurrency, think_time: t, duration: d }
                    if t == think_time && *d == duration =>
                {
                    Some(concurrency.to_string())
                }
                _ => None,
            });
            Some(vec![
                "model: closed".to_owned(),
                list(users.collect::<Option<_>>()?, "concurrency", "concurrencies"),
                format!("think_time: {}", format_duration(*think_time)),
                format!("duration: {}", format_duration(duration)),
            ])
        }
        Load::Open { arrivals, profile } => {
            let arrivals_line = match arrivals {
                ArrivalKind::Constant => "arrivals: constant".to_owned(),
                ArrivalKind::Poisson => "arrivals: poisson".to_owned(),
            };
            let mut lines = vec!["model: open".to_owned(), arrivals_line];
            let rates = plan.steps.iter().map(|s| match &s.load {
                Load::Open { arrivals: a, profile } if a == arrivals => flat(profile, duration),
                _ => None,
            });
            if let Some(rates) = rates.collect::<Option<_>>() {
                lines.push(list(rates, "rate", "rates"));
                lines.push(format!("duration: {}", format_duration(duration)));
            } else if plan.steps.len() == 1 {
                lines.push("stages:".to_owned());
                lines.extend(profile.iter().map(stage));
            } else {
                return None;
            }
            Some(lines)
        }
    }
}

/// The rate of a profile that is one flat segment of this duration.
fn flat(profile: &[Segment], duration: Nanos) -> Option<String> {
    match profile {
        [s] if s.from == s.to && s.duration == duration => Some(format_rate(s.from)),
        _ => None,
    }
}

fn stage(segment: &Segment) -> String {
    let duration = format_duration(segment.duration);
    if segment.from == segment.to {
        format!("  - {{ rate: {}, duration: {duration} }}", format_rate(segment.from))
    } else {
        let (from, to) = (format_rate(segment.from), format_rate(segment.to));
        format!("  - {{ from: {from}, to: {to}, duration: {duration} }}")
    }
}

/// A text as a YAML scalar: plain if it cannot be mistaken for anything else, else in quotes.
fn text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let starts_as_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    // Words that YAML 1.1 or 1.2 reads as something else, were they not in quotes.
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let url = text.starts_with("http") && text.chars().all(|c| plain(c) || c == ':') && !text.ends_with(':');
    let word = starts_as_word && text.chars().all(plain);
    if (word || url) && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    // JSON reads best in single quotes, in which nothing but a single quote is special.
    if text.chars().all(|c| (' '..='~').contains(&c) && c != '\'') {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // Printable in YAML, and not a line break to any of its versions.
            ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' => {
                out.push(c)
            }
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
