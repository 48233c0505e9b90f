//! The command line: what it takes, what each command does, and how the program ends.
//!
//! Next file to read: `run.rs`, then `../profile/mod.rs`.
#![forbid(unsafe_code)]

mod args;
mod axis;
mod baseline;
mod check;
mod compare;
mod compare_args;
mod differences;
mod hint;
mod history;
mod list;
mod plugin;
mod publish;
mod run;
mod sides;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::plugin::{Blame, Fault};
use crate::profile::Invalid;
use crate::{events, session, term};
use args::{Args, Command};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All went well.
    Success = 0,
    /// A run failed, or a plug-in that is there cannot be used.
    Failure = 1,
    /// What was asked cannot be done as it was asked.
    BadInput = 2,
    /// A metric regressed.
    Regression = 3,
    /// A metric is inconclusive, and that was to be a failure.
    Inconclusive = 4,
    /// Equal runs differ too much.
    TooNoisy = 5,
    /// The user stopped it: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The program.
pub(crate) fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| hint::hinted(error).exit());
    // The measuring processes are told by their parent what to tell.
    if !matches!(args.command, Command::Exec(_) | Command::Answer(_))
        && let Err(error) = events::begin(args.verbose)
    {
        return complain(&error).into();
    }
    let result = match args.command {
        Command::Run(args) => run::run(&args).map(Into::into),
        Command::Check(args) => check::check(&args).map(Into::into),
        Command::Compare(args) => compare::compare(&args).map(Into::into),
        Command::History(args) => history::history(&args).map(Into::into),
        Command::List(args) => list::list(&args).map(Into::into),
        Command::Plugin(args) => plugin::plugin(&args).map(Into::into),
        Command::Exec(args) => session::exec(args.engine, args.plugin.as_deref()),
        Command::Answer(args) => session::answer(&args.plugin),
    };
    result.unwrap_or_else(|error| complain(&error).into())
}

/// Tells the user, and how the program ends then.
fn complain(error: &anyhow::Error) -> Exit {
    let is_broken_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_broken_pipe)) {
        return Exit::Success;
    }
    match error.downcast_ref::<Invalid>() {
        Some(invalid) => term::complain(&invalid.render(term::color(&io::stderr()))),
        None => term::complain(&format!("error: {error:#}")),
    }
    let blame = match (error.downcast_ref::<Fault>(), error.downcast_ref::<Invalid>()) {
        (Some(fault), _) => Some(fault.blame),
        (None, Some(invalid)) => invalid.blame(),
        (None, None) => None,
    };
    match blame {
        Some(Blame::File | Blame::Code) => Exit::Failure,
        Some(Blame::Path) | None => Exit::BadInput,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, String> {
        Args::try_parse_from(words).map(|args| args.command).map_err(|error| error.to_string())
    }

    /// The commands in a text: from `rtbench` to the end of its code span, or of lines that are indented as much.
    fn commands(yaml: &str) -> Vec<Vec<&str>> {
        let lines: Vec<_> = yaml.lines().collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let begins =
            |line: &str| line.trim_start().split(' ').next().is_some_and(|word| word.ends_with("/rtbench"));
        let command = |at: usize| {
            let same = lines[at..].iter().take_while(|line| indent(line) == indent(lines[at]));
            same.flat_map(|line| line.split_whitespace()).collect()
        };
        (0..lines.len()).filter(|&at| begins(lines[at])).map(command).collect()
    }

    #[test]
    fn the_ci_files_call_commands_that_exist() {
        let files = [include_str!("../../docs/ci/github.yml"), include_str!("../../docs/ci/gitlab.yml")];
        for file in files {
            let found = commands(file);
            assert_eq!(found.len(), 1, "{found:?}");
            let Command::Compare(args) = parsed(&found[0]).unwrap() else { panic!("{found:?}") };
            assert!(args.baseline_program.is_some() && args.junit.is_some() && args.markdown.is_some());
            assert!(args.profiles[0].ends_with("configs/server.toml"), "{:?}", args.profiles);
            assert!(args.profiles.len() == 1, "{:?}", args.profiles);
        }
        let gone = commands("  x/rtbench compare\n  --no-such-flag\n  p.toml\n");
        assert!(parsed(&gone[0]).unwrap_err().contains("--no-such-flag"));
    }

    #[test]
    fn the_documentation_calls_commands_that_exist() {
        let text = [include_str!("../../docs/compare.md"), include_str!("../../docs/ci/README.md")].concat();
        // In a list of commands, two spaces begin the explanation.
        let listed = text.lines().filter(|line| line.starts_with("rtbench "));
        let listed = listed.map(|line| line.split("  ").next().unwrap_or_default().to_owned());
        let flat = text.replace('\n', " ");
        let spans = flat.split('`').skip(1).filter(|span| span.starts_with("rtbench ") && span.len() < 100);
        let all: Vec<_> = listed.chain(spans.map(str::to_owned)).collect();
        assert!(all.len() > 10, "{all:?}");
        for command in all.iter().filter(|command| command.split_whitespace().count() > 2) {
            let words: Vec<_> = command.split_whitespace().collect();
            parsed(&words).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }

    #[test]
    fn quick_is_short_runs_and_few_blocks() {
        let prepared = |more: &[&str]| {
            let words = [&["rtbench", "compare", "configs/spawn_flood.toml"], more].concat();
            let Command::Compare(args) = parsed(&words).unwrap() else { panic!("{words:?}") };
            let sides::Prepared { mut setup, asked, .. } = sides::prepare(&args).unwrap();
            setup.blocks = crate::compare::effort::blocks(&setup, None, asked).unwrap();
            setup
        };
        let quick = prepared(&["--quick"]);
        let plan = &quick.sides[0].plans[0];
        let times = [plan.warmup_ns, plan.duration_ns].map(Duration::from_nanos);
        assert_eq!((quick.quick, times), (true, [150, 600].map(Duration::from_millis)));
        assert_eq!(prepared(&["--quick", "--blocks", "9"]).blocks, 9, "what is asked for wins");
        assert_eq!((prepared(&[]).quick, prepared(&[]).blocks), (false, 15));
    }

    #[test]
    fn each_outcome_has_its_exit_code() {
        use crate::compare::model::Outcome::*;
        let codes = [
            (Pass, 0),
            (NotJudged, 0),
            (RunFailed, 1),
            (BadInput, 2),
            (Regression, 3),
            (Inconclusive, 4),
            (TooNoisy, 5),
            (Interrupted, 130),
        ];
        for (outcome, code) in codes {
            assert_eq!(compare::exit(outcome, true) as u8, code, "{outcome:?}");
        }
        assert_eq!(compare::exit(Inconclusive, false) as u8, 0, "by policy");
    }
}
