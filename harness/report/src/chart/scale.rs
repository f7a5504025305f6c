//! From values to pixels, and where the ticks go.

use super::Mapping;

/// Maps a domain of values to a range of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    mapping: Mapping,
    domain: (f64, f64),
    range: (f64, f64),
}

/// A tick: its value, and whether it gets a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// Where.
    pub value: f64,
    /// Whether it is labelled.
    pub labelled: bool,
}

impl Scale {
    /// A scale whose domain holds all `values`, rounded outward to good numbers; `range` is where its
    /// ends lie, in pixels.
    pub fn of(mapping: Mapping, values: impl Iterator<Item = f64>, range: (f64, f64)) -> Self {
        let drawn = |v: &f64| v.is_finite() && (mapping == Mapping::Linear || *v > 0.0);
        let (low, high) =
            values.filter(drawn).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let domain = match mapping {
            Mapping::Linear => linear_domain(low, high),
            Mapping::Log => log_domain(low, high),
            // To the next whole nine, but at least to p99.
            Mapping::Nines if low.is_finite() => (1.0, 10f64.powf((low.log10() - 0.02).floor()).min(0.01)),
            Mapping::Nines => (1.0, 0.01),
        };
        Scale { mapping, domain, range }
    }

    /// A linear scale with an exact domain.
    pub fn exact(domain: (f64, f64), range: (f64, f64)) -> Self {
        Scale { mapping: Mapping::Linear, domain, range }
    }

    /// Its domain.
    pub fn domain(&self) -> (f64, f64) {
        self.domain
    }

    /// Where a value lies, in pixels; none if it can't be drawn.
    pub fn place(&self, v: f64) -> Option<f64> {
        let (a, b, v) = match self.mapping {
            Mapping::Linear => (self.domain.0, self.domain.1, v),
            _ if v <= 0.0 => return None,
            _ => (self.domain.0.log10(), self.domain.1.log10(), v.log10()),
        };
        let share = (v - a) / (b - a);
        share.is_finite().then_some(self.range.0 + share * (self.range.1 - self.range.0))
    }

    /// Its ticks, about `most` at the most.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        match self.mapping {
            Mapping::Linear => linear_ticks(self.domain, most),
            Mapping::Log => log_ticks(self.domain, most),
            Mapping::Nines => nines_ticks(self.domain.1),
        }
    }
}

/// The step of 1, 2 or 5 × 10ᵏ that gives at most `most` steps over `span`.
fn good_step(span: f64, most: usize) -> f64 {
    let rough = span / most.max(1) as f64;
    let decade = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|s| *s >= rough * 0.999_999).unwrap_or(rough)
}

fn linear_domain(low: f64, high: f64) -> (f64, f64) {
    if !high.is_finite() || high <= 0.0 && low >= 0.0 {
        return (0.0, 1.0);
    }
    let low = low.min(0.0);
    let step = good_step(high.max(0.0) - low, 6);
    ((low / step).floor() * step, (high.max(0.0) / step).ceil() * step)
}

fn linear_ticks((low, high): (f64, f64), most: usize) -> Vec<Tick> {
    let step = good_step(high - low, most);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|k| Tick { value: k as f64 * step, labelled: true }).collect()
}

const MANTISSAS: [f64; 3] = [1.0, 2.0, 5.0];

fn log_domain(low: f64, high: f64) -> (f64, f64) {
    if !low.is_finite() {
        return (0.001, 1.0);
    }
    // A twentieth of a decade of air, so that no point sits on the frame.
    let (low, high) = (low / 1.12, high * 1.12);
    let down = 10f64.powf(low.log10().floor());
    let from = MANTISSAS.into_iter().rev().map(|m| m * down).find(|v| *v <= low).unwrap_or(down);
    let up = 10f64.powf(high.log10().floor());
    let to = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * up).find(|v| *v >= high).unwrap_or(up * 10.0);
    (from, to)
}

fn log_ticks((low, high): (f64, f64), most: usize) -> Vec<Tick> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (high / low).log10();
    let all = |mantissas: &'static [f64], every: i32| {
        (first..=last)
            .filter(move |d| d.rem_euclid(every) == 0)
            .flat_map(move |d| mantissas.iter().map(move |m| m * 10f64.powi(d)))
            .filter(move |v| *v >= low * 0.999_999 && *v <= high * 1.000_001)
    };
    let mut ticks: Vec<Tick> = if decades * 3.0 <= most as f64 {
        all(&MANTISSAS, 1).map(|value| Tick { value, labelled: true }).collect()
    } else {
        let every = (decades / most as f64).ceil().max(1.0) as i32;
        let labelled = move |v: f64| {
            let d = v.log10().round();
            (v / 10f64.powf(d) - 1.0).abs() < 1e-6 && (d as i32).rem_euclid(every) == 0
        };
        all(&MANTISSAS, 1).map(|value| Tick { value, labelled: labelled(value) }).collect()
    };
    ticks.dedup_by(|a, b| a.value == b.value);
    ticks
}

fn nines_ticks(least: f64) -> Vec<Tick> {
    let mut above = vec![1.0, 0.5, 0.25];
    above.extend((1..=7).map(|k| 10f64.powi(-k)));
    above.retain(|a| *a >= least * 0.999);
    above.into_iter().map(|value| Tick { value, labelled: true }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(ticks: &[Tick]) -> Vec<f64> {
        ticks.iter().map(|t| t.value).collect()
    }

    #[test]
    fn linear_domains_end_on_good_numbers() {
        let s = Scale::of(Mapping::Linear, [37.0, 212.0].into_iter(), (0.0, 100.0));
        assert_eq!(s.domain(), (0.0, 250.0));
        assert_eq!(values(&s.ticks(6)), [0.0, 50.0, 100.0, 150.0, 200.0, 250.0]);
        assert_eq!(s.place(125.0), Some(50.0));
    }

    #[test]
    fn nothing_to_draw_still_has_a_domain() {
        for mapping in [Mapping::Linear, Mapping::Log, Mapping::Nines] {
            let s = Scale::of(mapping, std::iter::empty(), (0.0, 100.0));
            assert!(s.domain().0 != s.domain().1 && !s.ticks(5).is_empty());
        }
        assert_eq!(Scale::of(Mapping::Linear, [0.0].into_iter(), (0.0, 1.0)).domain(), (0.0, 1.0));
    }

    #[test]
    fn log_scales_cover_and_skip_zero() {
        let s = Scale::of(Mapping::Log, [0.0, 0.003, 2.1].into_iter(), (0.0, 100.0));
        assert_eq!(s.domain(), (0.002, 5.0));
        assert_eq!(s.place(0.0), None);
        let labelled: Vec<f64> = s.ticks(6).into_iter().filter(|t| t.labelled).map(|t| t.value).collect();
        assert!(labelled.iter().zip([0.01, 0.1, 1.0]).all(|(a, b)| (a / b - 1.0).abs() < 1e-9));
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        let s = Scale::of(Mapping::Nines, [1.0, 0.0004].into_iter(), (0.0, 400.0));
        assert_eq!(s.domain().1, 1e-4);
        assert!((s.place(0.01).unwrap() - 200.0).abs() < 1e-9);
    }
}
