//! One core's share of a cell: its own thread, runtime, connections and recorder; nothing shared.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use plimsoll_model::plan::{Load, Pacing};
use plimsoll_model::sample::{Metric, Outcome};
use plimsoll_model::time::Nanos;
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;

use crate::arrivals::Arrivals;
use crate::clock::Clock;
use crate::completion::{PollTracker, Submitted};
use crate::jobs::{JobState, JobStates};
use crate::pacer::Pacer;
use crate::recorder::{JobRow, JobSample, Recorder, Sample};
use crate::release::{Handed, Release, Seats};
use crate::request::Requests;
use crate::transport::Dialer;
use crate::worker::{ClosedUser, work};

/// What the user wants of a running cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stop {
    /// To go on.
    #[default]
    No,
    /// To start nothing more, give what is out a moment, and end.
    Soon,
}

/// How long what is out may take to end once the user has asked to stop.
const GRACE: Nanos = Nanos::from_millis(500);

/// Starts handed out in one go before other tasks get a turn.
const BURST: u32 = 64;

/// What all tasks of a shard share.
pub struct Shard<D> {
    /// Measures by this.
    pub clock: Clock,
    /// First intended start's origin.
    pub origin: Nanos,
    /// Number of this shard, and how many there are.
    pub index: u32,
    /// See `index`.
    pub of: u32,
    /// Its load.
    pub load: Load,
    /// How starts are waited for.
    pub pacing: Pacing,
    /// Seed of its arrivals.
    pub seed: u64,
    /// Most operations out at once.
    pub max_in_flight: usize,
    /// Longest wait for an answer.
    pub timeout: Nanos,
    /// Longest wait after the end of arrivals.
    pub drain_timeout: Nanos,
    /// Builds requests.
    pub requests: Requests,
    /// Statuses that count as ok; empty for any 2xx and 3xx.
    pub expect: Vec<u16>,
    /// Opens connections.
    pub dialer: D,
    /// Figures.
    pub recorder: RefCell<Recorder>,
    /// Watches accepted jobs; absent when the response completes the operation.
    pub tracker: Option<PollTracker>,
    /// What became of each submission, kept if there is a tracker.
    pub jobs: RefCell<JobStates>,
    /// Whether every operation's row is told.
    pub rows: bool,
    /// Operations released and not ended.
    pub outstanding: Cell<u64>,
    /// Told when nothing is out any more.
    pub settled: Notify,
    /// Told when what is still out has to be given up.
    pub cut_off: CutOff,
}

/// When the parts of a cell ended, as offsets from its origin.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ended {
    /// Arrivals.
    pub arrivals: Nanos,
    /// Drain.
    pub drain: Nanos,
}

/// Ends every wait at once.
#[derive(Debug, Default)]
pub struct CutOff {
    cut: Cell<bool>,
    waiting: Notify,
}

impl CutOff {
    /// End them.
    pub fn cut(&self) {
        self.cut.set(true);
        self.waiting.notify_waiters();
    }

    /// Return once cut. Cancel-safe.
    pub async fn wait(&self) {
        let cut = self.waiting.notified();
        if !self.cut.get() {
            cut.await;
        }
    }
}

