//! An HdrHistogram interval log: what the HdrHistogram tools and plotter read.

use std::io;
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use plimsoll_model::artefact::Run;
use plimsoll_model::sample::Phase;
use plimsoll_model::time::Nanos;

/// The measured phase of every interval, tagged `variant/step/metric/outcome`; cells end to end on one
/// time axis, since a log must rise. Values are nanoseconds; the maximum of a line is in seconds.
pub fn log(run: &Run) -> io::Result<String> {
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Logged with plimsoll; values in ns, times in seconds since the first step]")
        .with_max_value_divisor(1e9)
        .begin_log_with(&mut out, &mut serializer)?;
    let mut origin = Nanos::ZERO;
    for cell in &run.cells {
        let place = format!("{}/{}", clean(&run.variant(cell).name), clean(&run.step(cell).name));
        for i in &cell.intervals {
            for (key, h) in i.series.iter().filter(|(k, h)| k.phase == Phase::Measured && !h.is_empty()) {
                let tag = format!("{place}/{}/{}", key.metric.name(), key.outcome.name());
                let length = Duration::from_nanos(i.end.saturating_sub(i.start).0);
                let start = (origin + i.start).as_duration();
                writer
                    .write_histogram(&h.to_hdr(), start, length, Tag::new(&tag))
                    .map_err(|e| io::Error::other(format!("{e:?}")))?;
            }
        }
        origin += cell.intervals.last().map_or(Nanos::ZERO, |i| i.end);
    }
    String::from_utf8(out).map_err(io::Error::other)
}

/// A tag may hold neither a comma nor white space.
fn clean(name: &str) -> String {
    let bad = |c: char| c == ',' || c.is_whitespace() || c.is_control();
    name.chars().map(|c| if bad(c) { '_' } else { c }).collect()
}
