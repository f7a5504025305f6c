//! What a right configuration gives, and that a described plan is a configuration of the same plan.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};

use plimsoll_model::config::{self, Overrides};
use plimsoll_model::plan::{ArrivalKind, Completion, Load, Plan, Segment, Target};
use plimsoll_model::template::Template;
use plimsoll_model::time::Nanos;
use proptest::prelude::*;

fn good(text: &str) -> Plan {
    config::parse(text, "dir/t.yaml").unwrap_or_else(|e| panic!("{text}\n{e}"))
}

/// A plan whose load is `load`, on an external target.
fn with_load(load: &str) -> Plan {
    good(&format!("target: http://h/\nload: {load}\n"))
}

fn configs() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

fn same_when_described(plan: &Plan) {
    let text = config::describe(plan);
    let again = config::parse(&text, "described.yaml").unwrap_or_else(|e| panic!("{text}\n{e}"));
    assert_eq!(*plan, again, "{text}");
}

#[test]
fn the_minimal_file_has_sensible_defaults() {
    let plan = good(
        "target: http://127.0.0.1:8080/\nload: { model: open, arrivals: constant, rate: 2k/s, duration: 20s }",
    );
    assert_eq!(plan.name, "t");
    assert_eq!(plan.seed, 1);
    let variant = &plan.variants[0];
    assert_eq!(variant.name, "t");
    assert_eq!(variant.target, Target::External { url: "http://127.0.0.1:8080/".to_owned() });
    assert_eq!((variant.request.method.as_str(), variant.request.path.as_str()), ("GET", "/"));
    assert_eq!(variant.request.body, None);
    assert_eq!(variant.completion, Completion::Immediate);
    assert_eq!(plan.steps[0].name, "2000/s");
    assert_eq!(plan.warmup, Nanos::ZERO);
    assert_eq!(plan.timeout, Nanos::from_secs(30));
    assert_eq!(plan.drain_timeout, Nanos::from_secs(30));
    assert_eq!(plan.max_in_flight, 10_000);
    assert_eq!(plan.shards, 1);
    assert_eq!(plan.interval, Nanos::from_secs(1));
    assert!(!plan.job_ledger);
}

#[test]
fn every_ready_made_file_is_right_and_short() {
    let files = configs();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.lines().count() < 40, "{}", file.display());
        let plan = config::load(&file).unwrap_or_else(|e| panic!("{e}"));
        same_when_described(&plan);
        for variant in &plan.variants {
            if let (Target::Bundled(_), Some(body)) = (&variant.target, &variant.request.body) {
                let mut out = Vec::new();
                Template::parse(body).unwrap().ready(|_| None).unwrap().render(7, "k-7", &mut out);
                let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
                assert_eq!(json["key"], "k-7", "{}", file.display());
            }
        }
    }
}

#[test]
fn the_starter_is_right_too() {
    same_when_described(&config::parse(config::TEMPLATE, "starter.yaml").unwrap());
}

#[test]
fn the_quick_start_is_what_its_name_promises() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/quickstart.yaml");
    let plan = config::load(&file).unwrap();
    assert_eq!(plan.variants.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["sync", "queued"]);
    assert_eq!(plan.steps.len(), 6);
    assert!(plan.arrivals_duration() < Nanos::from_secs(60));
    let [sync, queued] = [&plan.variants[0], &plan.variants[1]].map(|v| &v.target);
    let (Target::Bundled(sync), Target::Bundled(queued)) = (sync, queued) else { panic!("bundled") };
    assert_eq!((sync.workers, queued.workers), (4, 4));
    assert_eq!(sync.service_time, queued.service_time);
}

#[test]
fn all_forms_of_the_open_load() {
    let secs = Nanos::from_secs;
    for (load, name, profile) in [
        ("{ model: open, rate: 30/m, duration: 10s }", "0.5/s", vec![(0.5, 0.5, secs(10))]),
        (
            "{ model: open, ramp: { from: 0/s, to: 20/s }, duration: 10s }",
            "0/s..20/s",
            vec![(0.0, 20.0, secs(10))],
        ),
        (
            "{ model: open, step: { from: 10/s, to: 20/s, count: 3 }, duration: 10s }",
            "profile 10/s..20/s",
            vec![
                (10.0, 10.0, Nanos(3_333_333_333)),
                (15.0, 15.0, Nanos(3_333_333_333)),
                (20.0, 20.0, Nanos(3_333_333_334)),
            ],
        ),
        (
            "{ model: open, stages: [{ rate: 5/s, duration: 1m }, { from: 5/s, to: 9/s, duration: 2s }] }",
            "profile 5/s..9/s",
            vec![(5.0, 5.0, secs(60)), (5.0, 9.0, secs(2))],
        ),
    ] {
        let plan = with_load(load);
        assert_eq!(plan.steps.len(), 1);
        assert_eq!(plan.steps[0].name, name);
        let profile =
            profile.into_iter().map(|(from, to, duration)| Segment { from, to, duration }).collect();
        assert_eq!(plan.steps[0].load, Load::Open { arrivals: ArrivalKind::Constant, profile });
        same_when_described(&plan);
    }
    let plan = with_load("{ model: open, arrivals: poisson, rates: [1/s, 20/s], duration: 10s, warmup: 1s }");
    assert_eq!(plan.steps.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["1/s", "20/s"]);
    same_when_described(&plan);
}

