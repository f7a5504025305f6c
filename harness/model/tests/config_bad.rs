//! What is wrong with a file is told with its place, its remedy, and all at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use plimsoll_model::config::{self, ConfigErrors};

const LOAD: &str = "load: { model: open, rate: 5/s, duration: 10s }";

fn errors(text: &str) -> ConfigErrors {
    match config::parse_with(text, "bad.yaml", &|name| (name == "SET").then(|| "value".to_owned())) {
        Ok(plan) => panic!("{text}\nis no mistake: {plan:#?}"),
        Err(errors) => errors,
    }
}

/// Expects exactly one problem, at a place, with all of the parts in its message.
fn only_at(text: &str, line: usize, column: usize, parts: &[&str]) {
    let errors = errors(text);
    assert_eq!(errors.problems.len(), 1, "{text}\n{errors}");
    let problem = &errors.problems[0];
    assert_eq!((problem.line, problem.column), (line, column), "{text}\n{errors}");
    for part in parts {
        assert!(errors.to_string().contains(part), "{part} is not in:\n{errors}\n{text}");
    }
}

/// The same, at the place marked by `«`.
fn only(marked: &str, parts: &[&str]) {
    let before = marked.split('«').next().unwrap();
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    only_at(&marked.replace('«', ""), before.matches('\n').count() + 1, column, parts);
}

#[test]
fn keys() {
    only_at(
        &format!("target: http://h/\n{LOAD}\nthrottle: 5\n"),
        3,
        1,
        &["throttle: no such key", "one of name, seed"],
    );
    only_at(
        "target: http://h/\nload:\n  model: open\n  rate: 5/s\n  duratoin: 10s\n",
        5,
        3,
        &["load.duratoin: no such key", "did you mean `duration`?", "one of model, arrivals, rate"],
    );
    only_at(
        &format!("target: http://h/\ntarget: http://i/\n{LOAD}"),
        2,
        1,
        &["target: given twice; line 1 has it"],
    );
    only_at(
        "target: http://h/\nload:\n  model: open\n  rate: 5/s\n  rate: 6/s\n  duration: 1s\n",
        5,
        3,
        &["load.rate: given twice; line 4 has it"],
    );
    only_at("target: http://h/\n", 1, 1, &["`load` is missing", "add load:"]);
    only_at("target: http://h/\nlaod: {}\n", 2, 1, &["did you mean `load`?"]);
    only_at(LOAD, 1, 1, &["target: is missing", "{ serve: email }"]);
    only_at(
        "target: http://h/\nload:\n  rate: 5/s\n  duration: 1s\n",
        2,
        1,
        &["load: `model` is missing", "model: open"],
    );
    only_at(
        "target: http://h/\nload: { model: open, rate: 5/s }\n",
        2,
        1,
        &["`duration` is missing", "duration: 20s"],
    );
    only_at(
        "target: http://h/\nload: { model: open, duration: 5s }\n",
        2,
        1,
        &["how heavy", "rate, rates, ramp, step, stages"],
    );
    only_at(
        "target: http://h/\nload: { model: closed, duration: 5s }\n",
        2,
        1,
        &["how many users", "concurrency: 64"],
    );
    only_at(&format!("target: http://h/\nvariants: {{}}\n{LOAD}"), 2, 1, &["variants: holds no variant"]);
    only_at(
        &format!("variants: {{ a: {{}}, b: {{ target: http://h/ }} }}\n{LOAD}"),
        1,
        13,
        &["variants.a.target: is missing"],
    );
    only_at(
        &format!("target: http://h/\nvariants: {{ ' a': {{}} }}\n{LOAD}"),
        2,
        13,
        &["variant's name is not a name"],
    );
    only_at(&format!("target: {{ workers: 3 }}\n{LOAD}"), 1, 1, &["`serve` is missing", "api, login, email"]);
    only_at(
        "target: http://h/\nload: { model: open, ramp: { from: 1/s }, duration: 1s }",
        2,
        22,
        &["load.ramp: `to` is missing", "add to: 200/s"],
    );
}

