//! One contract, run by every queue backend, on a clock moved by hand.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use plimsoll_targets::clock::Clock;
use plimsoll_targets::queue::memory::MemoryQueue;
use plimsoll_targets::queue::sqlite::SqliteQueue;
use plimsoll_targets::queue::{
    Ack, AckOutcome, Backend, Cancelled, Ending, Enqueued, Lease, Nack, NackOutcome, NewJob, QueueConfig,
    State,
};
use serde_json::json;

const LEASE: Duration = Duration::from_secs(10);
const SECOND: u64 = 1_000_000;

struct Fixture {
    queue: Box<dyn Backend>,
    clock: Clock,
    _directory: Option<tempfile::TempDir>,
}

fn config(capacity: usize) -> QueueConfig {
    QueueConfig { capacity, max_attempts: 3, retain: 1000 }
}

fn memory(capacity: usize) -> Fixture {
    let clock = Clock::manual(100 * SECOND);
    let queue = Box::new(MemoryQueue::new(config(capacity), clock.clone(), 7));
    Fixture { queue, clock, _directory: None }
}

fn sqlite(capacity: usize) -> Fixture {
    let clock = Clock::manual(100 * SECOND);
    let directory = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(directory.path(), config(capacity), clock.clone(), 7).unwrap();
    Fixture { queue: Box::new(queue), clock, _directory: Some(directory) }
}

fn job(key: &str) -> NewJob {
    NewJob {
        key: key.to_owned(),
        payload: format!("{{\"of\":\"{key}\"}}"),
        progress: None,
        traceparent: Some("trace".to_owned()),
        received_us: 1,
    }
}

impl Fixture {
    async fn enqueue(&self, keys: &[&str]) -> Vec<Enqueued> {
        self.queue.enqueue(keys.iter().map(|key| job(key)).collect()).await.unwrap()
    }

    async fn receive(&self, max: usize) -> Vec<Lease> {
        self.queue.receive(max, Duration::ZERO, LEASE).await.unwrap()
    }

    async fn keys(&self, max: usize) -> Vec<String> {
        self.receive(max).await.into_iter().map(|lease| lease.key).collect()
    }

    async fn ack(&self, lease: &Lease) -> AckOutcome {
        let ack = Ack {
            receipt: lease.receipt,
            ending: Ending::Succeeded,
            outcome: json!({"done": true}),
            leased_us: Some(2),
            done_us: 3,
        };
        self.queue.ack(vec![ack]).await.unwrap()[0]
    }

    async fn nack(&self, lease: &Lease, delay: Duration) -> NackOutcome {
        let nack = Nack {
            receipt: lease.receipt,
            delay,
            error: json!({"code": "no"}),
            progress: Some(json!({"half": lease.attempt})),
            leased_us: 2,
            done_us: 3,
        };
        self.queue.nack(vec![nack]).await.unwrap()[0]
    }

    async fn state(&self, seq: u64) -> State {
        self.queue.job(seq).await.unwrap().unwrap().state
    }
}

