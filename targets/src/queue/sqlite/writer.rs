//! The one thread that writes, with group commit.
//!
//! It takes every command that has arrived, applies them in one transaction, commits (one fsync)
//! and only then answers. While it syncs, the next batch gathers: the busier the queue, the fewer
//! syncs a job costs. A receive that finds nothing is parked here, and served in the same
//! transaction as the enqueue that feeds it.
//!
//! A failed commit stops the thread for good (fail stop): after a failed fsync the kernel may have
//! dropped the dirty pages, so a second try that succeeds would prove nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::{apply, storage};
use crate::clock::Clock;
use crate::queue::{
    Ack, AckOutcome, Cancelled, Enqueued, Lease, Nack, NackOutcome, NewJob, QueueError, Receipt,
};

/// Most commands in one transaction: bounds how long the first of them waits.
const BATCH_MAX: usize = 512;

type Reply<T> = oneshot::Sender<T>;

pub(super) enum Command {
    Enqueue(Vec<NewJob>, Reply<Vec<Enqueued>>),
    Receive(Wanted),
    Extend(Vec<Receipt>, Duration, Reply<Vec<AckOutcome>>),
    Ack(Vec<Ack>, Reply<Vec<AckOutcome>>),
    Nack(Vec<Nack>, Reply<Vec<NackOutcome>>),
    Release(Vec<Receipt>, Reply<()>),
    Cancel(u64, u64, Reply<Cancelled>),
    Close(Reply<()>),
}

pub(super) struct Wanted {
    pub max: usize,
    pub deadline: Instant,
    pub visibility: Duration,
    pub reply: Reply<Vec<Lease>>,
}

/// A command and its place in the bounded channel, freed once the command is taken off.
pub(super) struct Envelope {
    pub command: Command,
    pub _place: OwnedSemaphorePermit,
}

#[derive(Default)]
pub(super) struct Counters {
    pub commits: AtomicU64,
    pub redelivered: AtomicU64,
}

pub(super) struct Writer {
    pub connection: Connection,
    pub book: apply::Book,
    pub clock: Clock,
    pub counters: Arc<Counters>,
    pub failed: watch::Sender<Option<QueueError>>,
}

type Answer = Box<dyn FnOnce()>;

/// What one transaction leaves to be told once it is committed.
#[derive(Default)]
struct Batch {
    answers: Vec<Answer>,
    deliveries: Vec<(Reply<Vec<Lease>>, Vec<Lease>)>,
    closing: Option<Reply<()>>,
}

impl Batch {
    fn answer<T: 'static>(&mut self, reply: Reply<T>, value: T) {
        // A caller that left does not need the answer; what was done stays done.
        self.answers.push(Box::new(move || drop(reply.send(value))));
    }
}

