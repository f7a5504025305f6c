//! How heavily the variants are loaded.

use super::super::error::Fault;
use super::super::node::Path;
use super::super::schema::{Arrivals, LoadConfig, Model, Stage, Staircase};
use super::super::units::{format_duration, format_rate};
use super::{Lower, narrow, written};
use crate::plan::{ArrivalKind, Load, Segment, Step};
use crate::time::Nanos;

/// Most steps of a test, and most segments of a step.
const MAX_STEPS: usize = 100;
const MAX_SEGMENTS: usize = 1000;

/// Keys that say how the open model's rate goes; exactly one is needed.
const FORMS: &[&str] = &["rate", "rates", "ramp", "step", "stages"];

/// The steps; empty when a problem was found.
pub(super) fn steps(config: Option<&LoadConfig>, lower: &mut Lower<'_, '_>) -> Vec<Step> {
    let Some(config) = config else {
        // The top of the file, where a misspelt `load` would stand too.
        if !lower.tree.has(&Path::of(&["load"])) && !lower.tree.misspelt(&Path::default(), "load") {
            let fault = Fault::new("`load` is missing");
            let remedy = "add load: { model: open, rate: 200/s, duration: 20s }";
            lower.fault(&Path::default(), fault.remedy(remedy));
        }
        return Vec::new();
    };
    let loads = match config.model.unwrap_or_else(|| model_meant(config, lower)) {
        Model::Open => open(config, lower),
        Model::Closed => closed(config, lower),
    };
    loads.into_iter().map(|load| Step { name: name(&load), load }).collect()
}

/// Reports that the model is missing, and guesses it, so that the rest can be checked.
fn model_meant(config: &LoadConfig, lower: &mut Lower<'_, '_>) -> Model {
    let load = Path::of(&["load"]);
    if !lower.tree.has(&at("model")) && !lower.tree.misspelt(&load, "model") {
        let fault = Fault::new("`model` is missing").remedy(
            "add model: open (arrivals by schedule) or model: closed (users who wait for their answers)",
        );
        lower.fault(&load, fault);
    }
    let users = config.concurrency.is_some() || config.concurrencies.is_some();
    if users { Model::Closed } else { Model::Open }
}

/// The name of a step, from its load alone.
pub(in super::super) fn name(load: &Load) -> String {
    match load {
        Load::Closed { concurrency: 1, .. } => "1 user".to_owned(),
        Load::Closed { concurrency, .. } => format!("{concurrency} users"),
        Load::Open { profile, .. } => {
            let ends = || profile.iter().flat_map(|s| [s.from, s.to]);
            let (low, high) = (ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max));
            match profile.as_slice() {
                _ if low == high => format_rate(low),
                // A ramp tells its direction, anything else its range.
                [s] => format!("{}..{}", format_rate(s.from), format_rate(s.to)),
                _ => format!("profile {}..{}", format_rate(low), format_rate(high)),
            }
        }
    }
}

fn at(key: &str) -> Path {
    Path::of(&["load", key])
}

/// Refuses keys that belong to the other model.
fn refuse_keys(keys: &[&str], message: &str, remedy: &str, lower: &mut Lower<'_, '_>) {
    for key in keys.iter().filter(|k| lower.tree.has(&at(k))).copied().collect::<Vec<_>>() {
        let (line, column) = lower.tree.key_position(&at(key));
        lower.fault(&at(key), Fault::new(message).remedy(remedy).at(line, column));
    }
}

/// Refuses all but the first of several keys that exclude each other; whether there is one.
fn one_of(keys: &[&str], lower: &mut Lower<'_, '_>) -> bool {
    let mut given: Vec<(usize, usize, &str)> = Vec::new();
    for key in keys.iter().filter(|k| lower.tree.has(&at(k))) {
        let (line, column) = lower.tree.key_position(&at(key));
        given.push((line, column, key));
    }
    given.sort_unstable();
    for (line, column, key) in given.iter().skip(1) {
        let (first_line, _, first) = given[0];
        let message = format!("contradicts `{first}` on line {first_line}");
        let fault = Fault::new(message).expected(format!("only one of {}", keys.join(", ")));
        lower.fault(&at(key), fault.remedy("remove one of them").at(*line, *column));
    }
    !given.is_empty()
}

