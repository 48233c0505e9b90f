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
use crate::profile::{Gates, blocks_in_range, cut_gate, noise_limit_in_range};

pub(super) const COMPARE_HELP: &str = "\
Every run is a fresh process. A block runs all sides and then all of them again in reverse order, so
that drift cancels; a seeded coin says who is first. How many blocks there are follows from the gates
and the sides, and how long they take is said before the first run. With one profile and no other
side, the profile is compared with itself: what is found is noise.

Verdicts on a change: REGRESSED, IMPROVED (significant, and beyond the margin), EQUIVALENT (within the
margin, with 95 % confidence), NOT WORSE (not worse by the margin or more, with 95 % confidence),
INCONCLUSIVE (these blocks cannot tell; what it would take is said). On a limit: WITHIN, EXCEEDED.

A gate is METRIC=MARGIN, METRIC<LIMIT or METRIC>LIMIT. A metric is p50, p99 or any other percentile of
the workload's first stream, STREAM.p99 of another one, *.p99 of all others, throughput, cpu, switches,
or a counter of the workload or the runtime, for each operation. `5%?` decides only where the runs
allow it, `-5%` where less is worse; METRIC=off and all=off take gates away.

Results are kept block by block in DIR/compare-<name>-<UTC time>/; see docs/compare.md.

Examples:
  rtbench compare a.toml b.toml
  rtbench compare --flavors multi_thread,current_thread,local configs/server.toml
  rtbench compare --set runtime.lifo_slot=true,false configs/server.toml
  rtbench compare --engine embedded,tokio configs/server.toml --gate p99=5% --gate 'p99<2ms'
  rtbench compare --baseline-program old/rtbench configs/server.toml --time 10m
  rtbench compare --resume reports/compare-server-20261121T074500Z

Exit codes:
  0    no regression: each gate was shown not to be worse; or no metric decides
  1    a run failed, a plug-in cannot be used, or all is well but a file could not be written
  2    bad input
  3    a metric regressed, or a limit was exceeded
  4    inconclusive: nothing regressed as far as is known, and that is not enough; 0 with
       `inconclusive = \"pass\"` or --inconclusive pass
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

    /// Compare the profile with itself, so many times: what is found is noise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=10),
        conflicts_with_all = ["resume", "flavors", "baseline", "baseline_program"])]
    pub(super) sides: Option<u8>,

    /// Compare with the first side of an earlier comparison, measured then; unpaired
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub(super) baseline: Option<PathBuf>,

    /// Compare with another build of rtbench, measured now in the same blocks
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "baseline"])]
    pub(super) baseline_program: Option<PathBuf>,

    /// Go on with a comparison that was interrupted or killed, as it was asked for then
    #[arg(long, value_name = "DIR", conflicts_with = "profiles")]
    pub(super) resume: Option<PathBuf>,

    /// Blocks of each workload; by default as many as the gates need, and 15 at least
    #[arg(long, value_name = "N", value_parser = blocks, conflicts_with = "resume")]
    pub(super) blocks: Option<u64>,

    /// As many blocks as fit into this time, such as 5m
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["resume", "blocks"])]
    pub(super) time: Option<Duration>,

    /// Load before the window of each run, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = warmup, conflicts_with = "resume")]
    pub(super) warmup: Option<Duration>,

    /// Window of each run, such as 3s
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "resume")]
    pub(super) duration: Option<Duration>,

    /// Short runs and few blocks, which see only large changes: under 40 seconds for one workload and two sides
    #[arg(long, conflicts_with = "resume")]
    pub(super) quick: bool,

    /// Have a metric decide, by a change: p99=5%, foreign.p99=5%, polls=10%; by a limit: p99<2ms; or not: p99=off
    #[arg(long, value_name = "METRIC=GATE", value_parser = gate, conflicts_with = "resume")]
    pub(super) gate: Vec<(String, String)>,

    /// The noise between equal runs above which only a regression is told of a metric, in margins of that metric
    #[arg(long, value_name = "N", value_parser = noise_limit, conflicts_with = "resume")]
    pub(super) noise_limit: Option<u64>,

    /// Whether a comparison that cannot tell ends with exit code 4, or with 0; "fail" where nobody says
    #[arg(long, value_name = "POLICY", conflicts_with = "resume")]
    pub(super) inconclusive: Option<Inconclusive>,

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

/// What becomes of a comparison that cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Inconclusive {
    /// Exit code 0
    Pass,
    /// Exit code 4
    Fail,
}

impl Inconclusive {
    pub(super) fn fails(self) -> bool {
        self == Self::Fail
    }
}

pub(super) const HISTORY_HELP: &str = "\
FILE is what `rtbench compare --history FILE` appends to, one line of JSON for each pair of sides.

What was measured with the same plan on the same engine, host and program is a series. A change point
is where its level changed, by binary segmentation and Welch's test, at most 1 series in 20 wrongly.
A history advises; it is no gate, for its runs have no partners.

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
    let (name, gate) = cut_gate(text)?;
    // The value is checked here, so that the command line is refused before anything is read.
    crate::profile::set_gate(&mut Gates::new(), name, gate)?;
    Ok((name.to_owned(), gate.to_owned()))
}
