//! Diagnostics: `tracing` events of this program and of the measuring processes, to the terminal and into a file.
//!
//! They are off unless `-v`, `-vv` or `RUST_LOG` asks for them; then no subscriber is installed, and the measuring
//! process is not asked for any. What it sends comes here as frames, and is told like this program's own.
//!
//! Next file to read: `file.rs`.
#![forbid(unsafe_code)]

mod file;
mod line;

use std::fs::File;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use workloads::events::Listener;
use workloads::wire::{Event, EventLevel, Events};

use crate::term;
use file::Kept;

pub(crate) use file::NAME;

/// The environment variable that asks for events, and for which.
const VARIABLE: &str = "RUST_LOG";

/// What this program calls itself among the processes.
const THIS: &str = "rtbench";

/// Where events go.
struct Ears {
    filter: String,
    began_us: u64,
    color: bool,
    kept: Kept,
}

static EARS: OnceLock<Ears> = OnceLock::new();

/// Begins to listen, if the command line's `-v`s or the environment ask for it. Once in a program's life.
///
/// # Errors
///
/// A filter that cannot be understood.
pub(crate) fn begin(verbosity: u8) -> Result<()> {
    let variable = match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(value) => Some(value.into_string().map_err(|_| anyhow!("{VARIABLE} is not UTF-8 text"))?),
        None => None,
    };
    let Some(filter) = filter(verbosity, variable.as_deref()) else { return Ok(()) };
    let parsed = EnvFilter::builder().parse(&filter);
    let parsed = parsed.with_context(|| {
        format!(
            "{VARIABLE} is {:?}; write it as warn,runtime=trace or runtime::stuck_poll=warn",
            variable.unwrap_or_default()
        )
    })?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let began_us = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
    let ears = Ears { filter, began_us, color: term::color(&std::io::stderr()), kept: Kept::default() };
    if EARS.set(ears).is_ok() {
        let listener = Listener::new(|event| put(THIS, &event));
        tracing::subscriber::set_global_default(Registry::default().with(parsed).with(listener))
            .context("the diagnostics cannot be begun twice")?;
    }
    Ok(())
}

/// What is to be heard. `RUST_LOG` has the last word over the `-v`s.
fn filter(verbosity: u8, variable: Option<&str>) -> Option<String> {
    let level = match verbosity {
        0 => None,
        1 => Some("info"),
        _ => Some("debug"),
    };
    let parts: Vec<_> = level.into_iter().chain(variable).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// What measuring processes are to send; `None`: nothing.
pub(crate) fn asked() -> Option<&'static str> {
    EARS.get().map(|ears| ears.filter.as_str())
}

/// Takes what a measuring process has sent.
pub(crate) fn heard(process: &str, events: &Events) {
    events.events.iter().for_each(|event| put(process, event));
    if events.lost > 0 {
        let message = format!("{} events came faster than they could be sent, and are lost", events.lost);
        put(process, &Event::new(EventLevel::Warn, module_path!(), &message));
    }
}

fn put(process: &str, event: &Event) {
    let Some(ears) = EARS.get() else { return };
    term::complain(&line::text(process, event, ears.began_us, ears.color));
    ears.kept.put(&line::json(process, event));
}

/// Writes what was told so far, and all that will be, into a file of a bounded size as well.
pub(crate) fn keep_in(file: File) {
    if let Some(ears) = EARS.get() {
        ears.kept.open(file);
    }
}

/// Ends the file. How many events it lacks because it was full, or could not be written.
pub(crate) fn end_file() -> u64 {
    EARS.get().map_or(0, |ears| ears.kept.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_heard_unless_it_is_asked_for() {
        assert_eq!(filter(0, None), None);
        assert_eq!(filter(1, None).as_deref(), Some("info"));
        assert_eq!(filter(3, None).as_deref(), Some("debug"));
        assert_eq!(filter(0, Some("runtime=trace")).as_deref(), Some("runtime=trace"));
        assert_eq!(filter(1, Some("runtime=trace")).as_deref(), Some("info,runtime=trace"));
    }
}
