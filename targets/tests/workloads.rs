//! Each workload end to end: the work was really done, and done once.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use common::{Reply, Server};
use serde_json::{Value, json};

const FAST: [&str; 4] = ["--service-time", "1ms", "--backoff", "1ms"];
const CHEAP_HASH: [&str; 6] = ["--argon2-memory", "64", "--argon2-iterations", "1", "--users", "4"];

fn start(parts: &[&[&str]]) -> Server {
    Server::start(&parts.concat())
}

fn waited(server: &Server, path: &str, body: &Value) -> Reply {
    server.client().send("POST", path, &[("prefer", "wait=60")], &body.to_string())
}

#[test]
fn api_stores_and_reads_back() {
    for shape in ["sync", "queued"] {
        let server = Server::start(&["api", "--shape", shape]);
        let reply = waited(&server, "/v1/api", &json!({"key": "a", "value": {"n": [1, 2]}}));
        assert_eq!((reply.status, &reply.json()["result"]["version"]), (200, &json!(1)));
        let item = server.get("/v1/api/a").json();
        assert_eq!(item, json!({"key": "a", "value": {"n": [1, 2]}, "version": 1}));
        assert_eq!(server.get("/v1/api/b").problem(404), "not-found");
        assert_eq!(server.post("/v1/api", "{}").problem(400), "invalid-request");
    }
}

