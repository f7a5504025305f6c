//! The engine over real sockets: against nginx, and against servers that misbehave.
#![allow(clippy::unwrap_used)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use plimsoll_load::engine::{CellJob, CellResult, Listener, perform};
use plimsoll_load::recorder::JobRow;
use plimsoll_load::shard::Stop;
use plimsoll_load::transport::Endpoint;
use plimsoll_model::interval::Interval;
use plimsoll_model::plan::{
    ArrivalKind, CellId, Completion, Load, Pacing, Plan, Request, Segment, Step, Target, Transport, Variant,
};
use plimsoll_model::sample::{FailureKind, Metric, Outcome, Phase};
use plimsoll_model::time::Nanos;
use tokio::sync::watch;

/// Every transport passes the same tests.
const TRANSPORTS: [Transport; 2] = [Transport::Auto, Transport::Hyper];

/// Everything a run of one cell told, merged.
struct Heard {
    all: Interval,
    rows: Vec<JobRow>,
}

impl Listener for Heard {
    fn begun(&mut self, _: Nanos) -> io::Result<()> {
        Ok(())
    }
    fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        self.all.merge_later(interval);
        Ok(())
    }
    fn row(&mut self, row: &JobRow) -> io::Result<()> {
        self.rows.push(*row);
        Ok(())
    }
}

fn plan(load: Load) -> Plan {
    let request =
        Request { method: "GET".into(), path: "/".into(), headers: vec![], body: None, expect: vec![] };
    let target = Target::External { url: String::new() };
    Plan {
        name: "test".into(),
        seed: 1,
        variants: vec![Variant { name: "v".into(), target, request, completion: Completion::Immediate }],
        steps: vec![Step { name: "s".into(), load }],
        warmup: Nanos::ZERO,
        drain_timeout: Nanos::from_secs(5),
        timeout: Nanos::from_secs(5),
        max_in_flight: 1000,
        shards: 1,
        interval: Nanos::from_millis(250),
        pacing: Pacing::Fine,
        transport: Transport::Auto,
        job_ledger: true,
    }
}

fn open(rate: f64, millis: u64) -> Load {
    let profile = vec![Segment { from: rate, to: rate, duration: Nanos::from_millis(millis) }];
    Load::Open { arrivals: ArrivalKind::Poisson, profile }
}

fn load(plan: &Plan, url: &str) -> (Heard, CellResult) {
    let job = CellJob {
        plan,
        id: CellId { variant: 0, step: 0 },
        endpoint: Endpoint::resolve(url).unwrap(),
        key_prefix: "k-".into(),
        shared_clock: false,
    };
    let mut heard = Heard { all: Interval { start: Nanos::MAX, ..Interval::default() }, rows: vec![] };
    let (_wish, stop) = watch::channel(Stop::No);
    let result = perform(&job, &stop, &mut heard).unwrap();
    let total = heard.all.total();
    assert_eq!(total.scheduled, total.ended(), "every start ends in one outcome: {total:?}");
    assert_eq!(heard.rows.len() as u64, total.sent, "every operation has its row");
    (heard, result)
}

/// A server that does `answer` with each request of each connection, while it says to go on.
fn server(answer: impl Fn(&mut TcpStream, u64) -> bool + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            thread::spawn(move || {
                let mut write = stream.try_clone().unwrap();
                let mut read = BufReader::new(stream);
                while read_head(&mut read) && answer(&mut write, count.fetch_add(1, Ordering::Relaxed)) {}
            });
        }
    });
    url
}

fn read_head(read: &mut impl BufRead) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        match read.read_line(&mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) if line == "\r\n" => return true,
            Ok(_) => {}
        }
    }
}

/// One answer in all its outcomes, from a server that always gives `text`.
fn outcome_of(transport: Transport, text: &'static str, go_on: bool) -> (Outcome, Option<FailureKind>) {
    let url = server(move |stream, _| stream.write_all(text.as_bytes()).is_ok() && go_on);
    let (heard, _) = load(&Plan { transport, ..plan(open(100.0, 100)) }, &url);
    let first = heard.rows[0].sample;
    assert!(heard.rows.iter().all(|r| r.sample.outcome == first.outcome), "{text:?} is one outcome");
    (first.outcome, first.failure)
}

