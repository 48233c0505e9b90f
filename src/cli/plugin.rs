//! `rtbench plugin`: makes a plug-in's crate, shows what a file is, and tries what every plug-in must stand.
//!
//! Next file to read: `../profile/mod.rs`.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use anyhow::Result;
use workloads::plugin::abi::{ABI_MAJOR, ABI_MINOR};
use workloads::wire::EngineKind;

use super::Exit;
use crate::plugin::{Inspector, conform, new};
use crate::{engines, term};

pub(super) const PLUGIN_HELP: &str = "\
Exit codes:
  0    all well
  1    the file is no plug-in that can be used, or `check` has found something wrong
  2    bad input: command line, no such file, or a crate that cannot be made";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Plugin {
    /// Make the crate of a plug-in, which builds and runs as it stands
    New(New),
    /// Load a plug-in, run each of its workloads, and try what every plug-in must stand
    Check(File),
    /// Show what a plug-in is: its versions, its engine, its workloads
    Info(File),
}

#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// The folder to make; its last part names the crate and the workload
    #[arg(value_name = "NAME")]
    path: PathBuf,

    /// The engine that the plug-in brings: embedded, or tokio
    #[arg(long, value_name = "ENGINE", default_value_t, value_parser = engines::parse)]
    engine: EngineKind,

    /// The checkout of rtbench with the SDK; by default the one that this program was built from
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct File {
    /// The plug-in, a shared library
    file: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// What cannot be used, or cannot be written.
pub(super) fn plugin(command: &Plugin) -> Result<Exit> {
    match command {
        Plugin::New(args) => make(args),
        Plugin::Check(args) => check(&args.file),
        Plugin::Info(args) => {
            term::print(&info(&Inspector::start(&args.file)?))?;
            Ok(Exit::Success)
        }
    }
}

fn make(args: &New) -> Result<Exit> {
    let sdk = new(&args.path, args.engine, args.sdk.as_deref())?;
    let folder = args.path.display();
    let name = args.path.file_name().map(|name| name.to_string_lossy().replace('-', "_")).unwrap_or_default();
    term::print(&format!(
        "{folder} is a plug-in with one workload, on the engine {}.\n\
         It takes the SDK from the checkout {}, which must stay there; --sdk names another one.\n\n\
         \x20 cd {folder}\n\
         \x20 cargo test                                        # in this process\n\
         \x20 cargo build --release\n\
         \x20 rtbench plugin check target/release/lib{name}.so\n\
         \x20 rtbench run profile.toml\n",
        args.engine,
        sdk.display(),
    ))?;
    Ok(Exit::Success)
}

fn info(plugin: &Inspector) -> String {
    let identity = plugin.identity();
    let (major, minor) = identity.abi;
    let same = |ours: &str, theirs: &str| {
        if ours == theirs { String::new() } else { format!("  (rtbench: {ours})") }
    };
    let rows = [
        ("plug-in", format!("{} {}", identity.name, identity.version)),
        ("engine", format!("{} {}", identity.engine, identity.engine_version)),
        ("SDK", format!("{}{}", identity.sdk, same(env!("CARGO_PKG_VERSION"), &identity.sdk))),
        ("compiler", format!("{}{}", identity.rustc, same(workloads::RUSTC, &identity.rustc))),
        (
            "ABI",
            format!(
                "{major}.{minor}, table of {} bytes{}",
                identity.table_bytes,
                same(&format!("{ABI_MAJOR}.{ABI_MINOR}"), &format!("{major}.{minor}"))
            ),
        ),
    ];
    let rows: Vec<_> = rows.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect();
    let workload =
        |workload: &workloads::workload::Description| vec![workload.name.clone(), workload.summary.clone()];
    let workloads: Vec<_> = plugin.workloads().iter().map(workload).collect();
    format!("{}\nWorkloads:\n{}", term::table(&rows), term::indented(&term::table(&workloads), "  "))
}

fn check(file: &Path) -> Result<Exit> {
    let mut plugin = Inspector::start(file)?;
    term::print(&format!("{}\n", info(&plugin)))?;
    let mut told = Ok(());
    let well = conform(&mut plugin, &mut |case, found| {
        let (mark, text) = match found {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        let text = if text.is_empty() { String::new() } else { format!(": {text}") };
        if told.is_ok() {
            told = term::print(&format!("{mark}  {case}{text}\n"));
        }
    });
    told?;
    Ok(if well { Exit::Success } else { Exit::Failure })
}