#[test]
fn login_tells_right_from_wrong() {
    let server = start(&[&["login"], &CHEAP_HASH]);
    let right = server.post("/v1/login", r#"{"user":"user-3","password":"password-3"}"#);
    assert_eq!(right.status, 200);
    let session = right.json()["result"]["session"].as_str().unwrap().to_owned();
    let cookie = right.header("set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("session={session};")), "{cookie}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    let pairs = [("user-3", "password-2"), ("user-4", "password-4"), ("root", "password-0")];
    for (user, password) in pairs {
        let body = json!({"user": user, "password": password}).to_string();
        let wrong = server.post("/v1/login", &body);
        assert_eq!(wrong.problem(401), "wrong-password");
        assert!(wrong.header("set-cookie").is_none());
    }
    assert_eq!(server.post("/v1/login", r#"{"user":"user-3"}"#).problem(400), "invalid-request");
    let queued = start(&[&["login", "--shape", "queued"], &CHEAP_HASH]);
    let wrong = waited(&queued, "/v1/login", &json!({"user": "user-1", "password": "x"})).json();
    assert_eq!((&wrong["status"], &wrong["error"]["status"]), (&json!("failed"), &json!(401)));
}

fn email(i: usize) -> Value {
    json!({"key": format!("mail-{i}"), "to": "someone@example.org", "subject": "Grüße", "text": "a\n.\nb"})
}

#[test]
fn email_is_delivered_once_whatever_the_sink_does() {
    for shape in ["sync", "queued"] {
        let server = start(&[&["email", "--shape", shape], &FAST]);
        for i in 0..10 {
            let reply = waited(&server, "/v1/email", &email(i));
            assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("succeeded")));
        }
        let expected: Vec<_> = (0..10).map(|i| (format!("mail-{i}"), 1)).collect();
        assert_eq!(server.effects("smtp"), expected);
        assert_eq!(server.post("/v1/email", r#"{"to":"nobody"}"#).problem(400), "invalid-request");
    }
}

#[test]
fn deferred_mail_is_retried_and_bounced_mail_is_not() {
    let args = ["email", "--shape", "queued", "--failure-rate", "0.4", "--permanent-rate", "0.2"];
    let server = start(&[&args, &FAST, &["--max-attempts", "30"]]);
    let mut client = server.client();
    for i in 0..60 {
        assert_eq!(client.send("POST", "/v1/email", &[], &email(i).to_string()).status, 202);
    }
    server.drained();
    let delivered: HashMap<_, _> = server.effects("smtp").into_iter().collect();
    let ledger = server.ledger();
    for (key, status, attempts, _) in &ledger {
        match status.as_str() {
            "succeeded" => assert_eq!(delivered[key], 1),
            "failed" => assert_eq!((delivered[key], *attempts), (0, 1), "bounced at once"),
            other => panic!("{key} is {other}"),
        }
    }
    assert!(ledger.iter().any(|(_, status, ..)| status == "failed"));
    assert!(ledger.iter().any(|(_, _, attempts, _)| *attempts > 1));
    let sync = start(&[&["email", "--failure-rate", "1"], &FAST]);
    assert_eq!(sync.post("/v1/email", &email(0).to_string()).problem(502), "smtp-deferred");
    let sync = start(&[&["email", "--permanent-rate", "1"], &FAST]);
    assert_eq!(sync.post("/v1/email", &email(0).to_string()).problem(422), "smtp-bounced");
}

#[test]
fn the_sink_alone_speaks_smtp() {
    let server = start(&[&["smtp-sink"], &FAST]);
    let stream = TcpStream::connect(server.ready["smtp"].as_str().unwrap()).unwrap();
    let mut lines = BufReader::new(stream);
    let mut say = |text: &str, code: &str| {
        lines.get_mut().write_all(text.as_bytes()).unwrap();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if line.as_bytes()[3] == b' ' {
                assert!(line.starts_with(code), "{text:?}: {line}");
                return;
            }
        }
    };
    say("", "220");
    say("EHLO me\r\n", "250");
    say("MAIL FROM:<a@b.c>\r\n", "250");
    say("RCPT TO:<d@e.f>\r\n", "250");
    say("DATA\r\n", "354");
    say("X-Plimsoll-Key: k7\r\n\r\nhello\r\n.\r\n", "250");
    say("QUIT\r\n", "221");
    assert_eq!(server.effects("smtp"), [("k7".to_owned(), 1)]);
    assert_eq!(server.get("/v1/stats").json()["peers"]["smtp_delivered"], 1);
}

fn payment(i: usize) -> Value {
    json!({"key": format!("pay-{i}"), "amount_cents": 100 + i, "currency": "EUR"})
}

#[test]
fn nobody_is_charged_twice() {
    let args = ["payment", "--shape", "queued", "--failure-rate", "0.3", "--lost-response-rate", "0.4"];
    let server = start(&[&args, &FAST, &["--max-attempts", "50"]]);
    let mut client = server.client();
    for i in 0..100 {
        assert_eq!(client.send("POST", "/v1/payment", &[], &payment(i).to_string()).status, 202);
    }
    server.drained();
    let stats = server.get("/v1/stats").json()["peers"].clone();
    assert!(stats["gateway_lost_responses"].as_u64().unwrap() > 10, "{stats}");
    assert!(stats["gateway_calls"].as_u64().unwrap() > 150, "{stats}");
    assert_eq!((&stats["gateway_charges"], &stats["gateway_distinct"]), (&json!(100), &json!(100)));
    let charges: HashMap<_, _> = server.effects("gateway").into_iter().collect();
    assert_eq!(charges.len(), 100);
    assert!(charges.values().all(|count| *count == 1));
    assert!(server.ledger().iter().all(|(_, status, ..)| status == "succeeded"));
}

#[test]
fn sync_payment_fails_openly_and_may_be_repeated() {
    let server = start(&[&["payment", "--lost-response-rate", "1"], &FAST]);
    let body = payment(0).to_string();
    assert_eq!(server.post("/v1/payment", &body).problem(502), "gateway-no-answer");
    let again = server.post("/v1/payment", &body);
    assert_eq!((again.status, &again.json()["result"]["replayed"]), (200, &json!(true)));
    assert_eq!(server.effects("gateway"), [("pay-0".to_owned(), 1)]);
    let declined = start(&[&["payment", "--permanent-rate", "1"], &FAST]);
    assert_eq!(declined.post("/v1/payment", &body).problem(402), "payment-declined");
    assert_eq!(declined.effects("gateway"), [("pay-0".to_owned(), 0)]);
    let bad = r#"{"amount_cents":0,"currency":"EUR"}"#;
    assert_eq!(declined.post("/v1/payment", bad).problem(400), "invalid-request");
}

#[test]
fn the_gateway_alone_keeps_its_promise() {
    let gateway = start(&[&["gateway"], &FAST]);
    let mut client = gateway.client();
    let key = [("idempotency-key", "k")];
    let first = client.send("POST", "/charges", &key, r#"{"amount_cents":1}"#).json();
    let again = client.send("POST", "/charges", &key, r#"{"amount_cents":1}"#).json();
    assert_eq!((&first["charge"], &first["replayed"]), (&again["charge"], &json!(false)));
    assert_eq!(client.send("POST", "/charges", &key, "{}").problem(422), "key-reused");
    assert_eq!(client.send("POST", "/charges", &[], "{}").problem(400), "key-missing");
    let address = gateway.address();
    let server = start(&[&["payment", "--gateway", &address], &FAST]);
    assert_eq!(server.post("/v1/payment", &payment(1).to_string()).status, 200);
    assert_eq!(gateway.effects("gateway"), [("k".to_owned(), 1), ("pay-1".to_owned(), 1)]);
}

#[test]
fn every_subscriber_is_told_and_only_failed_deliveries_are_repeated() {
    let args = ["notifications", "--shape", "queued", "--failure-rate", "0.4", "--subscribers", "3"];
    let server = start(&[&args, &FAST, &["--max-attempts", "50"]]);
    let mut client = server.client();
    for i in 0..30 {
        let body = json!({"key": format!("n{i}"), "event": "order.paid"}).to_string();
        assert_eq!(client.send("POST", "/v1/notifications", &[], &body).status, 202);
    }
    server.drained();
    let received: HashMap<_, _> = server.effects("webhook").into_iter().collect();
    assert_eq!(received.len(), 90);
    assert!(received.values().all(|count| *count == 1), "nothing delivered was repeated");
    let stats = server.get("/v1/stats").json()["peers"].clone();
    assert_eq!(stats["webhook_forged"], 0);
    assert!(stats["webhook_failed"].as_u64().unwrap() > 20, "{stats}");
    assert!(server.ledger().iter().any(|(_, _, attempts, _)| *attempts > 1));
}

#[test]
fn gone_subscribers_are_dead_letters_of_their_own() {
    let args = ["notifications", "--shape", "queued", "--permanent-rate", "0.5"];
    let server = start(&[&args, &FAST]);
    let document = waited(&server, "/v1/notifications", &json!({"key": "n", "event": "e"})).json();
    assert_eq!(document["status"], "failed");
    let ends = document["error"]["progress"].as_object().unwrap();
    assert_eq!(ends.len(), 5);
    let delivered = ends.values().filter(|end| *end == "delivered").count();
    let reached = server.effects("webhook").iter().filter(|(_, count)| *count == 1).count();
    assert!(delivered == reached && delivered < 5, "{ends:?}");
}

fn checkout(i: usize, login: &Value) -> Value {
    let mut body = payment(i);
    body["to"] = json!("buyer@example.org");
    for (name, value) in login.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn checkout_tells_the_whole_in_one_resource_in_every_shape() {
    for shape in ["hybrid", "sync", "queued"] {
        let server = start(&[&["checkout", "--shape", shape], &FAST, &CHEAP_HASH]);
        let login = json!({"user": "user-1", "password": "password-1"});
        let session = server.post("/v1/login", &login.to_string()).json();
        let session = json!({"session": session["session"]});
        for (i, login) in [&login, &session].into_iter().enumerate() {
            let reply = waited(&server, "/v1/checkout", &checkout(i, login));
            assert_eq!(reply.status, 200, "{reply:?}");
            let document = reply.json();
            assert_eq!(document["status"], "succeeded");
            let result = &document["result"];
            assert_eq!(result["order"]["user"], "user-1");
            assert_eq!(result["payment"]["status"], "charged");
            assert_eq!(result["email"]["smtp"], "250");
            assert_eq!(result["notification"]["delivered"], 5);
            let order = server.get(&format!("/v1/checkout/pay-{i}")).json();
            assert_eq!((&order["status"], &order["user"]), (&json!("paid"), &json!("user-1")));
        }
        let totals = ["smtp", "gateway", "webhook"].map(|peer| server.effects(peer).len());
        assert_eq!(totals, [2, 2, 10]);
    }
}

#[test]
fn hybrid_checkout_refuses_before_it_queues() {
    let server = start(&[&["checkout"], &FAST, &CHEAP_HASH]);
    assert_eq!(server.ready["shape"], "hybrid");
    let wrong = checkout(0, &json!({"user": "user-1", "password": "nope"}));
    assert_eq!(server.post("/v1/checkout", &wrong.to_string()).problem(401), "wrong-password");
    let forged = checkout(0, &json!({"session": "user-1.AAAA"}));
    assert_eq!(server.post("/v1/checkout", &forged.to_string()).problem(401), "session-invalid");
    assert!(server.ledger().is_empty());
    assert_eq!(server.get("/v1/checkout/pay-0").problem(404), "not-found");
    let right = checkout(0, &json!({"user": "user-1", "password": "password-1"}));
    let accepted = server.post("/v1/checkout", &right.to_string());
    assert_eq!(accepted.status, 202);
    let order = server.get("/v1/checkout/pay-0").json();
    assert_eq!(order["user"], "user-1", "written before the answer");
}

#[test]
fn a_failing_checkout_repeats_no_finished_stage() {
    let args = ["checkout", "--failure-rate", "0.3", "--lost-response-rate", "0.2"];
    let server = start(&[&args, &FAST, &CHEAP_HASH, &["--max-attempts", "100"]]);
    let login = json!({"user": "user-2", "password": "password-2"});
    for i in 0..15 {
        let body = checkout(i, &login).to_string();
        assert_eq!(server.post("/v1/checkout", &body).status, 202);
    }
    server.drained();
    assert!(server.ledger().iter().all(|(_, status, ..)| status == "succeeded"));
    for (peer, count) in [("smtp", 15), ("gateway", 15), ("webhook", 75)] {
        let effects = server.effects(peer);
        assert_eq!(effects.len(), count, "{peer}");
        assert!(effects.iter().all(|(_, count)| *count == 1), "{peer}: {effects:?}");
    }
}
