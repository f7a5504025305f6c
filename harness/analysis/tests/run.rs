//! Analysis of runs made by hand, whose figures follow from closed forms.

use std::collections::BTreeMap;

use plimsoll_analysis::Analysis;
use plimsoll_analysis::capacity::saturation_ratio;
use plimsoll_analysis::cell::{KeptUp, Shortfall};
use plimsoll_analysis::stability::Verdict;
use plimsoll_analysis::summary;
use plimsoll_analysis::trust::Limit;
use plimsoll_analysis::warning::{Kind, Severity};
use plimsoll_model::artefact::{Cell, CellFacts, Ending, Environment, Manifest, Run, SCHEMA};
use plimsoll_model::interval::{Interval, SeriesKey};
use plimsoll_model::plan::{
    ArrivalKind, CellId, Completion, Load, Plan, Request, Segment, Step, Target, Variant,
};
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;

const SECONDS: u64 = 12;

/// A step of constant arrivals at `offered` on a server that can do `capacity`, each operation of
/// which takes `service`: the number out is λ·S below capacity, and beyond grows by λ − μ.
struct Shape {
    offered: u64,
    capacity: u64,
    service: Nanos,
    late: Nanos,
    dropped: u64,
}

const GOOD: Shape =
    Shape { offered: 100, capacity: 200, service: Nanos::from_millis(50), late: Nanos(20_000), dropped: 0 };

fn interval(shape: &Shape, second: u64) -> Interval {
    let done = shape.offered.min(shape.capacity);
    let growth = (shape.offered - done) * (second + 1);
    let in_flight = (done as f64 * shape.service.as_secs_f64()) as u64 + growth;
    let wait = shape.service + Nanos::from_secs_f64(growth as f64 / shape.capacity as f64);
    let mut i = Interval {
        start: Nanos::from_secs(second),
        end: Nanos::from_secs(second + 1),
        in_flight,
        ..Interval::default()
    };
    let tally = i.tallies.entry(Phase::Measured).or_default();
    tally.scheduled = shape.offered;
    tally.sent = shape.offered - shape.dropped;
    tally.outcomes = BTreeMap::from([(Outcome::Ok, done - shape.dropped), (Outcome::Dropped, shape.dropped)]);
    for (metric, value) in
        [(Metric::ResponseTime, wait), (Metric::ServiceTime, wait), (Metric::Lateness, shape.late)]
    {
        let key = SeriesKey { metric, outcome: Outcome::Ok, phase: Phase::Measured };
        let h = i.series.entry(key).or_default();
        (0..done - shape.dropped).for_each(|_| h.record(value));
    }
    i
}

/// The last interval drains what is out, so that the counts balance.
fn cell(id: CellId, shape: &Shape) -> Cell {
    let mut intervals: Vec<Interval> = (0..SECONDS).map(|s| interval(shape, s)).collect();
    let left = shape.offered.saturating_sub(shape.capacity) * SECONDS;
    let mut last = Interval {
        start: Nanos::from_secs(SECONDS),
        end: Nanos::from_secs(SECONDS + 2),
        ..Interval::default()
    };
    last.tallies.entry(Phase::Measured).or_default().outcomes.insert(Outcome::Ok, left);
    intervals.push(last);
    let facts = CellFacts {
        id,
        origin_ns: Nanos::ZERO,
        arrivals_end: Nanos::from_secs(SECONDS),
        drain_end: Nanos::from_secs(SECONDS + 2),
        driver_cpu: Nanos::from_millis(700),
        driver_run_queue_wait: None,
        target_cpu: None,
        target_peak_rss: None,
        durability: None,
        target_counters: BTreeMap::new(),
        accounting: None,
    };
    Cell { facts, intervals }
}