macro_rules! contract {
    ($($name:ident,)*) => {
        mod on_memory { $( #[tokio::test] async fn $name() { super::$name(super::memory).await; } )* }
        mod on_sqlite { $( #[tokio::test] async fn $name() { super::$name(super::sqlite).await; } )* }
    };
}

contract! {
    delivers_in_the_order_of_acceptance,
    carries_everything_to_the_worker,
    an_ack_ends_a_job_and_is_recorded,
    a_lease_hides_then_redelivers,
    a_late_ack_is_told,
    extending_keeps_a_lease,
    a_nack_delays_and_keeps_progress,
    attempts_run_out_by_nack,
    attempts_run_out_by_lease,
    capacity_is_a_limit,
    a_key_is_accepted_once,
    release_costs_no_attempt,
    depth_counts_every_state,
    cancelling_takes_waiting_jobs_only,
    the_ledger_lists_all_in_order,
    a_waiting_receive_is_woken,
    concurrent_receivers_share_without_overlap,
    a_closed_queue_says_so,
}

type Make = fn(usize) -> Fixture;

async fn delivers_in_the_order_of_acceptance(make: Make) {
    let f = make(100);
    assert!(f.queue.capabilities().fifo);
    f.enqueue(&["a", "b"]).await;
    f.enqueue(&["c"]).await;
    f.clock.advance_us(5);
    f.enqueue(&["d", "e"]).await;
    assert_eq!(f.keys(2).await, ["a", "b"]);
    assert_eq!(f.keys(10).await, ["c", "d", "e"]);
    assert!(f.keys(10).await.is_empty());
}

async fn carries_everything_to_the_worker(make: Make) {
    let f = make(100);
    let mut sent = job("a");
    sent.progress = Some(json!({"order": 1}));
    f.queue.enqueue(vec![sent.clone()]).await.unwrap();
    let lease = f.receive(1).await.remove(0);
    assert_eq!((lease.payload, lease.progress), (sent.payload, sent.progress));
    assert_eq!((lease.traceparent.as_deref(), lease.attempt), (Some("trace"), 1));
    assert_eq!(lease.expires_us, 110 * SECOND);
}

async fn an_ack_ends_a_job_and_is_recorded(make: Make) {
    let f = make(100);
    f.enqueue(&["a"]).await;
    let lease = f.receive(1).await.remove(0);
    assert_eq!(f.ack(&lease).await, AckOutcome::Acked);
    f.clock.advance_us(100 * SECOND);
    assert!(f.keys(1).await.is_empty());
    let record = f.queue.job(1).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Succeeded, 1));
    assert_eq!((record.leased_us, record.done_us), (vec![2], Some(3)));
    assert_eq!(record.outcome, Some(json!({"done": true})));
    assert_eq!(f.ack(&lease).await, AckOutcome::LeaseExpired, "an ack counts once");
    assert_eq!(f.queue.ended().await.unwrap(), (1, 0, 0));
}

async fn a_lease_hides_then_redelivers(make: Make) {
    let f = make(100);
    f.enqueue(&["a", "b"]).await;
    let first = f.receive(1).await.remove(0);
    f.clock.advance_us(10 * SECOND - 1);
    assert_eq!(f.keys(10).await, ["b"], "hidden until the very end");
    f.clock.advance_us(1);
    let again = f.receive(10).await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].key.as_str(), again[0].attempt), ("a", 2));
    assert_ne!(again[0].receipt, first.receipt);
    assert_eq!(f.queue.redelivered(), 1);
}

async fn a_late_ack_is_told(make: Make) {
    let f = make(100);
    f.enqueue(&["a"]).await;
    let lease = f.receive(1).await.remove(0);
    f.clock.advance_us(10 * SECOND);
    assert_eq!(f.ack(&lease).await, AckOutcome::LeaseExpired, "expired, not yet redelivered");
    let again = f.receive(1).await.remove(0);
    assert_eq!(f.ack(&lease).await, AckOutcome::LeaseExpired, "somebody else has it");
    assert_eq!(f.nack(&lease, Duration::ZERO).await, NackOutcome::LeaseExpired);
    assert_eq!(f.ack(&again).await, AckOutcome::Acked);
    let ledger = f.queue.ledger(0, 10).await.unwrap();
    assert_eq!(ledger[0].processed, 3, "late reports of finished work count as processed");
}

async fn extending_keeps_a_lease(make: Make) {
    let f = make(100);
    f.enqueue(&["a"]).await;
    let lease = f.receive(1).await.remove(0);
    f.clock.advance_us(9 * SECOND);
    let extended = f.queue.extend(vec![lease.receipt], LEASE).await.unwrap();
    assert_eq!(extended, [AckOutcome::Acked]);
    f.clock.advance_us(9 * SECOND);
    assert!(f.keys(1).await.is_empty());
    f.clock.advance_us(SECOND);
    let extended = f.queue.extend(vec![lease.receipt], LEASE).await.unwrap();
    assert_eq!(extended, [AckOutcome::LeaseExpired], "too late to extend");
    assert_eq!(f.keys(1).await, ["a"]);
}

async fn a_nack_delays_and_keeps_progress(make: Make) {
    let f = make(100);
    f.enqueue(&["a", "b"]).await;
    let lease = f.receive(1).await.remove(0);
    assert_eq!(f.nack(&lease, Duration::from_secs(5)).await, NackOutcome::Requeued);
    assert_eq!(f.keys(10).await, ["b"]);
    f.clock.advance_us(5 * SECOND - 1);
    assert!(f.keys(1).await.is_empty());
    f.clock.advance_us(1);
    let again = f.receive(1).await.remove(0);
    assert_eq!((again.attempt, again.progress), (2, Some(json!({"half": 1}))));
    let record = f.queue.job(1).await.unwrap().unwrap();
    assert_eq!(record.outcome, Some(json!({"code": "no"})), "the latest error shows");
}

