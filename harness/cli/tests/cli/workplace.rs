//! A directory to work in, and the program run in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A temporary directory in which the program is run.
pub struct Workplace {
    dir: tempfile::TempDir,
}

impl Workplace {
    pub fn new() -> Self {
        Workplace { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Write a file; its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The program with `arguments`, to be started here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Run it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Run it to its end, which must have this code.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", told(&output));
        output
    }

    /// Processes that were started in this directory and still run: (pid, command line).
    pub fn processes(&self) -> Vec<(u32, String)> {
        let here = self.dir.path().canonicalize().unwrap();
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == here))
            .filter_map(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
                Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
            })
            .collect()
    }

    /// Wait until no such process is left.
    pub fn assert_nothing_runs(&self) {
        wait_for("everything to end", || self.processes().is_empty());
    }
}

/// Everything a program said.
pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Wait until `done`; long, for a machine that has other things to do.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A bundled target started by hand; killed when dropped.
pub struct Served {
    child: Child,
    _alive: ChildStdin,
    pub url: String,
}

impl Served {
    pub fn start(workplace: &Workplace, arguments: &[&str]) -> Self {
        let mut command = workplace.command(&[&["serve"], arguments, &["--exit-with-parent"]].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let alive = child.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = ready["ready"]["url"].as_str().unwrap().to_owned();
        Served { child, _alive: alive, url }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `summary.csv` of a run: the value of (variant, step, metric, outcome, stat).
pub struct Summary(BTreeMap<[String; 5], Option<f64>>);

pub const SUMMARY_HEADER: &str = "variant,step,offered_rate,metric,outcome,stat,value,unit,low,high,count";

impl Summary {
    pub fn read(run: &Path) -> Self {
        let path = run.join("summary.csv");
        assert_eq!(fs::read_to_string(&path).unwrap().lines().next(), Some(SUMMARY_HEADER));
        let mut csv = csv::Reader::from_path(path).unwrap();
        let rows = csv.records().map(|row| {
            let row = row.unwrap();
            let field = |i: usize| row[i].to_owned();
            ([field(0), field(1), field(3), field(4), field(5)], row[6].parse().ok())
        });
        Summary(rows.collect())
    }

    /// The figure, which must be there and known.
    pub fn value(&self, variant: &str, step: &str, metric: &str, outcome: &str, stat: &str) -> f64 {
        let key = [variant, step, metric, outcome, stat].map(str::to_owned);
        let value = self.0.get(&key).unwrap_or_else(|| panic!("summary.csv has no row {key:?}"));
        value.unwrap_or_else(|| panic!("{key:?} is not known"))
    }

    /// The steps in it.
    pub fn steps(&self) -> Vec<String> {
        // Figures of a whole variant have no step.
        let mut steps: Vec<_> = self.0.keys().map(|k| k[1].clone()).filter(|s| !s.is_empty()).collect();
        steps.sort();
        steps.dedup();
        steps
    }
}
