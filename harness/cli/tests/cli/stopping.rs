//! However a run ends, its report is there and nothing is left running.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::workplace::{Workplace, wait_for};

const LONG: &str = "
name: long
target: { serve: email, workers: 2, service_time: 20ms }
variants:
  sync: { target: { shape: sync } }
  queued: { target: { shape: queued } }
load: { model: open, arrivals: poisson, rates: [50/s, 60/s], duration: 60s }
interval: 200ms
";

fn start(here: &Workplace) -> Child {
    here.write("long.yaml", LONG);
    let mut command = here.command(&["compare", "long.yaml", "--out", "out"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// How many intervals have been kept.
fn intervals(here: &Workplace) -> usize {
    fs::read_to_string(here.path("out/intervals.jsonl")).map_or(0, |t| t.lines().count())
}

fn targets(here: &Workplace) -> Vec<(u32, String)> {
    here.processes().into_iter().filter(|(_, line)| line.contains(" serve ")).collect()
}

fn report_says(here: &Workplace, words: &str) {
    let page = fs::read_to_string(here.path("out/report.html")).unwrap();
    assert!(page.to_lowercase().contains(words), "the report does not say {words:?}");
}

#[test]
fn an_interrupt_in_the_middle_leaves_a_report_and_no_process() {
    let here = Workplace::new();
    let driver = start(&here);
    wait_for("some intervals", || intervals(&here) > 5);
    assert_eq!(targets(&here).len(), 1);
    signal("-INT", driver.id());
    assert_eq!(driver.wait_with_output().unwrap().status.code(), Some(130));
    report_says(&here, "interrupted");
    here.assert_nothing_runs();
    assert!(!here.path("out/target-data").exists(), "the target's files are removed");
}

#[test]
fn an_interrupt_at_any_moment_of_the_start_leaves_no_process() {
    for millis in [0, 20, 60, 150, 300] {
        let here = Workplace::new();
        let driver = start(&here);
        std::thread::sleep(std::time::Duration::from_millis(millis));
        signal("-INT", driver.id());
        let status = driver.wait_with_output().unwrap().status;
        // Before the handler is there, the signal itself ends the program.
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&status) == Some(2);
        assert!(status.code() == Some(130) || by_signal, "after {millis} ms: {status}");
        here.assert_nothing_runs();
    }
}

#[test]
fn a_killed_driver_takes_its_target_along_and_its_figures_can_be_read() {
    let here = Workplace::new();
    let mut driver = start(&here);
    wait_for("some intervals", || intervals(&here) > 5);
    signal("-KILL", driver.id());
    driver.wait().unwrap();
    here.assert_nothing_runs();
    here.expect(0, &["report", "out"]);
    report_says(&here, "unfinished");
}

#[test]
fn a_target_that_dies_ends_the_run_with_its_reason() {
    let here = Workplace::new();
    let driver = start(&here);
    wait_for("some intervals", || intervals(&here) > 5);
    signal("-KILL", targets(&here)[0].0);
    let output = driver.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the target ended in the middle of the run"), "{said}");
    report_says(&here, "the target ended in the middle of the run");
    here.assert_nothing_runs();
}
