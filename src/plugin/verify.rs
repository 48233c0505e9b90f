//! What a plug-in's run may send. Nothing that a broken one sends may cost more than its own run.
//!
//! [`Border`] looks at each frame as it comes, and looks into histograms no further than their headers, because the
//! run is still measured then; [`verify`] decodes all of them once it is over.
//!
//! Next file to read: `new.rs`.
#![forbid(unsafe_code)]

use std::io::{Cursor, Read};

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use flate2::read::ZlibDecoder;
use workloads::record::{MAX_VALUE, SIGNIFICANT_DIGITS};
use workloads::wire::{Frame, Interval, Phase, Plan, RuntimeCounters, Stream};

use crate::report;
use crate::session::record::RunRecord;

/// The most streams of one workload.
const MAX_STREAMS: usize = 32;
/// The most warnings of one run.
const MAX_WARNINGS: u64 = 100;
/// The slices beyond those of the plan: a stop, and the end of each phase, may cut one in two.
const MORE_SLICES: u64 = 16;
/// The most bytes of a name, of a title, and of one of the counters' names.
const MAX_NAME: usize = 200;
/// The most bytes of a warning.
const MAX_TEXT: usize = 4096;
/// The most counters of a runtime, and of each of its workers.
const MAX_COUNTERS: usize = 256;
/// The most workers.
const MAX_WORKERS: usize = 4096;
/// The most buckets of one of the runtime's own histograms.
const MAX_BUCKETS: usize = 1 << 16;
/// The most bytes of a histogram's counts, of which there are some thirty thousand.
const MAX_PAYLOAD: u32 = 1 << 20;

/// Looks at each frame of one run.
pub(crate) struct Border {
    streams: Option<Vec<Stream>>,
    phase: Phase,
    /// Where the next slice begins at the earliest, in its phase.
    since: u64,
    intervals: u64,
    most_intervals: u64,
    warnings: u64,
    phases: u64,
}

impl Border {
    /// The border that a run of `plan` crosses.
    pub(crate) fn new(plan: &Plan) -> Self {
        let slices = plan.warmup_ns.saturating_add(plan.duration_ns) / plan.interval_ns.max(1);
        let most_intervals = slices.saturating_add(MORE_SLICES);
        let phase = Phase::Setup;
        Self { streams: None, phase, since: 0, intervals: 0, most_intervals, warnings: 0, phases: 0 }
    }

    /// Lets a frame pass, or says what is wrong with it.
    pub(crate) fn pass(&mut self, frame: &Frame) -> Result<(), String> {
        match frame {
            Frame::Hello(hello) => {
                if self.streams.is_some() {
                    return Err("it said hello twice".to_owned());
                }
                if hello.streams.len() > MAX_STREAMS {
                    return Err(format!(
                        "it has {} streams, and {MAX_STREAMS} are allowed",
                        hello.streams.len()
                    ));
                }
                let long = |text: &str| text.len() > MAX_NAME;
                if hello.streams.iter().any(|stream| long(&stream.name) || long(&stream.title)) {
                    return Err(format!("it has a stream whose name or title exceeds {MAX_NAME} bytes"));
                }
                self.streams = Some(hello.streams.clone());
            }
            _ if self.streams.is_none() && !matches!(frame, Frame::Failed(_)) => {
                return Err("its first frame is not a hello".to_owned());
            }
            Frame::Phase { phase } => {
                self.phases += 1;
                if self.phases > 4 {
                    return Err("it announced more phases than there are".to_owned());
                }
                (self.phase, self.since) = (*phase, 0);
            }
            Frame::Interval(interval) => {
                self.intervals += 1;
                if self.intervals > self.most_intervals {
                    return Err(format!("it sent more than {} slices for this plan", self.most_intervals));
                }
                self.slice(interval).map_err(|what| format!("{what}, in {}", slice_name(interval)))?;
            }
            Frame::Warning { text } => {
                self.warnings += 1;
                if self.warnings > MAX_WARNINGS {
                    return Err(format!("it sent more than {MAX_WARNINGS} warnings"));
                }
                if text.len() > MAX_TEXT {
                    return Err(format!(
                        "it sent a warning of {} bytes, and {MAX_TEXT} are allowed",
                        text.len()
                    ));
                }
            }
            Frame::Done(done) => {
                counts(done.counts.keys())?;
                counters(&done.runtime)?;
            }
            Frame::Failed(failure) if failure.message.len() > MAX_TEXT => {
                return Err(format!("it failed with a message of {} bytes", failure.message.len()));
            }
            // Their number has no bound: nobody hears them but who has asked, and what is kept of them is bounded.
            Frame::Failed(_) | Frame::Events(_) => {}
        }
        Ok(())
    }

