//! Performs one cell: shards up, figures gathered, shards down.

use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use plimsoll_model::interval::Interval;
use plimsoll_model::plan::{CellId, Completion, Plan};
use plimsoll_model::time::{Nanos, monotonic_now};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::completion::PollTracker;
use crate::jobs::JobStates;
use crate::recorder::{Boundaries, JobRow, Recorder, Told};
use crate::request::{RequestError, Requests};
use crate::shard::{CutOff, Ended, Shard, Stop};
use crate::shelf::Shelf;
use crate::transport::{AutoDialer, Endpoint};

/// From the start of the shards' threads to the first intended start's origin.
const LEAD: Nanos = Nanos::from_millis(20);

/// One cell to perform.
#[derive(Debug)]
pub struct CellJob<'a> {
    /// The plan it belongs to.
    pub plan: &'a Plan,
    /// Which of its cells.
    pub id: CellId,
    /// Where its target is.
    pub endpoint: Endpoint,
    /// Begins every key; see [`Requests`].
    pub key_prefix: String,
    /// Whether the target's stamps are of this machine's `CLOCK_MONOTONIC`.
    pub shared_clock: bool,
}

/// What is known of a performed cell beside its intervals.
#[derive(Debug)]
pub struct CellResult {
    /// `CLOCK_MONOTONIC` of the origin.
    pub origin: Nanos,
    /// End of arrivals, since the origin.
    pub arrivals_end: Nanos,
    /// End of the drain, since the origin.
    pub drain_end: Nanos,
    /// Time the shards' threads were runnable but not running, where the kernel tells.
    pub run_queue_wait: Option<Nanos>,
    /// What became of each submission; empty where responses complete operations.
    pub jobs: JobStates,
}

/// Receives what a running cell gives.
pub trait Listener {
    /// The cell is about to begin; `origin` is the `CLOCK_MONOTONIC` its offsets count from.
    ///
    /// # Errors
    /// An error stops the cell.
    fn begun(&mut self, origin: Nanos) -> io::Result<()>;

    /// An interval of one shard, or an amendment to an earlier one; those with the same start add up.
    ///
    /// # Errors
    /// An error stops the cell.
    fn interval(&mut self, interval: &Interval) -> io::Result<()>;

    /// One ended operation; only if the plan asks for rows.
    ///
    /// # Errors
    /// An error stops the cell.
    fn row(&mut self, row: &JobRow) -> io::Result<()>;
}

/// A cell that could not be performed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its requests can't be built.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The system refused a thread or a timer, or the figures could not be kept.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A shard's thread panicked: a bug.
    #[error("a load thread panicked: this is a bug in plimsoll; its message is above")]
    Panicked,
}

struct ShardEnd {
    ended: Ended,
    jobs: JobStates,
    run_queue_wait: Option<Nanos>,
}

/// Perform `cell`, telling `listener` its figures as they come; `stop` ends it early.
///
/// # Errors
/// See [`EngineError`]. The shards are down when this returns.
pub fn perform(
    cell: &CellJob<'_>,
    stop: &watch::Receiver<Stop>,
    listener: &mut dyn Listener,
) -> Result<CellResult, EngineError> {
    let origin = monotonic_now() + LEAD;
    listener.begun(origin)?;
    let (told, heard) = channel();
    let mut cleared = Vec::new();
    let mut threads = Vec::new();
    // A listener that fails must stop the shards too.
    let (own_stop, shard_stop) = watch::channel(*stop.borrow());
    for index in 0..cell.plan.shards {
        let (sender, receiver) = channel();
        cleared.push(sender);
        let parts = Parts::new(cell, origin, index)?;
        let (told, stop) = (told.clone(), shard_stop.clone());
        let thread = thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(move || parts.run(told, receiver, stop))?;
        threads.push(thread);
    }
    drop(told);
    let listened = listen(&heard, &cleared, stop, &own_stop, listener);
    let mut ends = Vec::new();
    for thread in threads {
        ends.push(thread.join().map_err(|_| EngineError::Panicked)??);
    }
    listened?;
    let jobs: Vec<JobStates> = ends.iter_mut().map(|e| std::mem::take(&mut e.jobs)).collect();
    let latest = |of: fn(&Ended) -> Nanos| ends.iter().map(|e| of(&e.ended)).max().unwrap_or_default();
    Ok(CellResult {
        origin,
        arrivals_end: latest(|e| e.arrivals).min(cell.plan.steps[cell.id.step].load.duration()),
        drain_end: latest(|e| e.drain),
        run_queue_wait: ends.iter().map(|e| e.run_queue_wait).sum(),
        jobs: JobStates::gather(&jobs),
    })
}

