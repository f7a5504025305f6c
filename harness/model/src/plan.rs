//! A checked test: every default filled in, nothing left to guess. `plimsoll validate` prints it.

use serde::{Deserialize, Serialize};

use crate::time::Nanos;

/// Everything a run will do: variants × steps, each pair a *cell*, performed one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The test's name, for people.
    pub name: String,
    /// Seeds arrivals, keys and the bundled targets' service times. The same seed gives every
    /// variant the same arrivals and the same work.
    pub seed: u64,
    /// What is tested; at least one.
    pub variants: Vec<Variant>,
    /// How it is loaded; at least one, each performed on every variant.
    pub steps: Vec<Step>,
    /// How much of each step's start counts as warm-up; zero unless asked for.
    pub warmup: Nanos,
    /// Longest wait for the jobs and answers still out when a step's arrivals end.
    pub drain_timeout: Nanos,
    /// Longest wait for one answer, from its actual send.
    pub timeout: Nanos,
    /// Most operations out at once; a start beyond is counted as dropped.
    pub max_in_flight: u32,
    /// Threads that make load, each with its own connections and recorders.
    pub shards: u32,
    /// Length of an interval in the time series.
    pub interval: Nanos,
    /// How the driver waits for an intended start.
    pub pacing: Pacing,
    /// What carries the requests.
    pub transport: Transport,
    /// Whether every job's own row is kept in `jobs.csv`.
    pub job_ledger: bool,
}

impl Plan {
    /// The cells in the order they are performed: each step on every variant before the next step,
    /// so that a slow drift of the machine meets the variants alike. The variants' order alternates
    /// from step to step.
    pub fn cells(&self) -> Vec<CellId> {
        let variants = self.variants.len();
        (0..self.steps.len())
            .flat_map(|step| {
                (0..variants)
                    .map(move |i| CellId { variant: if step % 2 == 0 { i } else { variants - 1 - i }, step })
            })
            .collect()
    }

    /// How long all arrivals take together, without drain and start-up.
    pub fn arrivals_duration(&self) -> Nanos {
        let once: u64 = self.steps.iter().map(|s| s.load.duration().0).sum();
        Nanos(once.saturating_mul(self.variants.len() as u64))
    }
}

/// One variant under one step's load: indices into [`Plan::variants`] and [`Plan::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellId {
    /// Index of the variant.
    pub variant: usize,
    /// Index of the step.
    pub step: usize,
}

/// Something to test: where it is, what is asked of it, and how its answer is known to be complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Unique name, shown everywhere.
    pub name: String,
    /// Where it is.
    pub target: Target,
    /// What is sent.
    pub request: Request,
    /// When it is done.
    pub completion: Completion,
}

impl Variant {
    /// Whether an answer only accepts a job that is done later.
    pub fn is_async(&self) -> bool {
        !matches!(self.completion, Completion::Immediate)
    }
}

/// Where a variant is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An endpoint of the user's own: `http` or `https`, with host.
    External {
        /// Scheme, host, port and base path.
        url: String,
    },
    /// A bundled target, started for the run as a process of its own.
    Bundled(Bundled),
}

/// A bundled target's settings, passed to `plimsoll serve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundled {
    /// `api`, `login`, `email`, `payment`, `notifications`, `checkout` or `synthetic`.
    pub workload: String,
    /// `sync`, `queued` or `hybrid`.
    pub shape: String,
    /// Workers that do the work, in any shape.
    pub workers: u32,
    /// Queue behind a queued or hybrid shape: `memory` or `sqlite`.
    pub queue: String,
    /// Most jobs (queued) or callers (sync) that may wait.
    pub queue_capacity: u64,
    /// Distribution of the simulated part of the work, such as `lognormal:20ms:0.5`; the workload's own when absent.
    pub service_time: Option<String>,
    /// Further options, as `plimsoll serve` takes them, by name without the dashes.
    pub options: Vec<(String, String)>,
}

