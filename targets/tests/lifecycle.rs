//! Starting, stopping, dying and coming back.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Client, Server, command, eventually};
use serde_json::json;

/// Posts until the server dies; returns the keys it promised to work on.
fn post_until_dead(address: String, round: usize, lane: usize) -> Vec<String> {
    let mut promised = Vec::new();
    let mut client = Client::connect(&address);
    for i in 0.. {
        let key = format!("r{round}-l{lane}-{i}");
        let body = json!({"key": key, "to": "a@example.org"}).to_string();
        match client.try_send("POST", "/v1/email", &[], &body) {
            Ok(reply) if reply.status == 202 => promised.push(key),
            Ok(reply) => panic!("{reply:?}"),
            Err(_) => break,
        }
    }
    promised
}

/// The keys under lease in a queue whose server was killed: what it had in flight. Read from a
/// copy, so that recovering the log is left to the server's own restart.
fn in_flight(data: &Path) -> HashSet<String> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["queue.sqlite", "queue.sqlite-wal"] {
        std::fs::copy(data.join(name), copy.path().join(name)).unwrap();
    }
    let database = rusqlite::Connection::open(copy.path().join("queue.sqlite")).unwrap();
    let mut leased = database.prepare("SELECT key FROM jobs WHERE state = 1").unwrap();
    let keys = leased.query_map([], |row| row.get(0)).unwrap();
    keys.collect::<Result<_, _>>().unwrap()
}

/// Posts from two connections until the server, killed in the middle of work, is dead. Returns the
/// keys it promised to work on.
fn post_and_kill(server: &mut Server, sink: &Server, round: usize) -> Vec<String> {
    let lanes: Vec<_> = (0..2)
        .map(|lane| {
            let address = server.address();
            std::thread::spawn(move || post_until_dead(address, round, lane))
        })
        .collect();
    let mut client = sink.client();
    let mut delivered =
        || client.send("GET", "/v1/stats", &[], "").json()["peers"]["smtp_delivered"].as_u64().unwrap();
    // In the middle of work, whatever the machine's speed.
    let before = delivered();
    eventually("some work", || delivered() >= before + 50);
    server.kill();
    lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
}

#[test]
fn kill_9_loses_nothing_that_was_promised() {
    // The sink is another process: its ledger survives, and tells what was really done.
    let sink = Server::start(&["smtp-sink", "--service-time", "5ms"]);
    let smtp = sink.ready["smtp"].as_str().unwrap().to_owned();
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let place = ["--shape", "queued", "--queue", "sqlite", "--data", directory, "--smtp", &smtp];
    let size = ["--workers", "4", "--max-attempts", "50"];
    let start = || Server::start(&[&["email"], &place[..], &size[..]].concat());
    let mut promised = Vec::new();
    // How often each job was in flight when its server was killed.
    let mut cut_off: HashMap<String, u64> = HashMap::new();
    for round in 0..5 {
        promised.extend(post_and_kill(&mut start(), &sink, round));
        in_flight(data.path()).into_iter().for_each(|key| *cut_off.entry(key).or_default() += 1);
    }
    let mut server = start();
    server.drained();

    let entries = server.ledger();
    let states: HashMap<_, _> = entries.iter().map(|(key, status, ..)| (key, status.as_str())).collect();
    assert!(promised.len() > 100, "only {} jobs", promised.len());
    let lost: Vec<_> = promised.iter().filter(|key| !states.contains_key(key)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let unfinished: Vec<_> = states.iter().filter(|(_, state)| **state != "succeeded").collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    let processed_again = entries.iter().filter(|(.., processed)| *processed > 1).count() as u64;
    let in_flight: u64 = cut_off.values().sum();
    assert!(processed_again <= in_flight, "{processed_again} processed again, {in_flight} in flight");

    // The store cannot know of work whose ack died with the server; the sink does.
    let delivered: HashMap<_, _> = sink.effects("smtp").into_iter().collect();
    assert!(states.keys().all(|key| delivered.get(*key).is_some_and(|count| *count >= 1)));
    let unexpected: Vec<_> = delivered.keys().filter(|key| !states.contains_key(key)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    let repeated: u64 = delivered.values().map(|count| count - 1).sum();
    println!("{} promised, {in_flight} in flight at the kills, {repeated} delivered again", promised.len());
    for (key, count) in &delivered {
        let kills = cut_off.get(key).copied().unwrap_or(0);
        assert!(*count <= 1 + kills, "{key}: delivered {count} times, in flight at {kills} kills");
    }
    server.terminate();
    let (status, _) = server.wait(Duration::from_secs(20));
    assert!(status.success());
}

#[test]
fn sigterm_finishes_what_runs_and_keeps_what_waits() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let args =
        ["synthetic", "--shape", "queued", "--service-time", "200ms", "--workers", "2", "--data", directory];
    let mut server = Server::start(&args);
    let mut client = server.client();
    for i in 0..10 {
        let body = json!({ "key": i.to_string() }).to_string();
        assert_eq!(client.send("POST", "/v1/synthetic", &[], &body).status, 202);
    }
    eventually("two to run", || server.get("/v1/stats").json()["attempts"] == 2);
    server.terminate();
    let (status, said) = server.wait(Duration::from_secs(20));
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));

    let server = Server::start(&args);
    server.drained();
    let ledger = server.ledger();
    assert_eq!(ledger.len(), 10);
    assert!(
        ledger.iter().all(|(_, status, attempts, processed)| status == "succeeded"
            && *attempts == 1
            && *processed == 1),
        "an orderly end repeats nothing and uses up no attempt: {ledger:?}"
    );
}

