//! `histograms.hlog`: an HdrHistogram interval log, for the tools that read those.

use std::io;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use plimsoll_model::artefact::Run;
use plimsoll_model::sample::Phase;

/// Every histogram of the run's measured phase, tagged `variant/step/metric/outcome`; values in ns.
///
/// # Errors
/// When a histogram can't be written in that form.
pub fn log(run: &Run) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("values in nanoseconds; times from the origin of each tag's cell")
        .with_base_time(SystemTime::UNIX_EPOCH)
        .begin_log_with(&mut bytes, &mut serializer)?;
    for cell in &run.cells {
        let place = format!("{}/{}", run.variant(cell).name, run.step(cell).name);
        for interval in &cell.intervals {
            for (key, histogram) in interval.series.iter().filter(|(k, _)| k.phase == Phase::Measured) {
                let tag = tag(&format!("{place}/{}/{}", key.metric.name(), key.outcome.name()));
                let length = interval.end.saturating_sub(interval.start).as_duration();
                let start = Duration::from_nanos(interval.start.0);
                log.write_histogram(&histogram.to_hdr(), start, length, Tag::new(&tag))
                    .map_err(|e| io::Error::other(format!("{e:?}")))?;
            }
        }
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Without the characters that end a tag.
fn tag(text: &str) -> String {
    text.chars().map(|c| if c == ',' || c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}
