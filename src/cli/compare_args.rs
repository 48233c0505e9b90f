//! What `rtbench compare` and `rtbench history` take.
//!
//! Next file to read: `compare.rs`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use workloads::rt::config::Flavor;
use workloads::wire::EngineKind;

use super::args::{duration, warmup};
use crate::compare::model::Allowed;
use crate::engines;
use crate::profile::{Metric, blocks_in_range, noise_limit_in_range};

pub(super) const COMPARE_HELP: &str = "\
Every run is a fresh process. A block runs all sides and then all of them again in reverse order, so
that drift cancels; a seeded coin says who is first. With `[compare]` and `[compare.gate]` a profile
says how many blocks there are and which metrics decide, each with the change that does not matter.
With one profile and no other side, the profile is compared with itself: what is found is noise.

Verdicts: IMPROVED, REGRESSED (significant, and beyond the margin), EQUIVALENT (the change is within
the margin, with 95 % confidence), INCONCLUSIVE (these blocks cannot tell; how many could is said).

Results are kept block by block in DIR/compare-<name>-<UTC time>/; see docs/compare.md.

Examples:
  rtbench compare a.toml b.toml
  rtbench compare --flavors multi_thread,current_thread,local configs/server.toml
  rtbench compare --set runtime.lifo_slot=true,false configs/server.toml
  rtbench compare --engine embedded,tokio configs/server.toml --gate p99=5%
  rtbench compare --baseline-program old/rtbench configs/server.toml
  rtbench compare --resume reports/compare-server-20261121T074500Z

Exit codes:
  0    no regression
  1    a run failed, or a plug-in cannot be used
  2    bad input
  3    a metric regressed
  4    a metric is inconclusive, and `inconclusive = \"fail\"` or --fail-on-inconclusive
  5    too noisy: equal runs differ by more than `noise_limit` margins
  130  interrupted (Ctrl-C); go on with --resume";

#[derive(Debug, clap::Args)]
pub(super) struct Compare {
    /// The profiles, TOML files; the first is the reference
    #[arg(value_name = "PROFILE", required_unless_present = "resume")]
    pub(super) profiles: Vec<PathBuf>,

    /// Compare flavours of the runtime, such as multi_thread,current_thread,local
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = flavor, conflicts_with = "resume")]
    pub(super) flavors: Vec<String>,

    /// Compare engines, such as embedded,tokio; or measure all sides on one
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = engines::parse, conflicts_with = "resume")]
    pub(super) engine: Vec<EngineKind>,

    /// Set one of the profile's keys; with several values, compare them: runtime.lifo_slot=true,false
    #[arg(long = "set", value_name = "KEY=V1,V2", conflicts_with = "resume")]
    pub(super) settings: Vec<String>,

    /// Compare with the first side of an earlier comparison, measured then; unpaired
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub(super) baseline: Option<PathBuf>,

    /// Compare with another build of rtbench, measured now in the same blocks
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "baseline"])]
    pub(super) baseline_program: Option<PathBuf>,

    /// Go on with a comparison that was interrupted or killed, as it was asked for then
    #[arg(long, value_name = "DIR", conflicts_with = "profiles")]
    pub(super) resume: Option<PathBuf>,

    /// Blocks of each workload
    #[arg(long, value_name = "N", value_parser = blocks, conflicts_with = "resume")]
    pub(super) blocks: Option<u64>,

    /// Load before the window of each run, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = warmup, conflicts_with = "resume")]
    pub(super) warmup: Option<Duration>,

    /// Window of each run, such as 3s
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "resume")]
    pub(super) duration: Option<Duration>,

    /// Under 40 seconds for one workload: 8 blocks of short runs, which see only large changes
    #[arg(long, conflicts_with = "resume")]
    pub(super) quick: bool,

    /// Have a metric decide, with its margin: p99=5%; or not: p99=off. Metrics: p50, p99, throughput, cpu, switches
    #[arg(long, value_name = "METRIC=MARGIN", value_parser = gate, conflicts_with = "resume")]
    pub(super) gate: Vec<(String, String)>,

    /// The noise between equal runs above which only a regression is told of a metric, in margins of that metric
    #[arg(long, value_name = "N", value_parser = noise_limit, conflicts_with = "resume")]
    pub(super) noise_limit: Option<u64>,

    /// End with exit code 4 where a metric is inconclusive
    #[arg(long, conflicts_with = "resume")]
    pub(super) fail_on_inconclusive: bool,

    /// Compare although this differs
    #[arg(long, value_name = "WHAT", value_delimiter = ',', conflicts_with = "resume")]
    pub(super) allow: Vec<Allowed>,

    /// Where coins and loads start
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub(super) seed: Option<u64>,

    /// The folder in which the comparison's folder is made
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub(super) out: Option<PathBuf>,

    /// Write the Markdown summary to this file, too
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,

    /// Write the JUnit report to this file, too
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,

    /// Append verdicts and figures to this file, for `rtbench history`
    #[arg(long, value_name = "FILE")]
    pub(super) history: Option<PathBuf>,

    /// What this is a measurement of, in the history; by default the commit that a CI server names
    #[arg(long, value_name = "TEXT", requires = "history")]
    pub(super) label: Option<String>,

    /// Show no progress
    #[arg(long, short)]
    pub(super) quiet: bool,
}

pub(super) const HISTORY_HELP: &str = "\
FILE is what `rtbench compare --history FILE` appends to, one line of JSON for each pair of sides.

Each metric of each workload is a series: a change point is where its level changed, by E-divisive
means with a t test (p < 0.001). A history advises; it is no gate, for its runs have no partners.

Examples:
  rtbench history bench.jsonl
  rtbench history bench.jsonl --add reports/compare-server-20261121T074500Z --page history.html";

#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// The history, a file of JSON lines
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// First append the comparison in this folder
    #[arg(long, value_name = "DIR")]
    pub(super) add: Vec<PathBuf>,

    /// What the added ones are a measurement of, such as a commit
    #[arg(long, value_name = "TEXT", requires = "add")]
    pub(super) label: Option<String>,

    /// Write the plots to this HTML file
    #[arg(long, value_name = "FILE")]
    pub(super) page: Option<PathBuf>,
}

fn blocks(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned()).and_then(blocks_in_range)
}

fn noise_limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned()).and_then(noise_limit_in_range)
}

fn flavor(text: &str) -> Result<String, String> {
    let parsed = serde_json::from_value::<Flavor>(text.into());
    parsed.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn gate(text: &str) -> Result<(String, String), String> {
    let (name, margin) = text.split_once('=').ok_or("expected METRIC=MARGIN, such as p99=5%")?;
    // The value is checked here, so that the command line is refused before anything is read.
    crate::profile::set_gate(&mut std::collections::BTreeMap::<Metric, f64>::new(), name, margin)?;
    Ok((name.to_owned(), margin.to_owned()))
}
