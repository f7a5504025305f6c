//! A small queueing simulation that gives realistic runs to the report's tests: one FIFO line before c
//! workers, Poisson arrivals, lognormal work, all seeded. No figure is made up; all follow from the queue.

#![allow(dead_code, missing_docs)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use plimsoll_model::accounting::Accounting;
use plimsoll_model::artefact::{Cell, CellFacts, Ending, Environment, Manifest, Run, SCHEMA};
use plimsoll_model::interval::{Interval, SeriesKey};
use plimsoll_model::plan::{
    ArrivalKind, Bundled, CellId, Completion, Load, Plan, Poll, Request, Segment, Step, Target, Variant,
};
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp, LogNormal};

pub const WORKERS: usize = 4;
const SEED: u64 = 7;

/// One operation as the simulated driver saw it, seconds since the cell's origin.
struct Operation {
    intended: f64,
    sent: f64,
    answered: f64,
    outcome: Outcome,
    job: Option<Job>,
    busy: f64,
}

struct Job {
    enqueued: f64,
    leased: f64,
    done: f64,
    noticed: f64,
    polls: Vec<f64>,
}

pub fn variant(name: &str, queued: bool) -> Variant {
    let poll = Poll {
        interval: Nanos::from_millis(20),
        backoff: 1.5,
        cap: Nanos::from_millis(500),
        honour_retry_after: false,
    };
    Variant {
        name: name.to_owned(),
        target: Target::Bundled(Bundled {
            workload: "email".into(),
            shape: if queued { "queued" } else { "sync" }.into(),
            workers: WORKERS as u32,
            queue: "sqlite".into(),
            queue_capacity: 100_000,
            service_time: Some("lognormal:20ms:0.5".into()),
            options: Vec::new(),
        }),
        request: Request {
            method: "POST".into(),
            path: "/v1/emails".into(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: Some("{\"to\":\"user-{{seq}}@example.org\"}".into()),
            expect: Vec::new(),
        },
        completion: if queued { Completion::Poll(poll) } else { Completion::Immediate },
    }
}

pub fn open(rate: f64, seconds: u64) -> Step {
    let profile = vec![Segment { from: rate, to: rate, duration: Nanos::from_secs(seconds) }];
    Step { name: format!("{rate}/s"), load: Load::Open { arrivals: ArrivalKind::Poisson, profile } }
}

pub fn closed(concurrency: u32, seconds: u64) -> Step {
    let (think_time, duration) = (Nanos::from_millis(50), Nanos::from_secs(seconds));
    Step { name: format!("{concurrency} users"), load: Load::Closed { concurrency, think_time, duration } }
}

pub fn plan(variants: Vec<Variant>, steps: Vec<Step>) -> Plan {
    Plan {
        name: "Email: sync or queued".into(),
        seed: SEED,
        variants,
        steps,
        warmup: Nanos::from_secs(2),
        drain_timeout: Nanos::from_secs(30),
        timeout: Nanos::from_secs(30),
        max_in_flight: 10_000,
        shards: 1,
        interval: Nanos::from_secs(1),
        job_ledger: false,
        pacing: Default::default(),
        transport: Default::default(),
    }
}

pub fn environment() -> Environment {
    Environment {
        kernel: "6.1.0".into(),
        cpu: "simulated".into(),
        cores: 2,
        memory_bytes: 8 << 30,
        fd_limit: 65_536,
        clock_source: "tsc".into(),
        governor: None,
        fsync: Some(Nanos::from_micros(850)),
    }
}

/// Perform a plan.
pub fn run(plan: Plan) -> Run {
    let cells: Vec<Cell> = plan.cells().into_iter().map(|id| cell(&plan, id)).collect();
    let manifest = Manifest {
        schema: SCHEMA,
        version: "0.1.0".into(),
        command: if plan.variants.len() > 1 { "compare" } else { "run" }.into(),
        started_at: "2026-01-02T03:04:05Z".into(),
        ending: Ending::Complete,
        environment: environment(),
        cells: cells.iter().map(|c| c.facts.clone()).collect(),
        plan,
    };
    Run { manifest, cells }
}

/// Sync and queued over six loads; the workers can do about 176/s.
pub fn comparison() -> Run {
    let variants = vec![variant("sync", false), variant("queued", true)];
    let steps = [40.0, 80.0, 120.0, 150.0, 180.0, 220.0].map(|r| open(r, 20)).to_vec();
    run(plan(variants, steps))
}

pub fn cell(plan: &Plan, id: CellId) -> Cell {
    let queued = plan.variants[id.variant].is_async();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED + id.step as u64);
    let operations = match &plan.steps[id.step].load {
        Load::Open { profile, .. } => {
            let arrivals = poisson(profile[0].from, profile[0].duration.as_secs_f64(), &mut rng);
            if queued { queue(&arrivals, &mut rng) } else { line(&arrivals, &mut rng) }
        }
        Load::Closed { concurrency, think_time, duration } => {
            users(*concurrency, think_time.as_secs_f64(), duration.as_secs_f64(), &mut rng)
        }
    };
    record(plan, id, &operations)
}

