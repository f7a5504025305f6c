//! A figure with what is known of its uncertainty.

/// A figure that may be unknown, with an interval where an honest one can be given.
///
/// `value: None` means *unknown*, never zero: it is shown as "–" and is an empty field in CSV.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: Option<f64>,
    /// Lower end of its 95 % confidence interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % confidence interval.
    pub high: Option<f64>,
    /// How many samples it was made from.
    pub count: u64,
}

impl Estimate {
    /// Not known, from `count` samples.
    pub fn unknown(count: u64) -> Self {
        Estimate { count, ..Estimate::default() }
    }

    /// A figure without an interval.
    pub fn point(value: f64, count: u64) -> Self {
        Estimate { value: Some(value), count, ..Estimate::default() }
    }

    /// With an interval, if there is one.
    #[must_use]
    pub fn within(mut self, interval: Option<(f64, f64)>) -> Self {
        if let Some((low, high)) = interval {
            (self.low, self.high) = (Some(low), Some(high));
        }
        self
    }
}

impl From<Option<f64>> for Estimate {
    fn from(value: Option<f64>) -> Self {
        Estimate { value, ..Estimate::default() }
    }
}

/// `a / b`, unknown when `b` is not above zero.
pub fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0 && a.is_finite()).then(|| a / b)
}