#[test]
fn sigterm_answers_sync_requests_in_progress() {
    let mut server = Server::start(&["synthetic", "--service-time", "300ms"]);
    let mut client = server.client();
    client.begin("POST", "/v1/synthetic", &[], "{}").unwrap();
    eventually("it to run", || server.get("/v1/queue").json()["in_flight"] == 1);
    server.terminate();
    let reply = client.finish().unwrap();
    assert_eq!(reply.status, 200);
    let (status, said) = server.wait(Duration::from_secs(20));
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn the_queue_in_memory_is_drained_or_its_loss_is_told() {
    let args = ["synthetic", "--shape", "queued", "--queue", "memory", "--workers", "1"];
    let mut server = Server::start(&[&args[..], &["--service-time", "20ms"]].concat());
    for _ in 0..5 {
        assert_eq!(server.post("/v1/synthetic", "{}").status, 202);
    }
    server.terminate();
    let (status, said) = server.wait(Duration::from_secs(20));
    assert_eq!((status.code(), said.as_str()), (Some(0), ""), "all worked off");

    let slow = ["--service-time", "60s", "--drain-timeout", "100ms"];
    let mut server = Server::start(&[&args[..], &slow].concat());
    for _ in 0..5 {
        assert_eq!(server.post("/v1/synthetic", "{}").status, 202);
    }
    server.terminate();
    let (status, said) = server.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0));
    assert!(said.contains("5 jobs were abandoned"), "{said}");
}

#[test]
fn no_orphan_outlives_its_parent() {
    let slow = ["--service-time", "60s", "--drain-timeout", "60s", "--exit-with-parent"];
    for shape in ["sync", "queued"] {
        let args = [&["synthetic", "--shape", shape], &slow[..]].concat();
        let mut server = Server::start(&args);
        let mut client = server.client();
        client.begin("POST", "/v1/synthetic", &[], "{}").unwrap();
        eventually("it to run", || server.get("/v1/queue").json()["in_flight"] == 1);
        // What the kernel does for a parent that is killed.
        drop(server.stdin.take());
        let (status, _) = server.wait(Duration::from_secs(10));
        assert_eq!(status.code(), Some(0), "not by a signal");
    }
}

#[test]
fn the_temporary_directory_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let mut child = command(&["synthetic", "--shape", "queued"]).env("TMPDIR", place.path()).spawn().unwrap();
    let entries = || std::fs::read_dir(place.path()).unwrap().count();
    eventually("the directory", || entries() == 1);
    let mut out = child.stdout.take().unwrap();
    let mut byte = [0];
    out.read_exact(&mut byte).unwrap();
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(entries(), 0);
}

#[test]
fn mistakes_are_told_with_their_remedy() {
    let server = Server::start(&["synthetic"]);
    let address = server.address();
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let _holder = Server::start(&["synthetic", "--shape", "queued", "--data", directory]);
    let cases: [(&[&str], &str); 5] = [
        (&["synthetic", "--listen", &address], &address),
        (&["api", "--shape", "hybrid"], "use --shape sync or --shape queued"),
        (&["login", "--service-time", "1ms"], "does not apply to login"),
        (&["synthetic", "--service-time", "20"], "has no unit"),
        (&["email", "--shape", "queued", "--data", directory], "in use by another server"),
    ];
    for (args, expected) in cases {
        let output = command(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

/// Jobs completed in `time` by a server kept saturated, once it is.
fn completed(server: &Server, callers: usize, time: Duration) -> f64 {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let mut client = server.client();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let reply = client.send("POST", "/v1/synthetic", &[], "{}");
                    if reply.status == 503 {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            });
        }
        let mut client = server.client();
        let mut count =
            || client.send("GET", "/v1/stats", &[], "").json()["succeeded"].as_u64().unwrap() as f64;
        let first = (eventually_more(&mut count, 40.0), Instant::now());
        std::thread::sleep(time);
        let rate = (count() - first.0) / first.1.elapsed().as_secs_f64();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        rate
    })
}

fn eventually_more(count: &mut impl FnMut() -> f64, least: f64) -> f64 {
    let mut now = 0.0;
    eventually("saturation", || {
        now = count();
        now >= least
    });
    now
}

#[test]
fn a_queue_takes_nothing_from_capacity() {
    let args = ["--service-time", "40ms", "--workers", "4", "--queue-capacity", "50"];
    let rate = |shape| {
        let server = Server::start(&[&["synthetic", "--shape", shape], &args[..]].concat());
        completed(&server, 12, Duration::from_secs(4))
    };
    // Side by side, so that whatever else the machine does falls on both. The work is sleep: they
    // do not take it from each other.
    let (sync, queued) = std::thread::scope(|scope| {
        let sync = scope.spawn(|| rate("sync"));
        let queued = rate("queued");
        (sync.join().unwrap(), queued)
    });
    let ratio = queued / sync;
    println!("sync {sync:.1}/s, queued {queued:.1}/s, ratio {ratio:.4}");
    assert!((0.9..=1.1).contains(&ratio), "sync {sync:.1}/s, queued {queued:.1}/s: {ratio:.3}");
}