async fn attempts_run_out_by_nack(make: Make) {
    let f = make(100);
    f.enqueue(&["a"]).await;
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let lease = f.receive(1).await.remove(0);
        outcomes.push(f.nack(&lease, Duration::ZERO).await);
    }
    assert_eq!(outcomes, [NackOutcome::Requeued, NackOutcome::Requeued, NackOutcome::Dead]);
    assert!(f.keys(1).await.is_empty());
    let record = f.queue.job(1).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts), (State::Dead, 3));
    assert_eq!((record.leased_us.len(), record.done_us), (3, Some(3)));
    assert_eq!(f.queue.depth().await.unwrap().dead, 1);
}

async fn attempts_run_out_by_lease(make: Make) {
    let f = make(100);
    f.enqueue(&["a"]).await;
    for _ in 0..3 {
        assert_eq!(f.keys(1).await, ["a"]);
        f.clock.advance_us(10 * SECOND);
    }
    assert!(f.keys(1).await.is_empty());
    let record = f.queue.job(1).await.unwrap().unwrap();
    assert_eq!(record.state, State::Dead);
    assert_eq!(record.outcome.unwrap()["code"], "lease_expired");
}

async fn capacity_is_a_limit(make: Make) {
    let f = make(2);
    let outcomes = f.enqueue(&["a", "b", "c"]).await;
    assert_eq!(outcomes[2], Enqueued::Full);
    let lease = f.receive(1).await.remove(0);
    assert_eq!(f.enqueue(&["c"]).await, [Enqueued::Full], "a leased job is still outstanding");
    f.ack(&lease).await;
    assert!(matches!(f.enqueue(&["c"]).await[0], Enqueued::Accepted(_)));
    let lease = f.receive(1).await.remove(0);
    assert_eq!(f.nack(&lease, LEASE).await, NackOutcome::Requeued, "a retry is never refused");
    assert_eq!(f.enqueue(&["d"]).await, [Enqueued::Full]);
}

async fn a_key_is_accepted_once(make: Make) {
    let f = make(100);
    assert_eq!(f.enqueue(&["a", "a"]).await, [Enqueued::Accepted(1), Enqueued::Duplicate(1)]);
    let lease = f.receive(10).await.remove(0);
    f.ack(&lease).await;
    assert_eq!(f.enqueue(&["a"]).await, [Enqueued::Duplicate(1)], "even when it is finished");
    let other = NewJob { payload: "{}".to_owned(), ..job("a") };
    assert_eq!(f.queue.enqueue(vec![other]).await.unwrap(), [Enqueued::Conflict(1)]);
    assert!(f.keys(10).await.is_empty());
}

async fn release_costs_no_attempt(make: Make) {
    let f = make(100);
    f.enqueue(&["a", "b"]).await;
    let lease = f.receive(1).await.remove(0);
    f.queue.release(vec![lease.receipt]).await.unwrap();
    let again = f.receive(10).await;
    assert_eq!((again[0].key.as_str(), again[0].attempt), ("a", 1), "at its old place");
    assert_eq!(f.ack(&lease).await, AckOutcome::LeaseExpired, "the old receipt is void");
    assert_eq!(f.ack(&again[0]).await, AckOutcome::Acked);
}

async fn depth_counts_every_state(make: Make) {
    let f = make(100);
    f.enqueue(&["a", "b", "c", "d"]).await;
    f.clock.advance_us(7);
    let leases = f.receive(2).await;
    f.nack(&leases[0], LEASE).await;
    let depth = f.queue.depth().await.unwrap();
    assert_eq!((depth.ready, depth.in_flight, depth.delayed, depth.dead), (2, 1, 1, 0));
    assert_eq!(depth.oldest_age_us, 7);
}

async fn cancelling_takes_waiting_jobs_only(make: Make) {
    let f = make(100);
    f.enqueue(&["a", "b"]).await;
    f.receive(1).await;
    assert_eq!(f.queue.cancel(1, 9).await.unwrap(), Cancelled::Not(State::Leased));
    assert_eq!(f.queue.cancel(2, 9).await.unwrap(), Cancelled::Done);
    assert_eq!(f.queue.cancel(2, 9).await.unwrap(), Cancelled::Not(State::Cancelled));
    assert_eq!(f.queue.cancel(3, 9).await.unwrap(), Cancelled::Unknown);
    assert!(f.keys(10).await.is_empty());
    assert_eq!(f.state(2).await, State::Cancelled);
}