fn open(config: &LoadConfig, lower: &mut Lower<'_, '_>) -> Vec<Load> {
    refuse_keys(
        &["concurrency", "concurrencies", "think_time"],
        "belongs to the closed model; in the open model arrivals come by schedule, however many are out",
        "remove it, or write model: closed; max_in_flight at the top bounds what is out",
        lower,
    );
    if !one_of(FORMS, lower) && !lower.tree.damaged(&Path::of(&["load"])) {
        let fault = Fault::new("does not say how heavy the load is");
        let path = Path::of(&["load"]);
        lower.fault(&path, fault.expected(format!("one of {}", FORMS.join(", "))).remedy("add rate: 200/s"));
    }
    let arrivals = match config.arrivals {
        Some(Arrivals::Poisson) => ArrivalKind::Poisson,
        Some(Arrivals::Constant) | None => ArrivalKind::Constant,
    };
    let profiles = if let Some(stages) = &config.stages {
        if written(lower.tree, &at("duration")) {
            let fault = Fault::new("contradicts `stages`, each of which has its own duration");
            let (line, column) = lower.tree.key_position(&at("duration"));
            lower.fault(&at("duration"), fault.remedy("remove it").at(line, column));
        }
        vec![(at("stages"), profile(stages, lower))]
    } else {
        duration(config, lower).map_or_else(Vec::new, |d| timed_profiles(config, d, lower))
    };
    let mut loads = Vec::new();
    for (path, profile) in profiles {
        let arrivals_expected: f64 = profile.iter().map(Segment::expected_arrivals).sum();
        if profile.is_empty() {
            continue;
        }
        if arrivals_expected < 1.0 - 1e-9 {
            let fault = Fault::new(format!("gives {arrivals_expected:.3} arrivals in all"));
            lower.fault(&path, fault.expected("at least one").remedy("raise the rate or the duration"));
        }
        loads.push(Load::Open { arrivals, profile });
    }
    loads
}

fn duration(config: &LoadConfig, lower: &mut Lower<'_, '_>) -> Option<Nanos> {
    let load = Path::of(&["load"]);
    if !lower.tree.has(&at("duration")) && !lower.tree.misspelt(&load, "duration") {
        let fault = Fault::new("`duration` is missing").expected("how long each step lasts");
        lower.fault(&load, fault.remedy("add duration: 20s"));
    }
    config.duration.map(|d| d.0)
}

/// Profiles of the forms that go with `duration`, each with the path to blame.
fn timed_profiles(
    config: &LoadConfig,
    duration: Nanos,
    lower: &mut Lower<'_, '_>,
) -> Vec<(Path, Vec<Segment>)> {
    let flat = |rate: f64| vec![Segment { from: rate, to: rate, duration }];
    if let Some(rate) = config.rate {
        vec![(at("rate"), flat(rate.0))]
    } else if let Some(rates) = &config.rates {
        let rates: Vec<f64> = rates.iter().map(|r| r.0).collect();
        if !check_list("rates", &rates, |r| format_rate(*r), lower) {
            return Vec::new();
        }
        rates.iter().enumerate().map(|(i, r)| (at("rates").index(i), flat(*r))).collect()
    } else if let Some(ramp) = config.ramp {
        vec![(at("ramp"), vec![Segment { from: ramp.from.0, to: ramp.to.0, duration }])]
    } else if let Some(stairs) = config.step {
        vec![(at("step"), staircase(stairs, duration))]
    } else {
        Vec::new()
    }
}

