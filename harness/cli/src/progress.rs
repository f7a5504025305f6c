//! Says how a run goes: one line redrawn on a terminal, one line a cell elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plimsoll_model::interval::Interval;
use plimsoll_model::sample::Outcome;
use plimsoll_model::time::Nanos;

/// Progress of a run, on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Whether cells are told as lines of their own.
    lines: bool,
    /// Arrivals of the cells performed, ns.
    performed: Nanos,
}

impl Progress {
    /// Of a run whose arrivals take `total`.
    pub fn new(total: Nanos, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total.0 / 1_000_000), target);
        let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {elapsed_precise}  {wide_msg}");
        bar.set_style(style.expect("the template is constant and valid"));
        let lines = !quiet && bar.is_hidden();
        Progress { bar, lines, performed: Nanos::ZERO }
    }

    /// A cell begins.
    pub fn cell(&self, number: usize, of: usize, variant: &str, step: &str) {
        let text = format!("{number}/{of}  {variant} at {step}");
        if self.lines {
            eprintln!("plimsoll: {text}");
        }
        self.bar.set_message(text);
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    /// An interval of the current cell, which is number `number`.
    pub fn interval(&self, cell: &str, interval: &Interval) {
        self.bar.set_position((self.performed + interval.end).0 / 1_000_000);
        let total = interval.total();
        let seconds = (interval.end - interval.start).as_secs_f64();
        let rate = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
        let failed: u64 = [Outcome::Failed, Outcome::TimedOut, Outcome::Rejected, Outcome::Dropped]
            .map(|o| total.outcome(o))
            .iter()
            .sum();
        let mut text = format!(
            "{cell}: sent {:.0}/s, ok {:.0}/s, in flight {}",
            rate(total.sent),
            rate(total.outcome(Outcome::Ok)),
            interval.in_flight
        );
        if interval.backlog > 0 {
            text.push_str(&format!(", backlog {}", interval.backlog));
        }
        if failed > 0 {
            text.push_str(&format!(", not ok {:.0}/s", rate(failed)));
        }
        self.bar.set_message(text);
    }

    /// The current cell has ended; its arrivals took `duration`.
    pub fn cell_ended(&mut self, duration: Nanos) {
        self.performed += duration;
        self.bar.set_position(self.performed.0 / 1_000_000);
    }

    /// Leave the terminal clean.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}