/// Pass on what the shards tell, until they have all hung up.
fn listen(
    heard: &Receiver<Told>,
    cleared: &[Sender<Box<Shelf>>],
    stop: &watch::Receiver<Stop>,
    own_stop: &watch::Sender<Stop>,
    listener: &mut dyn Listener,
) -> io::Result<()> {
    let mut result = Ok(());
    loop {
        // Short waits, so that the user's wish reaches the shards between two intervals.
        match heard.recv_timeout(std::time::Duration::from_millis(50)) {
            Ok(told) => {
                let passed_on = pass_on(told, cleared, listener);
                result = result.and(passed_on);
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return result,
        }
        let wish = if result.is_err() { Stop::Soon } else { *stop.borrow() };
        own_stop.send_if_modified(|current| std::mem::replace(current, wish) != wish);
    }
}

fn pass_on(told: Told, cleared: &[Sender<Box<Shelf>>], listener: &mut dyn Listener) -> io::Result<()> {
    match told {
        Told::Job(row) => listener.row(&row),
        Told::Interval(mut shelf) => {
            let passed_on = shelf.to_intervals().iter().try_for_each(|i| listener.interval(i));
            shelf.clear();
            // A shard that has ended needs no more shelves.
            let _ = cleared[shelf.shard].send(shelf);
            passed_on
        }
    }
}

/// What a shard's thread is made from.
struct Parts {
    plan: Plan,
    id: CellId,
    endpoint: Endpoint,
    shared_clock: bool,
    requests: Requests,
    origin: Nanos,
    index: u32,
}

impl Parts {
    fn new(cell: &CellJob<'_>, origin: Nanos, index: u32) -> Result<Self, RequestError> {
        let variant = &cell.plan.variants[cell.id.variant];
        Ok(Parts {
            plan: cell.plan.clone(),
            id: cell.id,
            endpoint: cell.endpoint.clone(),
            shared_clock: cell.shared_clock,
            requests: Requests::new(&variant.request, &cell.endpoint, &cell.key_prefix)?,
            origin,
            index,
        })
    }

    fn run(
        self,
        told: Sender<Told>,
        cleared: Receiver<Box<Shelf>>,
        stop: watch::Receiver<Stop>,
    ) -> io::Result<ShardEnd> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shard = Rc::new(self.shard(told, cleared));
        let ended = runtime.block_on(Rc::clone(&shard).run(stop))?;
        Ok(ShardEnd { ended, jobs: shard.jobs.take(), run_queue_wait: run_queue_wait() })
    }

    fn shard(self, told: Sender<Told>, cleared: Receiver<Box<Shelf>>) -> Shard<AutoDialer> {
        let clock = Clock::Monotonic;
        let plan = &self.plan;
        let variant = &plan.variants[self.id.variant];
        let load = plan.steps[self.id.step].load.clone();
        let boundaries =
            Boundaries { warmup: plan.warmup, arrivals_end: load.duration(), interval: plan.interval };
        let tracker = match &variant.completion {
            Completion::Immediate => None,
            Completion::Poll(poll) => {
                Some(PollTracker::new(poll.clone(), self.endpoint.clone(), self.shared_clock))
            }
        };
        Shard {
            clock,
            origin: self.origin,
            index: self.index,
            of: plan.shards,
            load,
            pacing: plan.pacing,
            // Each step has arrivals of its own, the same for each variant.
            seed: plan.seed.wrapping_add(self.id.step as u64),
            max_in_flight: (plan.max_in_flight.div_ceil(plan.shards)) as usize,
            timeout: plan.timeout,
            drain_timeout: plan.drain_timeout,
            requests: self.requests,
            expect: variant.request.expect.clone(),
            dialer: AutoDialer::new(plan.transport, self.endpoint, clock),
            recorder: Recorder::new(self.index as usize, self.origin, boundaries, told, cleared).into(),
            tracker,
            jobs: Default::default(),
            rows: plan.job_ledger,
            outstanding: Default::default(),
            settled: Default::default(),
            cut_off: CutOff::default(),
        }
    }
}

/// How long this thread has been runnable without running: the second figure of schedstat, ns.
fn run_queue_wait() -> Option<Nanos> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Nanos(text.split_whitespace().nth(1)?.parse().ok()?))
}
