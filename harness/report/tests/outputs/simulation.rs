//! Runs simulated by a small queueing model: a FIFO line before `WORKERS` workers, seeded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use plimsoll_model::accounting::{Accounting, LedgerAudit};
use plimsoll_model::artefact::{Cell, CellFacts, Ending, Environment, Manifest, Run, SCHEMA};
use plimsoll_model::interval::{Interval, SeriesKey};
use plimsoll_model::plan::{
    ArrivalKind, Bundled, CellId, Completion, Load, Pacing, Plan, Poll, Request, Segment, Step, Target,
    Transport, Variant,
};
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const WORKERS: usize = 4;
const INTERVAL: f64 = 0.5;
const DURATION: f64 = 8.0;

/// A variant of the simulated target.
pub fn variant(name: &str, queued: bool) -> Variant {
    let shape = if queued { "queued" } else { "sync" };
    let target = Target::Bundled(Bundled {
        workload: "email".into(),
        shape: shape.into(),
        workers: WORKERS as u32,
        queue: "sqlite".into(),
        queue_capacity: 10_000,
        service_time: None,
        options: Vec::new(),
    });
    let request =
        Request { method: "POST".into(), path: "/".into(), headers: vec![], body: None, expect: vec![] };
    let poll = Poll {
        interval: Nanos::from_millis(20),
        backoff: 1.5,
        cap: Nanos::from_millis(500),
        honour_retry_after: true,
    };
    let completion = if queued { Completion::Poll(poll) } else { Completion::Immediate };
    Variant { name: name.into(), target, request, completion }
}

/// An open step.
pub fn open(rate: f64) -> Step {
    let profile = vec![Segment { from: rate, to: rate, duration: Nanos::from_secs_f64(DURATION) }];
    Step { name: format!("{rate}/s"), load: Load::Open { arrivals: ArrivalKind::Poisson, profile } }
}

/// A closed step.
pub fn closed(users: u32) -> Step {
    let duration = Nanos::from_secs_f64(DURATION);
    Step {
        name: format!("{users} users"),
        load: Load::Closed { concurrency: users, think_time: Nanos::ZERO, duration },
    }
}

/// A run of `variants` under `steps`, every cell simulated.
pub fn run(variants: Vec<Variant>, steps: Vec<Step>) -> Run {
    let plan = Plan {
        name: "simulated".into(),
        seed: 1,
        variants,
        steps,
        warmup: Nanos::ZERO,
        drain_timeout: Nanos::from_secs(30),
        timeout: Nanos::from_secs(30),
        max_in_flight: 10_000,
        shards: 1,
        interval: Nanos::from_secs_f64(INTERVAL),
        pacing: Pacing::Fine,
        transport: Transport::Auto,
        job_ledger: false,
    };
    let cells: Vec<Cell> = plan.cells().into_iter().map(|id| cell(&plan, id)).collect();
    let manifest = Manifest {
        schema: SCHEMA,
        version: "0.1.0".into(),
        command: if plan.variants.len() > 1 { "compare" } else { "run" }.into(),
        started_at: "2026-01-02T03:04:05Z".into(),
        ending: Ending::Complete,
        environment: Environment { cpu: "simulated".into(), cores: 2, ..Environment::default() },
        plan,
        cells: cells.iter().map(|c| c.facts.clone()).collect(),
    };
    Run { manifest, cells }
}

/// One operation: when it came, was taken and was done.
struct Operation {
    arrived: f64,
    taken: f64,
    done: f64,
}

/// Exponential service of mean 20 ms: 4 workers do 200/s.
fn operations(load: &Load, seed: u64) -> Vec<Operation> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut exponential = move |mean: f64| -(1.0 - rng.random::<f64>()).ln() * mean;
    let mut free: BinaryHeap<Reverse<u64>> = (0..WORKERS).map(|_| Reverse(0)).collect();
    let mut take = move |arrived: f64, service: f64| {
        let Reverse(at) = free.pop().unwrap();
        let taken = arrived.max(at as f64 / 1e9);
        free.push(Reverse(((taken + service) * 1e9) as u64));
        Operation { arrived, taken, done: taken + service }
    };
    let mut all = Vec::new();
    match load {
        Load::Open { .. } => {
            let mut now = exponential(1.0 / load.offered_rate().unwrap());
            while now < DURATION {
                all.push(take(now, exponential(0.02)));
                now += exponential(1.0 / load.offered_rate().unwrap());
            }
        }
        Load::Closed { concurrency, .. } => {
            let mut ready: BinaryHeap<Reverse<u64>> = (0..*concurrency).map(|_| Reverse(0)).collect();
            while let Some(Reverse(at)) = ready.pop().filter(|r| (r.0 as f64) < DURATION * 1e9) {
                let op = take(at as f64 / 1e9, exponential(0.02));
                ready.push(Reverse((op.done * 1e9) as u64));
                all.push(op);
            }
        }
    }
    all
}

