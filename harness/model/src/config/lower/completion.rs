//! How an answer is known to be complete.

use super::super::error::Fault;
use super::super::schema::CompletionConfig;
use super::{Lower, Origin};
use crate::plan::{Completion, Poll, Target};
use crate::time::Nanos;

/// The completion, by default what the bundled target's shape calls for.
pub(super) fn completion(
    config: Option<&CompletionConfig>,
    target: Option<&Target>,
    origin: Origin<'_>,
    lower: &mut Lower<'_, '_>,
) -> Completion {
    let accepts = match target {
        Some(Target::Bundled(bundled)) => Some(bundled.shape.as_str()).filter(|s| *s != "sync"),
        _ => None,
    };
    match config {
        None if accepts.is_some() => Completion::Poll(poll(&Default::default(), origin, lower)),
        None => Completion::Immediate,
        Some(CompletionConfig::Poll(config)) => {
            if matches!(target, Some(Target::Bundled(_))) && accepts.is_none() {
                let fault = Fault::new("a sync target answers with the result, so there is nothing to poll");
                let path = lower.path(origin, &["completion"]);
                lower.fault(&path, fault.remedy("remove `completion`, or choose shape: queued"));
            }
            Completion::Poll(poll(config, origin, lower))
        }
        Some(CompletionConfig::Immediate) => {
            if let Some(shape) = accepts {
                let fault = Fault::new(format!(
                    "a {shape} target answers before the work is done, which `immediate` takes for done"
                ));
                let path = lower.path(origin, &["completion"]);
                lower.fault(&path, fault.remedy("remove `completion` to poll, or choose shape: sync"));
            }
            Completion::Immediate
        }
    }
}

fn poll(config: &super::super::schema::PollConfig, origin: Origin<'_>, lower: &mut Lower<'_, '_>) -> Poll {
    let interval = config.interval.map_or(Nanos::from_millis(20), |d| d.0);
    // A longer interval without a cap of its own is a fixed interval, not a contradiction.
    let cap = config.cap.map_or(Nanos::from_millis(500).max(interval), |d| d.0);
    if cap < interval {
        let path = lower.path(origin, &["completion", "poll", "cap"]);
        lower.fault(
            &path,
            Fault::new("the longest wait is shorter than the first")
                .remedy("write a cap of at least interval"),
        );
    }
    Poll {
        interval,
        backoff: config.backoff.map_or(1.5, |n| n.0),
        cap,
        honour_retry_after: config.retry_after.unwrap_or(true),
    }
}
