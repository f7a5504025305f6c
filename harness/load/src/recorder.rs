//! Folds what happens in a shard into intervals: no lock, no channel and no allocation for an
//! operation (a histogram is allocated when first needed).

use std::sync::mpsc::{Receiver, Sender};

use plimsoll_model::sample::{FailureKind, Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;

use crate::shelf::{PhaseShelf, Shelf};

/// Where intervals begin and end: multiples of the interval's length, counted anew from the end of
/// the warm-up and from the end of arrivals, so that no interval straddles either.
#[derive(Debug, Clone, Copy)]
pub struct Boundaries {
    /// End of the warm-up, since the origin.
    pub warmup: Nanos,
    /// Planned end of arrivals, since the origin.
    pub arrivals_end: Nanos,
    /// Length; not zero.
    pub interval: Nanos,
}

impl Boundaries {
    /// Start and end of the interval that holds `at`, an offset from the origin.
    pub fn around(&self, at: Nanos) -> (Nanos, Nanos) {
        let (base, limit) = if at < self.warmup {
            (Nanos::ZERO, self.warmup)
        } else if at < self.arrivals_end {
            (self.warmup, self.arrivals_end)
        } else {
            (self.arrivals_end, Nanos::MAX)
        };
        let start = base + Nanos((at - base).0 / self.interval.0 * self.interval.0);
        (start, (start + self.interval).min(limit))
    }
}

/// One ended operation, in `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was to start.
    pub intended: Nanos,
    /// When its exchange began.
    pub sent: Nanos,
    /// When the response's head had come, if it had.
    pub first_byte: Option<Nanos>,
    /// When it ended.
    pub ended: Nanos,
    /// How long its connection took to open, if it needed one.
    pub connect: Option<Nanos>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    pub failure: Option<FailureKind>,
    /// The response's status, if there was one.
    pub status: Option<u16>,
    /// Bytes of the response's body.
    pub bytes_in: u64,
    /// Whether the response accepted a job that ends later.
    pub accepted: bool,
}

/// One job that ended after its acceptance.
#[derive(Debug, Clone, Copy)]
pub struct JobSample {
    /// Intended start of its submission.
    pub intended: Nanos,
    /// When its end was noticed.
    pub noticed: Nanos,
    /// `Ok`, `Failed` or `Unresolved`.
    pub outcome: Outcome,
    /// Enqueued to first taken by a worker, if told.
    pub queue_wait: Option<Nanos>,
    /// Last taken by a worker to done, if told.
    pub processing: Option<Nanos>,
    /// When the target had finished it, if its clock can be read by the driver.
    pub finished: Option<Nanos>,
}

/// One operation's or job's own row, for `jobs.csv`.
#[derive(Debug, Clone, Copy)]
pub struct JobRow {
    /// Its number in the cell.
    pub seq: u64,
    /// The submission.
    pub sample: Sample,
    /// The job after its acceptance, if it was accepted and ended.
    pub job: Option<JobSample>,
}

/// What a shard tells the engine.
#[derive(Debug)]
pub enum Told {
    /// An interval has ended.
    Interval(Box<Shelf>),
    /// An operation has ended; told only if the plan asks for every job's row.
    Job(JobRow),
}

/// Records one shard.
#[derive(Debug)]
pub struct Recorder {
    origin: Nanos,
    boundaries: Boundaries,
    shelf: Box<Shelf>,
    told: Sender<Told>,
    cleared: Receiver<Box<Shelf>>,
    in_flight: u64,
    backlog: u64,
}

impl Recorder {
    /// The recorder of shard number `shard` in a cell whose offsets count from `origin`. Filled
    /// shelves go to `told`; they come back by `cleared`, to be filled again.
    pub fn new(
        shard: usize,
        origin: Nanos,
        boundaries: Boundaries,
        told: Sender<Told>,
        cleared: Receiver<Box<Shelf>>,
    ) -> Self {
        let mut shelf = Box::new(Shelf { shard, ..Shelf::default() });
        (shelf.start, shelf.end) = boundaries.around(Nanos::ZERO);
        Recorder { origin, boundaries, shelf, told, cleared, in_flight: 0, backlog: 0 }
    }

    /// Tell the engine of one ended operation.
    pub fn row(&self, row: JobRow) {
        // As with intervals: a hung-up engine wants nothing more.
        let _ = self.told.send(Told::Job(row));
    }

