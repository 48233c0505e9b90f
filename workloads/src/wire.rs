//! What the parent and the measuring child say to each other.
//!
//! The parent writes one [`Plan`] to the child's standard input and keeps that pipe open: its end is the request to
//! stop, so a parent that dies stops its child too. The child answers with [`Frame`]s on a descriptor of its own.
//! Each message is a length (four bytes, little endian) and that many bytes of JSON. Frames are sent a few times a
//! second by one collector thread, never by the code being measured.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use rt::config::RuntimeConfig;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of this protocol. Both sides refuse another one.
pub const PROTOCOL: u32 = 1;

/// The largest message that [`receive`] accepts, in bytes.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Which engine a plan is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// The runtime that comes with rtbench.
    #[default]
    Embedded,
    /// The real Tokio.
    Tokio,
}

impl EngineKind {
    /// Every engine that there can be; a build need not have all of them.
    pub const ALL: [Self; 2] = [Self::Embedded, Self::Tokio];

    /// The name on the command line and in a plan: `embedded` or `tokio`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Tokio => "tokio",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One measured run: a workload on a runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PROTOCOL`] of the side that wrote it.
    pub protocol: u32,
    /// Whose child this is for; another one refuses it.
    #[serde(default)]
    pub engine: EngineKind,
    /// The plug-in that the workload is in; bundled ones are in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginId>,
    /// The runtime to build.
    pub runtime: RuntimeConfig,
    /// The kind of workload, as `rtbench list` names it.
    pub workload: String,
    /// The workload's parameters, checked and with every default filled in.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// How long the load runs before anything is recorded, in nanoseconds.
    pub warmup_ns: u64,
    /// How long is measured, in nanoseconds.
    pub duration_ns: u64,
    /// Time between two [`Interval`] frames, in nanoseconds.
    pub interval_ns: u64,
    /// Where the workload's random choices start.
    pub seed: u64,
}

/// Which plug-in, as it said itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginId {
    /// The file, as an absolute path.
    pub path: String,
    /// Its name: that of its crate.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Version of the SDK in it.
    pub sdk: String,
    /// The compiler that built it.
    pub rustc: String,
    /// Version of the engine in it.
    pub engine_version: String,
}

/// What the child says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum Frame {
    /// The first frame.
    Hello(Hello),
    /// A new phase begins.
    Phase {
        /// Which one.
        phase: Phase,
    },
    /// What one slice of the warm-up or of the window recorded.
    Interval(Interval),
    /// Something that the user should know; the run goes on.
    Warning {
        /// One sentence.
        text: String,
    },
    /// What was to be told of the run while it went on; only where the parent has asked for it.
    Events(Events),
    /// The run cannot go on. The last frame.
    Failed(Failure),
    /// The run ended as planned or as asked. The last frame.
    Done(Done),
}

/// Who measures, and which histograms it will send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the child.
    pub protocol: u32,
    /// Process id of the child.
    pub pid: u32,
    /// Name of the engine under test: `runtime` or `tokio`.
    pub engine: String,
    /// Version of that engine.
    pub engine_version: String,
    /// How that engine was built, where there is more than one way: `stable` or `tokio_unstable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_build: Option<String>,
    /// [Version](crate::workload::Workload::version) of the workload; 1 where the child does not say.
    #[serde(default = "first")]
    pub workload_version: u32,
    /// Operations a second that the workload plans. `None`: it starts an operation when another one has ended, or does
    /// not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<f64>,
    /// The histograms of this workload; the first is the one that the progress line shows.
    pub streams: Vec<Stream>,
}

fn first() -> u32 {
    1
}

/// One histogram that a workload fills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Short name, a tag in the log: `latency`.
    pub name: String,
    /// What it measures, a heading for people: "request latency, from the planned send time".
    pub title: String,
    /// The unit of the recorded values.
    pub unit: Unit,
    /// Name of the stream that holds the part of these values which is the load generator's own lateness, for values
    /// that are counted from the planned instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<String>,
}

/// The unit of a histogram's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// A plain number.
    Count,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Servers start, connections open.
    Setup,
    /// The load runs; what is recorded is shown, not reported.
    Warmup,
    /// The load runs and counts.
    Measure,
    /// The load has ended; what is in flight comes home.
    Drain,
}