fn cell(plan: &Plan, id: CellId) -> Cell {
    let queued = plan.variants[id.variant].is_async();
    let operations = operations(&plan.steps[id.step].load, 7 + id.step as u64);
    let last = operations.iter().map(|o| o.done).fold(DURATION, f64::max) + 0.05;
    let count = (last / INTERVAL).ceil() as usize;
    let mut intervals: Vec<Interval> = (0..count)
        .map(|k| Interval {
            start: Nanos::from_secs_f64(k as f64 * INTERVAL),
            end: Nanos::from_secs_f64((k + 1) as f64 * INTERVAL),
            ..Interval::default()
        })
        .collect();
    for op in &operations {
        place(&mut intervals, op, queued);
    }
    let n = operations.len() as u64;
    let ledger = Some(LedgerAudit { accepted: n, done: n, ..LedgerAudit::default() });
    let accounting = Accounting { attempted: n, accepted: n, done: n, ledger, ..Accounting::default() };
    let facts = CellFacts {
        id,
        origin_ns: Nanos::from_secs(1),
        arrivals_end: Nanos::from_secs_f64(DURATION),
        drain_end: Nanos::from_secs_f64(last),
        driver_cpu: Nanos::from_millis(100),
        driver_run_queue_wait: Some(Nanos::from_millis(1)),
        target_cpu: Some(Nanos::from_millis(200)),
        target_peak_rss: Some(10 << 20),
        durability: queued.then(|| "D2".to_owned()),
        target_counters: BTreeMap::new(),
        accounting: queued.then_some(accounting),
    };
    Cell { facts, intervals }
}

fn place(intervals: &mut [Interval], op: &Operation, queued: bool) {
    let index = |t: f64| (t / INTERVAL) as usize;
    let last = intervals.len() - 1;
    let at = |t: f64| index(t).min(last);
    let noticed = op.done + 0.01;
    let (begun, ended) = (at(op.arrived), at(if queued { op.arrived } else { op.done }));
    let series = |i: &mut Interval, metric, seconds: f64| {
        let key = SeriesKey { metric, outcome: Outcome::Ok, phase: Phase::Measured };
        i.series.entry(key).or_default().record(Nanos::from_secs_f64(seconds));
    };
    let tally = intervals[begun].tallies.entry(Phase::Measured).or_default();
    tally.scheduled += 1;
    tally.sent += 1;
    series(&mut intervals[begun], Metric::Lateness, 40e-6);
    let answered = if queued { op.arrived + 0.001 } else { op.done };
    let tally = intervals[ended].tallies.entry(Phase::Measured).or_default();
    *tally.outcomes.entry(Outcome::Ok).or_default() += 1;
    *tally.statuses.entry(if queued { 202 } else { 200 }).or_default() += 1;
    series(&mut intervals[ended], Metric::ResponseTime, answered - op.arrived);
    series(&mut intervals[ended], Metric::ServiceTime, answered - op.arrived - 40e-6);
    let out_until = if queued { at(noticed) } else { ended };
    for i in &mut intervals[begun..out_until] {
        if queued { i.backlog += 1 } else { i.in_flight += 1 }
    }
    if queued {
        series(&mut intervals[ended], Metric::AcceptLatency, answered - op.arrived);
        let i = &mut intervals[out_until];
        series(i, Metric::CompletionTime, noticed - op.arrived);
        series(i, Metric::QueueWait, op.taken - op.arrived);
        series(i, Metric::ProcessingTime, op.done - op.taken);
        series(i, Metric::NoticeDelay, noticed - op.done);
        let tally = i.tallies.entry(Phase::Measured).or_default();
        *tally.jobs.entry(Outcome::Ok).or_default() += 1;
        tally.polls += 2;
        intervals[at(op.done)].tallies.entry(Phase::Measured).or_default().jobs_finished += 1;
    }
}
