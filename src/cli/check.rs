//! `rtbench check`: what `run` would do, written as a profile that says every key.
//!
//! Next file to read: `list.rs`.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value};

use super::Exit;
use super::args::Check;
use crate::engines::{self, Engine};
use crate::profile::{self, Profile};
use crate::term;

/// Runs the command.
///
/// # Errors
///
/// What is wrong with the profile, or that standard output cannot be written.
pub(super) fn check(args: &Check) -> Result<Exit> {
    let profile = profile::load(&args.source.path, &args.source.settings, &args.subject.subject())?;
    let profile = profile::overridden(profile, &args.source.overrides());
    // Which knobs a plug-in's engine has, only the plug-in knows.
    let (subject, engine) = match &profile.plugin {
        Some(plugin) => {
            let subject =
                format!("the plug-in {} ({} {})", plugin.name, profile.engine, plugin.engine_version);
            (subject, None)
        }
        None => {
            let engine = engines::find(profile.engine)?;
            (engine.to_string(), Some(engine))
        }
    };
    term::print(&text(&profile, &subject, engine.as_ref()))?;
    Ok(Exit::Success)
}

fn text(profile: &Profile, subject: &str, engine: Option<&Engine>) -> String {
    let runs = profile::plan(profile);
    let load: u64 = runs.iter().map(|run| run.plan.warmup_ns + run.plan.duration_ns).sum();
    let mut text = format!(
        "# {}: {} run{} on {subject}, {} of load in all, warm-up included.\n\
         # The report would go to {}.\n\
         # Below is the profile with every key; `# default` marks those that it leaves out.\n\n",
        profile.path,
        runs.len(),
        if runs.len() == 1 { "" } else { "s" },
        humantime::format_duration(Duration::from_nanos(load)),
        profile.report.dir.join(format!("{}-<UTC time>", profile.name)).display(),
    );
    let Value::Object(effective) = profile::effective(profile) else { unreachable!("a profile is a table") };
    let keys = Keys { profile, engine };
    keys.table(&mut text, "", &effective);
    text
}

/// Keys of a workload that it has from the profile's top.
const INHERITED: [&str; 3] = ["seed", "warmup", "duration"];

/// Where a profile's keys come from, and where they go.
struct Keys<'a> {
    profile: &'a Profile,
    /// `None`: one that only a plug-in knows.
    engine: Option<&'a Engine>,
}

impl Keys<'_> {
    /// Writes one table: first its own keys, then those of the tables in it.
    fn table(&self, text: &mut String, path: &str, keys: &Map<String, Value>) {
        let written = |path: &str| self.profile.written.contains(path);
        let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let mut rows = Vec::new();
        for (key, value) in keys {
            let lacking = self.lacking(&inner(key));
            let (line, note) = match (value, lacking) {
                (Value::Object(_) | Value::Array(_), _) => continue,
                // What a workload does not say itself stands at the top.
                _ if path.starts_with("workload.")
                    && INHERITED.contains(&key.as_str())
                    && !written(&inner(key)) =>
                {
                    continue;
                }
                (_, Some(why)) => (format!("# {key}"), format!("# {why}")),
                (Value::Null, _) => (format!("# {key}"), "# left to the runtime".to_owned()),
                // Such a path is the command line's.
                _ if inner(key) == "report.dir" && self.profile.report.dir.to_str().is_none() => {
                    let path = self.profile.report.dir.display();
                    (format!("# {key}"), format!("# {path}: not UTF-8 text, so only --out can say it"))
                }
                _ => {
                    let note = if written(&inner(key)) { "" } else { "# default" };
                    (format!("{} = {}", toml_key(key), toml(value)), note.to_owned())
                }
            };
            rows.push(vec![line, note]);
        }
        text.push_str(&term::table(&rows));
        for (key, value) in keys {
            let name = inner(key);
            match value {
                Value::Object(keys) => {
                    let _ = writeln!(text, "\n[{name}]");
                    self.table(text, &name, keys);
                }
                Value::Array(tables) => {
                    for (index, keys) in tables.iter().enumerate() {
                        let _ = writeln!(text, "\n[[{name}]]");
                        let Value::Object(keys) = keys else {
                            unreachable!("the only lists are those of tables")
                        };
                        self.table(text, &format!("{name}.{index}"), keys);
                    }
                }
                _ => {}
            }
        }
    }

    /// Why the engine lacks the knob of this key, if it is one of the `[runtime]` table.
    fn lacking(&self, path: &str) -> Option<&'static str> {
        let key = path.strip_prefix("runtime.")?;
        (self.engine?.lacks)(key)
    }
}

/// A plain value as TOML writes it.
fn toml(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}

/// A key as TOML has it: in quotes if it is more than a name, as a gate on all streams is.
fn toml_key(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.chars().all(is_bare) {
        key.to_owned()
    } else {
        toml(&Value::String(key.to_owned()))
    }
}
