//! Polls the status resource of each accepted job until it has ended.

use std::cell::RefCell;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::rc::Rc;

use plimsoll_model::plan::{Pacing, Poll};
use plimsoll_model::sample::Outcome;
use plimsoll_model::time::Nanos;
use tokio::sync::Notify;

use super::status::{JobProgress, Stamps, StatusError, read_status};
use crate::jobs::JobState;
use crate::pacer::Pacer;
use crate::recorder::{JobSample, Sample};
use crate::release::{Handed, Release, SeatSource, Seats, Source};
use crate::shard::Shard;
use crate::transport::{Ask, Dialer, Endpoint, Exchange, Keep, Transport, TransportError};

/// Connections a shard polls with.
const POLLERS: usize = 32;

/// Longest status document read, bytes.
const LONGEST_DOCUMENT: usize = 64 * 1024;

/// Answers in a row that are no status document before a job is left unobserved.
const STRIKES: u8 = 3;

/// An accepted job being watched.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// Number of its submission.
    pub seq: u64,
    /// Its submission.
    pub submission: Sample,
    path: Box<str>,
    due: Nanos,
    wait: Nanos,
    strikes: u8,
}

impl Submitted {
    /// A job accepted with `submission`, whose status is at `path` and is first asked for at `due`.
    pub fn new(release: Release, submission: Sample, path: Box<str>, due: Nanos) -> Self {
        Submitted { seq: release.seq, submission, path, due, wait: due - submission.ended, strikes: 0 }
    }

    /// As given up at `noticed`.
    pub fn unresolved(&self, noticed: Nanos) -> JobSample {
        JobSample {
            intended: self.submission.intended,
            noticed,
            outcome: Outcome::Unresolved,
            queue_wait: None,
            processing: None,
            finished: None,
        }
    }
}

impl PartialEq for Submitted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Submitted {}
impl PartialOrd for Submitted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Submitted {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.seq).cmp(&(other.due, other.seq))
    }
}

/// The accepted jobs of a shard, by the time of their next poll.
#[derive(Debug)]
pub struct PollTracker {
    plan: Poll,
    endpoint: Endpoint,
    /// Whether the target's stamps are of the driver's own clock.
    shared_clock: bool,
    due: RefCell<BinaryHeap<Reverse<Submitted>>>,
    sooner: Notify,
}

impl PollTracker {
    /// Nothing watched yet.
    pub fn new(plan: Poll, endpoint: Endpoint, shared_clock: bool) -> Self {
        PollTracker { plan, endpoint, shared_clock, due: RefCell::default(), sooner: Notify::new() }
    }

    /// The path under which `location` is polled, if it is of the target's own origin.
    pub fn path(&self, location: &str) -> Option<Box<str>> {
        self.endpoint.same_origin_path(location).filter(|p| p.parse::<http::Uri>().is_ok()).map(Into::into)
    }

    /// When a job accepted at `accepted` is first polled.
    pub fn first_due(&self, accepted: Nanos) -> Nanos {
        accepted + self.plan.interval
    }

    /// Watch `job`.
    pub fn watch(&self, job: Submitted) {
        let mut due = self.due.borrow_mut();
        let is_next = due.peek().is_none_or(|Reverse(next)| job.due < next.due);
        due.push(Reverse(job));
        if is_next {
            self.sooner.notify_one();
        }
    }

    /// Stop watching; the jobs that were.
    pub fn take_all(&self) -> Vec<Submitted> {
        self.due.take().into_iter().map(|Reverse(job)| job).collect()
    }