/// Whether a list of steps can be used: not empty, not too long, each once.
fn check_list<T: PartialEq>(
    key: &str,
    values: &[T],
    show: impl Fn(&T) -> String,
    lower: &mut Lower<'_, '_>,
) -> bool {
    // What was removed from the list would shift the indices, and what is left is not the plan.
    if lower.tree.damaged(&at(key)) {
        return false;
    }
    if values.is_empty() || values.len() > MAX_STEPS {
        let fault = Fault::new(format!("lists {} steps", values.len()));
        lower.fault(&at(key), fault.expected(format!("1 to {MAX_STEPS}")));
        return false;
    }
    for (i, value) in values.iter().enumerate() {
        if let Some(first) = values[..i].iter().position(|v| v == value) {
            let fault = Fault::new(format!("{} is {key}[{first}] again", show(value)));
            let fault = fault.remedy("remove one; steps are told apart by it");
            lower.fault(&at(key).index(i), fault);
        }
    }
    true
}

/// `count` equal stairs from the first rate to the last, which together last `duration`.
fn staircase(stairs: Staircase, duration: Nanos) -> Vec<Segment> {
    let count = stairs.count.0.max(2);
    let (from, to) = (stairs.from.0, stairs.to.0);
    let each = duration.0 / count;
    (0..count)
        .map(|i| {
            let rate = if i + 1 == count { to } else { from + (to - from) * i as f64 / (count - 1) as f64 };
            let last = if i + 1 == count { duration.0 - each * (count - 1) } else { each };
            Segment { from: rate, to: rate, duration: Nanos(last) }
        })
        .collect()
}

fn profile(stages: &[Stage], lower: &mut Lower<'_, '_>) -> Vec<Segment> {
    if lower.tree.damaged(&at("stages")) {
        return Vec::new();
    }
    if stages.is_empty() || stages.len() > MAX_SEGMENTS {
        let fault = Fault::new(format!("lists {} stages", stages.len()));
        lower.fault(&at("stages"), fault.expected(format!("1 to {MAX_SEGMENTS}")));
        return Vec::new();
    }
    let mut segments = Vec::with_capacity(stages.len());
    for (i, stage) in stages.iter().enumerate() {
        let (from, to) = match (stage.rate, stage.from, stage.to) {
            (Some(rate), None, None) => (rate.0, rate.0),
            (None, Some(from), Some(to)) => (from.0, to.0),
            (rate, ..) => {
                let message =
                    if rate.is_some() { "`rate` contradicts `from` and `to`" } else { "the rate is missing" };
                let fault = Fault::new(message).expected("either rate, or both from and to");
                lower.fault(&at("stages").index(i), fault);
                continue;
            }
        };
        segments.push(Segment { from, to, duration: stage.duration.0 });
    }
    segments
}

fn closed(config: &LoadConfig, lower: &mut Lower<'_, '_>) -> Vec<Load> {
    let mut keys = FORMS.to_vec();
    keys.push("arrivals");
    refuse_keys(
        &keys,
        "belongs to the open model; in the closed model the answers set the pace",
        "remove it, or write model: open",
        lower,
    );
    if !one_of(&["concurrency", "concurrencies"], lower) && !lower.tree.damaged(&Path::of(&["load"])) {
        let fault = Fault::new("does not say how many users there are");
        let path = Path::of(&["load"]);
        lower.fault(&path, fault.expected("concurrency or concurrencies").remedy("add concurrency: 64"));
    }
    let users: Vec<u32> = match (config.concurrency, &config.concurrencies) {
        (Some(one), _) => vec![narrow(one.0)],
        (None, Some(list)) => {
            let list: Vec<u32> = list.iter().map(|n| narrow(n.0)).collect();
            if check_list("concurrencies", &list, u32::to_string, lower) { list } else { Vec::new() }
        }
        (None, None) => Vec::new(),
    };
    let think_time = config.think_time.map_or(Nanos::ZERO, |d| d.0);
    let Some(duration) = duration(config, lower) else { return Vec::new() };
    if think_time >= duration {
        let fault = Fault::new("each user would start only one request within the step");
        lower.fault(&at("think_time"), fault.expected(format!("less than {}", format_duration(duration))));
    }
    users.into_iter().map(|concurrency| Load::Closed { concurrency, think_time, duration }).collect()
}