    fn slice(&mut self, interval: &Interval) -> Result<(), String> {
        let streams = self.streams.as_deref().unwrap_or_default();
        let (has, wants) = (interval.histograms.len(), streams.len());
        if has != wants {
            return Err(format!("it sent {has} histograms for {wants} streams"));
        }
        if interval.start_ns < self.since || interval.end_ns < interval.start_ns {
            return Err("it sent a slice that runs backwards".to_owned());
        }
        self.since = interval.start_ns;
        counts(interval.counts.keys())?;
        counters(&interval.runtime)?;
        for (stream, histogram) in streams.iter().zip(&interval.histograms) {
            header(histogram).map_err(|what| format!("it sent a histogram `{}` {what}", stream.name))?;
        }
        Ok(())
    }
}

fn slice_name(interval: &Interval) -> String {
    let seconds = interval.start_ns as f64 / 1e9;
    let phase = if interval.phase == Phase::Warmup { "warm-up" } else { "window" };
    format!("the slice at {seconds:.3} s of the {phase}")
}

fn counts<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> Result<(), String> {
    let most = workloads::record::MAX_COUNTERS;
    if names.len() > most {
        return Err(format!("it counts {} things, and {most} are allowed", names.len()));
    }
    match names.into_iter().find(|name| name.len() > MAX_NAME) {
        Some(name) => Err(format!("it counts something with a name of {} bytes", name.len())),
        None => Ok(()),
    }
}

fn counters(runtime: &RuntimeCounters) -> Result<(), String> {
    if runtime.workers.len() > MAX_WORKERS {
        return Err(format!("it has {} workers, and {MAX_WORKERS} are allowed", runtime.workers.len()));
    }
    let lists = [runtime.steals.len(), runtime.histograms.len(), runtime.levels.len()];
    let longest = runtime.steals.iter().map(Vec::len).max().unwrap_or(0);
    if lists.iter().any(|list| *list > MAX_WORKERS) || longest > MAX_WORKERS {
        return Err(format!("it tells more of its runtime than of {MAX_WORKERS} workers"));
    }
    if let Some((name, buckets)) = runtime.histograms.iter().find(|(_, buckets)| buckets.len() > MAX_BUCKETS)
    {
        return Err(format!(
            "its histogram {name} has {} buckets, and {MAX_BUCKETS} are allowed",
            buckets.len()
        ));
    }
    let maps = || runtime.workers.iter().chain([&runtime.global]);
    if maps().any(|map| map.len() > MAX_COUNTERS || map.keys().any(|name| name.len() > MAX_NAME)) {
        return Err(format!("a worker has more than {MAX_COUNTERS} counters, or one with a long name"));
    }
    Ok(())
}