    /// Operations sent and not ended.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Jobs accepted and not noticed as ended.
    pub fn backlog(&self) -> u64 {
        self.backlog
    }

    /// When the current interval ends, in `CLOCK_MONOTONIC`.
    pub fn interval_end(&self) -> Nanos {
        self.origin + self.shelf.end
    }

    /// A start's intended time has come.
    pub fn scheduled(&mut self, intended: Nanos, now: Nanos) {
        self.at(now, intended).scheduled += 1;
    }

    /// A start found no room: it will not be sent.
    pub fn dropped(&mut self, intended: Nanos, now: Nanos) {
        self.at(now, intended).outcomes[Outcome::Dropped as usize] += 1;
    }

    /// An exchange begins.
    pub fn sent(&mut self, intended: Nanos, now: Nanos) {
        let lateness = now - intended;
        let shelf = self.at(now, intended);
        shelf.sent += 1;
        shelf.record(Metric::Lateness, Outcome::Ok, lateness);
        self.in_flight += 1;
    }

    /// An exchange that was begun has ended.
    pub fn ended(&mut self, s: &Sample) {
        let shelf = self.at(s.ended, s.intended);
        shelf.outcomes[s.outcome as usize] += 1;
        shelf.bytes_in += s.bytes_in;
        if let Some(kind) = s.failure {
            shelf.failures[kind as usize] += 1;
        }
        if let Some(status) = s.status {
            shelf.statuses[usize::from(status).min(599)] += 1;
        }
        shelf.record(Metric::ResponseTime, s.outcome, s.ended - s.intended);
        shelf.record(Metric::ServiceTime, s.outcome, s.ended - s.sent);
        if let Some(at) = s.first_byte {
            shelf.record(Metric::TimeToFirstByte, s.outcome, at - s.sent);
        }
        if let Some(took) = s.connect {
            shelf.record(Metric::Connect, s.outcome, took);
        }
        if s.accepted {
            shelf.record(Metric::AcceptLatency, s.outcome, s.ended - s.intended);
        }
        self.in_flight -= 1;
        self.backlog += u64::from(s.accepted);
    }

    /// An accepted job has ended, or is given up.
    pub fn job_ended(&mut self, job: &JobSample) {
        let shelf = self.at(job.noticed, job.intended);
        shelf.jobs[job.outcome as usize] += 1;
        shelf.record(Metric::CompletionTime, job.outcome, job.noticed - job.intended);
        if let Some(wait) = job.queue_wait {
            shelf.record(Metric::QueueWait, job.outcome, wait);
        }
        if let Some(took) = job.processing {
            shelf.record(Metric::ProcessingTime, job.outcome, took);
        }
        if let Some(finished) = job.finished {
            shelf.record(Metric::NoticeDelay, job.outcome, job.noticed - finished);
        }
        self.backlog -= 1;
        if job.outcome == Outcome::Ok {
            self.finished(job.finished.unwrap_or(job.noticed), job.intended);
        }
    }

    /// A request was made to learn of a job's completion.
    pub fn polled(&mut self, intended: Nanos, now: Nanos) {
        self.at(now, intended).polls += 1;
    }

    /// Count a job in the interval in which it finished, which may be past and sent off already.
    fn finished(&mut self, finished: Nanos, intended: Nanos) {
        let (start, end) = self.boundaries.around(finished - self.origin);
        let phase = self.phase(intended);
        if start >= self.shelf.start {
            self.shelf.phases[phase as usize].jobs_finished += 1;
        } else {
            *self.shelf.late.entry((start, end, phase)).or_default() += 1;
        }
    }

    fn phase(&self, intended: Nanos) -> Phase {
        if intended - self.origin < self.boundaries.warmup { Phase::Warmup } else { Phase::Measured }
    }

    fn at(&mut self, now: Nanos, intended: Nanos) -> &mut PhaseShelf {
        self.advance(now);
        let phase = self.phase(intended);
        &mut self.shelf.phases[phase as usize]
    }

    /// Send off every interval that has ended by `now`.
    pub fn advance(&mut self, now: Nanos) {
        while now - self.origin >= self.shelf.end {
            self.cut(self.shelf.end);
        }
    }

    /// Send off what there is up to `now`: the last interval.
    pub fn finish(&mut self, now: Nanos) {
        self.advance(now);
        self.cut(now - self.origin);
    }