#[test]
fn both_forms_of_the_closed_load() {
    let plan = with_load("{ model: closed, concurrency: 64, think_time: 10ms, duration: 5s }");
    let (think_time, duration) = (Nanos::from_millis(10), Nanos::from_secs(5));
    assert_eq!(plan.steps[0].load, Load::Closed { concurrency: 64, think_time, duration });
    same_when_described(&plan);
    let plan = with_load("{ model: closed, concurrencies: [1, 8, 20_000], duration: 5s }");
    assert_eq!(
        plan.steps.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["1 user", "8 users", "20000 users"]
    );
    assert_eq!(plan.max_in_flight, 20_000);
    same_when_described(&plan);
}

#[test]
fn bundled_targets_bring_their_request_and_completion() {
    let load = "load: { model: open, rate: 5/s, duration: 10s }";
    for (target, path, polls) in [
        ("{ serve: api }", "/v1/api", false),
        ("{ serve: login, shape: queued }", "/v1/login", true),
        ("{ serve: email, shape: sync }", "/v1/email", false),
        ("{ serve: payment, shape: queued, queue: memory }", "/v1/payment", true),
        ("{ serve: notifications, options: { subscribers: 3 } }", "/v1/notifications", false),
        ("{ serve: checkout }", "/v1/checkout", true),
        ("{ serve: synthetic, service_time: 'exponential:5ms' }", "/v1/synthetic", false),
    ] {
        let plan = good(&format!("target: {target}\n{load}"));
        let variant = &plan.variants[0];
        assert_eq!(variant.request.path, path);
        assert_eq!(variant.request.method, "POST");
        assert_eq!(variant.request.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert!(variant.request.body.as_ref().is_some_and(|b| b.contains("\"key\":\"{{key}}\"")), "{target}");
        assert_eq!(variant.is_async(), polls, "{target}");
        same_when_described(&plan);
    }
}

#[test]
fn the_users_option_is_what_the_logins_cycle_through() {
    let text =
        "target: { serve: login, options: { users: 3 } }\nload: { model: open, rate: 5/s, duration: 10s }";
    let body = good(text).variants[0].request.body.clone().unwrap();
    assert!(body.contains("user-{{seq % 3}}") && body.contains("password-{{seq % 3}}"), "{body}");
}

#[test]
fn variants_are_laid_over_the_top_key_by_key() {
    let plan = good(
        "target: { serve: email, workers: 2, options: { failure-rate: 0.1, users: 3 } }
request: { headers: { X-A: a, x-b: b } }
completion: { poll: { cap: 1s } }
variants:
  one: { target: { shape: queued, workers: 3, options: { failure-rate: 0.2 } }, request: { headers: { x-a: c } } }
  two: { target: { shape: queued }, completion: { poll: { interval: 50ms } } }
  three: { target: 'https://h/base', request: { method: PUT, body: x }, completion: immediate }
load: { model: open, rate: 5/s, duration: 10s }",
    );
    let [one, two, three] = plan.variants.as_slice() else { panic!("three") };
    let Target::Bundled(target) = &one.target else { panic!("bundled") };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(target.workers, 3);
    assert_eq!(target.options, [pair("users", "3"), pair("failure-rate", "0.2")]);
    assert_eq!(one.request.headers[..2], [pair("x-b", "b"), pair("x-a", "c")]);
    let Completion::Poll(poll) = &two.completion else { panic!("polls") };
    assert_eq!((poll.interval, poll.cap), (Nanos::from_millis(50), Nanos::from_secs(1)));
    assert_eq!(three.target, Target::External { url: "https://h/base".to_owned() });
    assert_eq!((three.request.path.as_str(), three.request.body.as_deref()), ("", Some("x")));
    assert_eq!(three.completion, Completion::Immediate);
    same_when_described(&plan);
}

#[test]
fn scalars_are_what_was_written() {
    let plan = good(
        "name: on
target: http://h/
request:
  path: /0123
  headers: { x-number: 0123, x-bool: yes, x-exponent: 1e3, 'x-quoted': '1' }
  body: |
    {\"key\": \"{{key}}\"}
load: { model: open, rate: 5/s, duration: 10s }",
    );
    assert_eq!(plan.name, "on");
    let request = &plan.variants[0].request;
    let values: Vec<&str> = request.headers.iter().map(|(_, v)| v.as_str()).collect();
    assert_eq!(values, ["0123", "yes", "1e3", "1"]);
    assert_eq!(request.body.as_deref(), Some("{\"key\": \"{{key}}\"}\n"));
    assert_eq!(request.method, "POST");
    same_when_described(&plan);
}

#[test]
fn line_ends_byte_order_marks_and_anchors_are_accepted() {
    let expected = with_load("{ model: open, rate: 5/s, duration: 10s }");
    for text in [
        "\u{feff}target: http://h/\nload: { model: open, rate: 5/s, duration: 10s }",
        "target: http://h/\r\nload:\r\n  model: open\r\n  rate: 5/s\r\n  duration: 10s\r\n",
        "---\ntarget: http://h/\nload: { model: open, rate: 5/s, duration: 10s }\n...\n",
    ] {
        assert_eq!(good(text), expected, "{text:?}");
    }
    let plan = good(
        "target: { serve: email, shape: queued }
variants:
  a: { completion: &poll { poll: { interval: &short 50ms } } }
  b: { completion: *poll, target: { <<: { workers: 9 } } }
load: { model: closed, concurrency: 5, think_time: *short, duration: 10s }",
    );
    assert_eq!(plan.variants[0].completion, plan.variants[1].completion);
}

#[test]
fn secrets_stay_out_of_the_plan() {
    let text = "target: 'http://{{env:WHERE}}/'
request: { headers: { authorization: 'Bearer {{env:TOKEN}}' }, body: '{{env:TOKEN}}' }
load: { model: open, rate: 5/s, duration: 10s }";
    let env = |name: &str| match name {
        "WHERE" => Some("127.0.0.1:1".to_owned()),
        "TOKEN" => Some("hunter2".to_owned()),
        _ => None,
    };
    let plan = config::parse_with(text, "t.yaml", &env).unwrap();
    let stored = serde_json::to_string(&plan).unwrap() + &config::describe(&plan);
    assert!(!stored.contains("hunter2") && stored.contains("{{env:TOKEN}}"));
    let again = config::parse_with(&config::describe(&plan), "t.yaml", &env).unwrap();
    assert_eq!(again, plan);
}

#[test]
fn shards_follow_the_load() {
    assert_eq!(with_load("{ model: open, rate: 50k/s, duration: 10s }").shards, 1);
    let cores = std::thread::available_parallelism().unwrap().get() as u32;
    assert_eq!(with_load("{ model: open, rate: 51k/s, duration: 10s }").shards, 2.min(cores));
    assert_eq!(with_load("{ model: closed, concurrency: 1001, duration: 10s }").shards, 2.min(cores));
}

#[test]
fn short_steps_get_short_intervals() {
    assert_eq!(with_load("{ model: open, rate: 50/s, duration: 400ms }").interval, Nanos::from_millis(400));
}

#[test]
fn the_command_line_has_the_last_word() {
    let mut plan = with_load("{ model: open, rate: 50/s, duration: 4s }");
    Overrides::default().apply(&mut plan);
    assert_eq!(plan.seed, 1);
    Overrides { seed: Some(7) }.apply(&mut plan);
    assert_eq!(plan.seed, 7);
}

#[test]
fn a_description_tells_how_long_it_takes() {
    let plan = with_load("{ model: open, rates: [1/s, 2/s, 3/s], duration: 30s }");
    let first = config::describe(&plan).lines().next().unwrap().to_owned();
    assert_eq!(first, "# 1 variant × 3 steps = 3 cells: 1m30s of load, and up to 30s of drain after each.");
}

#[test]
fn steps_no_configuration_can_give_are_shown_as_comments() {
    let mut plan = with_load("{ model: open, rates: [1/s, 2/s], duration: 30s }");
    plan.steps[1].load =
        Load::Closed { concurrency: 1, think_time: Nanos::ZERO, duration: Nanos::from_secs(1) };
    assert!(config::describe(&plan).contains("# No single configuration gives these steps:"));
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,8}"
}

/// Texts with everything that YAML treats specially.
fn wild() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{1,20}",
        any::<String>().prop_map(|s| s.chars().take(20).collect()),
        Just("null".to_owned()),
        Just("a: b # c".to_owned()),
        Just("\u{85}\u{2028}\u{feff}\u{1f600}\u{7f}\0\t\r\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_described_is_the_same_plan(
        body in wild().prop_filter("a body without placeholder", |s| !s.is_empty() && !s.contains("{{")),
        name in word(),
        header in "[!-z ]{0,20}",
        seed in any::<u64>(),
        rates in proptest::collection::hash_set(1_u32..1_000_000, 1..6),
        per in prop_oneof![Just("s"), Just("m"), Just("h")],
        duration in 3_600_000_u64..600_000_000,
        closed in any::<bool>(),
    ) {
        let mut plan = with_load("{ model: open, rate: 5/s, duration: 10s }");
        plan.name = name.clone();
        plan.seed = seed;
        plan.variants[0].name = name;
        plan.variants[0].request.method = "POST".to_owned();
        plan.variants[0].request.headers = vec![("x-y".to_owned(), header)];
        plan.variants[0].request.body = Some(body);
        let list: Vec<String> = rates.iter().map(|r| if closed { (r % 1000 + 1).to_string() } else { format!("{r}/{per}") }).collect();
        let load = if closed {
            format!("{{ model: closed, concurrency: {}, duration: {duration}ms }}", list[0])
        } else {
            format!("{{ model: open, rates: [{}], duration: {duration}ms }}", list.join(", "))
        };
        let loaded = with_load(&load);
        plan.steps = loaded.steps;
        same_when_described(&plan);
    }
}
