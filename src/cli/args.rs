//! What the command line takes.
//!
//! Next file to read: `run.rs`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use workloads::wire::EngineKind;

use super::compare_args::{COMPARE_HELP, Compare, HISTORY_HELP, History};
use super::plugin::{PLUGIN_HELP, Plugin};
use crate::engines;
use crate::profile::{DURATION, Overrides, Subject, WARMUP, parse_duration};

/// Measure an asynchronous runtime: a TOML profile says how it is built and what runs on it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,

    /// Tell what happens, in this process and in the measuring ones: -v steps and warnings, -vv details too.
    /// RUST_LOG chooses by target, such as RUST_LOG=runtime::stuck_poll=warn
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

const AFTER_HELP: &str = "\
Examples:
  rtbench run configs/server.toml          measure, and write a report into reports/
  rtbench run configs/server.toml --duration 30s --set runtime.worker_threads=1
  rtbench check configs/server.toml        say what would run
  rtbench compare --set runtime.lifo_slot=true,false configs/server.toml
                                           say whether that makes a difference
  rtbench list echo                        the parameters of one workload
  rtbench plugin new my-load               make a crate with a workload of your own
  rtbench history history.jsonl            show what comparisons said over time

Documentation: README.md, docs/compare.md and docs/plugins.md of the checkout.

Exit codes:
  0    all runs complete
  1    a run failed, and what was measured is in the report; or a file that is there is no plug-in
       that can be used: not a library, no symbol, another magic or ABI, or broken before its run
  2    bad input: command line, profile, report folder, or something that the profile needs
  3    compare: a metric regressed
  4    compare: inconclusive, where that is to be a failure
  5    compare: too noisy to tell
  130  interrupted (Ctrl-C); what was measured is in the report";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a profile's workloads, print a summary and write a report
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Say what a profile would run; run and write nothing
    Check(Check),
    /// Compare profiles, flavours, engines, settings or builds, with a verdict on each metric
    #[command(after_help = COMPARE_HELP)]
    Compare(Box<Compare>),
    /// Show what comparisons said over time, with change points
    #[command(after_help = HISTORY_HELP)]
    History(History),
    /// List the workloads, or one with its parameters
    List(List),
    /// Make, check and look at plug-ins: workloads of your own in a shared library
    #[command(subcommand, after_help = PLUGIN_HELP)]
    Plugin(Plugin),
    /// Run the plan that comes down standard input
    #[command(name = "__exec", hide = true)]
    Exec(Exec),
    /// Answer the questions about a plug-in that come down standard input
    #[command(name = "__plugin", hide = true)]
    Answer(Answer),
}

const RUN_HELP: &str = "\
Each workload runs in a fresh process, on a runtime built from the profile's [runtime] table: first
the warm-up, then the measured window. Progress goes to standard error, the summary to standard
output, and the report to DIR/<profile>-<UTC time>/: index.html for people, report.json and
latency.hlog for programs.

Ctrl-C ends the run early and keeps what was measured; a second one ends it at once.

With -v, -vv or RUST_LOG, what happens in this process and in the measuring ones is told on standard
error, and kept in the report's log.jsonl; the summary says what that has cost the run.

Examples:
  rtbench run configs/server.toml
  rtbench run configs/server.toml --warmup 500ms --duration 2s --quiet
  rtbench run configs/server.toml --engine tokio
  rtbench run configs/server.toml --set workload.echo.rate=50000 --set runtime.lifo_slot=false";

/// A profile, and what is changed in it.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// The profile, a TOML file
    #[arg(value_name = "PROFILE")]
    pub(super) path: PathBuf,

    /// Measure each workload for this long, such as 30s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// Put each workload under load for this long first, such as 2s
    #[arg(long, value_name = "TIME", value_parser = warmup)]
    warmup: Option<Duration>,

    /// Where random choices start
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The folder in which the report's folder is made
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    /// Set one of the profile's keys, such as runtime.event_interval=31 or workload.echo.rate=500
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) settings: Vec<String>,
}

impl Source {
    pub(super) fn overrides(&self) -> Overrides {
        Overrides { warmup: self.warmup, duration: self.duration, seed: self.seed, out: self.out.clone() }
    }
}

/// What is measured.
#[derive(Debug, clap::Args)]
pub(super) struct SubjectArgs {
    /// The engine under the workloads: embedded (the default), or tokio, which refuses runtime keys that it has no
    /// knob for. A plug-in brings its own
    #[arg(long, value_name = "ENGINE", value_parser = engines::parse)]
    engine: Option<EngineKind>,

    /// Take the workloads from this plug-in, a shared library, instead of those that come with rtbench
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
}

impl SubjectArgs {
    pub(super) fn subject(&self) -> Subject {
        Subject { engine: self.engine, plugin: self.plugin.clone() }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) source: Source,

    #[command(flatten)]
    pub(super) subject: SubjectArgs,

    /// Show no progress; errors and the summary are still printed
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) source: Source,

    #[command(flatten)]
    pub(super) subject: SubjectArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Show only this workload
    pub(super) workload: Option<String>,

    /// List the workloads of this plug-in, a shared library
    #[arg(long, value_name = "FILE")]
    pub(super) plugin: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Exec {
    /// The engine that the plan is for
    #[arg(value_parser = engines::parse)]
    pub(super) engine: EngineKind,

    /// The plug-in that the workload is in
    #[arg(long)]
    pub(super) plugin: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Answer {
    /// The plug-in
    pub(super) plugin: PathBuf,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text, &DURATION)
}

pub(super) fn warmup(text: &str) -> Result<Duration, String> {
    parse_duration(text, &WARMUP)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }
}
