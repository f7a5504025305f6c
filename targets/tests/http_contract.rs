//! What each shape promises over HTTP, asked of the real binary.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::net::TcpStream;
use std::time::Duration;

use common::{Client, Server, eventually};
use serde_json::json;

fn queued(more: &[&str]) -> Server {
    let mut args = vec!["synthetic", "--shape", "queued"];
    if !more.contains(&"--service-time") {
        args.extend(["--service-time", "1ms"]);
    }
    args.extend(more);
    Server::start(&args)
}

#[test]
fn the_ready_line_says_what_serves() {
    let server = queued(&["--queue", "memory", "--workers", "3", "--queue-capacity", "77"]);
    let ready = &server.ready;
    assert_eq!((&ready["workload"], &ready["shape"]), (&json!("synthetic"), &json!("queued")));
    assert_eq!((&ready["workers"], &ready["queue_capacity"]), (&json!(3), &json!(77)));
    assert_eq!((&ready["queue"], &ready["durability"]), (&json!("memory"), &json!("D0")));
    assert_eq!(ready["clock"]["kind"], "monotonic");
    assert!(ready["clock"]["boot_id"].as_str().unwrap().len() > 6);
    assert!(ready["pid"].as_u64().unwrap() > 0);
    assert_eq!(server.get("/healthz").status, 200);
    let sync = Server::start(&["synthetic"]);
    assert_eq!((&sync.ready["shape"], &sync.ready["durability"]), (&json!("sync"), &json!("none")));
    let durable = queued(&[]);
    assert_eq!(durable.ready["durability"], "D2");
}

#[test]
fn sync_answers_with_result_and_stamps() {
    let server = Server::start(&["synthetic", "--service-time", "5ms"]);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("traceparent", trace)];
    let reply = server.client().send("POST", "/v1/synthetic", &headers, r#"{"key":"a"}"#);
    assert_eq!(reply.status, 200);
    let body = reply.json();
    assert_eq!((&body["key"], &body["status"]), (&json!("a"), &json!("succeeded")));
    assert_eq!(body["result"]["service_us"], 5000);
    assert_eq!(body["traceparent"], trace);
    let stamp = |name: &str| body["stamps"][name].as_u64().unwrap();
    assert!(stamp("received_us") <= stamp("started_us"));
    assert!(stamp("done_us") - stamp("started_us") >= 5000, "never shorter than drawn");
    assert_eq!(reply.header("x-done-us").unwrap(), stamp("done_us").to_string());
    assert_eq!(server.get("/v1/jobs/x").problem(404), "not-found");
}