/// A run of variants, each with one shape a step.
fn run(variants: &[Vec<Shape>]) -> Run {
    let variant = |i: usize| Variant {
        name: format!("v{i}"),
        target: Target::External { url: "http://localhost".into() },
        request: Request {
            method: "GET".into(),
            path: "/".into(),
            headers: Vec::new(),
            body: None,
            expect: Vec::new(),
        },
        completion: Completion::Immediate,
    };
    let step = |s: &Shape| {
        let rate = s.offered as f64;
        let profile = vec![Segment { from: rate, to: rate, duration: Nanos::from_secs(SECONDS) }];
        Step { name: format!("{rate}/s"), load: Load::Open { arrivals: ArrivalKind::Constant, profile } }
    };
    let plan = Plan {
        name: "t".into(),
        seed: 1,
        variants: (0..variants.len()).map(variant).collect(),
        steps: variants[0].iter().map(step).collect(),
        warmup: Nanos::ZERO,
        drain_timeout: Nanos::from_secs(10),
        timeout: Nanos::from_secs(10),
        max_in_flight: 1_000,
        shards: 1,
        interval: Nanos::from_secs(1),
        job_ledger: false,
        pacing: Default::default(),
        transport: Default::default(),
    };
    let cells: Vec<Cell> =
        plan.cells().into_iter().map(|id| cell(id, &variants[id.variant][id.step])).collect();
    let manifest = Manifest {
        schema: SCHEMA,
        version: "0".into(),
        command: "compare".into(),
        started_at: "2026-01-01T00:00:00Z".into(),
        ending: Ending::Complete,
        environment: Environment::default(),
        plan,
        cells: cells.iter().map(|c| c.facts.clone()).collect(),
    };
    Run { manifest, cells }
}

fn loads(capacity: u64) -> Vec<Shape> {
    [100, 150, 200, 300].map(|offered| Shape { offered, capacity, ..GOOD }).into()
}

#[test]
fn a_capacity_is_bracketed_on_both_sides() {
    let a = Analysis::of(&run(&[loads(180), loads(250)]));
    let bounds = |v: usize| (a.capacities[v].lower, a.capacities[v].upper);
    assert_eq!((bounds(0), bounds(1)), ((Some(150.0), Some(200.0)), (Some(200.0), Some(300.0))));
    assert_eq!(a.capacities[0].saturation.unwrap().value, Some(180.0));
    assert_eq!(saturation_ratio(&a.capacities), Some(250.0 / 180.0));
}

#[test]
fn a_capacity_never_reached_has_no_upper_bound() {
    let a = Analysis::of(&run(&[loads(1_000)]));
    let c = &a.capacities[0];
    assert_eq!((c.lower, c.upper, c.saturation), (Some(300.0), None, None));
    let a = Analysis::of(&run(&[loads(50)]));
    assert_eq!((a.capacities[0].lower, a.capacities[0].upper), (None, Some(100.0)));
}

#[test]
fn an_inverted_load_keeps_the_smaller_bound() {
    let mut shapes = loads(1_000);
    shapes[1].capacity = 120;
    let c = Analysis::of(&run(&[shapes])).capacities[0].clone();
    assert_eq!((c.lower, c.upper, c.inverted), (Some(100.0), Some(150.0), true));
}

#[test]
fn past_capacity_the_slope_is_the_excess() {
    let a = Analysis::of(&run(&[loads(180)]));
    let cell = &a.cells[3];
    assert_eq!(cell.stability.verdict, Verdict::Unstable);
    assert!((cell.stability.slope.value.unwrap() - 120.0).abs() < 1e-9);
    assert!(matches!(&cell.kept_up, KeptUp::No(r) if r.contains(&Shortfall::Completed(180.0 / 300.0))));
    assert_eq!(cell.drain_time, Some(2.0));
    assert!(a.warnings.iter().any(|w| matches!(w.kind, Kind::Unstable(_))));
}