fn poisson(rate: f64, seconds: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let gap = Exp::new(rate).expect("rates are positive");
    let mut t = 0.0;
    std::iter::from_fn(|| {
        t += gap.sample(rng);
        Some(t)
    })
    .take_while(|t| *t < seconds)
    .collect()
}

fn work(rng: &mut ChaCha8Rng) -> f64 {
    LogNormal::new(0.020f64.ln(), 0.5).expect("the spread is positive").sample(rng)
}

fn lateness(rng: &mut ChaCha8Rng) -> f64 {
    30e-6 + Exp::new(1.0 / 25e-6).expect("the rate is positive").sample(rng)
}

/// When each of `WORKERS` becomes free, in nanoseconds so that it can be ordered.
struct Pool(BinaryHeap<Reverse<u64>>);

impl Pool {
    fn new() -> Self {
        Pool((0..WORKERS).map(|_| Reverse(0)).collect())
    }

    /// First come, first served: start and end of the work.
    fn serve(&mut self, arrived: f64, work: f64) -> (f64, f64) {
        let Reverse(free) = self.0.pop().expect("each worker taken is put back");
        let start = arrived.max(free as f64 / 1e9);
        self.0.push(Reverse(((start + work) * 1e9) as u64));
        (start, start + work)
    }
}

fn line(arrivals: &[f64], rng: &mut ChaCha8Rng) -> Vec<Operation> {
    let mut pool = Pool::new();
    let one = |intended: &f64| {
        let sent = intended + lateness(rng);
        let busy = work(rng);
        let (_, end) = pool.serve(sent + 80e-6, busy);
        Operation { intended: *intended, sent, answered: end + 80e-6, outcome: Outcome::Ok, job: None, busy }
    };
    arrivals.iter().map(one).collect()
}

fn queue(arrivals: &[f64], rng: &mut ChaCha8Rng) -> Vec<Operation> {
    let mut pool = Pool::new();
    let commit = Exp::new(1.0 / 0.0006).expect("the rate is positive");
    let one = |intended: &f64| {
        let sent = intended + lateness(rng);
        // The same order of draws as in `line`: both do the same work.
        let busy = work(rng);
        let enqueued = sent + 0.0009 + commit.sample(rng);
        let answered = enqueued + 100e-6;
        let (leased, done) = pool.serve(enqueued + 200e-6, busy);
        let (mut wait, mut at, mut polls) = (0.020, answered + 0.020, Vec::new());
        loop {
            polls.push(at);
            if at >= done {
                break;
            }
            wait = (wait * 1.5f64).min(0.5);
            at += wait;
        }
        let job = Some(Job { enqueued, leased, done, noticed: at + 200e-6, polls });
        Operation { intended: *intended, sent, answered, outcome: Outcome::Ok, job, busy }
    };
    arrivals.iter().map(one).collect()
}

fn users(n: u32, think: f64, seconds: f64, rng: &mut ChaCha8Rng) -> Vec<Operation> {
    let mut pool = Pool::new();
    let mut next: BinaryHeap<Reverse<u64>> =
        (0..n).map(|_| Reverse((rng.random::<f64>() * think * 1e9) as u64)).collect();
    let mut all = Vec::new();
    while let Some(Reverse(at)) = next.pop() {
        let intended = at as f64 / 1e9;
        if intended >= seconds {
            break;
        }
        let sent = intended + lateness(rng);
        let busy = work(rng);
        let (_, end) = pool.serve(sent + 80e-6, busy);
        let answered = end + 80e-6;
        next.push(Reverse(((answered + think) * 1e9) as u64));
        all.push(Operation { intended, sent, answered, outcome: Outcome::Ok, job: None, busy });
    }
    all
}

fn ns(from: f64, to: f64) -> Nanos {
    Nanos::from_secs_f64(to - from)
}

fn record(plan: &Plan, id: CellId, operations: &[Operation]) -> Cell {
    let arrivals = plan.steps[id.step].load.duration().as_secs_f64();
    let end_of = |o: &Operation| o.job.as_ref().map_or(o.answered, |j| j.noticed);
    let last = operations.iter().map(end_of).fold(arrivals, f64::max);
    let drain_end = last.min(arrivals + plan.drain_timeout.as_secs_f64());
    let mut edges: Vec<f64> = (0..).map(f64::from).take_while(|t| *t < drain_end).collect();
    edges.push(drain_end);
    let mut intervals: Vec<Interval> = edges
        .windows(2)
        .map(|w| {
            let (start, end) = (Nanos::from_secs_f64(w[0]), Nanos::from_secs_f64(w[1]));
            let in_flight = operations.iter().filter(|o| o.sent <= w[1] && o.answered > w[1]).count() as u64;
            let waits =
                |o: &&Operation| o.answered <= w[1] && o.job.as_ref().is_some_and(|j| j.noticed > w[1]);
            let backlog = operations.iter().filter(waits).count() as u64;
            Interval { start, end, in_flight, backlog, ..Interval::default() }
        })
        .collect();
    let count = intervals.len();
    let at = |t: f64| (t as usize).min(count - 1);
    let mut accounting = Accounting::default();
    for o in operations {
        let phase = if o.intended < plan.warmup.as_secs_f64() { Phase::Warmup } else { Phase::Measured };
        note(&mut intervals, &at, o, phase, drain_end, &mut accounting);
    }
    let facts = facts(plan, id, operations, drain_end, accounting);
    Cell { facts, intervals }
}

