//! What may stand in a file: plain derived types, one field a key, so that a JSON Schema can be
//! derived from them too. What goes with what is checked later, in `lower`.

use serde::Deserialize;

use crate::plan::{Pacing, Transport};

use super::scalar::{Duration, Name, Number, Rate, Table, Whole};

/// One hour and one week, in milliseconds.
const HOUR: u64 = 3_600_000;
const WEEK: u64 = 168 * HOUR;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub name: Option<Name>,
    pub seed: Option<Whole<0, { u64::MAX }>>,
    pub target: Option<TargetConfig>,
    pub request: Option<RequestConfig>,
    pub completion: Option<CompletionConfig>,
    pub variants: Option<Table<VariantConfig>>,
    pub load: Option<LoadConfig>,
    pub timeout: Option<Duration<1, HOUR>>,
    pub drain_timeout: Option<Duration<0, HOUR>>,
    pub max_in_flight: Option<Whole<1, 1_000_000>>,
    pub shards: Option<Whole<1, 64>>,
    pub interval: Option<Duration<100, 10_000>>,
    pub pacing: Option<Pacing>,
    pub transport: Option<Transport>,
    pub job_ledger: Option<bool>,
}

/// What a variant has of its own; laid over the keys of the same names in [`Config`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as { target: { shape: sync } }, or {}")]
pub(super) struct VariantConfig {
    pub target: Option<TargetConfig>,
    pub request: Option<RequestConfig>,
    pub completion: Option<CompletionConfig>,
}

/// A URL or a bundled target; told apart by being a text or a mapping (see `scalar`).
#[derive(Debug, Clone)]
pub(super) enum TargetConfig {
    Url(String),
    Bundled(BundledConfig),
}

/// A bundled target.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BundledConfig {
    pub serve: Option<String>,
    pub shape: Option<String>,
    pub workers: Option<Whole<1, 4096>>,
    pub queue: Option<String>,
    pub queue_capacity: Option<Whole<1, 10_000_000>>,
    pub service_time: Option<String>,
    pub options: Option<Table<String>>,
}

/// What is sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as { method: GET, path: /health }")]
pub(super) struct RequestConfig {
    pub method: Option<String>,
    pub path: Option<String>,
    pub headers: Option<Table<String>>,
    pub body: Option<String>,
    pub expect: Option<Vec<Whole<100, 599>>>,
}

/// When an operation is complete.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CompletionConfig {
    Immediate,
    Poll(PollConfig),
}

/// How the status resource is polled.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as { interval: 20ms, cap: 500ms }")]
pub(super) struct PollConfig {
    pub interval: Option<Duration<1, HOUR>>,
    pub backoff: Option<Number<1, 100>>,
    pub cap: Option<Duration<1, HOUR>>,
    pub retry_after: Option<bool>,
}

/// Which model the load follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Model {
    Open,
    Closed,
}

/// How arrivals are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Arrivals {
    Constant,
    Poisson,
}

/// The load.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as { model: open, rate: 200/s, duration: 20s }")]
pub(super) struct LoadConfig {
    pub model: Option<Model>,
    pub arrivals: Option<Arrivals>,
    pub rate: Option<Rate<false>>,
    pub rates: Option<Vec<Rate<false>>>,
    pub ramp: Option<Ramp>,
    pub step: Option<Staircase>,
    pub stages: Option<Vec<Stage>>,
    pub duration: Option<Duration<1, WEEK>>,
    pub warmup: Option<Duration<0, WEEK>>,
    pub concurrency: Option<Whole<1, 100_000>>,
    pub concurrencies: Option<Vec<Whole<1, 100_000>>>,
    pub think_time: Option<Duration<0, HOUR>>,
}

/// A rate that changes evenly.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as { from: 0/s, to: 200/s }")]
pub(super) struct Ramp {
    pub from: Rate<true>,
    pub to: Rate<true>,
}

/// A rate that changes in equal stairs, within one step.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as { from: 20/s, to: 200/s, count: 10 }")]
pub(super) struct Staircase {
    pub from: Rate<true>,
    pub to: Rate<true>,
    pub count: Whole<2, 1000>,
}

/// A part of a profile.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as { rate: 20/s, duration: 10s }")]
pub(super) struct Stage {
    pub rate: Option<Rate<true>>,
    pub from: Option<Rate<true>>,
    pub to: Option<Rate<true>>,
    pub duration: Duration<1, WEEK>,
}