#[test]
fn types() {
    for (text, parts) in [
        ("seed: «x", &["seed: \"x\" is not a whole number", "from 0 to 2^64-1"][..]),
        ("seed: «-1", &["-1 is too small"]),
        ("seed: «18446744073709551616", &["is too large"]),
        ("seed: «1e3", &["\"1e3\" is not a whole number"]),
        ("seed: «0x10", &["\"0x10\" is not a whole number"]),
        ("seed: «007", &["leading zero"]),
        ("seed: «.nan", &["not a whole number"]),
        ("seed: «1.5", &["not a whole number"]),
        ("seed: «'5'", &["in quotes", "remove the quotes"]),
        ("«seed: [5]", &["seed: is a list"]),
        ("«seed:", &["seed: has no value"]),
        ("«seed: ~", &["seed: has no value"]),
        ("seed: «true", &["not a whole number"]),
        ("max_in_flight: «0", &["0 is too small", "1 to 1000000"]),
        ("shards: «65", &["65 is too large"]),
        ("job_ledger: «yes", &["\"yes\" is a text", "write true"]),
        ("job_ledger: «1", &["1 is a number", "true or false"]),
        ("job_ledger: «maybe", &["expected true or false"]),
        ("timeout: «30", &["\"30\" has no unit", "write 30s"]),
        ("timeout: «30 sec", &["write 30s"]),
        ("timeout: «2h", &["too long", "1ms to 1h"]),
        ("timeout: «0", &["too short"]),
        ("timeout: «-1s", &["negative"]),
        ("timeout: «.inf", &["not finite"]),
        ("interval: «50ms", &["too short", "100ms to 10s"]),
        ("interval: «11s", &["too long"]),
        ("drain_timeout: «1e400", &["exponent"]),
        ("name: «''", &["is empty"]),
        ("«name: [a]", &["name: is a list", "in single quotes"]),
        ("«variants: [a]", &["variants: is a list", "a mapping of names"]),
        ("variants: «5", &["variants: 5 is a number"]),
        ("variants: { «a: }", &["variants.a: has no value"]),
        ("completion: «pol", &["\"pol\" is not known here", "immediate or poll", "did you mean `poll`?"]),
        ("completion: { «pol: {} }", &["did you mean `poll`?"]),
        ("«completion: { immediate: {} }", &["write immediate alone"]),
        ("completion: { poll: { interval: «20 } }", &["completion.poll.interval", "write 20s"]),
        ("completion: { poll: { backoff: «0.5 } }", &["out of range", "1 to 100"]),
        ("completion: { poll: { backoff: «.nan } }", &["not a number"]),
        ("completion: { poll: { backoff: «x } }", &["not a number"]),
        ("completion: { poll: { interval: 1s, cap: «20ms } }", &["longest wait is shorter"]),
        ("«completion: []", &["completion: is a list", "immediate or poll"]),
        ("«completion: {}", &["not a single key"]),
        ("request: { expect: «200 }", &["200 is a number", "a list"]),
        ("request: { expect: [200, «99] }", &["request.expect[1]: 99 is too small", "100 to 599"]),
        ("request: { expect: [«600] }", &["600 is too large"]),
        ("request: { expect: [200, «200] }", &["listed twice"]),
        ("request: «GET", &["\"GET\" is a text", "{ method: GET"]),
    ] {
        only(&format!("target: http://h/\n{LOAD}\n{text}\n"), parts);
    }
}

