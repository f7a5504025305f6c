//! From what a file says to what a run does: defaults, and what goes with what.

mod completion;
mod load;
mod merge;
mod request;
mod target;

use super::Environment;
use super::error::{Collector, Fault};
use super::node::{Path, Tree, Value};
use super::scalar::{NAME_EXPECTED, name_problem};
use super::schema::{Config, VariantConfig};
use crate::plan::{Load, Plan, Step, Variant};
use crate::template::{Piece, Template};
use crate::time::Nanos;

/// Most variants of a test.
const MAX_VARIANTS: usize = 32;

/// What every check needs.
pub(super) struct Lower<'a, 'c> {
    pub tree: &'a Tree,
    /// The file's text, in which places are counted.
    pub text: &'a str,
    pub problems: &'a mut Collector<'c>,
    pub env: Environment<'a>,
    /// Cores of this machine, for the default of `shards`.
    pub cores: u32,
}

/// Where a merged value comes from: the variant's own mapping, or the top of the file.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    variant: Option<&'a str>,
}

impl Lower<'_, '_> {
    fn fault(&mut self, path: &Path, fault: Fault) {
        self.problems.add(self.tree, path, fault);
    }

    /// The path at which `keys` is written for a variant, else at which it would be.
    fn path(&self, origin: Origin<'_>, keys: &[&str]) -> Path {
        let top = Path::of(keys);
        let Some(variant) = origin.variant else { return top };
        let mut own = Path::of(&["variants", variant]);
        own.0.extend(top.0.iter().cloned());
        let (own_section, top_section) = (Path(own.0[..3].to_vec()), Path(top.0[..1].to_vec()));
        let has = |path: &Path| self.tree.has(path);
        let at_top = has(&top) || (has(&top_section) && !has(&own_section));
        if at_top && !has(&own) { top } else { own }
    }

    /// Whether a value at one of the places `keys` may come from was wrong and is gone.
    fn damaged(&self, origin: Origin<'_>, keys: &[&str]) -> bool {
        let own = origin.variant.map(|v| {
            let mut path = Path::of(&["variants", v]);
            path.0.extend(Path::of(keys).0);
            path
        });
        self.tree.damaged(&Path::of(keys)) || own.is_some_and(|p| self.tree.damaged(&p))
    }

