//! The one histogram layout of plimsoll: three significant digits, 1 ns to one hour.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use crate::time::Nanos;

/// Longest latency kept apart, in nanoseconds: one hour. Longer ones count in the top bucket, and
/// in the exact maximum.
pub const HIGHEST: u64 = 3_600_000_000_000;

/// Latencies with a relative bucket error of at most 0.1 %, and exact count, sum, minimum and maximum.
///
/// All histograms share one layout, so merging two cannot fail, and is commutative and associative.
#[derive(Debug, Clone)]
pub struct LatencyHistogram {
    buckets: Histogram<u64>,
    sum: u64,
    min: u64,
    max: u64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl LatencyHistogram {
    /// An empty histogram; takes about 264 KiB, and no more as it fills.
    pub fn new() -> Self {
        let buckets = Histogram::new_with_bounds(1, HIGHEST, 3).expect("the bounds are constant and valid");
        LatencyHistogram { buckets, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Count one latency. Does not allocate.
    pub fn record(&mut self, latency: Nanos) {
        let ns = latency.0;
        self.buckets.saturating_record(ns.max(1));
        self.sum = self.sum.saturating_add(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    /// Add all of `other`'s latencies.
    pub fn merge(&mut self, other: &LatencyHistogram) {
        self.buckets.add(&other.buckets).expect("all histograms have one layout");
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forget everything; keeps the memory.
    pub fn clear(&mut self) {
        self.buckets.reset();
        self.sum = 0;
        self.min = u64::MAX;
        self.max = 0;
    }

    /// How many latencies were counted.
    pub fn count(&self) -> u64 {
        self.buckets.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Exact smallest.
    pub fn min(&self) -> Option<Nanos> {
        (!self.is_empty()).then_some(Nanos(self.min))
    }

    /// Exact greatest.
    pub fn max(&self) -> Option<Nanos> {
        (!self.is_empty()).then_some(Nanos(self.max))
    }

    /// Exact sum; saturates at 584 years.
    pub fn sum(&self) -> Nanos {
        Nanos(self.sum)
    }

    /// Exact mean.
    pub fn mean(&self) -> Option<Nanos> {
        (!self.is_empty()).then(|| Nanos((self.sum as f64 / self.count() as f64).round() as u64))
    }

    /// The smallest recorded value that at least a share `q` (0 to 1) of the latencies do not
    /// exceed (nearest rank), to the bucket's 0.1 % and never outside the exact minimum and maximum.
    pub fn quantile(&self, q: f64) -> Option<Nanos> {
        (!self.is_empty()).then(|| {
            let top = self.buckets.value_at_quantile(q.clamp(0.0, 1.0));
            Nanos(top.clamp(self.min, self.max))
        })
    }

    /// How many latencies exceed `limit`, to the bucket's 0.1 %.
    pub fn count_above(&self, limit: Nanos) -> u64 {
        match limit.0 {
            l if l >= self.max => 0,
            l => self.count() - self.buckets.count_between(0, l),
        }
    }

    /// The filled buckets in rising order: (highest value of the bucket, how many in it).
    pub fn buckets(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        self.buckets.iter_recorded().map(|v| (Nanos(v.value_iterated_to()), v.count_at_value()))
    }

    /// The plain HDR histogram, for writing HdrHistogram logs.
    pub fn hdr(&self) -> &Histogram<u64> {
        &self.buckets
    }

    /// In the form kept in files.
    pub fn encode(&self) -> EncodedHistogram {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.buckets, &mut bytes)
            .expect("writing to memory does not fail");
        EncodedHistogram {
            count: self.count(),
            sum_ns: self.sum,
            min_ns: if self.is_empty() { 0 } else { self.min },
            max_ns: self.max,
            hdr: STANDARD_NO_PAD.encode(bytes),
        }
    }
}

/// A histogram as text: HdrHistogram's V2-deflate form in base64, with the exact figures beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodedHistogram {
    /// How many latencies.
    pub count: u64,
    /// Their exact sum, ns.
    pub sum_ns: u64,
    /// The exact smallest, ns; 0 when empty.
    pub min_ns: u64,
    /// The exact greatest, ns.
    pub max_ns: u64,
    /// The buckets: base64 (no padding) of HdrHistogram V2-deflate.
    pub hdr: String,
}

/// A stored histogram that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("not a valid stored histogram: {0}")]
pub struct DecodeError(String);

impl EncodedHistogram {
    /// Back to a histogram.
    ///
    /// # Errors
    /// When the text is not what [`LatencyHistogram::encode`] writes.
    pub fn decode(&self) -> Result<LatencyHistogram, DecodeError> {
        let bytes = STANDARD_NO_PAD.decode(&self.hdr).map_err(|e| DecodeError(e.to_string()))?;
        let buckets: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|e| DecodeError(format!("{e:?}")))?;
        // A log written elsewhere may have another layout; adding it to ours re-buckets, or says why not.
        let mut h = LatencyHistogram::new();
        h.buckets.add(&buckets).map_err(|e| DecodeError(format!("{e:?}")))?;
        if h.count() != self.count {
            return Err(DecodeError(format!("{} latencies stored, {} stated", h.count(), self.count)));
        }
        h.sum = self.sum_ns;
        h.max = self.max_ns;
        h.min = if self.count == 0 { u64::MAX } else { self.min_ns };
        Ok(h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> LatencyHistogram {
        let mut h = LatencyHistogram::new();
        values.iter().for_each(|v| h.record(Nanos(*v)));
        h
    }

    #[test]
    fn nearest_rank_on_a_tiny_sample() {
        let h = of(&[15, 20, 35, 40, 50]);
        for (q, v) in [(0.10, 15), (0.25, 20), (0.50, 35), (0.75, 40), (0.90, 50)] {
            assert_eq!(h.quantile(q), Some(Nanos(v)), "at {q}");
        }
    }

    #[test]
    fn an_empty_histogram_has_no_figures() {
        let h = LatencyHistogram::new();
        assert_eq!((h.min(), h.max(), h.mean(), h.quantile(0.5)), (None, None, None, None));
        assert!(h.encode().decode().unwrap().is_empty());
    }

    #[test]
    fn beyond_an_hour_counts_and_the_maximum_stays_exact() {
        let h = of(&[HIGHEST * 3]);
        assert_eq!((h.count(), h.max()), (1, Some(Nanos(HIGHEST * 3))));
    }

    #[test]
    fn a_tampered_count_is_refused() {
        let mut e = of(&[1, 2, 3]).encode();
        e.count = 4;
        assert!(e.decode().is_err());
    }

    proptest! {
        #[test]
        fn quantiles_stay_within_a_thousandth(mut v in prop::collection::vec(1u64..HIGHEST, 1..200), q in 0.0f64..=1.0) {
            let h = of(&v);
            v.sort_unstable();
            let rank = ((q * v.len() as f64).ceil() as usize).clamp(1, v.len());
            let exact = v[rank - 1] as f64;
            let told = h.quantile(q).unwrap().0 as f64;
            prop_assert!((told - exact).abs() <= exact * 0.001 + 1.0, "{told} for {exact}");
        }

        #[test]
        fn merging_is_recording_all(a in prop::collection::vec(0u64..HIGHEST, 0..50), b in prop::collection::vec(0u64..HIGHEST, 0..50)) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let mut back = of(&b);
            back.merge(&of(&a));
            let all = of(&[a, b].concat());
            prop_assert_eq!(merged.encode(), all.encode());
            prop_assert_eq!(back.encode(), all.encode());
        }

        #[test]
        fn encoding_loses_nothing(v in prop::collection::vec(0u64..HIGHEST, 0..50)) {
            let h = of(&v);
            prop_assert_eq!(h.encode().decode().unwrap().encode(), h.encode());
        }
    }
}