    /// Poll each watched job when it is due, until cut off.
    pub async fn run<D: Dialer + 'static>(shard: Rc<Shard<D>>) -> io::Result<()> {
        let Some(tracker) = &shard.tracker else { return Ok(()) };
        let mut pacer = Pacer::new(shard.clock, Pacing::Fine)?;
        let seats = Seats::new(POLLERS);
        let polling = async {
            loop {
                let job = tracker.next_due(&mut pacer).await?;
                match seats.hand(job) {
                    Handed::Taken => {}
                    Handed::Spawn(seat) => {
                        tokio::task::spawn_local(poller(Rc::clone(&shard), seat));
                    }
                    Handed::Full(job) => {
                        tracker.due.borrow_mut().push(Reverse(job));
                        seats.freed().await;
                    }
                }
            }
        };
        let ended = tokio::select! {
            ended = polling => ended,
            () = shard.cut_off.wait() => Ok(()),
        };
        seats.close();
        ended
    }

    /// Wait for the next job to be due, and take it.
    async fn next_due(&self, pacer: &mut Pacer) -> io::Result<Submitted> {
        loop {
            let next = self.due.borrow().peek().map(|Reverse(job)| job.due);
            let Some(due) = next else {
                self.sooner.notified().await;
                continue;
            };
            tokio::select! {
                biased;
                waited = pacer.until(due) => waited?,
                () = self.sooner.notified() => continue,
            }
            if let Some(Reverse(job)) = self.due.borrow_mut().pop() {
                return Ok(job);
            }
        }
    }

    /// Ask again later: the wait grows, and is at least what the server asks for.
    fn again(&self, mut job: Submitted, now: Nanos, retry_after: Option<Nanos>) {
        let grown = Nanos((job.wait.0 as f64 * self.plan.backoff) as u64);
        job.wait = grown.clamp(self.plan.interval, self.plan.cap.max(self.plan.interval));
        let asked = retry_after.filter(|_| self.plan.honour_retry_after).unwrap_or(Nanos::ZERO);
        job.due = now + job.wait.max(asked);
        self.watch(job);
    }
}

/// Poll the jobs handed to one seat, over one connection.
async fn poller<D: Dialer + 'static>(shard: Rc<Shard<D>>, mut seat: SeatSource<Submitted>) {
    let Some(tracker) = &shard.tracker else { return };
    let mut transport = shard.dialer.open();
    while let Some(job) = seat.next().await {
        shard.recorder.borrow_mut().polled(job.submission.intended, shard.clock.now());
        let answer = tokio::select! {
            biased;
            answer = transport.exchange(Ask::Get(&tracker.endpoint, &job.path), Keep::Body(LONGEST_DOCUMENT)) => Some(answer),
            () = tokio::time::sleep(shard.timeout.as_duration()) => None,
            () = shard.cut_off.wait() => None,
        };
        learn(&shard, tracker, job, answer);
    }
}

/// Act on the answer to a poll; `None` when there was none in time.
fn learn<D: Dialer + 'static>(
    shard: &Shard<D>,
    tracker: &PollTracker,
    mut job: Submitted,
    answer: Option<Result<Exchange, TransportError>>,
) {
    let Some(Ok(exchange)) = answer else {
        return tracker.again(job, shard.clock.now(), None);
    };
    let noticed = exchange.last_byte;
    let (outcome, state, stamps) = match read_status(exchange.status, &exchange.body) {
        Ok(JobProgress::Done(stamps)) => (Outcome::Ok, JobState::Done, stamps),
        Ok(JobProgress::Failed(stamps)) => (Outcome::Failed, JobState::Failed, stamps),
        Ok(JobProgress::Gone) => (Outcome::Unresolved, JobState::Lost, Stamps::default()),
        Ok(JobProgress::Pending) | Err(StatusError::Retry) => {
            job.strikes = 0;
            return tracker.again(job, noticed, exchange.notable.retry_after);
        }
        Err(StatusError::Malformed) if job.strikes + 1 < STRIKES => {
            job.strikes += 1;
            return tracker.again(job, noticed, exchange.notable.retry_after);
        }
        Err(StatusError::Malformed) => (Outcome::Unresolved, JobState::Unobserved, Stamps::default()),
    };
    let sample = JobSample {
        outcome,
        queue_wait: stamps.queue_wait(),
        processing: stamps.processing(),
        // Stamps of another clock must not be subtracted from ours.
        finished: stamps.done.filter(|_| tracker.shared_clock),
        ..job.unresolved(noticed)
    };
    shard.job_ended(&job, sample, state);
}