    /// Reads a template at a path; `allow` says why a placeholder may not stand there.
    fn template(
        &mut self,
        path: &Path,
        text: &str,
        allow: impl Fn(&Piece) -> Result<(), Fault>,
    ) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(e) => {
                let occurrence = text[..e.offset].matches("{{").count();
                let fault = Fault::new(e.message).remedy(e.remedy);
                let fault = self.at_occurrence(path, "{{", occurrence, fault);
                self.fault(path, fault);
                return None;
            }
        };
        let mut occurrence = 0;
        for piece in template.pieces() {
            let mut checked = allow(piece);
            if let (Ok(()), Piece::Env(name)) = (&checked, piece)
                && (self.env)(name).is_none()
            {
                checked = Err(Fault::new(format!("the environment variable {name} is not set"))
                    .remedy(format!("set it before starting: export {name}=…")));
            }
            if let Err(fault) = checked {
                let fault = match piece {
                    Piece::Literal(_) => fault,
                    _ => self.at_occurrence(path, "{{", occurrence, fault),
                };
                self.fault(path, fault);
                return None;
            }
            occurrence += usize::from(!matches!(piece, Piece::Literal(_)));
        }
        Some(template)
    }

    /// Places a fault at the `n`-th occurrence of `needle` within the value's source, if found.
    fn at_occurrence(&self, path: &Path, needle: &str, n: usize, fault: Fault) -> Fault {
        let Some((start, length)) = self.tree.get(path).and_then(|node| node.place.bytes) else {
            return fault;
        };
        let source = self.text.get(start..start.saturating_add(length)).unwrap_or("");
        let Some((offset, _)) = source.match_indices(needle).nth(n) else { return fault };
        let before = &self.text[..start + offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        fault.at(before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Makes the plan; `None` when a problem was found that leaves nothing to plan.
pub(super) fn plan(config: &Config, file_stem: &str, lower: &mut Lower<'_, '_>) -> Option<Plan> {
    let name = config.name.as_ref().map_or_else(|| stem_name(file_stem), |n| n.0.clone());
    let variants = variants(config, &name, lower);
    let steps = load::steps(config.load.as_ref(), lower);
    let nanos = |d: Option<Nanos>, default: Nanos| d.unwrap_or(default);
    let timeout = nanos(config.timeout.map(|d| d.0), Nanos::from_secs(30));
    let drain_timeout = nanos(config.drain_timeout.map(|d| d.0), Nanos::from_secs(30));
    let warmup = nanos(config.load.as_ref().and_then(|l| l.warmup).map(|d| d.0), Nanos::ZERO);
    let users = steps.iter().map(|s| users(&s.load)).max().unwrap_or(0);
    let max_in_flight = config.max_in_flight.map_or(users.max(10_000), |n| narrow(n.0));
    let plan = Plan {
        name,
        seed: config.seed.map_or(1, |s| s.0),
        variants,
        warmup,
        drain_timeout,
        timeout,
        max_in_flight,
        shards: config.shards.map_or_else(|| auto_shards(&steps, lower.cores), |n| narrow(n.0)),
        interval: config.interval.map_or_else(|| default_interval(&steps), |d| d.0),
        pacing: config.pacing.unwrap_or_default(),
        transport: config.transport.unwrap_or_default(),
        job_ledger: config.job_ledger.unwrap_or(false),
        steps,
    };
    check_whole(&plan, lower);
    (!plan.variants.is_empty() && !plan.steps.is_empty()).then_some(plan)
}

/// A whole number that its type has bounded already.
fn narrow(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A file's stem as a name, whatever it holds.
fn stem_name(stem: &str) -> String {
    let name: String = stem.chars().filter(|c| !c.is_control()).take(64).collect();
    let name = name.trim();
    if name.is_empty() { "test".to_owned() } else { name.to_owned() }
}

fn users(load: &Load) -> u32 {
    if let Load::Closed { concurrency, .. } = load { *concurrency } else { 0 }
}

/// One thread for every 50 000 arrivals/s or 1000 users, within the machine's cores.
fn auto_shards(steps: &[Step], cores: u32) -> u32 {
    let rate = steps.iter().filter_map(|s| s.load.peak_rate()).fold(0.0, f64::max);
    let users = steps.iter().map(|s| users(&s.load)).max().unwrap_or(0);
    let wanted = ((rate / 50_000.0).ceil() as u32).max(users.div_ceil(1000));
    wanted.clamp(1, cores.clamp(1, 64))
}

/// A second, or less for steps that are shorter, so that each has an interval.
fn default_interval(steps: &[Step]) -> Nanos {
    let shortest = steps.iter().map(|s| s.load.duration()).min().unwrap_or(Nanos::MAX);
    shortest.clamp(Nanos::from_millis(100), Nanos::from_secs(1))
}

fn variants(config: &Config, name: &str, lower: &mut Lower<'_, '_>) -> Vec<Variant> {
    let Some(table) = &config.variants else {
        let none = Origin { variant: None };
        let one = merge::variant(config, &VariantConfig::default(), name, none, lower);
        return one.into_iter().collect();
    };
    let path = Path::of(&["variants"]);
    if table.0.is_empty() && !lower.tree.damaged(&path) {
        let fault = Fault::new("holds no variant").expected("one or more, such as sync: { target: … }");
        lower.fault(&path, fault.remedy("remove `variants` to test the one target"));
    }
    if table.0.len() > MAX_VARIANTS {
        let message = format!("holds {} variants", table.0.len());
        lower.fault(&path, Fault::new(message).expected(format!("at most {MAX_VARIANTS}")));
        return Vec::new();
    }
    let mut variants = Vec::new();
    for (name, own) in &table.0 {
        if let Some(problem) = name_problem(name) {
            let (line, column) = lower.tree.key_position(&path.key(name));
            let fault = Fault::new(format!("the variant's name {problem}")).expected(NAME_EXPECTED);
            lower.fault(&path.key(name), fault.at(line, column));
        }
        let origin = Origin { variant: Some(name) };
        variants.extend(merge::variant(config, own, name, origin, lower));
    }
    variants
}

/// What can be wrong between keys of different parts.
fn check_whole(plan: &Plan, lower: &mut Lower<'_, '_>) {
    let in_load = |key: &str| Path::of(&["load", key]);
    if let Some(step) = plan.steps.iter().find(|s| plan.warmup >= s.load.duration()) {
        let fault = Fault::new(format!("the warm-up takes all of step {}", step.name))
            .expected(format!("less than its {}", super::units::format_duration(step.load.duration())));
        lower.fault(&in_load("warmup"), fault.remedy("shorten the warm-up, or lengthen the step"));
    }
    let interval = Path::of(&["interval"]);
    if lower.tree.has(&interval)
        && let Some(step) = plan.steps.iter().find(|s| plan.interval > s.load.duration())
    {
        let fault = Fault::new(format!("the interval is longer than step {}", step.name));
        let most = super::units::format_duration(step.load.duration());
        lower.fault(&interval, fault.expected(format!("at most {most}")));
    }
    let users = plan.steps.iter().map(|s| users(&s.load)).max().unwrap_or(0);
    if users > plan.max_in_flight {
        let fault = Fault::new(format!("is less than the {users} users, each with a request out"));
        lower.fault(&Path::of(&["max_in_flight"]), fault.remedy(format!("write {users}, or remove it")));
    }
    let most = if users > 0 { users } else { plan.max_in_flight };
    if most < plan.shards {
        let fault = Fault::new(format!("{} threads would share {most} operations", plan.shards));
        let path = Path::of(&["shards"]);
        lower.fault(&path, fault.expected(format!("at most {most}")).remedy("remove it for the default"));
    }
}

/// Whether a value was written at a path and is still there.
pub(super) fn written(tree: &Tree, path: &Path) -> bool {
    tree.get(path).is_some_and(|n| !matches!(n.value, Value::Removed))
}