async fn the_ledger_lists_all_in_order(make: Make) {
    let f = make(100);
    f.enqueue(&["a", "b", "c"]).await;
    let lease = f.receive(1).await.remove(0);
    f.ack(&lease).await;
    let page = f.queue.ledger(0, 2).await.unwrap();
    let keys: Vec<_> = page.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!((page[0].state, page[0].attempts, page[0].processed), (State::Succeeded, 1, 1));
    let rest = f.queue.ledger(page[1].seq, 2).await.unwrap();
    assert_eq!((rest.len(), rest[0].key.as_str(), rest[0].processed), (1, "c", 0));
    assert!(f.queue.job(99).await.unwrap().is_none());
}

async fn a_waiting_receive_is_woken(make: Make) {
    let f = make(100);
    let wait = Duration::from_secs(60);
    let (leases, _) = tokio::join!(f.queue.receive(5, wait, LEASE), async {
        tokio::task::yield_now().await;
        f.enqueue(&["a"]).await
    });
    assert_eq!(leases.unwrap()[0].key, "a");
}

async fn concurrent_receivers_share_without_overlap(make: Make) {
    let f = make(100);
    let keys: Vec<_> = (0..40).map(|i| i.to_string()).collect();
    f.enqueue(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (a, b, c) = tokio::join!(f.keys(10), f.keys(10), f.keys(30));
    let mut all: Vec<_> = a.into_iter().chain(b).chain(c).collect();
    all.sort();
    let mut keys = keys;
    keys.sort();
    assert_eq!(all, keys);
}

async fn a_closed_queue_says_so(make: Make) {
    let f = make(100);
    f.enqueue(&["a"]).await;
    f.queue.close().await;
    assert!(f.queue.enqueue(vec![job("b")]).await.is_err());
    assert!(f.queue.receive(1, Duration::ZERO, LEASE).await.is_err());
}

#[tokio::test]
async fn sqlite_survives_its_process() {
    let clock = Clock::manual(100 * SECOND);
    let directory = tempfile::tempdir().unwrap();
    let open = |instance| SqliteQueue::open(directory.path(), config(9), clock.clone(), instance);
    let queue = open(7).unwrap();
    let Err(error) = open(8) else { panic!("two servers on one directory") };
    assert!(error.to_string().contains("in use"), "{error}");
    let first = Fixture { queue: Box::new(queue), clock: clock.clone(), _directory: None };
    first.enqueue(&["a", "b"]).await;
    let lease = first.receive(1).await.remove(0);
    // As a crash: closed with the lease held.
    first.queue.close().await;
    drop(first);

    let queue = open(9).unwrap();
    assert_eq!(queue.recovered(), 1);
    let second = Fixture { queue: Box::new(queue), clock: clock.clone(), _directory: None };
    assert_eq!(second.queue.depth().await.unwrap().ready, 2);
    assert_eq!(second.ack(&lease).await, AckOutcome::LeaseExpired);
    let again = second.receive(5).await;
    assert_eq!((again[0].key.as_str(), again[0].attempt), ("a", 2), "first in line again");
    assert_eq!((again[1].key.as_str(), again[1].attempt), ("b", 1));
    assert_eq!(second.enqueue(&["a"]).await, [Enqueued::Duplicate(1)]);
    assert_eq!(plimsoll_targets::queue::JobStore::instance(&*second.queue), 7, "ids stay valid");
}

#[tokio::test]
async fn group_commit_shares_syncs() {
    let f = sqlite(10_000);
    let jobs: Vec<_> = (0..500).map(|i| format!("k{i}")).collect();
    let mut tasks = tokio::task::JoinSet::new();
    let queue: std::sync::Arc<dyn Backend> = std::sync::Arc::from(f.queue);
    for key in jobs {
        let queue = std::sync::Arc::clone(&queue);
        tasks.spawn(async move { queue.enqueue(vec![job(&key)]).await.unwrap()[0] });
    }
    let outcomes = tasks.join_all().await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Enqueued::Accepted(_))));
    assert!(queue.commits() < 250, "{} commits for 500 jobs", queue.commits());
}