#[test]
fn each_answer_has_its_outcome() {
    use Outcome::*;
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true, Ok, None),
        ("HTTP/1.1 204 No Content\r\n\r\n", true, Ok, None),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true, Ok, None),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true, Ok, None),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", false, Ok, None),
        ("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", true, Ok, None),
        ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", true, Rejected, None),
        ("HTTP/1.1 429 Slower\r\ncontent-length: 0\r\n\r\n", true, Rejected, None),
        ("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", true, Failed, Some(FailureKind::Status)),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", true, Failed, Some(FailureKind::Status)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", false, Failed, Some(FailureKind::Closed)),
        ("", false, Failed, Some(FailureKind::Closed)),
        ("SSH-2.0-OpenSSH\r\n\r\n", false, Failed, Some(FailureKind::Protocol)),
    ];
    for (text, go_on, outcome, failure) in cases {
        for transport in TRANSPORTS {
            assert_eq!(outcome_of(transport, text, go_on), (outcome, failure), "{transport:?} {text:?}");
        }
    }
}

#[test]
fn an_answer_in_single_bytes_is_one_answer() {
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                 3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n";
    for transport in TRANSPORTS {
        let url = server(move |stream, _| {
            stream.set_nodelay(true).unwrap();
            text.iter().all(|byte| {
                thread::sleep(std::time::Duration::from_micros(200));
                stream.write_all(&[*byte]).is_ok()
            })
        });
        let (heard, _) = load(&Plan { transport, ..plan(open(50.0, 300)) }, &url);
        let total = heard.all.total();
        assert_eq!(total.outcome(Outcome::Ok), total.scheduled, "{transport:?} {:?}", total.failures);
        assert_eq!(total.bytes_in, total.scheduled * 5, "{transport:?}");
    }
}

#[test]
fn bytes_nobody_asked_for_are_never_taken_for_the_next_answer() {
    // Behind each 200 comes a 500 that no request asked for.
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
    let url = server(move |stream, _| stream.write_all(text).is_ok());
    let (heard, _) = load(&plan(open(100.0, 500)), &url);
    let total = heard.all.total();
    assert_eq!(total.statuses.keys().collect::<Vec<_>>(), [&200]);
    assert_eq!(total.outcome(Outcome::Ok), total.scheduled);
}

#[test]
fn a_request_larger_than_the_sockets_buffer_arrives_whole() {
    const LENGTH: usize = 8 << 20;
    let request = Request {
        method: "POST".into(),
        path: "/".into(),
        headers: vec![],
        body: Some("x".repeat(LENGTH)),
        expect: vec![],
    };
    for transport in TRANSPORTS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut write = stream.try_clone().unwrap();
                let mut read = BufReader::new(stream);
                if read_head(&mut read) {
                    thread::sleep(std::time::Duration::from_millis(50));
                    let mut body = vec![0; LENGTH];
                    read.read_exact(&mut body).unwrap();
                    assert!(body.iter().all(|b| *b == b'x'));
                    write
                        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                        .unwrap();
                }
            }
        });
        let mut plan = Plan { transport, ..plan(open(20.0, 200)) };
        plan.variants[0].request = request.clone();
        let (heard, _) = load(&plan, &url);
        let total = heard.all.total();
        assert_eq!(total.outcome(Outcome::Ok), total.scheduled, "{transport:?} {:?}", total.failures);
    }
}

#[test]
fn a_refused_connection_fails_and_was_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (heard, _) = load(&plan(open(200.0, 200)), &url);
    let total = heard.all.total();
    assert_eq!(total.failures[&FailureKind::Connect], total.scheduled);
    assert!(total.scheduled > 0);
}

#[test]
fn a_connection_closed_between_requests_is_replaced_and_nothing_fails() {
    let url = server(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").unwrap();
        false
    });
    let (heard, _) = load(&plan(open(200.0, 1000)), &url);
    let total = heard.all.total();
    assert_eq!(total.outcome(Outcome::Ok), total.scheduled);
    let connects = heard.all.merged(Metric::Connect, Phase::Measured, &Outcome::ALL).count();
    assert_eq!(connects, total.scheduled, "each needed a connection of its own");
}