#[test]
fn requests() {
    for (request, parts) in [
        ("{ method: «get }", &["\"get\" is not a method", "did you mean GET?"][..]),
        ("{ method: «FROB }", &["expected GET, HEAD"]),
        ("{ path: «v1/x }", &["does not begin with /", "write /v1/x"]),
        ("{ path: «'http://h/x' }", &["scheme and host in target"]),
        ("{ path: «'/a b' }", &["' ' may not stand in a path", "write %20"]),
        ("{ path: «/é }", &["write %C3%A9"]),
        ("{ path: «'/a#b' }", &["fragment"]),
        ("{ path: '/«{{env:SET}}' }", &["a path ends up in logs"]),
        ("{ path: '/«{{seq % 0}}' }", &["positive whole number"]),
        ("{ headers: { «'a b': c } }", &["' ' may not stand in a header's name"]),
        ("{ headers: { «'': c } }", &["not a header's name"]),
        ("{ headers: { a: «\"x\\ny\" } }", &["may not stand in a header's value"]),
        ("{ headers: { a: 1, «A: 2 } }", &["same header"]),
        ("{ headers: { «content-length: 5 } }", &["set from the request itself"]),
        ("{ headers: { «a: [b] } }", &["request.headers.a: is a list"]),
        (
            "{ headers: { a: '«{{env:UNSET}}' } }",
            &["the environment variable UNSET is not set", "export UNSET"],
        ),
        ("{ body: 'ab{{key}}«{{uuid}}' }", &["{{uuid}} is not a placeholder", "did you mean {{key}}?"]),
        ("{ body: 'ab«{{key' }", &["never closed"]),
        ("{ «body: { a: b } }", &["request.body: is a mapping", "in single quotes"]),
        ("{ «boddy: x }", &["did you mean `body`?"]),
    ] {
        only(&format!("target: http://h/\n{LOAD}\nrequest: {request}\n"), parts);
    }
    let block = format!(
        "target: http://h/\n{LOAD}\nrequest:\n  body: |\n    first {{{{key}}}}\n    second {{{{sequence}}}}\n"
    );
    only_at(&block, 6, 12, &["{{sequence}} is not a placeholder", "{{seq}}"]);
}

#[test]
fn targets() {
    for (target, parts) in [
        ("«localhost:8080", &["the URL has no scheme", "write http://localhost:8080"][..]),
        ("«email", &["write { serve: email }"]),
        ("«ftp://h/", &["neither http nor https"]),
        ("«http://h/?a=b", &["query", "request.path"]),
        ("'http://h/«{{seq}}'", &["only {{env:NAME}} may stand in the target's URL"]),
        ("'http://«{{env:UNSET}}/'", &["UNSET is not set"]),
        ("«5", &["the URL has no scheme"]),
        ("[http://h/]", &["target: is a list", "a URL such as"]),
        ("{ serve: «emial }", &["\"emial\" is not a workload", "did you mean `email`?", "api, login"]),
        ("{ serve: email, shape: «hybrid }", &["cannot be served as hybrid", "sync or queued"]),
        ("{ serve: email, shape: «async }", &["\"async\" is not a shape", "did you mean `sync`?"]),
        ("{ serve: email, queue: «sqllite }", &["\"sqllite\" is not a queue", "did you mean `sqlite`?"]),
        ("{ serve: email, workers: «0 }", &["0 is too small"]),
        ("{ serve: email, «wrokers: 1 }", &["did you mean `workers`?"]),
        ("{ serve: email, queue_capacity: «1.5 }", &["not a whole number"]),
        ("{ serve: api, service_time: «5ms }", &["does real work"]),
        ("{ serve: email, service_time: «5 }", &["has no unit"]),
        ("{ serve: email, service_time: «2h }", &["at most 60m"]),
        (
            "{ serve: email, service_time: «'normal:5ms' }",
            &["not a distribution", "did you mean `lognormal`?"],
        ),
        ("{ serve: email, service_time: «'lognormal:5ms:9' }", &["a number from 0 to 4"]),
        ("{ serve: email, service_time: «'bimodal:5ms:9ms:2' }", &["not a probability"]),
        ("{ serve: email, options: { «failure_rate: 1 } }", &["did you mean `failure-rate`?"]),
        ("{ serve: email, options: { failure-rate: «2 } }", &["a probability from 0 to 1"]),
        ("{ serve: email, options: { «workers: 2 } }", &["write target.workers"]),
        ("{ serve: email, options: { max-attempts: «0 } }", &["whole number from 1 to 1000"]),
        ("{ serve: email, options: { backoff: «5 } }", &["has no unit"]),
        ("{ serve: email, options: { work: «nap } }", &["sleep or cpu"]),
        ("{ serve: email, options: { smtp: «here } }", &["127.0.0.1:2525"]),
    ] {
        let mark = if target.contains('«') { "" } else { "«" };
        only(&format!("{mark}target: {target}\n{LOAD}\n"), parts);
    }
    let sync = format!("target: {{ serve: email }}\ncompletion: poll\n{LOAD}");
    only_at(&sync, 2, 13, &["nothing to poll"]);
    let queued = format!("target: {{ serve: email, shape: queued }}\ncompletion: immediate\n{LOAD}");
    only_at(&queued, 2, 13, &["answers before the work is done"]);
    let json = format!("target: {{ serve: email }}\nrequest: {{ body: '{{a}}' }}\n{LOAD}");
    only_at(&json, 2, 18, &["is not JSON"]);
    let variant = format!(
        "target: {{ serve: email }}\nvariants: {{ a: {{ target: {{ shape: hybrid }} }}, b: {{}} }}\n{LOAD}"
    );
    only_at(&variant, 2, 35, &["variants.a.target.shape"]);
}

