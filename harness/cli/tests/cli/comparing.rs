//! Whole runs and comparisons, and what they write.

use std::fs;

use crate::workplace::{Served, Summary, Workplace, told};

#[test]
fn the_smallest_file_runs_as_it_stands() {
    let here = Workplace::new();
    let served = Served::start(&here, &["synthetic", "--service-time", "1ms", "--workers", "64"]);
    let config = format!(
        "target: {}/healthz\nload: {{ model: open, arrivals: constant, rate: 500/s, duration: 2s }}\n",
        served.url
    );
    here.write("small.yaml", &config);
    let output = here.expect(0, &["run", "small.yaml", "--out", "out"]);
    assert!(told(&output).contains("report: out/report.html"), "{}", told(&output));
    let summary = Summary::read(&here.path("out"));
    let [step] = summary.steps().try_into().unwrap();
    let operations = |outcome| summary.value("small", &step, "operations", outcome, "value");
    // Every start of the schedule, none invented and none left out.
    assert_eq!(operations("scheduled"), 1000.0);
    assert_eq!(operations("ok"), 1000.0);
    for metric in ["response_time", "service_time"] {
        let of = |stat| summary.value("small", &step, metric, "ok", stat);
        assert!(0.0 < of("min") && of("min") <= of("p50") && of("p50") <= of("p90"));
        assert!(of("p90") <= of("p95") && of("p95") <= of("p99") && of("p99") <= of("max"));
        assert_eq!(of("count"), 1000.0);
        assert!((of("sum") / of("count") - of("mean")).abs() < 1e-6);
    }
    let limited = summary.value("small", &step, "generator_limited", "", "value");
    assert!(limited == 0.0 || limited == 1.0);
}

const SMALL_COMPARISON: &str = "
name: small
target: { serve: email, workers: 4, service_time: 20ms }
variants:
  sync: { target: { shape: sync } }
  queued: { target: { shape: queued } }
load: { model: open, arrivals: poisson, rates: [50/s, 300/s], duration: 3s }
interval: 500ms
job_ledger: true
";

#[test]
fn sync_and_queued_do_the_same_work_and_every_job_is_accounted_for() {
    let here = Workplace::new();
    here.write("small.yaml", SMALL_COMPARISON);
    let output = here.expect(0, &["compare", "small.yaml", "--out", "out"]);
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() <= 41, "{}", told(&output));
    let summary = Summary::read(&here.path("out"));
    let (idle, over) = ("50/s", "300/s");
    for step in [idle, over] {
        let jobs = |outcome| summary.value("queued", step, "jobs", outcome, "value");
        assert!(jobs("attempted") > 100.0);
        assert_eq!(jobs("attempted"), jobs("accepted") + jobs("refused") + jobs("unknown"));
        assert_eq!(jobs("accepted"), jobs("done"));
        assert_eq!((jobs("lost"), jobs("unexpected"), jobs("duplicated")), (0.0, 0.0, 0.0));
        // The same arrivals for both.
        let scheduled = |variant| summary.value(variant, step, "operations", "scheduled", "value");
        assert_eq!(scheduled("sync"), scheduled("queued"));
    }
    // Four workers at 20 ms complete 200/s, whatever the shape; a queue adds no capacity.
    let completed = |variant| summary.value(variant, over, "rate", "completed", "value");
    let ratio = completed("queued") / completed("sync");
    assert!((0.9..=1.1).contains(&ratio), "queued {} sync {}", completed("queued"), completed("sync"));
    // Past saturation sync callers wait for the backlog, and queued callers do not.
    let sync = summary.value("sync", over, "response_time", "ok", "p90");
    let accept = summary.value("queued", over, "accept_latency", "ok", "p90");
    let completion = summary.value("queued", over, "completion_time", "ok", "p90");
    assert!(accept * 5.0 < sync, "accept {accept} s, sync {sync} s");
    assert!(accept * 5.0 < completion, "accept {accept} s, completion {completion} s");
    let jobs = fs::read_to_string(here.path("out/jobs.csv")).unwrap();
    let scheduled: f64 = ["sync", "queued"]
        .iter()
        .flat_map(|v| [idle, over].map(|s| summary.value(v, s, "operations", "scheduled", "value")))
        .sum();
    assert_eq!(jobs.lines().count() as f64 - 1.0, scheduled, "a row for each operation");
    here.assert_nothing_runs();
}

#[test]
fn a_report_is_rebuilt_byte_for_byte() {
    let here = Workplace::new();
    let config = SMALL_COMPARISON.replace("[50/s, 300/s]", "[50/s]").replace("duration: 3s", "duration: 1s");
    here.write("small.yaml", &config);
    here.expect(0, &["compare", "small.yaml", "--out", "out"]);
    let names = ["report.html", "summary.csv", "intervals.csv", "histograms.hlog"];
    let read = || names.map(|n| fs::read(here.path("out").join(n)).unwrap());
    let first = read();
    names.iter().for_each(|n| fs::remove_file(here.path("out").join(n)).unwrap());
    here.expect(0, &["report", "out"]);
    assert!(first == read(), "a rebuilt output differs");
    // From another place, under another name.
    fs::rename(here.path("out"), here.path("moved")).unwrap();
    here.expect(0, &["report", "moved"]);
    let moved = names.map(|n| fs::read(here.path("moved").join(n)).unwrap());
    assert!(first == moved, "an output depends on where it lies");
}

#[test]
fn json_is_the_summary() {
    let here = Workplace::new();
    let served = Served::start(&here, &["synthetic", "--service-time", "1ms"]);
    let config =
        format!("target: {}/healthz\nload: {{ rate: 100/s, duration: 1s, model: open }}\n", served.url);
    here.write("small.yaml", &config);
    let output = here.expect(0, &["run", "small.yaml", "--out", "out", "--json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let csv = fs::read_to_string(here.path("out/summary.csv")).unwrap();
    assert_eq!(rows.len(), csv.lines().count() - 1);
    let ok = rows.iter().find(|r| r["metric"] == "operations" && r["outcome"] == "ok").unwrap();
    assert_eq!(ok["value"], 100.0);
}

#[test]
fn a_light_run_takes_little_memory() {
    let here = Workplace::new();
    let served = Served::start(&here, &["synthetic", "--service-time", "1ms"]);
    let config =
        format!("target: {}/healthz\nload: {{ rate: 100/s, duration: 3s, model: open }}\n", served.url);
    here.write("small.yaml", &config);
    let mut driver = here.command(&["run", "small.yaml", "--out", "out", "--quiet"]).spawn().unwrap();
    let mut greatest = 0;
    while driver.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", driver.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        greatest = greatest.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(greatest > 0 && greatest < 30 * 1024, "{greatest} KiB");
}
