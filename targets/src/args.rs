//! The command line of `serve`, and its check into [`Settings`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::distribution::{Distribution, parse_duration, parse_probability};
use crate::error::Error;

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Write and read JSON items in an embedded SQLite table.
    Api,
    /// Verify a password with argon2id and start a session.
    Login,
    /// Compose a message and deliver it by SMTP to a bundled sink.
    Email,
    /// Charge by an HTTP call to a bundled gateway that fails in realistic ways.
    Payment,
    /// Fan out to subscribers by signed webhooks.
    Notifications,
    /// Log in and write an order, then payment, email and notifications.
    Checkout,
    /// Take a drawn service time, by sleeping or on the CPU.
    Synthetic,
    /// Only the SMTP sink of `email`, as a server of its own.
    SmtpSink,
    /// Only the payment gateway of `payment`, as a server of its own.
    Gateway,
}

impl Workload {
    /// The name used on the command line and in paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Login => "login",
            Self::Email => "email",
            Self::Payment => "payment",
            Self::Notifications => "notifications",
            Self::Checkout => "checkout",
            Self::Synthetic => "synthetic",
            Self::SmtpSink => "smtp-sink",
            Self::Gateway => "gateway",
        }
    }

    fn shapes(self) -> &'static [Shape] {
        match self {
            Self::Checkout => &[Shape::Hybrid, Shape::Sync, Shape::Queued],
            Self::SmtpSink | Self::Gateway => &[Shape::Sync],
            _ => &[Shape::Sync, Shape::Queued],
        }
    }

    fn takes_service_time(self) -> bool {
        !matches!(self, Self::Api | Self::Login)
    }
}

/// When the caller is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// After the work: 200.
    Sync,
    /// Once the job is durably queued: 202, and a status resource.
    Queued,
    /// After the synchronous part; the rest is queued: 202.
    Hybrid,
}

impl Shape {
    /// The name used on the command line and in the ready line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Queued => "queued",
            Self::Hybrid => "hybrid",
        }
    }
}

/// Where queued jobs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueueKind {
    /// In this process's memory: durability D0.
    Memory,
    /// In a SQLite file, synced before every 202: durability D2.
    Sqlite,
}

impl QueueKind {
    /// The name used on the command line and in the ready line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        }
    }
}

/// How the synthetic workload spends its service time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyntheticWork {
    /// Asleep, to within some 0.1 ms.
    Sleep,
    /// Computing, on a thread of its own; more workers than cores share them.
    Cpu,
}

