//! Whatever is wrong is told before any load is sent, with its remedy, and ends with 2.

use std::fs;
use std::net::TcpListener;

use crate::workplace::{Workplace, told};

/// Run `config`, which can't be run; what was said.
fn refused(config: &str, arguments: &[&str]) -> String {
    let here = Workplace::new();
    here.write("bad.yaml", config);
    let output = here.expect(2, &[&["run", "bad.yaml"], arguments].concat());
    here.assert_nothing_runs();
    told(&output)
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let said = refused(
        "target: http://127.0.0.1:1/\nload:\n  model: open\n  rate: -5/s\n  duratoin: 3s\n  warmup: 2 parsecs\n",
        &[],
    );
    for words in ["bad.yaml:4:", "bad.yaml:5:", "bad.yaml:6:", "`duration`", "load.rate", "load.warmup"] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
}

#[test]
fn nothing_that_answers_is_told_with_the_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said =
        refused(&format!("target: http://{free}/\nload: {{ model: open, rate: 1/s, duration: 1s }}\n"), &[]);
    assert!(said.contains(&free.to_string()) && said.contains("start the service"), "{said}");
}

#[test]
fn a_directory_that_cannot_be_written_is_told_before_any_load() {
    let config = "target: { serve: synthetic }\nload: { model: open, rate: 1/s, duration: 1s }\n";
    let said = refused(config, &["--out", "/proc/nowhere"]);
    assert!(said.contains("/proc/nowhere") && said.contains("--out"), "{said}");
    let said = refused(config, &["--out", "bad.yaml"]);
    assert!(said.contains("bad.yaml") && said.contains("--out"), "{said}");
}

#[test]
fn a_run_is_never_written_over() {
    let here = Workplace::new();
    here.write(
        "ok.yaml",
        "target: { serve: synthetic }\nload: { model: open, rate: 10/s, duration: 200ms }\n",
    );
    here.expect(0, &["run", "ok.yaml", "--out", "out"]);
    let before = fs::read(here.path("out/run.json")).unwrap();
    let said = told(&here.expect(2, &["run", "ok.yaml", "--out", "out"]));
    assert!(said.contains("already holds a run"), "{said}");
    assert_eq!(fs::read(here.path("out/run.json")).unwrap(), before);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let here = Workplace::new();
    let said = told(&here.expect(2, &["serve", "synthetic", "--listen", &address]));
    assert!(said.contains(&address), "{said}");
}

#[test]
fn a_target_that_never_gets_ready_is_told_with_what_it_said() {
    let here = Workplace::new();
    here.write("ok.yaml", "target: { serve: api }\nload: { model: open, rate: 10/s, duration: 1s }\n");
    // The target is to keep its database in this place, and finds a file there.
    fs::create_dir(here.path("out")).unwrap();
    fs::write(here.path("out/target-data"), "in the way").unwrap();
    let said = told(&here.expect(2, &["run", "ok.yaml", "--out", "out"]));
    assert!(said.contains("ended before it was ready") && said.contains("target-data"), "{said}");
    here.assert_nothing_runs();
}

#[test]
fn a_comparison_needs_two_variants_that_exist() {
    let here = Workplace::new();
    here.write(
        "two.yaml",
        "target: { serve: synthetic }\nvariants: { a: {}, b: { target: { shape: queued } } }\nload: { model: open, rate: 1/s, duration: 1s }\n",
    );
    assert!(told(&here.expect(2, &["run", "two.yaml", "--variant", "c"])).contains("a, b"));
    assert!(told(&here.expect(2, &["compare", "two.yaml", "--variant", "a"])).contains("plimsoll run"));
}

#[test]
fn what_init_writes_is_valid_and_is_not_written_over() {
    let here = Workplace::new();
    here.expect(0, &["init", "mine.yaml"]);
    let plan = here.expect(0, &["validate", "mine.yaml"]);
    here.write("plan.yaml", &String::from_utf8_lossy(&plan.stdout));
    let again = here.expect(0, &["validate", "plan.yaml"]);
    assert_eq!(plan.stdout, again.stdout, "the printed plan is itself a test, and the same");
    here.expect(2, &["init", "mine.yaml"]);
}

#[test]
fn a_missing_or_damaged_run_directory_is_told() {
    let here = Workplace::new();
    assert!(told(&here.expect(2, &["report", "nowhere"])).contains("nowhere/run.json"));
    fs::create_dir(here.path("damaged")).unwrap();
    fs::write(here.path("damaged/run.json"), "{\n  \"schema\": 1,\n  oops").unwrap();
    assert!(told(&here.expect(2, &["report", "damaged"])).contains("run.json:3"));
    fs::write(here.path("damaged/run.json"), "{ \"schema\": 99 }").unwrap();
    assert!(told(&here.expect(2, &["report", "damaged"])).contains("schema 99"));
}

#[test]
fn completions_are_given_for_each_shell() {
    let here = Workplace::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = here.expect(0, &["completions", shell]);
        assert!(String::from_utf8_lossy(&script.stdout).contains("compare"));
    }
}