impl Writer {
    /// Runs until closed, until every sender is gone, or until the storage fails.
    pub fn run(mut self, commands: &Receiver<Envelope>) {
        let mut parked: VecDeque<Wanted> = VecDeque::new();
        let mut returned: Vec<Receipt> = Vec::new();
        loop {
            let mut batch = Vec::new();
            if returned.is_empty() {
                match self.wait(commands, &parked) {
                    Ok(Some(first)) => batch.push(first),
                    Ok(None) => {}
                    Err(()) => return,
                }
            }
            while batch.len() < BATCH_MAX {
                match commands.try_recv() {
                    Ok(envelope) => batch.push(envelope.command),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            match self.transact(batch, &mut parked, std::mem::take(&mut returned)) {
                Ok(done) => {
                    done.answers.into_iter().for_each(|answer| answer());
                    for (reply, leases) in done.deliveries {
                        if let Err(refused) = reply.send(leases) {
                            // The receiver left meanwhile: put its jobs back at once.
                            returned.extend(refused.iter().map(|lease| lease.receipt));
                        }
                    }
                    if let Some(reply) = done.closing {
                        drop(self.connection);
                        let _ = reply.send(());
                        return;
                    }
                }
                Err(error) => {
                    self.failed.send_replace(Some(storage(error)));
                    return;
                }
            }
        }
    }

    /// The next command; `None` if something parked has fallen due instead.
    fn wait(&self, commands: &Receiver<Envelope>, parked: &VecDeque<Wanted>) -> Result<Option<Command>, ()> {
        let Some(deadline) = parked.iter().map(|wanted| wanted.deadline).min() else {
            return commands.recv().map(|e| Some(e.command)).map_err(drop);
        };
        let until_due = apply::next_due(&self.connection).ok().flatten().map(|due| {
            // The floor keeps a stopped test clock from making this spin.
            Duration::from_micros(due.saturating_sub(self.clock.now_us()).max(50))
        });
        let until_deadline = deadline.saturating_duration_since(Instant::now());
        let time = until_due.unwrap_or(until_deadline).min(until_deadline);
        match commands.recv_timeout(time) {
            Ok(envelope) => Ok(Some(envelope.command)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    fn transact(
        &mut self,
        commands: Vec<Command>,
        parked: &mut VecDeque<Wanted>,
        returned: Vec<Receipt>,
    ) -> rusqlite::Result<Batch> {
        let now = self.clock.now_us();
        let mut batch = Batch::default();
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = tx.total_changes();
        for receipt in returned {
            apply::release(&tx, receipt, now)?;
        }
        for command in commands {
            perform(&tx, &mut self.book, command, now, parked, &mut batch)?;
        }
        serve_parked(&tx, &mut self.book, now, parked, &mut batch)?;
        let wrote = tx.total_changes() > before;
        tx.commit()?;
        if wrote {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        self.counters.redelivered.store(self.book.redelivered, Ordering::Relaxed);
        Ok(batch)
    }
}

fn perform(
    c: &Connection,
    book: &mut apply::Book,
    command: Command,
    now: u64,
    parked: &mut VecDeque<Wanted>,
    batch: &mut Batch,
) -> rusqlite::Result<()> {
    match command {
        Command::Enqueue(jobs, reply) => {
            let done: Result<_, _> = jobs.iter().map(|job| apply::enqueue(c, book, job, now)).collect();
            batch.answer(reply, done?);
        }
        Command::Receive(wanted) => parked.push_back(wanted),
        Command::Extend(receipts, by, reply) => {
            let done: Result<_, _> = receipts.into_iter().map(|r| apply::extend(c, r, by, now)).collect();
            batch.answer(reply, done?);
        }
        Command::Ack(acks, reply) => {
            let done: Result<_, _> = acks.iter().map(|ack| apply::ack(c, book, ack, now)).collect();
            batch.answer(reply, done?);
        }
        Command::Nack(nacks, reply) => {
            let done: Result<_, _> = nacks.iter().map(|nack| apply::nack(c, book, nack, now)).collect();
            batch.answer(reply, done?);
        }
        Command::Release(receipts, reply) => {
            receipts.into_iter().try_for_each(|r| apply::release(c, r, now))?;
            batch.answer(reply, ());
        }
        Command::Cancel(seq, at, reply) => {
            let done = apply::cancel(c, book, seq, at)?;
            batch.answer(reply, done);
        }
        Command::Close(reply) => batch.closing = Some(reply),
    }
    Ok(())
}

/// Serves receivers in turn; those whose wait is over leave with nothing.
fn serve_parked(
    c: &Connection,
    book: &mut apply::Book,
    now: u64,
    parked: &mut VecDeque<Wanted>,
    batch: &mut Batch,
) -> rusqlite::Result<()> {
    parked.retain(|wanted| !wanted.reply.is_closed());
    while let Some(wanted) = parked.front() {
        let leases = apply::receive(c, book, wanted.max, wanted.visibility, now)?;
        if leases.is_empty() {
            break;
        }
        if let Some(wanted) = parked.pop_front() {
            batch.deliveries.push((wanted.reply, leases));
        }
    }
    let over = Instant::now();
    let closing = batch.closing.is_some();
    for _ in 0..parked.len() {
        if let Some(wanted) = parked.pop_front() {
            if wanted.deadline <= over || closing {
                batch.deliveries.push((wanted.reply, Vec::new()));
            } else {
                parked.push_back(wanted);
            }
        }
    }
    Ok(())
}
