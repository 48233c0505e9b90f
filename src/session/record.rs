//! What a measured run left behind: the border between measuring (`session`) and telling (`report`).
#![forbid(unsafe_code)]

use std::io;
use std::time::{Duration, SystemTime};

use workloads::wire::{Done, Hello, Interval, Plan};

/// One workload's run, as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct RunRecord {
    /// The workload's name in the profile; unique there.
    pub(crate) name: String,
    /// What was asked.
    pub(crate) plan: Plan,
    /// Wall clock at the start of the child.
    pub(crate) started: SystemTime,
    /// From then until the child had loaded everything, a plug-in included, read its plan, and said so.
    pub(crate) start_up: Option<Duration>,
    /// Who measured. `None`: the child never said.
    pub(crate) hello: Option<Hello>,
    /// The measured slices in order, without those of the warm-up. In a long run, neighbours are merged.
    pub(crate) intervals: Vec<Interval>,
    /// The child's account. `None`: it did not live to give one.
    pub(crate) done: Option<Done>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What the child warned of.
    pub(crate) warnings: Vec<String>,
    /// What its diagnostic events came to, where they were asked for.
    pub(crate) events: Heard,
}

/// The diagnostic events of a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// How many there were, those that were lost included.
    pub(crate) number: u64,
    /// What one costs the thread that it comes from, in nanoseconds.
    pub(crate) cost_ns: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As planned.
    Complete,
    /// The user stopped it; what was measured until then is there.
    Interrupted,
    /// It broke; what was measured until then is there.
    Failed {
        /// What happened.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// Whether the profile or its surroundings are to blame.
        is_input: bool,
    },
}

/// The profile that the runs came from.
#[derive(Clone, Debug)]
pub(crate) struct ProfileInfo {
    /// The file's stem, or the `name` that the profile gives itself: the first half of the report folder's name.
    pub(crate) name: String,
    /// The path as the user gave it.
    pub(crate) path: String,
    /// The profile with every default filled in.
    pub(crate) effective: serde_json::Value,
}

/// What is told of each measured slice while a session goes on, whole as it came.
pub(crate) trait Slices {
    /// The run of this name is next; it need not get as far as a slice.
    fn begin(&mut self, name: &str);

    /// Its child has said what it will send.
    fn hello(&mut self, hello: &Hello);

    /// A slice was measured.
    ///
    /// # Errors
    ///
    /// It cannot be kept, and neither will those that follow; told once.
    fn slice(&mut self, interval: &Interval) -> io::Result<()>;
}

/// Nobody wants to be told.
pub(crate) struct Unheard;

impl Slices for Unheard {
    fn begin(&mut self, _: &str) {}

    fn hello(&mut self, _: &Hello) {}

    fn slice(&mut self, _: &Interval) -> io::Result<()> {
        Ok(())
    }
}