    fn cut(&mut self, end: Nanos) {
        let mut next = self.cleared.try_recv().unwrap_or_default();
        next.shard = self.shelf.shard;
        (next.start, next.end) = self.boundaries.around(end);
        let mut full = std::mem::replace(&mut self.shelf, next);
        full.end = end;
        full.in_flight = self.in_flight;
        full.backlog = self.backlog;
        // The engine hangs up only when it gives the run up; then nobody wants the figures.
        let _ = self.told.send(Told::Interval(full));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::interval::Interval;

    const ORIGIN: Nanos = Nanos::from_secs(1000);

    fn second(s: u64) -> Nanos {
        ORIGIN + Nanos::from_secs(s)
    }

    fn boundaries() -> Boundaries {
        Boundaries {
            warmup: Nanos::from_millis(1500),
            arrivals_end: Nanos::from_secs(4),
            interval: Nanos::from_secs(1),
        }
    }

    fn ok(intended: Nanos, ended: Nanos) -> Sample {
        Sample {
            intended,
            sent: intended,
            first_byte: None,
            ended,
            connect: None,
            outcome: Outcome::Ok,
            failure: None,
            status: Some(200),
            bytes_in: 10,
            accepted: false,
        }
    }

    #[test]
    fn no_interval_straddles_the_warm_up_or_the_end_of_arrivals() {
        let mut starts = Vec::new();
        let mut at = Nanos::ZERO;
        while at < Nanos::from_secs(6) {
            let (start, end) = boundaries().around(at);
            assert_eq!(start, at);
            starts.push(start.0 / 1_000_000);
            at = end;
        }
        assert_eq!(starts, [0, 1000, 1500, 2500, 3500, 4000, 5000]);
    }

    /// A recorder, and what it told once it is gone.
    fn recorder() -> (Recorder, impl FnOnce(Recorder) -> Vec<Interval>) {
        let (told, heard) = std::sync::mpsc::channel();
        let (_, cleared) = std::sync::mpsc::channel();
        let recorder = Recorder::new(0, ORIGIN, boundaries(), told, cleared);
        let intervals = move |recorder: Recorder| {
            drop(recorder);
            let shelves = heard.iter().filter_map(|t| match t {
                Told::Interval(shelf) => Some(shelf),
                Told::Job(_) => None,
            });
            shelves.flat_map(|s| s.to_intervals()).collect()
        };
        (recorder, intervals)
    }

    #[test]
    fn every_operation_is_in_one_interval_and_one_phase() {
        let (mut recorder, told) = recorder();
        for (start, end) in [(0, 1), (1, 3), (2, 5), (3, 9)] {
            recorder.scheduled(second(start), second(start));
            recorder.sent(second(start), second(start));
            recorder.ended(&ok(second(start), second(end)));
        }
        recorder.finish(second(10));
        let intervals = told(recorder);
        let mut all = Interval { start: Nanos::MAX, ..Interval::default() };
        intervals.iter().for_each(|i| all.merge_later(i));
        assert_eq!(all.tally(Phase::Warmup).outcome(Outcome::Ok), 2);
        assert_eq!(all.tally(Phase::Measured).outcome(Outcome::Ok), 2);
        let measured = all.merged(Metric::ResponseTime, Phase::Measured, &Outcome::ALL);
        assert_eq!((measured.min(), measured.max()), (Some(Nanos::from_secs(3)), Some(Nanos::from_secs(6))));
        assert!(intervals.windows(2).all(|w| w[0].end == w[1].start), "no gap and no overlap");
        assert_eq!(all.end, Nanos::from_secs(10));
    }

    #[test]
    fn a_job_counts_where_it_finished_even_if_noticed_later() {
        let (mut recorder, told) = recorder();
        recorder.sent(second(2), second(2));
        recorder.ended(&Sample { accepted: true, ..ok(second(2), second(2)) });
        assert_eq!((recorder.in_flight(), recorder.backlog()), (0, 1));
        recorder.job_ended(&JobSample {
            intended: second(2),
            noticed: second(7),
            outcome: Outcome::Ok,
            queue_wait: None,
            processing: None,
            finished: Some(second(3)),
        });
        recorder.finish(second(8));
        let intervals = told(recorder);
        let finished: Vec<_> = intervals.iter().filter(|i| i.total().jobs_finished > 0).collect();
        assert_eq!(finished.len(), 1);
        assert_eq!(
            (finished[0].start, finished[0].end),
            (Nanos::from_millis(2500), Nanos::from_millis(3500))
        );
    }
}