#[test]
fn a_password_is_never_shown() {
    let text = format!("target: http://user:hunter2@h/\n{LOAD}\n");
    only_at(&text, 1, 9, &["user name or password", "{{env:BASIC_AUTH}}"]);
    assert!(!errors(&text).to_string().contains("hunter2"));
}

#[test]
fn loads() {
    for (load, parts) in [
        (
            "{ model: «opne, rate: 5/s, duration: 1s }",
            &["\"opne\" is not known here", "did you mean `open`?"][..],
        ),
        ("{ model: open, arrivals: «even, rate: 5/s, duration: 1s }", &["constant or poisson"]),
        (
            "{ model: open, rate: 5/s, «rates: [6/s], duration: 1s }",
            &["load.rates: contradicts `rate` on line 2"],
        ),
        ("{ model: open, rate: 5/s, «concurrency: 6, duration: 1s }", &["belongs to the closed model"]),
        ("{ model: open, rate: 5/s, «think_time: 6s, duration: 1s }", &["belongs to the closed model"]),
        ("{ model: closed, concurrency: 1, «rate: 5/s, duration: 1s }", &["belongs to the open model"]),
        (
            "{ model: closed, concurrency: 1, «arrivals: poisson, duration: 1s }",
            &["belongs to the open model"],
        ),
        (
            "{ model: closed, concurrency: 1, «concurrencies: [2], duration: 1s }",
            &["contradicts `concurrency`"],
        ),
        ("{ model: closed, concurrency: «0, duration: 1s }", &["0 is too small"]),
        ("{ model: closed, «concurrencies: [], duration: 1s }", &["lists 0 steps"]),
        ("{ model: closed, concurrencies: [1, «1], duration: 1s }", &["1 is concurrencies[0] again"]),
        ("{ model: closed, concurrency: 1, think_time: «2s, duration: 1s }", &["only one request"]),
        ("{ model: open, rate: «5, duration: 1s }", &["\"5\" has no unit", "write 5/s"]),
        ("{ model: open, rate: «2k/x, duration: 1s }", &["\"2k/x\" is not a rate", "such as 500/s or 2k/s"]),
        ("{ model: open, rate: «0/s, duration: 1s }", &["no load"]),
        ("{ model: open, rate: «-5/s, duration: 1s }", &["negative"]),
        ("{ model: open, rate: «.inf, duration: 1s }", &["not finite"]),
        ("{ model: open, rate: «.NaN, duration: 1s }", &["not finite"]),
        ("{ model: open, rate: «1e400, duration: 1s }", &["exponent"]),
        ("{ model: open, rate: «99M/s, duration: 1s }", &["the most"]),
        ("{ model: open, rate: «1/h, duration: 1s }", &["0.000 arrivals in all"]),
        ("{ model: open, «rates: [], duration: 1s }", &["lists 0 steps"]),
        ("{ model: open, rates: «5/s, duration: 1s }", &["\"5/s\" is a text", "write [5/s]"]),
        ("{ model: open, rates: [60/m, 2/s, «1/s], duration: 9s }", &["1/s is rates[0] again"]),
        ("{ model: open, «ramp: { from: 0/s, to: 0/s }, duration: 1s }", &["0.000 arrivals"]),
        ("{ model: open, step: { from: 1/s, to: 2/s, count: «1 }, duration: 9s }", &["1 is too small"]),
        ("{ model: open, stages: [«{ rate: 5/s }] }", &["stages[0]: `duration` is missing"]),
        ("{ model: open, stages: [«{ duration: 5s }] }", &["the rate is missing"]),
        (
            "{ model: open, stages: [«{ rate: 5/s, to: 6/s, duration: 5s }] }",
            &["contradicts `from` and `to`"],
        ),
        (
            "{ model: open, stages: [{ rate: 5/s, duration: 5s }], «duration: 5s }",
            &["each of which has its own"],
        ),
        ("{ model: open, rate: 5/s, duration: «0s }", &["too short"]),
        ("{ model: open, rate: 5/s, duration: «200h }", &["too long"]),
        (
            "{ model: open, rate: 5/s, duration: 5s, warmup: «5s }",
            &["warm-up takes all of step 5/s", "less than its 5s"],
        ),
        ("«5", &["5 is a number", "{ model: open"]),
    ] {
        only(&format!("target: http://h/\nload: {load}\n"), parts);
    }
    only_at(&format!("target: http://h/\n{LOAD}\ninterval: 10001ms\n"), 3, 11, &["too long"]);
    only_at(
        "target: http://h/\nload: { model: open, rate: 5/s, duration: 2s }\ninterval: 3s\n",
        3,
        11,
        &["longer than step 5/s"],
    );
    let users = "target: http://h/\nload: { model: closed, concurrency: 5, duration: 2s }\n";
    only_at(&format!("{users}max_in_flight: 4\n"), 3, 16, &["less than the 5 users"]);
    only_at(&format!("{users}shards: 6\n"), 3, 9, &["6 threads would share 5 operations"]);
}