/// Checks what can be known of a histogram without its counts: HdrHistogram's V2 DEFLATE format begins with a cookie
/// and a length, and the deflated part with a cookie, the length of the counts, the offset, the digits and the bounds.
fn header(text: &str) -> Result<(), String> {
    const COMPRESSED: u32 = 0x1c84_9304 | 0x10;
    const PLAIN: u32 = 0x1c84_9303 | 0x10;
    let garbage = |_| "that is none".to_owned();
    let mut bytes = DecoderReader::new(Cursor::new(text), &STANDARD);
    let mut outer = [0; 8];
    bytes.read_exact(&mut outer).map_err(garbage)?;
    let mut inner = [0; 32];
    let mut inflated = ZlibDecoder::new(bytes);
    inflated.read_exact(&mut inner).map_err(garbage)?;
    let word = |bytes: &[u8], at: usize| {
        bytes[at..at + 4].iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte))
    };
    let wide = |at: usize| (u64::from(word(&inner, at)) << 32) | u64::from(word(&inner, at + 4));
    if word(&outer, 0) != COMPRESSED || word(&inner, 0) != PLAIN || word(&inner, 4) > MAX_PAYLOAD {
        return Err("that is none".to_owned());
    }
    let (digits, low, high) = (word(&inner, 12), wide(16), wide(24));
    if (digits, low, high) != (u32::from(SIGNIFICANT_DIGITS), 1, MAX_VALUE) {
        return Err(format!(
            "from {low} to {high} with {digits} digits, and the SDK's are from 1 to {MAX_VALUE} with {SIGNIFICANT_DIGITS}"
        ));
    }
    Ok(())
}

/// Decodes what a run has sent; from the first slice on that does not decode, nothing is kept.
///
/// # Errors
///
/// What is wrong with it. A run that was complete and has not recorded anything is wrong, too.
pub(crate) fn verify(record: &mut RunRecord) -> Result<(), String> {
    let streams = record.hello.as_ref().map_or(&[][..], |hello| &hello.streams);
    let mut samples = 0;
    let mut broken = None;
    'slices: for (index, interval) in record.intervals.iter().enumerate() {
        for (at, stream) in streams.iter().enumerate() {
            let Some(histogram) = report::histogram(interval, at) else {
                let what = format!("it sent a histogram `{}` that is none", stream.name);
                broken = Some((index, format!("{what}, in {}", slice_name(interval))));
                break 'slices;
            };
            samples += histogram.len();
        }
    }
    if let Some((kept, what)) = broken {
        record.intervals.truncate(kept);
        // Its sums have what was not kept, too.
        record.done = None;
        return Err(what);
    }
    match &record.done {
        Some(done) if !done.interrupted && samples == 0 => {
            Err("it ended well, and recorded nothing in the measured window".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};
    use workloads::record::{MAX_OWN_COUNTERS, histogram};

    use super::*;

    #[test]
    fn the_page_has_the_limits_that_hold() {
        let page = include_str!("../../docs/plugins.md").replace('\n', " ");
        let parts = [
            format!("{MAX_STREAMS} streams, the slices that its plan has and {MORE_SLICES} more, "),
            format!("{MAX_WARNINGS} warnings of {} KiB, ", MAX_TEXT >> 10),
            format!("{MAX_OWN_COUNTERS} counters of its own; "),
            "(1 to 3,600,000,000,000, ".to_owned(),
        ];
        for part in parts {
            assert!(page.contains(&part), "{part:?} is not on the page");
        }
        assert_eq!((MAX_VALUE, SIGNIFICANT_DIGITS), (3_600_000_000_000, 3), "as the page says");
    }

    fn encoded(histogram: &Histogram<u64>) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut bytes).unwrap();
        STANDARD.encode(bytes)
    }

    #[test]
    fn the_header_of_our_own_histograms_passes_and_no_other_one() {
        let mut full = histogram();
        (0..40).for_each(|bit| full.saturating_record(1 << bit));
        assert_eq!(header(&encoded(&full)), Ok(()));
        assert_eq!(header(&encoded(&histogram())), Ok(()));
        let narrow = Histogram::new_with_bounds(1, 1000, 2).unwrap();
        assert!(header(&encoded(&narrow)).unwrap_err().starts_with("from 1 to 1000 with 2 digits"));
        let mut plain = Vec::new();
        V2Serializer::new().serialize(&histogram(), &mut plain).unwrap();
        for garbage in ["", "AAAA", "not base64 at all, and longer than the header", &STANDARD.encode(plain)]
        {
            assert_eq!(header(garbage), Err("that is none".to_owned()), "{garbage}");
        }
    }
}
