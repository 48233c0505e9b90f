//! A workload tried in this process: for tests of those who write one.
//!
//! Next file to read: `../plugin/mod.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use rt::config::RuntimeConfig;
use serde_json::Value;

use super::{Frames, SendFrame};
use crate::engine;
use crate::params::Params;
use crate::wire::{Failure, Frame, PROTOCOL, Phase, Plan};
use crate::workload::Workload;

/// How much longer the next trial is, in [`trial_until`].
const GROWTH: u32 = 3;
/// No trial of [`trial_until`] is longer, but for a first one that is.
const LONGEST: Duration = Duration::from_secs(60);

/// What a [`trial`] left.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The sums of what was counted, by name.
    pub counts: BTreeMap<String, u64>,
    /// What was recorded, by the stream's name.
    pub histograms: BTreeMap<String, Histogram<u64>>,
    /// What was warned of.
    pub warnings: Vec<String>,
}

/// Runs a workload in this process for `duration`, without a warm-up, on a multi-threaded runtime with two workers.
/// `params` is a JSON object with the parameters that are not to stand at their defaults.
///
/// It goes the way that a run of rtbench goes, without the processes; what it measures says nothing in a build that
/// is not optimised.
///
/// # Errors
///
/// Why the run could not be completed, a parameter that is refused included.
///
/// # Panics
///
/// If `params` is not an object.
///
/// ```
/// use std::time::Duration;
/// use workloads::{exec::trial, json, registry};
///
/// let storm = registry::find("timer_storm").unwrap();
/// let trial = trial(storm, &json!({ "rate": 100, "max_delay": "10ms" }), Duration::from_millis(100)).unwrap();
/// assert_eq!(trial.counts["failed"], 0);
/// ```
pub fn trial(
    workload: impl Workload + 'static,
    params: &Value,
    duration: Duration,
) -> Result<Trial, Failure> {
    one(&(Arc::new(workload) as Arc<dyn Workload>), params, duration)
}

/// Makes trials, each three times as long as the one before it and none longer than a minute, until one is `enough`; then
/// that one, and else the last one. So a test needs no machine of a certain speed.
///
/// # Errors
///
/// As for [`trial`].
///
/// # Panics
///
/// As [`trial`].
///
/// ```
/// use std::time::Duration;
/// use workloads::{exec::trial_until, json, registry};
///
/// let storm = registry::find("timer_storm").unwrap();
/// let params = json!({ "rate": 100, "max_delay": "10ms" });
/// let trial = trial_until(storm, &params, Duration::from_millis(100), |trial| trial.counts["fired"] > 0).unwrap();
/// assert!(trial.counts["fired"] > 0);
/// ```
pub fn trial_until(
    workload: impl Workload + 'static,
    params: &Value,
    first: Duration,
    enough: impl Fn(&Trial) -> bool,
) -> Result<Trial, Failure> {
    let workload: Arc<dyn Workload> = Arc::new(workload);
    let mut duration = first;
    loop {
        let trial = one(&workload, params, duration)?;
        let next = duration.saturating_mul(GROWTH);
        if enough(&trial) || next > LONGEST || next.is_zero() {
            return Ok(trial);
        }
        duration = next;
    }
}

fn one(workload: &Arc<dyn Workload>, params: &Value, duration: Duration) -> Result<Trial, Failure> {
    let params = params.as_object().expect("the parameters are a JSON object");
    let described = workload.describe();
    let checked = Params::check(&described.params, params);
    let checked = checked.map_err(|error| Failure::input(error.to_string(), "see the declaration"))?;
    let plan = Plan {
        protocol: PROTOCOL,
        engine: engine::KIND,
        plugin: None,
        runtime: RuntimeConfig { worker_threads: Some(2), ..RuntimeConfig::default() },
        workload: described.name,
        params: checked.into_map(),
        warmup_ns: 0,
        duration_ns: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        interval_ns: 100_000_000,
        seed: 1,
    };
    let mut heard = Vec::new();
    // Nobody asks to stop; the watcher of that ends with this function.
    let (keep, stop) = channel();
    let send: &mut SendFrame<'_> = &mut |frame| {
        heard.push(frame.clone());
        Ok(())
    };
    Frames::new(send)
        .run(workload.clone(), &plan, Never(stop))
        .map_err(|error| Failure::broken(error.to_string()))?;
    drop(keep);
    collected(heard)
}

fn collected(frames: Vec<Frame>) -> Result<Trial, Failure> {
    let mut trial = Trial { counts: BTreeMap::new(), histograms: BTreeMap::new(), warnings: Vec::new() };
    let mut names = Vec::new();
    for frame in frames {
        match frame {
            Frame::Hello(hello) => {
                names = hello.streams.into_iter().map(|stream| stream.name).collect();
                let empty = |name: &String| (name.clone(), crate::record::histogram());
                trial.histograms = names.iter().map(empty).collect();
            }
            Frame::Interval(interval) if interval.phase == Phase::Measure => {
                for (name, text) in names.iter().zip(&interval.histograms) {
                    let broken = |error: &dyn ToString| Failure::broken(error.to_string());
                    let bytes = STANDARD.decode(text).map_err(|error| broken(&error))?;
                    let part: Histogram<u64> = Deserializer::new()
                        .deserialize(&mut bytes.as_slice())
                        .map_err(|error| broken(&error))?;
                    if let Some(whole) = trial.histograms.get_mut(name) {
                        whole.add(part).map_err(|error| broken(&error))?;
                    }
                }
            }
            Frame::Warning { text } => trial.warnings.push(text),
            Frame::Failed(failure) => return Err(failure),
            Frame::Done(done) => trial.counts = done.counts,
            Frame::Interval(_) | Frame::Phase { .. } | Frame::Events(_) => {}
        }
    }
    Ok(trial)
}

/// Ends when its sender does.
struct Never(Receiver<()>);

impl Read for Never {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(0)
    }
}
