//! Records of runs that never were, realistic enough to look at: log-normal latency with a tail and a stall.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::json;
use workloads::wire::{
    Account, Bucket, Done, Hello, Interval, Level, PROTOCOL, Phase, Plan, RuntimeCounters, Stream, Unit,
    Usage, count,
};

use crate::session::record::{Outcome, ProfileInfo, RunRecord};

/// 2026-11-21T07:45:00Z
pub(super) fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_247_100)
}

/// Steele, Lea and Flood's `SplitMix64`, <https://doi.org/10.1145/2714064.2660195>: small, and the same everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A normal variable, by Irwin and Hall: the sum of twelve uniform ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// What to make up.
pub(super) struct Made {
    pub(super) name: &'static str,
    pub(super) streams: Vec<(&'static str, f64)>,
    pub(super) rate: u64,
    pub(super) intervals: u64,
}

impl Made {
    pub(super) fn echo() -> Self {
        let streams = vec![("latency", 52_000.0), ("service", 44_000.0), ("lag", 1_900.0)];
        Self { name: "echo", streams, rate: 20_000, intervals: 32 }
    }

    /// A record with four intervals a second.
    pub(super) fn record(&self) -> RunRecord {
        let mut random = SplitMix(self.rate ^ self.intervals);
        let per_interval = self.rate / 4;
        let intervals: Vec<_> =
            (0..self.intervals).map(|nth| self.interval(nth, per_interval, &mut random)).collect();
        let done = per_interval * self.intervals;
        let duration_ns = self.intervals * 250_000_000;
        let stream = |&(name, _): &(&str, f64)| Stream {
            name: name.to_owned(),
            title: format!("request {name}, from the planned send time"),
            unit: Unit::Nanoseconds,
            lag: None,
        };
        RunRecord {
            name: self.name.to_owned(),
            plan: Plan {
                protocol: PROTOCOL,
                engine: Default::default(),
                plugin: None,
                runtime: serde_json::from_value(json!({})).unwrap(),
                workload: "echo".to_owned(),
                params: json!({ "rate": self.rate, "connections": 64, "payload": "128 B" })
                    .as_object()
                    .unwrap()
                    .clone(),
                warmup_ns: 2_000_000_000,
                duration_ns,
                interval_ns: 250_000_000,
                seed: 7,
            },
            started: start(),
            start_up: Some(Duration::from_millis(4)),
            hello: Some(Hello {
                protocol: PROTOCOL,
                pid: 4711,
                engine: "runtime".to_owned(),
                engine_version: "0.1.0".to_owned(),
                engine_build: None,
                workload_version: 1,
                asked: (self.rate > 0).then_some(self.rate as f64),
                streams: self.streams.iter().map(stream).collect(),
            }),
            intervals,
            done: Some(Done {
                interrupted: false,
                measured_ns: duration_ns,
                counts: counts(done),
                usage: Usage {
                    user_us: done * 9,
                    system_us: done * 14,
                    voluntary_switches: done,
                    involuntary_switches: done / 40,
                    max_rss_bytes: 14_400_000,
                },
                runtime: counters(done),
                account: Some(Account { start_ns: 0, end_ns: duration_ns as i64, completed: done }),
                left_behind: false,
            }),
            outcome: Outcome::Complete,
            warnings: Vec::new(),
            events: Default::default(),
        }
    }

    fn interval(&self, nth: u64, samples: u64, random: &mut SplitMix) -> Interval {
        let stall = nth == self.intervals * 2 / 3;
        let histograms = self.streams.iter().map(|&(_, median)| {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            for _ in 0..samples {
                let body = median * (random.normal() * 0.22).exp();
                // One in a few hundred waits for something, and a stall delays a share of its interval.
                let tail =
                    if random.unit() < 0.004 { median * 6.0 / random.unit().max(1e-3).sqrt() } else { 0.0 };
                let stalled =
                    if stall && random.unit() < 0.05 { median * 160.0 * random.unit() } else { 0.0 };
                histogram.record((body + tail + stalled) as u64).unwrap();
            }
            encode(&histogram)
        });
        Interval {
            phase: Phase::Measure,
            start_ns: nth * 250_000_000,
            end_ns: (nth + 1) * 250_000_000,
            start_unix_ms: 1_795_247_102_000 + nth * 250,
            histograms: histograms.collect(),
            counts: counts(samples),
            runtime: counters(samples),
        }
    }
}

fn counts(done: u64) -> BTreeMap<String, u64> {
    let pairs = [
        (count::PLANNED, done),
        (count::STARTED, done),
        (count::COMPLETED, done),
        (count::FAILED, 0),
        (count::DROPPED, 0),
        (count::NOT_STARTED, 0),
        (count::PAST_END, 0),
        (count::DRAINED, 0),
        (count::COMPLETED_IN_WINDOW, done),
    ];
    pairs.map(|(name, number)| (name.to_owned(), number)).into()
}

fn counters(done: u64) -> RuntimeCounters {
    let worker = |share: u64| {
        let pairs = [
            ("polls", done * 2 / share),
            ("parks", done / share),
            ("stolen_tasks", done / 90),
            ("stuck_polls", 0),
            ("busy_ns", done * 9_000),
        ];
        pairs.map(|(name, number)| (name.to_owned(), number)).into()
    };
    let global = [("remote_schedules".to_owned(), done / 10), ("spawned_tasks".to_owned(), 65)].into();
    let bucket = |from_ns: u64, share: u64| Bucket { from_ns, to_ns: 2 * from_ns, count: done / share };
    let histogram = |scale: u64| vec![bucket(scale, 2), bucket(2 * scale, 3), bucket(4 * scale, 100)];
    let level = |sum: u64, max: u64| Level { samples: 10, sum, max };
    RuntimeCounters {
        workers: vec![worker(2), worker(3)],
        global,
        steals: vec![vec![0, done / 90], vec![done / 90, 0]],
        histograms: [("poll_time", histogram(1_000)), ("blocking_latency", histogram(30_000))]
            .map(|(name, buckets)| (name.to_owned(), buckets))
            .into(),
        levels: [
            ("global_queue", level(4, 3)),
            ("local_queues", level(17, 9)),
            ("mean_poll_ns", level(12_000, 1_400)),
        ]
        .map(|(name, level)| (name.to_owned(), level))
        .into(),
    }
}

/// As it comes over the wire.
pub(super) fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).unwrap();
    STANDARD.encode(bytes)
}

/// A run with these samples in one interval of one stream.
pub(super) fn with_samples(samples: impl IntoIterator<Item = u64>) -> RunRecord {
    let mut record = Made { name: "few", streams: vec![("latency", 1.0)], rate: 0, intervals: 1 }.record();
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    samples.into_iter().for_each(|sample| histogram.record(sample).unwrap());
    let counted = counts(histogram.len());
    record.plan.params.remove("rate");
    record.hello.as_mut().unwrap().asked = None;
    record.intervals[0].histograms = vec![encode(&histogram)];
    record.intervals[0].counts = counted.clone();
    let done = record.done.as_mut().unwrap();
    (done.counts, done.account.as_mut().unwrap().completed) = (counted, histogram.len());
    record
}

pub(super) fn profile() -> ProfileInfo {
    ProfileInfo {
        name: "server".to_owned(),
        path: "configs/server.toml".to_owned(),
        effective: json!({
            "name": "server", "seed": 7, "nothing": null,
            "runtime": { "flavor": "multi_thread", "worker_threads": 2 },
            "workload": [{ "kind": "echo", "rate": 20_000 }],
        }),
    }
}