/// What is sent, once for each arrival.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path and query, relative to the target's URL; may hold `{{…}}` placeholders.
    pub path: String,
    /// Headers; values may hold placeholders.
    pub headers: Vec<(String, String)>,
    /// Body; may hold placeholders: `{{seq}}` (the arrival's number from 0), `{{key}}` (unique in
    /// the run, the same for the same arrival of each variant).
    pub body: Option<String>,
    /// Statuses that count as ok (for a job: accepted); empty means any 2xx or 3xx.
    pub expect: Vec<u16>,
}

/// When an operation is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completion {
    /// With its response.
    Immediate,
    /// When the status resource named by `Location` says so.
    Poll(Poll),
}

/// How the status resource is polled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// From the acceptance to the first poll, and the shortest time between polls.
    pub interval: Nanos,
    /// Each wait is this many times the last; 1 keeps the interval.
    pub backoff: f64,
    /// Longest time between polls of one job, a longer `Retry-After` excepted.
    pub cap: Nanos,
    /// Whether `Retry-After` is taken as the least wait.
    pub honour_retry_after: bool,
}

/// One load, held or changed for a stated time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Unique name, such as `200/s`.
    pub name: String,
    /// The load.
    pub load: Load,
}

/// A load of either model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Open model: arrivals come by schedule, whatever the answers do.
    Open {
        /// How the arrivals are spread about the rate.
        arrivals: ArrivalKind,
        /// The rate over time.
        profile: Vec<Segment>,
    },
    /// Closed model: each of a fixed number of users waits for an answer, thinks, and asks again.
    Closed {
        /// Users.
        concurrency: u32,
        /// From an answer to the same user's next request.
        think_time: Nanos,
        /// For how long requests are started.
        duration: Nanos,
    },
}

impl Load {
    /// How long requests are started.
    pub fn duration(&self) -> Nanos {
        match self {
            Load::Open { profile, .. } => profile.iter().fold(Nanos::ZERO, |t, s| t + s.duration),
            Load::Closed { duration, .. } => *duration,
        }
    }

    /// Mean offered rate, 1/s; none in the closed model, where the answers set the pace.
    pub fn offered_rate(&self) -> Option<f64> {
        match self {
            Load::Open { profile, .. } => {
                let arrivals: f64 = profile.iter().map(Segment::expected_arrivals).sum();
                Some(arrivals / self.duration().as_secs_f64())
            }
            Load::Closed { .. } => None,
        }
    }

    /// Greatest offered rate, 1/s; none in the closed model.
    pub fn peak_rate(&self) -> Option<f64> {
        match self {
            Load::Open { profile, .. } => Some(profile.iter().fold(0.0, |m: f64, s| m.max(s.from).max(s.to))),
            Load::Closed { .. } => None,
        }
    }
}

/// How arrivals are spread about the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalKind {
    /// Evenly.
    Constant,
    /// A Poisson process: exponential gaps, as independent callers give.
    Poisson,
}

/// A stretch of time over which the offered rate goes linearly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Rate at its start, 1/s.
    pub from: f64,
    /// Rate at its end, 1/s.
    pub to: f64,
    /// Its length.
    pub duration: Nanos,
}

impl Segment {
    /// The rate's integral over the segment.
    pub fn expected_arrivals(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.duration.as_secs_f64()
    }
}

/// How the driver waits for an intended start. None ever starts early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// By a kernel timer: late by some 50 µs, at the price of a wake-up for each start.
    #[default]
    Fine,
    /// Spinning: late by a few µs, at the price of a whole core for each shard.
    Precise,
    /// In batches on whole milliseconds: late by up to 1 ms, at the lowest price.
    Coarse,
}

impl Pacing {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Pacing::Fine => "fine",
            Pacing::Precise => "precise",
            Pacing::Coarse => "coarse",
        }
    }
}

/// What carries the requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// The cheapest that can: plimsoll's own lean HTTP/1.1.
    #[default]
    Auto,
    /// hyper's HTTP/1.1.
    Hyper,
}

impl Transport {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Auto => "auto",
            Transport::Hyper => "hyper",
        }
    }
}