/// What was recorded between two instants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// [`Phase::Warmup`] or [`Phase::Measure`].
    pub phase: Phase,
    /// Start, in nanoseconds since that phase began.
    pub start_ns: u64,
    /// End, in nanoseconds since that phase began.
    pub end_ns: u64,
    /// Wall clock at the start, in milliseconds since 1970; a label, not a measure.
    pub start_unix_ms: u64,
    /// What was counted in this slice. Well-known names are in [`count`].
    pub counts: BTreeMap<String, u64>,
    /// One for each of [`Hello::streams`], in that order: the histogram in HdrHistogram's V2 DEFLATE format, base64.
    pub histograms: Vec<String>,
    /// The runtime's counters in this slice.
    pub runtime: RuntimeCounters,
}

/// Well-known names in [`Interval::counts`] and [`Done::counts`].
///
/// All but [`COMPLETED_IN_WINDOW`](count::COMPLETED_IN_WINDOW) count operations that were planned in the phase, whenever
/// they ended, and balance: `planned = started + dropped + not_started`, and `started >= completed + failed`, where the
/// difference is the operations that had not ended when the drain was over.
pub mod count {
    /// Operations that the load generator meant to start.
    pub const PLANNED: &str = "planned";
    /// Operations that it started.
    pub const STARTED: &str = "started";
    /// Operations that ended well, after the window too.
    pub const COMPLETED: &str = "completed";
    /// Operations that ended in an error.
    pub const FAILED: &str = "failed";
    /// Operations that were planned and could not be started, because too many were in flight.
    pub const DROPPED: &str = "dropped";
    /// Operations that were planned and neither started nor dropped when the window ended.
    pub const NOT_STARTED: &str = "not_started";
    /// Those of [`NOT_STARTED`] that would have ended after the window by their plan, and so were not to be started.
    pub const PAST_END: &str = "past_end";
    /// Those of [`COMPLETED`] that ended after the window.
    pub const DRAINED: &str = "drained";
    /// Operations that ended well within the phase, in whichever phase they were planned. The rate is made from these.
    pub const COMPLETED_IN_WINDOW: &str = "completed_in_window";
    /// Those of [`STARTED`] that had neither completed nor failed when the drain was over. A report has it, and no frame.
    pub const UNFINISHED: &str = "unfinished";
    /// Operations that waited until fewer were in flight; a workload that has this declares it as its own.
    pub const QUEUED: &str = "queued";
}

/// Well-known names of [`Stream`]s.
pub mod stream {
    /// Request latency, from the planned instant.
    pub const LATENCY: &str = "latency";
    /// How late the generator itself was: actual minus planned start.
    pub const LAG: &str = "lag";
}

/// Diagnostic events since the last frame of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// In the order in which they were queued.
    pub events: Vec<Event>,
    /// How many more there were, for which there was no room.
    pub lost: u64,
    /// What an event costs the thread that it comes from, in nanoseconds, as measured when the process began.
    pub cost_ns: u64,
}

/// Something that happened, as `tracing` tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Wall clock, in microseconds since 1970.
    pub unix_us: u64,
    /// How much it matters.
    pub level: EventLevel,
    /// Where it comes from: a path of modules, as a rule.
    pub target: String,
    /// What happened.
    pub message: String,
    /// Its other fields.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// The spans that it lies in, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<EventSpan>,
}

impl Event {
    /// An event that happens now, without fields.
    pub fn new(level: EventLevel, target: &str, message: &str) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            unix_us: u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX),
            level,
            target: target.to_owned(),
            message: message.to_owned(),
            fields: serde_json::Map::new(),
            spans: Vec::new(),
        }
    }
}

/// How much an event matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventLevel {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// The steps of a run.
    Info,
    /// What they are made of.
    Debug,
    /// Everything.
    Trace,
}

/// A span around an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSpan {
    /// Its name.
    pub name: String,
    /// Its fields.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// Increments of the runtime's counters, by name, and what else it tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeCounters {
    /// One map for each worker.
    pub workers: Vec<BTreeMap<String, u64>>,
    /// What belongs to no worker.
    pub global: BTreeMap<String, u64>,
    /// Tasks stolen: one list for each worker that stole, with a number for each worker that it stole from. Empty where
    /// the runtime does not count them so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steals: Vec<Vec<u64>>,
    /// Increments of the runtime's own histograms, over all workers, by name: the buckets that took something, in
    /// ascending order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<String, Vec<Bucket>>,
    /// Levels, such as the depth of a queue, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, Level>,
}

