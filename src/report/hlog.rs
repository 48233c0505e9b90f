//! `latency.hlog`: every interval's histograms as an HdrHistogram interval log, format 1.3, histograms V2 with
//! DEFLATE. Next: `html.rs`.
//!
//! The first workload's first stream has no tag, so that a tool that knows none plots it; the others are tagged
//! `<workload>.<stream>`. Values are in the stream's own unit, nanoseconds as a rule. Times are relative to
//! `BaseTime`; within a workload they follow the monotonic clock. The format is described in the documentation of
//! HdrHistogram's `HistogramLogWriter` and `HistogramLogReader`, <https://github.com/HdrHistogram/HdrHistogram>.
#![forbid(unsafe_code)]

use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::decode::{self, Measured};

/// The whole log.
pub(super) fn write(runs: &[Measured<'_>]) -> Result<Vec<u8>> {
    let begin = runs.iter().find_map(begin_ms).unwrap_or(0);
    let base = UNIX_EPOCH + Duration::from_millis(begin);
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut header = IntervalLogWriterBuilder::new();
    header.add_comment(&format!("[Logged with rtbench {}]", env!("CARGO_PKG_VERSION")));
    header.add_comment("[Histogram log format version 1.3]");
    for line in legend(runs) {
        header.add_comment(&line);
    }
    header.with_start_time(base).with_base_time(base);
    let mut writer = header.begin_log_with(&mut log, &mut serializer)?;
    // The Java tools take this line for a header and skip it.
    writer.write_comment(
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
    )?;
    for (nth, run) in runs.iter().enumerate() {
        let offset = Duration::from_millis(begin_ms(run).unwrap_or(begin).saturating_sub(begin));
        let first_ns = run.record.intervals.first().map_or(0, |interval| interval.start_ns);
        for interval in &run.record.intervals {
            let start = offset + Duration::from_nanos(interval.start_ns.saturating_sub(first_ns));
            let length = Duration::from_nanos(interval.end_ns.saturating_sub(interval.start_ns));
            for at in 0..run.streams.len() {
                // A broken one is in the report's warnings.
                let Some(histogram) = decode::histogram(interval, at) else { continue };
                let tag = tag(run, nth, at);
                let tag = tag.as_deref().and_then(Tag::new);
                writer.write_histogram(&histogram, start, length, tag).context("cannot write the log")?;
            }
        }
    }
    Ok(log)
}

fn begin_ms(run: &Measured<'_>) -> Option<u64> {
    run.record.intervals.first().map(|interval| interval.start_unix_ms)
}

/// The tag of stream `at` in the run `nth`; it holds no comma, blank or line end.
fn tag(run: &Measured<'_>, nth: usize, at: usize) -> Option<String> {
    let stream = decode::slug(&run.streams[at].info.name);
    (nth > 0 || at > 0).then(|| format!("{}.{stream}", run.slug))
}

/// What each tag stands for.
fn legend(runs: &[Measured<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (nth, run) in runs.iter().enumerate() {
        for (at, stream) in run.streams.iter().enumerate() {
            let tag = tag(run, nth, at).unwrap_or_else(|| "(no tag)".to_owned());
            let unit = match stream.info.unit {
                workloads::wire::Unit::Nanoseconds => "ns",
                workloads::wire::Unit::Count => "count",
            };
            let title = super::units::printable(&stream.info.title).replace('\n', " ");
            lines.push(format!(" {tag}: {title} [{unit}]"));
        }
    }
    lines
}