fn note(
    intervals: &mut [Interval],
    at: &dyn Fn(f64) -> usize,
    o: &Operation,
    phase: Phase,
    drain_end: f64,
    accounting: &mut Accounting,
) {
    let mut put = |t: f64, metric, outcome, value| {
        let key = SeriesKey { metric, outcome, phase };
        intervals[at(t)].series.entry(key).or_default().record(value);
    };
    put(o.answered, Metric::Lateness, o.outcome, ns(o.intended, o.sent));
    put(o.answered, Metric::ServiceTime, o.outcome, ns(o.sent, o.answered));
    let first = if o.job.is_some() { Metric::AcceptLatency } else { Metric::ResponseTime };
    put(o.answered, first, o.outcome, ns(o.intended, o.answered));
    let mut unfinished = false;
    if let Some(j) = &o.job {
        if j.noticed <= drain_end {
            put(j.noticed, Metric::QueueWait, Outcome::Ok, ns(j.enqueued, j.leased));
            put(j.noticed, Metric::ProcessingTime, Outcome::Ok, ns(j.leased, j.done));
            put(j.noticed, Metric::NoticeDelay, Outcome::Ok, ns(j.done, j.noticed));
            put(j.noticed, Metric::CompletionTime, Outcome::Ok, ns(o.intended, j.noticed));
        } else {
            unfinished = true;
        }
    }
    let mut tally = |t: f64, f: &dyn Fn(&mut plimsoll_model::interval::Tally)| {
        f(intervals[at(t)].tallies.entry(phase).or_default());
    };
    tally(o.intended, &|t| t.scheduled += 1);
    tally(o.sent, &|t| t.sent += 1);
    tally(o.answered, &|t| {
        *t.outcomes.entry(o.outcome).or_default() += 1;
        *t.statuses.entry(if o.job.is_some() { 202 } else { 200 }).or_default() += 1;
    });
    let Some(j) = &o.job else { return };
    accounting.attempted += 1;
    accounting.accepted += 1;
    for p in j.polls.iter().filter(|p| **p < drain_end) {
        tally(*p, &|t| t.polls += 1);
    }
    if unfinished {
        accounting.unfinished += 1;
        tally(drain_end, &|t| *t.jobs.entry(Outcome::Unresolved).or_default() += 1);
    } else {
        accounting.done += 1;
        tally(j.noticed, &|t| *t.jobs.entry(Outcome::Ok).or_default() += 1);
    }
    if j.done <= drain_end {
        tally(j.done, &|t| t.jobs_finished += 1);
    }
}

fn facts(plan: &Plan, id: CellId, operations: &[Operation], drain_end: f64, a: Accounting) -> CellFacts {
    let polls: usize = operations.iter().filter_map(|o| o.job.as_ref()).map(|j| j.polls.len()).sum();
    // Group commit: everything that comes within 2 ms shares a transaction.
    let batches: BTreeSet<u64> = operations
        .iter()
        .filter_map(|o| o.job.as_ref())
        .flat_map(|j| [j.enqueued, j.leased, j.done])
        .map(|t| (t * 500.0) as u64)
        .collect();
    let busy: f64 = operations.iter().map(|o| o.busy).sum();
    let queued = plan.variants[id.variant].is_async();
    let mut counters = BTreeMap::from([
        ("busy_us".to_owned(), (busy * 1e6) as u64),
        ("attempts".to_owned(), operations.len() as u64),
    ]);
    if queued {
        counters.insert("commits".to_owned(), batches.len() as u64);
    }
    let requests = (operations.len() + polls) as u64;
    CellFacts {
        id,
        origin_ns: Nanos::from_secs(1_000),
        arrivals_end: plan.steps[id.step].load.duration(),
        drain_end: Nanos::from_secs_f64(drain_end),
        driver_cpu: Nanos::from_micros(45 * requests),
        driver_run_queue_wait: Some(Nanos::from_micros(requests)),
        target_cpu: Some(Nanos::from_micros(60 * requests + 400 * operations.len() as u64)),
        target_peak_rss: Some(24 << 20),
        durability: queued.then(|| "D2".to_owned()),
        target_counters: counters,
        accounting: queued.then_some(a),
    }
}