impl RuntimeCounters {
    /// Adds what another slice of the same run has.
    pub fn add(&mut self, other: &Self) {
        self.workers.resize_with(self.workers.len().max(other.workers.len()), BTreeMap::new);
        self.workers.iter_mut().zip(&other.workers).for_each(|(sum, worker)| add_counts(sum, worker));
        add_counts(&mut self.global, &other.global);
        self.steals.resize_with(self.steals.len().max(other.steals.len()), Vec::new);
        for (sum, row) in self.steals.iter_mut().zip(&other.steals) {
            sum.resize(sum.len().max(row.len()), 0);
            sum.iter_mut().zip(row).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
        }
        for (name, buckets) in &other.histograms {
            let sum = self.histograms.entry(name.clone()).or_default();
            for bucket in buckets {
                match sum.binary_search_by_key(&bucket.from_ns, |bucket| bucket.from_ns) {
                    Ok(at) => sum[at].count = sum[at].count.saturating_add(bucket.count),
                    Err(at) => sum.insert(at, *bucket),
                }
            }
        }
        for (name, level) in &other.levels {
            self.levels.entry(name.clone()).or_default().add(level);
        }
    }
}

/// Adds counts by name.
pub fn add_counts(to: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, number) in from {
        let sum = to.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*number);
    }
}

/// One bucket of a runtime's own histogram of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The least duration that it takes, in nanoseconds.
    pub from_ns: u64,
    /// The duration at which it ends, in nanoseconds. [`u64::MAX`]: it takes all longer ones.
    pub to_ns: u64,
    /// How many it took.
    pub count: u64,
}

/// What was seen of something that rises and falls, at instants about a tenth of a second apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// How often it was looked at.
    pub samples: u64,
    /// The sum of what was seen; divided by [`samples`](Self::samples) it is the mean.
    pub sum: u64,
    /// The most that was seen.
    pub max: u64,
}

impl Level {
    /// Takes one more look into account.
    pub fn see(&mut self, value: u64) {
        self.add(&Self { samples: 1, sum: value, max: value });
    }

    /// Takes what another one has seen into account.
    pub fn add(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }
}

/// Why a run could not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whether the plan or its surroundings are wrong, and not the run.
    pub is_input: bool,
    /// What happened, and where.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The account of a run that has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Whether it was asked to stop before its time.
    pub interrupted: bool,
    /// Length of the measured window, in nanoseconds.
    pub measured_ns: u64,
    /// The sums of the window's [`Interval::counts`].
    pub counts: BTreeMap<String, u64>,
    /// What the process used during the window.
    pub usage: Usage,
    /// The runtime's counters over the window.
    pub runtime: RuntimeCounters,
    /// What `usage` and `runtime` are to be divided by. `None`: the child does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Whether the workload did not come to its end and was left running.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
}

/// The interval of [`Done::usage`] and [`Done::runtime`]: from the child's reading at the start of the window to that at
/// its end. A child that had to wait for a processor reads late, so this is not exactly the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its start, in nanoseconds since the window began; below 0 if it was read before.
    pub start_ns: i64,
    /// Its end, in nanoseconds since the window began.
    pub end_ns: i64,
    /// Operations that ended well between the two readings, whenever they were planned.
    pub completed: u64,
}

/// What the operating system counted for the child during the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time in user mode, in microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, in microseconds.
    pub system_us: u64,
    /// Times that a thread gave up the processor by itself.
    pub voluntary_switches: u64,
    /// Times that a thread was made to give it up.
    pub involuntary_switches: u64,
    /// Most memory resident at any time of the process, in bytes.
    pub max_rss_bytes: u64,
}

/// Writes one message.
///
/// # Errors
///
/// What the writer returns.
pub fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("message of 4 GiB or more"))?;
    let mut packet = Vec::with_capacity(4 + body.len());
    packet.extend_from_slice(&length.to_le_bytes());
    packet.extend_from_slice(&body);
    to.write_all(&packet)?;
    to.flush()
}

/// Reads one message. `None` is a clean end between two messages.
///
/// # Errors
///
/// `InvalidData` for a message that is too long or does not parse, `UnexpectedEof` for one that is cut off, else
/// what the reader returns.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match from.read(&mut length[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_MESSAGE {
        let text = format!("a message of {length} bytes, more than the {MAX_MESSAGE} allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&body).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_way_and_a_cut_one_is_an_error() {
        let frame = Frame::Warning { text: "µs".to_owned() };
        let mut pipe = Vec::new();
        send(&mut pipe, &frame).unwrap();
        assert_eq!(receive::<Frame>(&mut pipe.as_slice()).unwrap(), Some(frame));
        for cut in 1..pipe.len() {
            let error = receive::<Frame>(&mut &pipe[..cut]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
        }
        assert_eq!(receive::<Frame>(&mut [].as_slice()).unwrap(), None);
        let error = receive::<Frame>(&mut [0xff; 8].as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