#[test]
fn littles_law_holds_of_a_steady_queue() {
    let a = Analysis::of(&run(&[vec![GOOD]]));
    let little = a.cells[0].trust.little.unwrap();
    assert_eq!(little.outstanding, 5.0);
    assert!((little.expected - 5.0).abs() < 1e-6 && little.holds());
    let mut broken = run(&[vec![GOOD]]);
    broken.cells[0].intervals.iter_mut().for_each(|i| i.in_flight = 9);
    let a = Analysis::of(&broken);
    assert!(a.warnings.iter().any(|w| matches!(w.kind, Kind::LittleFails { .. })));
}

#[test]
fn a_late_driver_is_told_and_excuses_no_rising_backlog() {
    let late = Nanos::from_millis(8);
    let a = Analysis::of(&run(&[vec![Shape { late, ..GOOD }, Shape { late, offered: 300, ..GOOD }]]));
    assert!(matches!(a.cells[0].trust.limits[..], [Limit::Late { p99, .. }] if (p99 - 0.008).abs() < 1e-4));
    // Bunched starts are harder on the target: what was kept up with all the same was kept up with.
    assert_eq!(a.cells[0].kept_up, KeptUp::Yes);
    assert_eq!(a.capacities[0].upper, Some(300.0));
}

#[test]
fn dropped_starts_limit_and_lost_counts_are_severe() {
    let a = Analysis::of(&run(&[vec![Shape { dropped: 2, ..GOOD }]]));
    assert_eq!(a.cells[0].trust.limits, [Limit::Dropped(24), Limit::NotSent(0.98)]);
    let mut lost = run(&[vec![GOOD]]);
    lost.cells[0].intervals[3].tallies.get_mut(&Phase::Measured).unwrap().scheduled += 1;
    let a = Analysis::of(&lost);
    assert_eq!(a.warnings[0].kind, Kind::CountImbalance { scheduled: 1_201, ended: 1_200 });
    assert_eq!(a.warnings[0].kind.severity(), Severity::Severe);
}

#[test]
fn an_interval_across_an_edge_counts_for_nothing() {
    let mut r = run(&[vec![GOOD]]);
    r.manifest.plan.warmup = Nanos::from_millis(1_500);
    r.cells[0].intervals[1].tallies.get_mut(&Phase::Measured).unwrap().scheduled = 9_999;
    let cell = &Analysis::of(&r).cells[0];
    assert_eq!((cell.rates.scheduled.value, cell.window.2), (Some(100.0), 10.0));
}

#[test]
fn a_run_cut_off_at_once_has_no_figures_and_no_panic() {
    let mut r = run(&[vec![GOOD]]);
    r.cells[0].intervals.clear();
    r.cells[0].facts.drain_end = Nanos::ZERO;
    let a = Analysis::of(&r);
    assert_eq!(a.cells[0].rates.completed.value, None);
    assert_eq!(a.cells[0].kept_up, KeptUp::Unknown);
    assert!(summary::rows(&r, &a).iter().all(|row| row.metric != "response_time"));
}

#[test]
fn summary_tells_unknown_as_nothing_and_exact_figures_exactly() {
    let r = run(&[vec![Shape { offered: 20, capacity: 200, ..GOOD }]]);
    let rows = summary::rows(&r, &Analysis::of(&r));
    let value = |metric: &str, outcome: &str, stat: &str| {
        rows.iter()
            .find(|x| x.metric == metric && x.outcome == outcome && x.stat == stat)
            .unwrap_or_else(|| panic!("{metric} {outcome} {stat}"))
            .value
    };
    // 240 samples: enough for p95, too few for p99.
    assert_eq!(value("response_time", "ok", "p95"), Some(0.05));
    assert_eq!(value("response_time", "ok", "p99"), None);
    assert_eq!(value("response_time", "ok", "count"), Some(240.0));
    assert_eq!(value("rate", "completed", "value"), Some(20.0));
    assert_eq!(value("generator_limited", "", "value"), Some(0.0));
    assert_eq!(value("capacity", "", "lower"), Some(20.0));
}
