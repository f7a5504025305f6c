//! A variant's own keys, laid over those at the top of the file.

use super::super::scalar::Table;
use super::super::schema::{
    BundledConfig, CompletionConfig, Config, PollConfig, RequestConfig, TargetConfig, VariantConfig,
};
use super::{Lower, Origin};
use crate::plan::Variant;

/// Makes one variant; `None` when it has no target to speak of.
pub(super) fn variant(
    config: &Config,
    own: &VariantConfig,
    name: &str,
    origin: Origin<'_>,
    lower: &mut Lower<'_, '_>,
) -> Option<Variant> {
    let target = over(&config.target, &own.target, target_over);
    let request = over(&config.request, &own.request, request_over).unwrap_or_default();
    let completion = over(&config.completion, &own.completion, completion_over);
    let target = super::target::target(target.as_ref(), origin, lower);
    let request = super::request::request(&request, target.as_ref(), origin, lower);
    let completion = super::completion::completion(completion.as_ref(), target.as_ref(), origin, lower);
    Some(Variant { name: name.to_owned(), target: target?, request, completion })
}

/// `own` laid over `base` by `merge`, when there are both.
fn over<T: Clone>(base: &Option<T>, own: &Option<T>, merge: impl FnOnce(&T, &T) -> T) -> Option<T> {
    match (base, own) {
        (Some(base), Some(own)) => Some(merge(base, own)),
        (base, own) => own.clone().or_else(|| base.clone()),
    }
}

fn target_over(base: &TargetConfig, own: &TargetConfig) -> TargetConfig {
    let (TargetConfig::Bundled(base), TargetConfig::Bundled(own)) = (base, own) else { return own.clone() };
    TargetConfig::Bundled(BundledConfig {
        serve: own.serve.clone().or_else(|| base.serve.clone()),
        shape: own.shape.clone().or_else(|| base.shape.clone()),
        workers: own.workers.or(base.workers),
        queue: own.queue.clone().or_else(|| base.queue.clone()),
        queue_capacity: own.queue_capacity.or(base.queue_capacity),
        service_time: own.service_time.clone().or_else(|| base.service_time.clone()),
        options: over(&base.options, &own.options, |b, o| table_over(b, o, |x, y| x == y)),
    })
}

fn request_over(base: &RequestConfig, own: &RequestConfig) -> RequestConfig {
    RequestConfig {
        method: own.method.clone().or_else(|| base.method.clone()),
        path: own.path.clone().or_else(|| base.path.clone()),
        headers: over(&base.headers, &own.headers, |b, o| table_over(b, o, str::eq_ignore_ascii_case)),
        body: own.body.clone().or_else(|| base.body.clone()),
        expect: own.expect.clone().or_else(|| base.expect.clone()),
    }
}

fn completion_over(base: &CompletionConfig, own: &CompletionConfig) -> CompletionConfig {
    let (CompletionConfig::Poll(base), CompletionConfig::Poll(own)) = (base, own) else { return own.clone() };
    CompletionConfig::Poll(PollConfig {
        interval: own.interval.or(base.interval),
        backoff: own.backoff.or(base.backoff),
        cap: own.cap.or(base.cap),
        retry_after: own.retry_after.or(base.retry_after),
    })
}

/// Entries of `own` take the place of those of the same name; others follow.
fn table_over(base: &Table<String>, own: &Table<String>, same: impl Fn(&str, &str) -> bool) -> Table<String> {
    let replaced = |name: &str| own.0.iter().any(|(n, _)| same(n, name));
    let kept = base.0.iter().filter(|(name, _)| !replaced(name));
    Table(kept.chain(&own.0).cloned().collect())
}