#[test]
fn all_mistakes_are_told_at_once_in_order() {
    let text = "target: { serve: emial, shape: sinc }
request: { method: get, body: 'x{{uuid}}' }
load:
  modle: open
  rate: 2k/x
  duratoin: 20s
  warmup: -3s
timeout: 30
timeout: 40s
";
    let errors = errors(text);
    let found: Vec<_> = errors.problems.iter().map(|p| (p.line, p.column, p.path.as_str())).collect();
    let expected = [
        (1, 18, "target.serve"),
        (1, 32, "target.shape"),
        (2, 20, "request.method"),
        (2, 33, "request.body"),
        (4, 3, "load.modle"),
        (5, 9, "load.rate"),
        (6, 3, "load.duratoin"),
        (7, 11, "load.warmup"),
        (8, 10, "timeout"),
        (9, 1, "timeout"),
    ];
    assert_eq!(found, expected, "{errors}");
}

#[test]
fn a_shared_mistake_is_told_once() {
    let text = format!("target: {{ serve: emial }}\nvariants: {{ a: {{}}, b: {{}} }}\n{LOAD}");
    only_at(&text, 1, 18, &["did you mean `email`?"]);
}

#[test]
fn a_mistake_in_an_anchor_is_told_where_it_is_written() {
    let text = "target: http://h/\ncompletion: { poll: { interval: &i 20, cap: *i } }\n".to_owned() + LOAD;
    assert!(errors(&text).problems.iter().all(|p| (p.line, p.column) == (2, 36)), "{}", errors(&text));
}

#[test]
fn a_problem_is_shown_with_its_line_and_a_caret() {
    let shown = errors("target: http://h/\nload:\n  model: open\n  rate: 2k/x\n  duration: 5s\n").to_string();
    let expected = "bad.yaml:4:9: load.rate: \"2k/x\" is not a rate; expected a number per s, m or h (k and M \
                    multiply), such as 500/s or 2k/s\n    |   rate: 2k/x\n    |         ^";
    assert_eq!(shown, expected);
}