#[test]
fn sync_keys_are_worked_on_once() {
    let server = Server::start(&["synthetic", "--service-time", "400ms"]);
    let key = [("idempotency-key", "\"k1\"")];
    let (mut one, mut two) = (server.client(), server.client());
    one.begin("POST", "/v1/synthetic", &key, r#"{"n":1}"#).unwrap();
    eventually("the first to run", || server.get("/v1/queue").json()["in_flight"] == 1);
    assert_eq!(two.send("POST", "/v1/synthetic", &key, r#"{"n":1}"#).problem(409), "in-progress");
    let first = one.finish().unwrap();
    assert_eq!(first.status, 200);
    let again = two.send("POST", "/v1/synthetic", &[("idempotency-key", "k1")], r#"{"n":1}"#);
    assert_eq!((again.status, again.json()), (200, first.json()), "the very same answer");
    assert_eq!(two.send("POST", "/v1/synthetic", &key, r#"{"n":2}"#).problem(422), "key-reused");
    let stats = server.get("/v1/stats").json();
    assert_eq!((&stats["attempts"], &stats["duplicates_suppressed"]), (&json!(1), &json!(1)));
    assert_eq!(server.ledger(), [("k1".to_owned(), "succeeded".to_owned(), 1, 1)]);
}

#[test]
fn sync_line_is_bounded_and_left_by_who_disconnects() {
    let server = Server::start(&[
        "synthetic",
        "--service-time",
        "60s",
        "--workers",
        "1",
        "--queue-capacity",
        "1",
        "--drain-timeout",
        "10ms",
    ]);
    let depth = |ready: u64, in_flight: u64| {
        let depth = server.get("/v1/queue").json();
        depth["ready"] == ready && depth["in_flight"] == in_flight
    };
    let mut working = server.client();
    working.begin("POST", "/v1/synthetic", &[], "{}").unwrap();
    eventually("one to run", || depth(0, 1));
    let mut waiting = server.client();
    waiting.begin("POST", "/v1/synthetic", &[], r#"{"key":"w"}"#).unwrap();
    eventually("one to wait", || depth(1, 1));
    let refused = server.post("/v1/synthetic", "{}");
    assert_eq!(refused.problem(503), "queue-full");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.json()["queue_depth"], 1);
    drop(waiting);
    eventually("its place to be free", || depth(0, 1));
    drop(working);
    std::thread::sleep(Duration::from_millis(50));
    assert!(depth(0, 1), "work once started goes on without its caller");
    let stats = server.get("/v1/stats").json();
    assert_eq!((&stats["left"], &stats["refused"]), (&json!(1), &json!(1)));
}

#[test]
fn invalid_requests_are_told_at_once() {
    let server = queued(&[]);
    assert_eq!(server.post("/v1/synthetic", "{").problem(400), "invalid-request");
    assert_eq!(server.post("/v1/synthetic", "[]").problem(400), "invalid-request");
    assert_eq!(server.post("/v1/synthetic", r#"{"key":7}"#).problem(400), "invalid-request");
    let long = format!(r#"{{"key":"{}"}}"#, "k".repeat(129));
    assert_eq!(server.post("/v1/synthetic", &long).problem(400), "invalid-request");
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(65 * 1024));
    assert_eq!(server.post("/v1/synthetic", &large).problem(413), "body-too-large");
    // Larger than a socket's buffers: told all the same, not cut off.
    let huge = format!(r#"{{"x":"{}"}}"#, "y".repeat(900 * 1024));
    assert_eq!(server.post("/v1/synthetic", &huge).problem(413), "body-too-large");
    assert_eq!(server.post("/v1/email", "{}").problem(404), "not-found");
    assert_eq!(server.get("/v1/jobs/00000000-1").problem(404), "not-found");
    assert_eq!(server.get("/v1/jobs/nonsense").problem(404), "not-found");
    assert_eq!(server.get("/v1/ledger?limit=10001").problem(400), "invalid-request");
    let wrong = server.client().send("PUT", "/v1/synthetic", &[], "{}");
    assert_eq!(wrong.problem(405), "method-not-allowed");
    assert_eq!(wrong.header("allow"), Some("POST"));
    assert_eq!(server.get("/v1/queue").json()["ready"], 0);
    assert!(server.ledger().is_empty(), "nothing of it was queued");
}

fn accepts_and_tells(queue: &str) {
    let server = queued(&["--queue", queue]);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("traceparent", trace), ("prefer", "respond-async")];
    let mut client = server.client();
    let reply = client.send("POST", "/v1/synthetic", &headers, r#"{"key":"a"}"#);
    assert_eq!(reply.status, 202);
    let body = reply.json();
    assert_eq!((&body["key"], &body["status"]), (&json!("a"), &json!("queued")));
    let url = body["status_url"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(url.as_str()));
    assert_eq!(url, format!("/v1/jobs/{}", body["id"].as_str().unwrap()));
    assert_eq!(reply.header("retry-after"), Some("0"), "1 ms of work is no second");
    assert_eq!(reply.header("preference-applied"), Some("respond-async"));

    let done = client.send("GET", &url, &[("prefer", "wait=30")], "");
    assert_eq!(done.status, 200);
    assert!(done.header("retry-after").is_none(), "nothing left to wait for");
    let document = done.json();
    assert_eq!((&document["status"], &document["attempts"]), (&json!("succeeded"), &json!(1)));
    assert_eq!((&document["id"], &document["key"]), (&body["id"], &json!("a")));
    assert_eq!(document["result"]["service_us"], 1000);
    assert_eq!(document["traceparent"], trace);
    let stamps = &document["stamps"];
    assert_eq!(stamps["leased_us"].as_array().unwrap().len(), 1);
    let order = [&stamps["received_us"], &stamps["enqueued_us"], &stamps["leased_us"][0], &stamps["done_us"]]
        .map(|stamp| stamp.as_u64().unwrap());
    assert!(order.is_sorted(), "{order:?}");

    let again = client.send("POST", "/v1/synthetic", &[], r#"{"key":"a"}"#);
    assert_eq!((again.status, again.header("location")), (202, Some(url.as_str())));
    let other = client.send("POST", "/v1/synthetic", &[], r#"{"key":"a","n":1}"#);
    assert_eq!(other.problem(422), "key-reused");
    assert_eq!(server.ledger(), [("a".to_owned(), "succeeded".to_owned(), 1, 1)]);

    let waited = client.send("POST", "/v1/synthetic", &[("prefer", "wait=30")], r#"{"key":"b"}"#);
    assert_eq!((waited.status, &waited.json()["status"]), (200, &json!("succeeded")));
    assert_eq!(waited.header("preference-applied"), Some("wait=30"));
    let stats = server.get("/v1/stats").json();
    assert_eq!((&stats["accepted"], &stats["succeeded"]), (&json!(2), &json!(2)));
    assert_eq!(stats["commits"].as_u64().unwrap() > 0, queue == "sqlite");
}

#[test]
fn queued_accepts_and_tells_on_sqlite() {
    accepts_and_tells("sqlite");
}

#[test]
fn queued_accepts_and_tells_in_memory() {
    accepts_and_tells("memory");
}

fn bounds_and_cancels(queue: &str) {
    let server = stuck_server(queue);
    let mut client = server.client();
    let mut post = |key: &str| client.send("POST", "/v1/synthetic", &[], &json!({ "key": key }).to_string());
    let running = post("running").header("location").unwrap().to_owned();
    eventually("a worker to take it up", || server.get(&running).json()["status"] == "running");
    let document = server.get(&running).json();
    assert_eq!(
        (&document["attempts"], document["stamps"]["leased_us"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    assert_eq!(post("w1").status, 202);
    let waiting = post("w2");
    assert_eq!(waiting.status, 202, "so many may wait besides the one being worked on");
    let refused = post("w3");
    assert_eq!(refused.problem(503), "queue-full");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);

    let url = waiting.header("location").unwrap();
    let document = server.get(url).json();
    assert_eq!((&document["status"], &document["attempts"]), (&json!("queued"), &json!(0)));
    let mut waiter = server.client();
    waiter.begin("GET", url, &[("prefer", "wait=60")], "").unwrap();
    let cancelled = server.client().send("DELETE", url, &[], "");
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    assert_eq!(waiter.finish().unwrap().json()["status"], "cancelled", "who waits is told");
    assert_eq!(server.client().send("DELETE", url, &[], "").problem(409), "already-ended");
    assert_eq!(server.client().send("DELETE", &running, &[], "").problem(409), "in-progress");
    assert_eq!(post("w4").status, 202, "its place is free");
    let short = server.client().send("GET", &running, &[("prefer", "wait=0")], "");
    assert_eq!((short.status, &short.json()["status"]), (200, &json!("running")));
    assert!(short.header("retry-after").is_some());
    let depth = server.get("/v1/queue").json();
    assert_eq!(depth["capacity"], 2);
    assert!(depth["oldest_age_us"].as_u64().unwrap() > 0);
}

fn stuck_server(queue: &str) -> Server {
    Server::start(&[
        "synthetic",
        "--shape",
        "queued",
        "--service-time",
        "60s",
        "--workers",
        "1",
        "--queue",
        queue,
        "--queue-capacity",
        "2",
        "--drain-timeout",
        "10ms",
    ])
}

#[test]
fn queued_bounds_and_cancels_on_sqlite() {
    bounds_and_cancels("sqlite");
}

#[test]
fn queued_bounds_and_cancels_in_memory() {
    bounds_and_cancels("memory");
}

#[test]
fn failures_persist_at_the_status_resource() {
    let server = queued(&["--failure-rate", "1", "--max-attempts", "3", "--backoff", "1ms"]);
    let reply = server.client().send("POST", "/v1/synthetic", &[("prefer", "wait=30")], "{}");
    let document = reply.json();
    assert_eq!((&document["status"], &document["attempts"]), (&json!("dead"), &json!(3)));
    assert_eq!(document["stamps"]["leased_us"].as_array().unwrap().len(), 3);
    assert_eq!(document["error"]["code"], "injected");
    let depth = server.get("/v1/queue").json();
    assert_eq!(depth["dead"], 1);
    let permanent = queued(&["--permanent-rate", "1"]);
    let reply = permanent.client().send("POST", "/v1/synthetic", &[("prefer", "wait=30")], "{}");
    assert_eq!((&reply.json()["status"], &reply.json()["attempts"]), (&json!("failed"), &json!(1)));
}

#[test]
fn a_key_costs_the_same_in_every_shape() {
    let args = ["--service-time", "lognormal:2ms:0.5", "--seed", "42"];
    let sync = Server::start(&[&["synthetic"], &args[..]].concat());
    let queued = Server::start(&[&["synthetic", "--shape", "queued"], &args[..]].concat());
    for i in 0..20 {
        let body = format!(r#"{{"key":"k{i}"}}"#);
        let wait = [("prefer", "wait=30")];
        let one = sync.client().send("POST", "/v1/synthetic", &wait, &body).json();
        let other = queued.client().send("POST", "/v1/synthetic", &wait, &body).json();
        assert_eq!(one["result"], other["result"]);
    }
}

#[test]
fn a_lease_shorter_than_its_work_is_done_twice() {
    // Long enough that a busy machine does not let a lease run out before a worker sees it: such
    // a delivery is, rightly, not worked on.
    let times = ["--service-time", "1500ms", "--visibility-timeout", "600ms"];
    let kept = queued(&times);
    let mut waiting = kept.client();
    waiting.begin("POST", "/v1/synthetic", &[("prefer", "wait=30")], "{}").unwrap();
    let server = queued(&[&times[..], &["--no-lease-extension", "--max-attempts", "2"]].concat());
    server.post("/v1/synthetic", r#"{"key":"a"}"#);
    server.drained();
    eventually("the late reports", || server.get("/v1/stats").json()["late_acks"].as_u64().unwrap() >= 2);
    let (_, status, attempts, processed) = server.ledger().remove(0);
    assert_eq!((status.as_str(), attempts), ("dead", 2));
    assert_eq!(processed, 2, "both deliveries did the work");
    let reply = waiting.finish().unwrap().json();
    assert_eq!((&reply["status"], &reply["attempts"]), (&json!("succeeded"), &json!(1)));
}

#[test]
fn a_malformed_request_costs_only_its_connection() {
    let server = queued(&[]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    std::io::Write::write_all(&mut stream, b"nonsense\r\n\r\n").unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    let mut client = Client::connect(&server.address());
    for _ in 0..3 {
        assert_eq!(client.send("GET", "/healthz", &[], "").status, 200, "kept alive");
    }
}

#[test]
fn a_ledger_cursor_beyond_the_end_is_an_empty_page() {
    for args in [&["--queue", "memory"][..], &["--queue", "sqlite"][..]] {
        let server = queued(args);
        let page = server.get(&format!("/v1/ledger?after={}", u64::MAX)).json();
        assert_eq!(page, json!({"jobs": [], "next": null, "evicted": 0}));
    }
    let page = Server::start(&["synthetic"]).get(&format!("/v1/ledger?after={}", u64::MAX)).json();
    assert_eq!(page, json!({"jobs": [], "next": null, "evicted": 0}));
}

#[test]
fn retry_after_is_rounded_down() {
    let server = queued(&["--service-time", "600ms", "--workers", "1"]);
    let done = server.client().send("POST", "/v1/synthetic", &[("prefer", "wait=30")], "{}");
    assert_eq!(done.json()["status"], "succeeded");
    // One attempt takes 600 ms and a little: 0.6 s for the first, 3 s for the fifth, or 2.4 s if
    // the first has ended meanwhile.
    let told: Vec<u64> = (0..5)
        .map(|_| server.post("/v1/synthetic", "{}").header("retry-after").unwrap().parse().unwrap())
        .collect();
    assert_eq!(told[0], 0);
    assert!((2..=3).contains(&told[4]), "{told:?}");
}
