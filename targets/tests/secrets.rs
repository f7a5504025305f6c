//! Passwords and signing secrets stay out of what a server says.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::Server;
use plimsoll_targets::queue::NewJob;
use serde_json::json;
use sha2::{Digest, Sha256};

const CHEAP_HASH: [&str; 6] = ["--argon2-memory", "64", "--argon2-iterations", "1", "--users", "4"];
/// Wrong on purpose in some jobs, so that the failing path is looked at, too.
const MARK: &str = "hunter2-mark";

/// The secrets in use with the default seed, in every form they could be written in.
fn secrets() -> Vec<String> {
    let mut sources: Vec<_> = (0..5).map(|i| format!("webhook secret 1 {i}")).collect();
    sources.push("session secret 1".to_owned());
    let mut forms = vec!["password-1".to_owned(), MARK.to_owned(), "whsec_".to_owned()];
    for source in sources {
        let bytes = Sha256::digest(&source);
        forms.push(STANDARD.encode(bytes).trim_end_matches('=').to_owned());
        forms.push(URL_SAFE_NO_PAD.encode(bytes));
        forms.push(bytes.iter().map(|b| format!("{b:02x}")).collect());
        forms.push(format!("{:?}", bytes.to_vec()));
        forms.push(source);
    }
    forms
}

/// Everything the server tells of its jobs and of itself.
fn all_documents(server: &Server, locations: &[String]) -> String {
    let mut said = server.ready.to_string();
    let fixed = ["/v1/ledger", "/v1/stats", "/v1/queue", "/v1/effects/webhook", "/v1/effects/gateway"];
    for path in fixed.into_iter().chain(locations.iter().map(String::as_str)) {
        let reply = server.get(path);
        said += &format!("{:?}{}", reply.headers, reply.body);
    }
    said
}

fn job(workload: &str, i: usize, password: &str) -> String {
    let mut body = json!({"key": format!("k{i}"), "user": "user-1", "password": password});
    if workload == "checkout" {
        body["amount_cents"] = json!(100);
        body["currency"] = json!("EUR");
        body["to"] = json!("buyer@example.org");
    }
    body.to_string()
}

#[test]
fn passwords_and_webhook_secrets_are_never_told() {
    let cases = [("login", "sync"), ("login", "queued"), ("checkout", "hybrid"), ("checkout", "queued")];
    for (workload, shape) in cases.into_iter().chain([("checkout", "sync")]) {
        let faults = if workload == "checkout" { &["--failure-rate", "0.5"][..] } else { &[] };
        let fast = if workload == "checkout" { &["--service-time", "1ms"][..] } else { &[] };
        let base = [workload, "--shape", shape, "--backoff", "1ms", "--max-attempts", "3"];
        let mut server = Server::start(&[&base[..], &CHEAP_HASH, faults, fast].concat());
        let path = format!("/v1/{workload}");
        let (mut said, mut locations) = (String::new(), Vec::new());
        for i in 0..8 {
            let password = if i % 2 == 0 { "password-1" } else { MARK };
            let reply = server.post(&path, &job(workload, i, password));
            said += &format!("{:?}{}", reply.headers, reply.body);
            locations.extend(reply.header("location").map(str::to_owned));
        }
        for broken in [format!(r#"{{"password":"{MARK}""#), format!(r#"{{"user":7,"password":"{MARK}"}}"#)] {
            let reply = server.post(&path, &broken);
            reply.problem(400);
            said += &reply.body;
        }
        server.drained();
        said += &all_documents(&server, &locations);
        server.terminate();
        let (status, logged) = server.wait(Duration::from_secs(20));
        assert!(status.success());
        for secret in secrets() {
            assert!(!said.contains(&secret), "{workload} {shape} told {secret:?}: {said}");
            assert!(!logged.contains(&secret), "{workload} {shape} logged {secret:?}: {logged}");
        }
    }
}

#[test]
fn debugging_a_job_leaves_out_its_payload() {
    let job = NewJob {
        key: "k".to_owned(),
        payload: job("login", 0, MARK),
        progress: None,
        traceparent: None,
        received_us: 1,
    };
    let said = format!("{job:?}");
    assert!(said.contains("\"k\"") && !said.contains(MARK), "{said}");
}
