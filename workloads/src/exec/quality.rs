//! What the child can say against its own measurement.
//!
//! Next file to read: `exec/usage.rs`.
#![forbid(unsafe_code)]

use hdrhistogram::Histogram;

use crate::record::{Counter, Records};
use crate::wire::Stream;

pub(crate) use crate::wire::count::QUEUED;
pub(crate) use crate::wire::stream::{LAG, LATENCY};

/// The part of the asked rate that may be missing.
const MISSING: f64 = 0.02;
/// The part of a latency that may be the generator's.
const LATE: f64 = 0.10;

/// One sentence or two for each thing that should be known about the window's records.
pub(super) fn warnings(records: &Records, streams: &[Stream], measured_ns: u64) -> Vec<String> {
    let mut found = Vec::new();
    let [planned, started] =
        [Counter::PLANNED, Counter::STARTED].map(|counter| records.count(counter) as f64);
    let [failed, completed] = [Counter::FAILED, Counter::COMPLETED].map(|counter| records.count(counter));
    let seconds = measured_ns as f64 / 1e9;
    if started < planned * (1.0 - MISSING) && seconds > 0.0 {
        let (asked, got) = (planned / seconds, started / seconds);
        found.push(format!(
            "overloaded: {got:.0}/s of the {asked:.0}/s asked for were started, because too much was in flight; the \
             runtime, or the load generator beside it on the same cores, cannot go faster; lower the rate, or allow \
             more in flight or on more connections"
        ));
    }
    let unfinished = records.count(Counter::STARTED).saturating_sub(completed + failed);
    if unfinished > 0 {
        found.push(format!(
            "unfinished: {unfinished} operations had not ended a second after the window; the latencies are those of \
             the others, so the true tail is longer; lower the rate or the work of one operation"
        ));
    }
    let stream = |name: &str| {
        let place = streams.iter().position(|stream| stream.name == name)?;
        Some(&records.histograms[place]).filter(|histogram| !histogram.is_empty())
    };
    if let (Some(latency), Some(lag)) = (stream(LATENCY), stream(LAG)) {
        found.extend(late(latency, lag));
    }
    found
}

/// Compares like with like: what part of the median, and of the tail, is the generator's own lateness.
fn late(latency: &Histogram<u64>, lag: &Histogram<u64>) -> Option<String> {
    let quantile = [0.5, 0.99]
        .into_iter()
        .find(|q| lag.value_at_quantile(*q) as f64 > latency.value_at_quantile(*q) as f64 * LATE)?;
    let [of_latency, of_lag] =
        [latency, lag].map(|histogram| readable(histogram.value_at_quantile(quantile)));
    Some(format!(
        "generator-limited: at p{:.0} requests left {of_lag} late, and latency is {of_latency}; the service \
         time has no such part; lower the rate, or keep other work off the machine",
        quantile * 100.0
    ))
}

/// Nanoseconds with three digits and a unit, as the report writes them.
fn readable(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    let (value, unit) = match value {
        v if v < 1e3 => (v, "ns"),
        v if v < 1e6 => (v / 1e3, "us"),
        v if v < 1e9 => (v / 1e6, "ms"),
        v => (v / 1e9, "s"),
    };
    let decimals = if value >= 100.0 || unit == "ns" {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let written = [0, 999, 1_000, 45_230, 395_800, 1_180_000, 12_500_000, 3_000_000_000].map(readable);
        assert_eq!(
            written,
            ["0 ns", "999 ns", "1.00 us", "45.2 us", "396 us", "1.18 ms", "12.5 ms", "3.00 s"]
        );
    }
}