#[test]
fn one_slow_connection_holds_up_no_other() {
    // The first request takes 600 ms; the others are answered at once, on other connections.
    let url = server(|stream, number| {
        if number == 0 {
            thread::sleep(std::time::Duration::from_millis(600));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_ok()
    });
    let (heard, _) = load(&plan(open(200.0, 1000)), &url);
    let response = heard.all.merged(Metric::ResponseTime, Phase::Measured, &Outcome::ALL);
    assert!(response.max() >= Some(Nanos::from_millis(600)));
    // Behind it, a hundred others would have waited 300 ms on average.
    assert!(response.quantile(0.5) < Some(Nanos::from_millis(100)), "{:?}", response.quantile(0.5));
}

#[test]
fn shards_share_the_schedule_exactly() {
    let url = server(|stream, _| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_ok());
    let numbers = |shards| {
        let (heard, _) = load(&Plan { shards, ..plan(open(300.0, 1000)) }, &url);
        let mut seqs: Vec<_> = heard.rows.iter().map(|r| r.seq).collect();
        seqs.sort_unstable();
        seqs
    };
    let one = numbers(1);
    assert_eq!(one, (0..one.len() as u64).collect::<Vec<_>>());
    assert_eq!(numbers(3), one);
}

/// An nginx on a free port, writing a line for each request; killed when dropped.
struct Nginx {
    child: Child,
    dir: tempfile::TempDir,
    url: String,
}

impl Nginx {
    fn start() -> Nginx {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let conf = format!(
            "daemon off; master_process off; pid {}; error_log {} error;\n\
             events {{ worker_connections 2048; }}\n\
             http {{ access_log {} ; keepalive_requests 1000000;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 'hello, world'; }} }} }}\n",
            at("pid"),
            at("error.log"),
            at("access.log")
        );
        std::fs::write(dir.path().join("nginx.conf"), conf).unwrap();
        let child = Command::new("nginx")
            .args(["-c", &at("nginx.conf"), "-p", &at("")])
            .spawn()
            .expect("nginx is needed for this test: cargo xtask test installs it");
        let url = format!("http://127.0.0.1:{port}/");
        Endpoint::resolve(&url).unwrap().wait_reachable(std::time::Duration::from_secs(10)).unwrap();
        Nginx { child, dir, url }
    }

    fn requests(&self) -> usize {
        let mut log = String::new();
        std::fs::File::open(Path::join(self.dir.path(), "access.log"))
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        log.lines().count()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nginx_counts_what_the_driver_counts() {
    TRANSPORTS.into_iter().for_each(counts_agree);
}

fn counts_agree(transport: Transport) {
    let nginx = Nginx::start();
    let (heard, result) = load(&Plan { transport, ..plan(open(1000.0, 1000)) }, &nginx.url);
    let total = heard.all.total();
    assert_eq!(total.outcome(Outcome::Ok), total.scheduled);
    assert_eq!(total.bytes_in, total.scheduled * 12);
    assert_eq!(nginx.requests() as u64, total.sent);
    assert_eq!(result.arrivals_end, Nanos::from_secs(1));
    // Whatever the machine does, nothing is sent early: lateness has no negative side.
    assert!(heard.rows.iter().all(|r| r.sample.sent >= r.sample.intended));
    // And the response time is the service time plus the lateness, request by request.
    assert!(heard.rows.iter().all(|r| {
        let s = &r.sample;
        s.ended - s.intended == (s.ended - s.sent) + (s.sent - s.intended)
    }));
}

#[test]
fn a_closed_load_never_has_more_out_than_its_users() {
    let nginx = Nginx::start();
    let duration = Nanos::from_millis(500);
    let closed = Load::Closed { concurrency: 4, think_time: Nanos::from_millis(1), duration };
    let (heard, _) = load(&plan(closed), &nginx.url);
    let total = heard.all.total();
    assert_eq!(total.outcome(Outcome::Ok), total.scheduled);
    let connects = heard.all.merged(Metric::Connect, Phase::Measured, &Outcome::ALL).count();
    assert_eq!(connects, 4, "each user has one connection");
}