/// Start a bundled target server.
///
/// Prints one JSON line, `{"ready":{"url":…}}`, once it listens, and serves until SIGTERM or SIGINT.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// What the server does
    #[arg(value_enum)]
    pub workload: Workload,

    /// When the caller is answered [default: sync; checkout: hybrid]
    #[arg(long, value_enum)]
    pub shape: Option<Shape>,

    /// Jobs worked on at the same time, in every shape
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub workers: u32,

    /// Where queued jobs are kept: sqlite (durable, D2) or memory (D0)
    #[arg(long, value_enum, default_value = "sqlite")]
    pub queue: QueueKind,

    /// Most jobs waiting, in line (sync) or in the queue; beyond it: 503 with Retry-After
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub queue_capacity: u32,

    /// Directory for databases, created if missing [default: a temporary one, removed at exit]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// Seed of service times and faults: the same seed and key give the same in every shape
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// Service time of a job or of an upstream call: 20ms, exponential:20ms,
    /// lognormal:MEAN:SIGMA, bimodal:SHORT:LONG:P; units us, ms, s, m
    /// [default: synthetic 20ms, otherwise lognormal:20ms:0.5]
    #[arg(long, value_name = "DIST")]
    pub service_time: Option<Distribution>,

    /// How the synthetic workload spends its service time
    #[arg(long, value_enum, default_value = "sleep")]
    pub work: SyntheticWork,

    /// Probability (0 to 1) that an attempt fails in a way worth retrying
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = parse_probability)]
    pub failure_rate: f64,

    /// Probability (0 to 1) that a job can never succeed: bounced, declined, gone
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = parse_probability)]
    pub permanent_rate: f64,

    /// Probability (0 to 1) that the gateway charges, then drops the connection without an answer
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = parse_probability)]
    pub lost_response_rate: f64,

    /// Attempts before a queued job becomes a dead letter; sync makes one
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_attempts: u32,

    /// Wait before the second attempt; doubled for each further one, less up to half (seeded jitter)
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_duration)]
    pub backoff: Duration,

    /// Longest wait between two attempts
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub backoff_max: Duration,

    /// How long a lease hides a job; renewed at every third of it while the job is worked on
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub visibility_timeout: Duration,

    /// Never renew leases: work longer than the visibility time-out is then done twice (a negative
    /// control for duplicate detection)
    #[arg(long)]
    pub no_lease_extension: bool,

    /// How long to finish work after SIGTERM before giving up
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub drain_timeout: Duration,

    /// Threads of the server's runtime [default: 2, or 1 on a single core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,

    /// Most connections open at the same time; further ones wait to be accepted
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// Users that may log in: user-0 to user-(N-1), with passwords password-0 to password-(N-1)
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub users: u32,

    /// Memory of one argon2id hash, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 19_456, value_parser = clap::value_parser!(u32).range(8..=4_194_304))]
    pub argon2_memory: u32,

    /// Passes of one argon2id hash
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub argon2_iterations: u32,

    /// Lanes of one argon2id hash
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub argon2_parallelism: u32,

    /// Webhook subscribers of each notification
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub subscribers: u32,

    /// Deliver mail to this SMTP server instead of a sink of our own; with `smtp-sink`: the SMTP
    /// address to listen on
    #[arg(long, value_name = "ADDR")]
    pub smtp: Option<SocketAddr>,

    /// Charge at this gateway instead of one of our own (`serve gateway` starts one)
    #[arg(long, value_name = "ADDR")]
    pub gateway: Option<SocketAddr>,

    /// Stop within two seconds once standard input ends
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
}

/// Checked arguments, with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub args: ServeArgs,
    pub shape: Shape,
    pub service_time: Distribution,
    pub threads: usize,
    pub workers: usize,
    pub capacity: usize,
}

impl Settings {
    /// Checks what clap cannot: how flags go together.
    pub fn check(args: ServeArgs) -> Result<Self, Error> {
        let workload = args.workload;
        let shapes = workload.shapes();
        let shape = args.shape.unwrap_or(shapes[0]);
        if !shapes.contains(&shape) {
            let names: Vec<_> = shapes.iter().map(|shape| shape.name()).collect();
            return Err(Error::Usage(format!(
                "{} cannot be served as {}: use --shape {}",
                workload.name(),
                shape.name(),
                names.join(" or --shape "),
            )));
        }
        if args.service_time.is_some() && !workload.takes_service_time() {
            return Err(Error::Usage(format!(
                "--service-time does not apply to {}, whose work is real: drop the flag",
                workload.name()
            )));
        }
        if args.visibility_timeout < Duration::from_millis(10) {
            return Err(Error::Usage("--visibility-timeout must be at least 10ms".to_owned()));
        }
        if args.argon2_memory < 8 * args.argon2_parallelism {
            return Err(Error::Usage(
                "--argon2-memory must be at least 8 KiB for each lane of --argon2-parallelism".to_owned(),
            ));
        }
        if args.failure_rate + args.lost_response_rate > 1.0 {
            return Err(Error::Usage(
                "--failure-rate and --lost-response-rate must add up to at most 1".to_owned(),
            ));
        }
        let default_time = if workload == Workload::Synthetic {
            Distribution::Constant(Duration::from_millis(20))
        } else {
            Distribution::Lognormal(Duration::from_millis(20), 0.5)
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            shape,
            service_time: args.service_time.unwrap_or(default_time),
            threads: args.threads.map_or(cores.min(2), |n| n as usize),
            workers: args.workers as usize,
            capacity: args.queue_capacity as usize,
            args,
        })
    }
}
