//! Where a variant is served.

use super::super::error::{Fault, shown};
use super::super::schema::{BundledConfig, TargetConfig};
use super::super::url;
use super::super::workloads::{self, QUEUES, Workload};
use super::{Lower, Origin, narrow};
use crate::plan::{Bundled, Target};
use crate::template::{Piece, expand_env};

const MISSING: &str = "a URL such as http://127.0.0.1:8080/, or a bundled target such as { serve: email }";

/// The target; `None` when something is wrong with it.
pub(super) fn target(
    config: Option<&TargetConfig>,
    origin: Origin<'_>,
    lower: &mut Lower<'_, '_>,
) -> Option<Target> {
    match config {
        None => {
            if !lower.damaged(origin, &["target"]) {
                let path = lower.path(origin, &["target"]);
                lower.fault(&path, Fault::new("is missing").expected(MISSING));
            }
            None
        }
        Some(TargetConfig::Url(text)) => external(text, origin, lower).map(|url| Target::External { url }),
        Some(TargetConfig::Bundled(config)) => bundled(config, origin, lower).map(Target::Bundled),
    }
}

fn external(text: &str, origin: Origin<'_>, lower: &mut Lower<'_, '_>) -> Option<String> {
    let path = lower.path(origin, &["target"]);
    lower.template(&path, text, |piece| match piece {
        Piece::Literal(_) | Piece::Env(_) => Ok(()),
        _ => Err(Fault::new("only {{env:NAME}} may stand in the target's URL")
            .remedy("put what changes from request to request in request.path")),
    })?;
    let expanded = expand_env(text, |name| (lower.env)(name)).ok()?;
    match url::check(&expanded) {
        Ok(_) => Some(text.to_owned()),
        Err(e) => {
            let remedy = match e.message.as_str() {
                url::NO_SCHEME if !text.contains("{{") && !e.secret => {
                    match workloads::WORKLOADS.iter().find(|w| w.name == text) {
                        Some(workload) => format!("write {{ serve: {} }}", workload.name),
                        None => format!("write http://{}", text.trim_start_matches('/')),
                    }
                }
                _ => e.remedy,
            };
            let fault = Fault::new(e.message).expected("a URL such as http://127.0.0.1:8080/");
            lower.fault(&path, fault.remedy(remedy).unseen_if(e.secret));
            None
        }
    }
}

fn bundled(config: &BundledConfig, origin: Origin<'_>, lower: &mut Lower<'_, '_>) -> Option<Bundled> {
    let workload = serve(config, origin, lower);
    let shape = shape(config, workload, origin, lower);
    if let Some(queue) = &config.queue
        && !QUEUES.contains(&queue.as_str())
    {
        let path = lower.path(origin, &["target", "queue"]);
        lower.fault(&path, workloads::choice("a queue", queue, QUEUES));
    }
    if let Some(time) = &config.service_time {
        let path = lower.path(origin, &["target", "service_time"]);
        let checked = match workload {
            Some(w) if !w.service_time => {
                Err(Fault::new(format!("{} does real work, whose time is not drawn", w.name))
                    .remedy("remove service_time"))
            }
            _ => workloads::check_service_time(time),
        };
        if let Err(fault) = checked {
            lower.fault(&path, fault);
        }
    }
    let options = config.options.as_ref().map_or(&[][..], |t| &t.0);
    options.iter().for_each(|(name, value)| option(name, value, origin, lower));
    Some(Bundled {
        workload: workload?.name.to_owned(),
        shape: shape?,
        workers: config.workers.map_or(4, |n| narrow(n.0)),
        queue: config.queue.clone().unwrap_or_else(|| "sqlite".to_owned()),
        queue_capacity: config.queue_capacity.map_or(10_000, |n| n.0),
        service_time: config.service_time.clone(),
        options: options.to_vec(),
    })
}

fn serve(config: &BundledConfig, origin: Origin<'_>, lower: &mut Lower<'_, '_>) -> Option<&'static Workload> {
    let keys = ["target", "serve"];
    let Some(name) = &config.serve else {
        if !lower.damaged(origin, &["target"]) {
            let fault = Fault::new("`serve` is missing: which bundled target?");
            let path = lower.path(origin, &["target"]);
            lower.fault(&path, fault.expected(format!("one of {}", workloads::names().join(", "))));
        }
        return None;
    };
    workloads::find(name)
        .map_err(|fault| {
            let path = lower.path(origin, &keys);
            lower.fault(&path, fault);
        })
        .ok()
}

fn shape(
    config: &BundledConfig,
    workload: Option<&Workload>,
    origin: Origin<'_>,
    lower: &mut Lower<'_, '_>,
) -> Option<String> {
    const ALL: &[&str] = &["sync", "queued", "hybrid"];
    let Some(shape) = &config.shape else { return workload.map(|w| w.shapes[0].to_owned()) };
    let path = lower.path(origin, &["target", "shape"]);
    if !ALL.contains(&shape.as_str()) {
        lower.fault(&path, workloads::choice("a shape", shape, workload.map_or(ALL, |w| w.shapes)));
        return None;
    }
    if let Some(w) = workload
        && !w.shapes.contains(&shape.as_str())
    {
        let fault = Fault::new(format!("{} cannot be served as {shape}", w.name));
        lower.fault(&path, fault.expected(w.shapes.join(" or ")));
        return None;
    }
    Some(shape.clone())
}

fn option(name: &str, value: &str, origin: Origin<'_>, lower: &mut Lower<'_, '_>) {
    let path = lower.path(origin, &["target", "options", name]);
    if let Err(fault) = workloads::check_option_name(name) {
        let (line, column) = lower.tree.key_position(&path);
        lower.fault(&path, fault.at(line, column));
    } else if value.chars().any(char::is_control) {
        lower.fault(&path, Fault::new(format!("{} holds a control character", shown(value))));
    } else if let Err(fault) = workloads::check_option_value(name, value) {
        lower.fault(&path, fault);
    }
}
