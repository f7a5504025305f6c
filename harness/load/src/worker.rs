//! The one loop that drives every kind of load: release → exchange → complete → record.

use std::cell::Cell;
use std::rc::Rc;

use plimsoll_model::sample::{FailureKind, Outcome};
use plimsoll_model::time::Nanos;
use tokio::sync::watch;

use crate::jobs::JobState;
use crate::recorder::Sample;
use crate::release::{Release, Source};
use crate::shard::{Shard, Stop};
use crate::transport::{Ask, Dialer, Exchange, Keep, Transport, TransportError};

/// Perform one operation for each release of `source`, until it gives no more.
pub async fn work<D: Dialer + 'static>(shard: Rc<Shard<D>>, mut source: impl Source<Work = Release>) {
    let mut transport = shard.dialer.open();
    while let Some(release) = source.next().await {
        let sent = shard.clock.now();
        shard.recorder.borrow_mut().sent(release.intended, sent);
        let end = tokio::select! {
            biased;
            answer = transport.exchange(Ask::Arrival(&shard.requests, release.seq), Keep::Head) => End::from(answer),
            () = tokio::time::sleep(shard.timeout.as_duration()) => End::TimedOut,
            () = shard.cut_off.wait() => End::CutOff,
        };
        let (sample, state, location) = conclude(&shard, release, sent, end);
        shard.operation_ended(release, &sample, state, location);
    }
}

/// How an exchange ended.
enum End {
    Answered(Exchange),
    Broken(TransportError),
    TimedOut,
    CutOff,
}

impl From<Result<Exchange, TransportError>> for End {
    fn from(answer: Result<Exchange, TransportError>) -> Self {
        match answer {
            Ok(exchange) => End::Answered(exchange),
            Err(error) => End::Broken(error),
        }
    }
}

/// What an end means: the sample, the job's state, and where the job can be watched.
fn conclude<D>(
    shard: &Shard<D>,
    release: Release,
    sent: Nanos,
    end: End,
) -> (Sample, JobState, Option<Box<str>>) {
    let mut sample = Sample {
        intended: release.intended,
        sent,
        first_byte: None,
        ended: shard.clock.now(),
        connect: None,
        outcome: Outcome::Unresolved,
        failure: None,
        status: None,
        bytes_in: 0,
        accepted: false,
    };
    let exchange = match end {
        End::Answered(exchange) => exchange,
        End::Broken(error) => {
            sample.outcome = Outcome::Failed;
            sample.failure = Some(error.kind);
            let state = if error.maybe_sent { JobState::Unknown } else { JobState::Refused };
            return (sample, state, None);
        }
        End::TimedOut => {
            sample.outcome = Outcome::TimedOut;
            return (sample, JobState::Unknown, None);
        }
        End::CutOff => return (sample, JobState::Unknown, None),
    };
    sample.first_byte = Some(exchange.first_byte);
    sample.ended = exchange.last_byte;
    sample.connect = exchange.connect;
    sample.status = Some(exchange.status);
    sample.bytes_in = exchange.bytes_in;
    sample.outcome = outcome_of(exchange.status, &shard.expect);
    if sample.outcome != Outcome::Ok {
        if sample.outcome == Outcome::Failed {
            sample.failure = Some(FailureKind::Status);
        }
        // A 5xx other than 503 may come from a server that failed after it took the job.
        let unknown = exchange.status >= 500 && exchange.status != 503;
        return (sample, if unknown { JobState::Unknown } else { JobState::Refused }, None);
    }
    if shard.tracker.is_none() {
        return (sample, JobState::Done, None);
    }
    let location = exchange.notable.location;
    match location.and_then(|l| shard.tracker.as_ref().and_then(|t| t.path(&l))) {
        Some(path) => {
            sample.accepted = true;
            (sample, JobState::Accepted, Some(path))
        }
        None => {
            sample.outcome = Outcome::Failed;
            sample.failure = Some(FailureKind::Content);
            (sample, JobState::Unknown, None)
        }
    }
}

fn outcome_of(status: u16, expect: &[u16]) -> Outcome {
    match status {
        s if expect.contains(&s) => Outcome::Ok,
        429 | 503 => Outcome::Rejected,
        200..=399 if expect.is_empty() => Outcome::Ok,
        _ => Outcome::Failed,
    }
}

/// A user of the closed model: thinks, then starts at once; its intended start is when it is ready.
pub struct ClosedUser<D> {
    shard: Rc<Shard<D>>,
    think_time: Nanos,
    end: Nanos,
    /// Operations started by all users of the shard.
    count: Rc<Cell<u64>>,
    stop: watch::Receiver<Stop>,
    first: bool,
}

impl<D> ClosedUser<D> {
    /// A user that starts nothing at or after `end`.
    pub fn new(
        shard: Rc<Shard<D>>,
        think_time: Nanos,
        end: Nanos,
        count: Rc<Cell<u64>>,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        ClosedUser { shard, think_time, end, count, stop, first: true }
    }
}

impl<D> Source for ClosedUser<D> {
    type Work = Release;

    async fn next(&mut self) -> Option<Release> {
        let shard = &self.shard;
        if !std::mem::take(&mut self.first) && self.think_time > Nanos::ZERO {
            tokio::select! {
                () = tokio::time::sleep(self.think_time.as_duration()) => {}
                Ok(_) = self.stop.wait_for(|s| *s != Stop::No) => {}
            }
        }
        let now = shard.clock.now();
        if now >= self.end || *self.stop.borrow() != Stop::No {
            return None;
        }
        let count = self.count.get();
        self.count.set(count + 1);
        shard.outstanding.set(shard.outstanding.get() + 1);
        shard.recorder.borrow_mut().scheduled(now, now);
        Some(Release { seq: u64::from(shard.index) + count * u64::from(shard.of), intended: now })
    }
}