impl<D: Dialer + 'static> Shard<D> {
    /// Perform the cell: arrivals, then the drain; what is out after that is unresolved.
    ///
    /// # Errors
    /// When the kernel refuses a timer.
    pub async fn run(self: Rc<Self>, mut stop: watch::Receiver<Stop>) -> io::Result<Ended> {
        let local = LocalSet::new();
        let ended = local
            .run_until(async {
                tokio::task::spawn_local(tick(Rc::clone(&self)));
                if self.tracker.is_some() {
                    tokio::task::spawn_local(PollTracker::run(Rc::clone(&self)));
                }
                self.start_all(&mut stop).await?;
                let arrivals = self.elapsed();
                self.drain(&mut stop).await;
                self.cut_off.cut();
                io::Result::Ok(Ended { arrivals, drain: Nanos::ZERO })
            })
            .await?;
        // Workers end by the cut; a connection that will not close must not hold up the report.
        let _ = tokio::time::timeout(GRACE.as_duration(), local).await;
        self.give_up();
        let drain = self.elapsed();
        self.recorder.borrow_mut().finish(self.origin + drain);
        Ok(Ended { drain, ..ended })
    }

    fn elapsed(&self) -> Nanos {
        self.clock.now() - self.origin
    }

    async fn start_all(self: &Rc<Self>, stop: &mut watch::Receiver<Stop>) -> io::Result<()> {
        let mut pacer = Pacer::new(self.clock, self.pacing)?;
        let end = self.origin + self.load.duration();
        match self.load.clone() {
            Load::Open { arrivals, profile } => {
                let schedule = Arrivals::new(arrivals, &profile, self.seed).shard(self.index, self.of);
                let seats = Seats::new(self.max_in_flight);
                self.follow(schedule, &seats, &mut pacer, stop).await?;
                until(&mut pacer, end, stop).await?;
                seats.close();
            }
            Load::Closed { concurrency, think_time, .. } => {
                pacer.until(self.origin).await?;
                let users = (0..concurrency).filter(|user| user % self.of == self.index);
                let count = Rc::new(Cell::new(0));
                for _ in users {
                    let user =
                        ClosedUser::new(Rc::clone(self), think_time, end, Rc::clone(&count), stop.clone());
                    tokio::task::spawn_local(work(Rc::clone(self), user));
                }
                until(&mut pacer, end, stop).await?;
            }
        }
        Ok(())
    }

    /// Release each arrival of `schedule` at its time.
    async fn follow(
        self: &Rc<Self>,
        schedule: impl Iterator<Item = (u64, Nanos)>,
        seats: &Rc<Seats<Release>>,
        pacer: &mut Pacer,
        stop: &mut watch::Receiver<Stop>,
    ) -> io::Result<()> {
        let mut burst = 0;
        for (seq, offset) in schedule {
            let release = Release { seq, intended: self.origin + offset };
            if self.clock.now() < release.intended {
                burst = 0;
                until(pacer, release.intended, stop).await?;
            } else if burst == BURST {
                burst = 0;
                tokio::task::yield_now().await;
            }
            if *stop.borrow() != Stop::No {
                break;
            }
            burst += 1;
            self.release(release, seats);
        }
        Ok(())
    }

    fn release(self: &Rc<Self>, release: Release, seats: &Rc<Seats<Release>>) {
        let now = self.clock.now();
        self.recorder.borrow_mut().scheduled(release.intended, now);
        self.outstanding.set(self.outstanding.get() + 1);
        match seats.hand(release) {
            Handed::Taken => {}
            Handed::Spawn(seat) => {
                tokio::task::spawn_local(work(Rc::clone(self), seat));
            }
            Handed::Full(release) => {
                self.recorder.borrow_mut().dropped(release.intended, now);
                self.settle();
            }
        }
    }

    /// Wait until nothing is out, at most the drain's time-out.
    async fn drain(&self, stop: &mut watch::Receiver<Stop>) {
        let nothing_out = async {
            while self.outstanding.get() > 0 || self.recorder.borrow().backlog() > 0 {
                self.settled.notified().await;
            }
        };
        let stopped = async {
            let _ = stop.wait_for(|s| *s != Stop::No).await.is_err() && std::future::pending().await;
            tokio::time::sleep(GRACE.as_duration()).await;
        };
        tokio::select! {
            () = nothing_out => {}
            () = tokio::time::sleep(self.drain_timeout.as_duration()) => {}
            () = stopped => {}
        }
    }

    /// One released operation has ended or was dropped.
    fn settle(&self) {
        self.outstanding.set(self.outstanding.get() - 1);
        self.tell_if_settled();
    }

    fn tell_if_settled(&self) {
        if self.outstanding.get() == 0 && self.recorder.borrow().backlog() == 0 {
            self.settled.notify_one();
        }
    }

    /// Record an ended operation; a job it left behind, at the status resource `location`, is watched from now on.
    pub fn operation_ended(
        &self,
        release: Release,
        sample: &Sample,
        state: JobState,
        location: Option<Box<str>>,
    ) {
        self.recorder.borrow_mut().ended(sample);
        if let Some(tracker) = &self.tracker {
            self.set_job(release.seq, state);
            if let Some(location) = location {
                tracker.watch(Submitted::new(release, *sample, location, tracker.first_due(sample.ended)));
            }
        }
        if self.rows && !sample.accepted {
            self.recorder.borrow().row(JobRow { seq: release.seq, sample: *sample, job: None });
        }
        self.settle();
    }

    /// Record an ended, lost or given-up job.
    pub fn job_ended(&self, job: &Submitted, sample: JobSample, state: JobState) {
        self.set_job(job.seq, state);
        self.recorder.borrow_mut().job_ended(&sample);
        if self.rows {
            let row = JobRow { seq: job.seq, sample: job.submission, job: Some(sample) };
            self.recorder.borrow().row(row);
        }
        self.tell_if_settled();
    }

    fn set_job(&self, seq: u64, state: JobState) {
        self.jobs.borrow_mut().set(seq / u64::from(self.of), state);
    }

    /// Jobs still watched are unfinished.
    fn give_up(&self) {
        let Some(tracker) = &self.tracker else { return };
        let noticed = self.clock.now();
        for job in tracker.take_all() {
            self.job_ended(&job, job.unresolved(noticed), JobState::Unfinished);
        }
    }
}

/// Send off intervals as they end, even when nothing happens.
async fn tick<D>(shard: Rc<Shard<D>>) {
    loop {
        let end = shard.recorder.borrow().interval_end();
        let wait = end - shard.clock.now();
        tokio::select! {
            () = tokio::time::sleep(wait.as_duration()) => {}
            () = shard.cut_off.wait() => return,
        }
        shard.recorder.borrow_mut().advance(shard.clock.now());
    }
}

/// Wait until `instant`, or until the user wants to stop.
async fn until(pacer: &mut Pacer, instant: Nanos, stop: &mut watch::Receiver<Stop>) -> io::Result<()> {
    tokio::select! {
        biased;
        waited = pacer.until(instant) => waited,
        Ok(_) = stop.wait_for(|s| *s != Stop::No) => Ok(()),
    }
}

// The names in the recorder's arrays are used as indices.
const _: () = assert!(Outcome::Unresolved as usize == 5 && Metric::CompletionTime as usize == 9);
