//! The worker loop against simulated servers under a paused clock: exact figures, no real waiting.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::channel;

use bytes::Bytes;
use http::Method;
use plimsoll_load::clock::Clock;
use plimsoll_load::completion::PollTracker;
use plimsoll_load::recorder::{Boundaries, Recorder, Told};
use plimsoll_load::request::Requests;
use plimsoll_load::shard::{Shard, Stop};
use plimsoll_load::transport::{Ask, Dialer, Endpoint, Exchange, Keep, Notable, Transport, TransportError};
use plimsoll_model::accounting::Accounting;
use plimsoll_model::histogram::LatencyHistogram;
use plimsoll_model::interval::Interval;
use plimsoll_model::plan::{self, ArrivalKind, Load, Pacing, Poll, Segment};
use plimsoll_model::sample::{Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;
use tokio::sync::watch;

/// A FIFO server with one worker, seen through any number of connections.
struct Fifo {
    clock: Clock,
    free_at: Cell<Nanos>,
    served: Cell<u64>,
    service_time: Box<dyn Fn(u64) -> Nanos>,
    /// Nobody is served within: (from, to), offsets from the origin.
    frozen: (Nanos, Nanos),
    /// Whether each request waits only for itself.
    ample: bool,
    /// Whether a POST is answered at once and its job done later.
    queued: bool,
    done_at: RefCell<Vec<Nanos>>,
}

impl Fifo {
    /// When a request that comes now is done.
    fn serve(&self) -> Nanos {
        let now = self.clock.now();
        let number = self.served.get();
        self.served.set(number + 1);
        let mut start = if self.ample { now } else { now.max(self.free_at.get()) };
        if start >= self.frozen.0 && start < self.frozen.1 {
            start = self.frozen.1;
        }
        let done = start + (self.service_time)(number);
        self.free_at.set(done);
        done
    }
}

#[derive(Clone)]
struct Simulated(Rc<Fifo>);

impl Dialer for Simulated {
    type Transport = Simulated;
    fn open(&self) -> Simulated {
        self.clone()
    }
}

impl Transport for Simulated {
    async fn exchange(&mut self, ask: Ask<'_>, _: Keep) -> Result<Exchange, TransportError> {
        let request = ask.to_http();
        let server = &self.0;
        let sleep_until = async |at: Nanos| tokio::time::sleep((at - server.clock.now()).as_duration()).await;
        let (mut status, mut notable, mut body) = (200, Notable::default(), String::new());
        if request.method() == Method::GET && server.queued {
            let job: usize = request.uri().path().trim_start_matches("/jobs/").parse().expect("a job's path");
            let done = server.done_at.borrow()[job];
            body = if done <= server.clock.now() {
                format!(r#"{{"status":"succeeded","stamps":{{"done_us":{}}}}}"#, done.0 / 1000)
            } else {
                notable.retry_after = Some(Nanos::ZERO);
                r#"{"status":"queued"}"#.to_owned()
            };
        } else if server.queued {
            let done = server.serve();
            let mut jobs = server.done_at.borrow_mut();
            notable.location = Some(format!("/jobs/{}", jobs.len()).into());
            jobs.push(done);
            status = 202;
        } else {
            sleep_until(server.serve()).await;
        }
        let now = server.clock.now();
        Ok(Exchange {
            status,
            first_byte: now,
            last_byte: now,
            connect: None,
            notable,
            bytes_in: body.len() as u64,
            body: Bytes::from(body),
        })
    }
}

/// A cell to simulate.
struct Simulation {
    load: Load,
    service_time: Box<dyn Fn(u64) -> Nanos>,
    frozen: (Nanos, Nanos),
    ample: bool,
    queued: bool,
    max_in_flight: usize,
    timeout: Nanos,
    drain_timeout: Nanos,
    stop_at: Option<Nanos>,
}

const fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

fn constant(rate: f64, seconds: u64) -> Load {
    let profile = vec![Segment { from: rate, to: rate, duration: Nanos::from_secs(seconds) }];
    Load::Open { arrivals: ArrivalKind::Constant, profile }
}

impl Simulation {
    fn new(load: Load, service_time: impl Fn(u64) -> Nanos + 'static) -> Self {
        Simulation {
            load,
            service_time: Box::new(service_time),
            frozen: (Nanos::MAX, Nanos::MAX),
            ample: false,
            queued: false,
            max_in_flight: 10_000,
            timeout: Nanos::from_secs(600),
            drain_timeout: Nanos::from_secs(600),
            stop_at: None,
        }
    }

    fn run(self) -> Figures {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(self.perform())
    }

    async fn perform(self) -> Figures {
        let clock = Clock::Runtime(tokio::time::Instant::now());
        let endpoint = Endpoint::resolve("http://127.0.0.1:1/").expect("an endpoint");
        let request = plan::Request {
            method: if self.queued { "POST" } else { "GET" }.to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: None,
            expect: Vec::new(),
        };
        let (told, heard) = channel();
        let (_, cleared) = channel();
        let boundaries =
            Boundaries { warmup: Nanos::ZERO, arrivals_end: self.load.duration(), interval: ms(1000) };
        let poll = Poll { interval: ms(20), backoff: 1.0, cap: ms(20), honour_retry_after: true };
        let shard = Rc::new(Shard {
            clock,
            origin: Nanos::ZERO,
            index: 0,
            of: 1,
            load: self.load,
            pacing: Pacing::Fine,
            seed: 1,
            max_in_flight: self.max_in_flight,
            timeout: self.timeout,
            drain_timeout: self.drain_timeout,
            requests: Requests::new(&request, &endpoint, "k-").expect("requests"),
            expect: Vec::new(),
            dialer: Simulated(Rc::new(Fifo {
                clock,
                free_at: Cell::default(),
                served: Cell::default(),
                service_time: self.service_time,
                frozen: self.frozen,
                ample: self.ample,
                queued: self.queued,
                done_at: RefCell::default(),
            })),
            recorder: Recorder::new(0, Nanos::ZERO, boundaries, told, cleared).into(),
            tracker: self.queued.then(|| PollTracker::new(poll, endpoint, true)),
            jobs: Default::default(),
            rows: false,
            outstanding: Default::default(),
            settled: Default::default(),
            cut_off: Default::default(),
        });
        let (wish, stop) = watch::channel(Stop::No);
        if let Some(at) = self.stop_at {
            tokio::spawn(async move {
                tokio::time::sleep(at.as_duration()).await;
                wish.send_replace(Stop::Soon);
            });
        }
        Rc::clone(&shard).run(stop).await.expect("no I/O is done");
        let accounting = shard.jobs.borrow().accounting();
        drop(shard);
        let shelves = heard.try_iter().filter_map(|t| match t {
            Told::Interval(shelf) => Some(shelf),
            Told::Job(_) => None,
        });
        let intervals: Vec<Interval> = shelves.flat_map(|s| s.to_intervals()).collect();
        let mut all = Interval { start: Nanos::MAX, ..Interval::default() };
        intervals.iter().for_each(|i| all.merge_later(i));
        Figures { intervals, all, accounting }
    }
}

struct Figures {
    intervals: Vec<Interval>,
    all: Interval,
    accounting: Accounting,
}

impl Figures {
    fn latency(&self, metric: Metric) -> LatencyHistogram {
        self.all.merged(metric, Phase::Measured, &Outcome::ALL)
    }

    fn response(&self, q: f64) -> f64 {
        self.latency(Metric::ResponseTime).quantile(q).expect("a response").as_secs_f64()
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.all.total().outcome(outcome)
    }

    fn assert_balanced(&self) {
        let total = self.all.total();
        assert_eq!(total.scheduled, total.ended(), "{total:?}");
        assert_eq!(total.scheduled, total.sent + total.outcome(Outcome::Dropped));
    }
}

fn close(told: f64, expected: f64, tolerance: f64) {
    assert!((told - expected).abs() <= tolerance, "{told} is not {expected} ± {tolerance}");
}

#[test]
fn ample_capacity_gives_the_service_time_at_every_quantile() {
    let run = Simulation { ample: true, ..Simulation::new(constant(100.0, 10), |_| ms(30)) }.run();
    run.assert_balanced();
    assert_eq!(run.count(Outcome::Ok), 1000);
    for metric in [Metric::ResponseTime, Metric::ServiceTime] {
        let h = run.latency(metric);
        assert_eq!((h.min(), h.max()), (Some(ms(30)), Some(ms(30))), "{metric:?}");
    }
    assert_eq!(run.latency(Metric::Lateness).max(), Some(Nanos::ZERO));
}

#[test]
fn a_freeze_of_a_fifo_server_follows_its_closed_form() {
    // λ = 50/s, S = 10 ms (ρ = 0.5), T = 60 s, D = 2 s:
    // q(p) = S + max(0, D − (1−p)·T·(1−ρ)), mean = S + D²/(2·T·(1−ρ)).
    let frozen = (ms(10_000), ms(12_000));
    let run = Simulation { frozen, ..Simulation::new(constant(50.0, 60), |_| ms(10)) }.run();
    run.assert_balanced();
    for p in [0.5, 0.9, 0.95, 0.99, 0.999] {
        close(run.response(p), 0.010 + f64::max(0.0, 2.0 - (1.0 - p) * 60.0 * 0.5), 0.022);
    }
    let mean = run.latency(Metric::ResponseTime).mean().expect("a mean").as_secs_f64();
    close(mean, 0.010 + 4.0 / (2.0 * 60.0 * 0.5), 0.002);
    assert_eq!(run.count(Outcome::Ok), 3000, "no start was skipped while the server stood still");
}

#[test]
fn overload_grows_with_time_and_completes_at_the_servers_rate() {
    // λ = 125/s, μ = 100/s, T = 20 s: q(p) = p·T·(ρ−1), drained after T·(ρ−1) more.
    let run = Simulation::new(constant(125.0, 20), |_| ms(10)).run();
    run.assert_balanced();
    for p in [0.1, 0.5, 0.9, 0.99] {
        close(run.response(p), p * 20.0 * 0.25, 0.05);
    }
    let within: u64 = run
        .intervals
        .iter()
        .filter(|i| i.end <= Nanos::from_secs(20))
        .map(|i| i.total().outcome(Outcome::Ok))
        .sum();
    close(within as f64, 20.0 * 100.0, 2.0);
    close(run.all.end.as_secs_f64(), 25.0, 0.05);
}

#[test]
fn one_in_ten_slow_calls_delay_exactly_their_successors() {
    // A start each 100 ms, every tenth takes 150 ms and the rest 1 ms: 80 % at 1, 10 % at 51, 10 % at 150 ms.
    let slow = |n| if n % 10 == 5 { ms(150) } else { ms(1) };
    let h = Simulation::new(constant(10.0, 100), slow).run().latency(Metric::ResponseTime);
    let within = |from: u64, to: u64| h.count_above(ms(from)) - h.count_above(ms(to));
    assert_eq!((within(0, 2), within(50, 53), within(149, 152)), (800, 100, 100));
}

#[test]
fn a_start_without_room_is_dropped_and_never_delayed() {
    let run =
        Simulation { ample: true, max_in_flight: 2, ..Simulation::new(constant(10.0, 10), |_| ms(950)) }
            .run();
    run.assert_balanced();
    // Each second two of the ten starts find room.
    assert_eq!((run.count(Outcome::Ok), run.count(Outcome::Dropped)), (20, 80));
    assert_eq!(run.latency(Metric::ResponseTime).max(), Some(ms(950)));
}

#[test]
fn slow_answers_time_out_and_are_kept_apart() {
    let service = |n| if n % 2 == 0 { ms(10) } else { ms(5000) };
    let run =
        Simulation { ample: true, timeout: ms(1000), ..Simulation::new(constant(10.0, 10), service) }.run();
    run.assert_balanced();
    assert_eq!((run.count(Outcome::Ok), run.count(Outcome::TimedOut)), (50, 50));
    let ok = run.all.merged(Metric::ResponseTime, Phase::Measured, &[Outcome::Ok]);
    assert_eq!(ok.max(), Some(ms(10)));
    let late = run.all.merged(Metric::ResponseTime, Phase::Measured, &[Outcome::TimedOut]);
    assert_eq!((late.min(), late.max()), (Some(ms(1000)), Some(ms(1000))));
}

#[test]
fn what_never_ends_is_unresolved_with_the_time_waited_as_a_lower_bound() {
    let frozen = (ms(5000), Nanos::from_secs(100_000));
    let simulation = Simulation::new(constant(10.0, 10), |_| ms(10));
    let run = Simulation { frozen, ample: true, drain_timeout: ms(2000), ..simulation }.run();
    run.assert_balanced();
    assert_eq!((run.count(Outcome::Ok), run.count(Outcome::Unresolved)), (50, 50));
    let waited = run.all.merged(Metric::ResponseTime, Phase::Measured, &[Outcome::Unresolved]);
    assert_eq!((waited.min(), waited.max()), (Some(ms(2100)), Some(ms(7000))));
}

#[test]
fn a_closed_model_obeys_the_interactive_law() {
    // X = N / (R + Z), with R = S as every user has a server of its own.
    let load = Load::Closed { concurrency: 8, think_time: ms(30), duration: Nanos::from_secs(20) };
    let run = Simulation { ample: true, ..Simulation::new(load, |_| ms(10)) }.run();
    run.assert_balanced();
    close(run.count(Outcome::Ok) as f64, 8.0 / 0.040 * 20.0, 8.0);
}

#[test]
fn a_closed_model_saturates_a_fifo_server() {
    // N = 5, Z = 0: R = N·S, X = 1/S.
    let load = Load::Closed { concurrency: 5, think_time: Nanos::ZERO, duration: Nanos::from_secs(10) };
    let run = Simulation::new(load, |_| ms(10)).run();
    close(run.count(Outcome::Ok) as f64, 1000.0, 6.0);
    close(run.response(0.5), 0.050, 0.001);
}

#[test]
fn jobs_are_followed_to_their_end_and_each_is_accounted_for() {
    // ρ = 1.25 for 10 s: every acceptance is immediate, the last job ends 2.5 s after the arrivals.
    let run = Simulation { queued: true, ..Simulation::new(constant(125.0, 10), |_| ms(10)) }.run();
    run.assert_balanced();
    let a = &run.accounting;
    assert_eq!((a.attempted, a.accepted, a.done), (1250, 1250, 1250));
    assert!(a.is_valid());
    assert_eq!(run.latency(Metric::AcceptLatency).max(), Some(Nanos::ZERO));
    let completion = run.latency(Metric::CompletionTime);
    for p in [0.25, 0.5, 0.9] {
        close(completion.quantile(p).expect("a completion").as_secs_f64(), p * 2.5 + 0.010, 0.05);
    }
    // Polled every 20 ms: noticed at most that much late, never early.
    assert!(run.latency(Metric::NoticeDelay).max() <= Some(ms(21)));
    let within: u64 =
        run.intervals.iter().filter(|i| i.end <= Nanos::from_secs(10)).map(|i| i.total().jobs_finished).sum();
    close(within as f64, 1000.0, 2.0);
}

#[test]
fn jobs_that_outlast_the_drain_are_unfinished_not_lost() {
    let simulation = Simulation::new(constant(10.0, 10), |_| Nanos::from_secs(3));
    let run = Simulation { queued: true, drain_timeout: ms(5500), ..simulation }.run();
    let a = &run.accounting;
    assert!(a.balances());
    assert_eq!((a.attempted, a.done, a.unfinished, a.lost), (100, 5, 95, 0));
    assert_eq!(run.all.total().job(Outcome::Unresolved), 95);
}

#[test]
fn a_wish_to_stop_ends_the_arrivals_and_keeps_what_was_measured() {
    let simulation = Simulation::new(constant(10.0, 60), |_| ms(10));
    let run = Simulation { stop_at: Some(ms(5050)), ..simulation }.run();
    run.assert_balanced();
    assert_eq!(run.count(Outcome::Ok), 51);
    assert!(run.all.end < Nanos::from_secs(7), "{}", run.all.end);
}
