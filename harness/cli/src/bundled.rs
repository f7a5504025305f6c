//! Runs a bundled target as a process of its own, and makes sure that it ends.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use plimsoll_load::shard::Stop;
use plimsoll_model::plan::Bundled;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::sync::watch;

/// Longest wait for a target to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for a target to end after it was asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running target. Dropped, it is killed; if this process dies, the target ends by itself, since
/// the pipe to its standard input closes.
#[derive(Debug)]
pub struct BundledTarget {
    process: TargetProcess,
    /// What it said of itself.
    pub ready: Ready,
}

#[derive(Debug)]
struct TargetProcess {
    child: Child,
    _alive: ChildStdin,
    stderr: PathBuf,
    data: PathBuf,
}

/// The line a target prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Where it listens.
    pub url: String,
    /// Durability class of its queue, or `none`.
    pub durability: String,
    clock: ClockOf,
}

#[derive(Debug, Clone, Deserialize)]
struct ClockOf {
    kind: String,
    boot_id: String,
}

#[derive(Deserialize)]
struct ReadyLine {
    ready: Ready,
}

impl Ready {
    /// Whether its stamps are of this machine's monotonic clock.
    pub fn shares_our_clock(&self) -> bool {
        let ours = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        self.clock.kind == "monotonic" && !ours.is_empty() && self.clock.boot_id == ours.trim()
    }
}

impl BundledTarget {
    /// Start a target and wait until it is ready. Its files are kept in `dir` and removed with it.
    ///
    /// # Errors
    /// When it can't be started, ends at once, or is not ready in 30 s; with what it said.
    pub fn start(
        settings: &Bundled,
        seed: u64,
        dir: &Path,
        stop: &watch::Receiver<Stop>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let (data, stderr) = (dir.join("target-data"), dir.join("target-stderr.log"));
        let log = File::create(&stderr).with_context(|| format!("cannot write {}", stderr.display()))?;
        let mut command = Command::new(program);
        command.args(arguments(settings, seed)).arg("--data").arg(&data);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Ctrl-C goes to the whole foreground group; the target is to end after the driver's last request.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().context("cannot start a target")?;
        let alive = child.stdin.take().context("no pipe to the target")?;
        let stdout = child.stdout.take().context("no pipe from the target")?;
        // Owned from here on, so that it is killed whatever fails below.
        let mut process = TargetProcess { child, _alive: alive, stderr, data };
        let ready = process.wait_ready(stdout, stop)?;
        Ok(BundledTarget { process, ready })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Why it can't go on, if it has ended.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.process.ended()?;
        Some(format!("the target ended in the middle of the run ({status}){}", self.process.last_words()))
    }

    /// Ask it to end, and kill it if it does not.
    pub fn stop(mut self) {
        if let Some(pid) = Pid::from_raw(self.pid() as i32) {
            // It may have ended just now.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while self.process.ended().is_none() && begun.elapsed() < STOP_TIMEOUT {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl TargetProcess {
    fn wait_ready(
        &mut self,
        stdout: impl Read + Send + 'static,
        stop: &watch::Receiver<Stop>,
    ) -> anyhow::Result<Ready> {
        let (told, heard) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // Bounded: a target that babbles must not fill our memory.
            let _ = BufReader::new(stdout.take(64 * 1024)).read_line(&mut line);
            let _ = told.send(line);
        });
        let begun = Instant::now();
        loop {
            match heard.recv_timeout(Duration::from_millis(50)) {
                Ok(line) if !line.is_empty() => {
                    let line: ReadyLine = serde_json::from_str(&line)
                        .with_context(|| format!("the target said {line:?} in place of being ready"))?;
                    return Ok(line.ready);
                }
                Ok(_) | Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().context("cannot wait for the target")?;
                    bail!("the target ended before it was ready ({status}){}", self.last_words());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if *stop.borrow() != Stop::No {
                bail!("interrupted while the target was starting");
            }
            if begun.elapsed() > READY_TIMEOUT {
                bail!("the target was not ready within {} s{}", READY_TIMEOUT.as_secs(), self.last_words());
            }
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What it last said on standard error, to be added to a message.
    fn last_words(&self) -> String {
        let said = fs::read(&self.stderr).unwrap_or_default();
        let tail = String::from_utf8_lossy(&said[said.len().saturating_sub(2000)..]).trim().to_owned();
        if tail.is_empty() { String::new() } else { format!("; it said: {tail}") }
    }
}

impl Drop for TargetProcess {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = fs::remove_dir_all(&self.data);
        if fs::metadata(&self.stderr).is_ok_and(|m| m.len() == 0) {
            let _ = fs::remove_file(&self.stderr);
        }
    }
}

fn arguments(settings: &Bundled, seed: u64) -> Vec<String> {
    let mut arguments = vec!["serve".to_owned(), settings.workload.clone(), "--exit-with-parent".to_owned()];
    let mut option = |name: &str, value: &str| arguments.push(format!("--{name}={value}"));
    option("shape", &settings.shape);
    option("workers", &settings.workers.to_string());
    option("queue", &settings.queue);
    option("queue-capacity", &settings.queue_capacity.to_string());
    option("seed", &seed.to_string());
    if let Some(time) = &settings.service_time {
        option("service-time", time);
    }
    for (name, value) in &settings.options {
        option(name, value);
    }
    // A flag takes no value.
    let flag = |argument: String| argument.strip_suffix("=true").map(str::to_owned).unwrap_or(argument);
    arguments.into_iter().map(flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::Parser;
    use plimsoll_model::config;
    use plimsoll_model::plan::{Plan, Target};

    fn all_are_served(plan: &Plan) -> usize {
        let bundled = plan.variants.iter().filter_map(|v| match &v.target {
            Target::Bundled(settings) => Some(settings),
            Target::External { .. } => None,
        });
        let typed = bundled.map(|settings| {
            let line = std::iter::once("plimsoll".to_owned()).chain(arguments(settings, 1));
            Args::try_parse_from(line).unwrap_or_else(|e| panic!("{settings:?}: {e}"));
        });
        typed.count()
    }

    #[test]
    fn what_a_ready_made_test_asks_for_can_be_served() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let files = fs::read_dir(configs).unwrap().flatten().map(|e| e.path());
        let served: usize = files.map(|f| all_are_served(&config::load(&f).unwrap())).sum();
        assert!(served >= 13, "{served} variants");
    }

    #[test]
    fn every_option_the_configuration_knows_is_one_of_serve() {
        let options = "argon2-iterations: 2, argon2-memory: 8192, argon2-parallelism: 1, backoff: 100ms, \
             backoff-max: 1s, drain-timeout: 1s, failure-rate: 0.1, gateway: '127.0.0.1:1', lost-response-rate: 0.1, \
             max-attempts: 3, max-connections: 10, no-lease-extension: true, permanent-rate: 0.1, smtp: '127.0.0.1:1', \
             subscribers: 3, threads: 1, users: 10, visibility-timeout: 1s, work: cpu";
        let text = format!(
            "target: {{ serve: synthetic, options: {{ {options} }} }}\nload: {{ model: open, rate: 10/s, duration: 1s }}"
        );
        assert_eq!(all_are_served(&config::parse(&text, "all.yaml").unwrap()), 1);
    }
}
