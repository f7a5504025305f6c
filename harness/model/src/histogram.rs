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
    counts: Counts,
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

/// The filled buckets. A long run has many thousands of small histograms, of which only a few are
/// added to.
#[derive(Debug, Clone)]
enum Counts {
    /// (highest value of the bucket, how many in it), rising: for one that is only read.
    Sparse(Vec<(u64, u64)>),
    /// Every bucket, 264 KiB: for one that is recorded or merged into.
    Dense(Histogram<u64>),
}

impl Counts {
    fn dense(&mut self) -> &mut Histogram<u64> {
        if let Counts::Sparse(filled) = self {
            *self = Counts::Dense(to_dense(filled));
        }
        match self {
            Counts::Dense(buckets) => buckets,
            Counts::Sparse(_) => unreachable!("made dense just above"),
        }
    }
}

fn to_dense(filled: &[(u64, u64)]) -> Histogram<u64> {
    let mut buckets = Histogram::new_with_bounds(1, HIGHEST, 3).expect("the bounds are constant and valid");
    for (value, n) in filled {
        buckets.saturating_record_n(*value, *n);
    }
    buckets
}

fn to_sparse(buckets: &Histogram<u64>) -> Vec<(u64, u64)> {
    buckets.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect()
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl LatencyHistogram {
    /// An empty histogram. The first latency recorded or merged takes 264 KiB, further ones nothing.
    pub fn new() -> Self {
        LatencyHistogram { counts: Counts::Sparse(Vec::new()), count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Count one latency. Allocates only if it is the first.
    pub fn record(&mut self, latency: Nanos) {
        let ns = latency.0;
        self.counts.dense().saturating_record(ns.max(1));
        self.count += 1;
        self.sum = self.sum.saturating_add(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    /// Add all of `other`'s latencies.
    pub fn merge(&mut self, other: &LatencyHistogram) {
        if other.is_empty() {
            return;
        }
        let ours = self.counts.dense();
        match &other.counts {
            Counts::Dense(theirs) => ours.add(theirs).expect("all histograms have one layout"),
            Counts::Sparse(theirs) => theirs.iter().for_each(|(v, n)| ours.saturating_record_n(*v, *n)),
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forget everything; keeps the memory.
    pub fn clear(&mut self) {
        self.counts.dense().reset();
        *self = LatencyHistogram {
            counts: std::mem::replace(&mut self.counts, Counts::Sparse(Vec::new())),
            ..Self::new()
        };
    }

    /// How many latencies were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.count == 0
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
        (!self.is_empty()).then(|| Nanos((self.sum as f64 / self.count as f64).round() as u64))
    }

    /// The smallest recorded value that at least a share `q` (0 to 1) of the latencies do not
    /// exceed (nearest rank), to the bucket's 0.1 % and never outside the exact minimum and maximum.
    pub fn quantile(&self, q: f64) -> Option<Nanos> {
        // Nearest rank, less a rounding error of q·n, by which 0.1 × 10 must not become rank 2.
        let exact = q.clamp(0.0, 1.0) * self.count as f64;
        let rank = ((exact - exact * 1e-12).ceil() as u64).max(1);
        let mut below = 0;
        self.buckets().find_map(|(value, n)| {
            below += n;
            (below >= rank).then_some(Nanos(value.0.clamp(self.min, self.max)))
        })
    }

    /// How many latencies exceed `limit`, to the bucket's 0.1 %.
    pub fn count_above(&self, limit: Nanos) -> u64 {
        self.buckets().filter(|(value, _)| *value > limit).map(|(_, n)| n).sum()
    }

    /// The filled buckets in rising order: (highest value of the bucket, how many in it).
    pub fn buckets(&self) -> Box<dyn Iterator<Item = (Nanos, u64)> + '_> {
        match &self.counts {
            Counts::Sparse(filled) => Box::new(filled.iter().map(|(v, n)| (Nanos(*v), *n))),
            Counts::Dense(buckets) => {
                Box::new(buckets.iter_recorded().map(|v| (Nanos(v.value_iterated_to()), v.count_at_value())))
            }
        }
    }

    /// As a plain HDR histogram, for writing HdrHistogram logs.
    pub fn to_hdr(&self) -> Histogram<u64> {
        match &self.counts {
            Counts::Sparse(filled) => to_dense(filled),
            Counts::Dense(buckets) => buckets.clone(),
        }
    }

    /// In the form kept in files.
    pub fn encode(&self) -> EncodedHistogram {
        let mut bytes = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let written = match &self.counts {
            Counts::Sparse(filled) => serializer.serialize(&to_dense(filled), &mut bytes),
            Counts::Dense(buckets) => serializer.serialize(buckets, &mut bytes),
        };
        written.expect("writing to memory does not fail");
        EncodedHistogram {
            count: self.count,
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
        if buckets.len() != self.count {
            return Err(DecodeError(format!("{} latencies stored, {} stated", buckets.len(), self.count)));
        }
        Ok(LatencyHistogram {
            counts: Counts::Sparse(to_sparse(&buckets)),
            count: self.count,
            sum: self.sum_ns,
            min: if self.count == 0 { u64::MAX } else { self.min_ns },
            max: self.max_ns,
        })
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
            let back = h.encode().decode().unwrap();
            prop_assert_eq!(back.encode(), h.encode());
            for q in [0.0, 0.1, 0.5, 0.9, 0.999, 1.0] {
                prop_assert_eq!(back.quantile(q), h.quantile(q));
            }
            let mut merged = LatencyHistogram::new();
            merged.merge(&back);
            prop_assert_eq!(merged.encode(), h.encode());
        }
    }
}
