//! `latency.hlog`: every slice's histograms as an HdrHistogram interval log, format 1.3, histograms V2 with DEFLATE.
//! It is written while the run goes on, so that what was measured is on the disk by then. Next: `html.rs`.
//!
//! The first workload's first stream has no tag, so that a tool that knows none plots it; the others are tagged
//! `<workload>.<stream>`. Values are in the stream's own unit, nanoseconds as a rule. Times are relative to
//! `BaseTime`; within a workload they follow the monotonic clock. The format is described in the documentation of
//! HdrHistogram's `HistogramLogWriter` and `HistogramLogReader`, <https://github.com/HdrHistogram/HdrHistogram>.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};

use workloads::wire::{Hello, Interval, Unit};

use crate::session::record::Slices;

use super::decode;

/// What a log is written to.
pub(crate) trait Sink: Write {
    /// Takes away what lies beyond the first `length` bytes, as far as that is possible.
    fn cut(&mut self, length: u64);
}

impl Sink for File {
    fn cut(&mut self, length: u64) {
        // Readers stop at half a line; it is no loss.
        let _ = self.set_len(length);
    }
}

/// A log that grows by a few lines with each slice.
#[derive(Debug)]
pub(crate) struct Log<W> {
    to: W,
    /// Bytes of whole slices.
    length: u64,
    /// Wall clock of the first slice of all, in milliseconds since 1970. `None`: nothing is written yet.
    base_ms: Option<u64>,
    taken: BTreeSet<String>,
    run: Option<Run>,
    runs: usize,
    failed: bool,
}

/// The run under way.
#[derive(Debug)]
struct Run {
    /// The tag of each stream.
    tags: Vec<Option<String>>,
    legend: String,
    /// Set with its first slice: its time since `BaseTime`, and that slice's own start, in nanoseconds.
    began: Option<(u64, u64)>,
}

impl<W: Sink> Log<W> {
    /// A log that begins with its first slice; without one, nothing is written at all.
    pub(crate) fn new(to: W) -> Self {
        Self { to, length: 0, base_ms: None, taken: BTreeSet::new(), run: None, runs: 0, failed: false }
    }

    /// What was written to.
    #[cfg(test)]
    pub(crate) fn get_ref(&self) -> &W {
        &self.to
    }

    fn lines(&mut self, interval: &Interval) -> String {
        let mut lines = String::new();
        let Some(run) = &mut self.run else { return lines };
        let base_ms = *self.base_ms.get_or_insert_with(|| {
            lines.push_str(&head(interval.start_unix_ms));
            interval.start_unix_ms
        });
        let &mut (offset_ns, first_ns) = run.began.get_or_insert_with(|| {
            lines.push_str(&run.legend);
            let offset_ms = interval.start_unix_ms.saturating_sub(base_ms);
            (offset_ms.saturating_mul(1_000_000), interval.start_ns)
        });
        let start = offset_ns.saturating_add(interval.start_ns.saturating_sub(first_ns));
        let length = interval.end_ns.saturating_sub(interval.start_ns);
        for (at, tag) in run.tags.iter().enumerate() {
            // What does not decode is told in the report's warnings, and would spoil the log.
            let Some(histogram) = decode::histogram(interval, at) else { continue };
            if let Some(tag) = tag {
                let _ = write!(lines, "Tag={tag},");
            }
            let (start, length, max) = (Seconds(start), Seconds(length), histogram.max());
            let _ = writeln!(lines, "{start},{length},{max}.000,{}", interval.histograms[at]);
        }
        lines
    }
}

impl<W: Sink> Slices for Log<W> {
    fn begin(&mut self, name: &str) {
        let slug = decode::unique(decode::slug(name), &mut self.taken);
        self.run = Some(Run { tags: Vec::new(), legend: slug, began: None });
        self.runs += 1;
    }

    fn hello(&mut self, hello: &Hello) {
        let Some(run) = &mut self.run else { return };
        let slug = std::mem::take(&mut run.legend);
        for (at, stream) in hello.streams.iter().enumerate() {
            let tag = (self.runs > 1 || at > 0).then(|| format!("{slug}.{}", decode::slug(&stream.name)));
            let unit = match stream.unit {
                Unit::Nanoseconds => "ns",
                Unit::Count => "count",
            };
            let title = super::units::printable(&stream.title).replace('\n', " ");
            let shown = tag.as_deref().unwrap_or("(no tag)");
            let _ = writeln!(run.legend, "# {shown}: {title} [{unit}]");
            run.tags.push(tag);
        }
    }

    fn slice(&mut self, interval: &Interval) -> io::Result<()> {
        if self.failed {
            return Ok(());
        }
        let lines = self.lines(interval);
        let written = self.to.write_all(lines.as_bytes()).and_then(|()| self.to.flush());
        match written {
            Ok(()) => self.length += lines.len() as u64,
            Err(_) => {
                self.failed = true;
                self.to.cut(self.length);
            }
        }
        written
    }
}

/// The format's own first lines; the Java tools take the last one for a header and skip it.
fn head(start_unix_ms: u64) -> String {
    let start = Seconds(start_unix_ms.saturating_mul(1_000_000));
    format!(
        "#[Logged with rtbench {}]\n#[Histogram log format version 1.3]\n\
         #[StartTime: {start} (seconds since epoch)]\n#[BaseTime: {start} (seconds since epoch)]\n\
         #\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Nanoseconds as seconds with three decimals, as the format has times.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0 / 1_000_000 + u64::from(self.0 % 1_000_000 >= 500_000);
        write!(f, "{}.{:03}", ms / 1000, ms % 1000)
    }
}
