//! The parent's side of the questions: one child that has the plug-in loaded, asked under a time limit.
//!
//! Next file to read: `serve.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use humantime::format_duration;
use serde::de::DeserializeOwned;
use serde_json::Value;
use workloads::plugin::talk::{About, Draft, Objections};
use workloads::wire::{self, EngineKind, Failure, PluginId};
use workloads::workload::Description;

use super::{Identity, Question};
use crate::session::{Group, ending, last_lines, read_tail, this_program};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What went wrong with a plug-in.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// The file, as the user gave it.
    file: String,
    /// Whose fault it is.
    pub(crate) blame: Blame,
    /// What it did.
    failure: Failure,
}

/// Whose fault it is that a plug-in cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The user's: there is no such file.
    Path,
    /// The file's: it is there, and no plug-in that this program can use.
    File,
    /// The code's: it was loaded, and misbehaved.
    Code,
}

impl Fault {
    fn code(file: String, failure: Failure) -> Self {
        Self { file, blame: Blame::Code, failure }
    }

    /// What is wrong, without the name of the file.
    pub(crate) fn what(&self) -> &str {
        &self.failure.message
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.failure.hint.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plug-in {}: {}", self.file, self.failure.message)?;
        self.failure.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n  help: {hint}"))
    }
}

impl std::error::Error for Fault {}

/// A plug-in that can be asked. Dropped, its child ends.
pub(crate) struct Inspector {
    /// The file, as the user gave it.
    file: String,
    path: PathBuf,
    group: Group,
    questions: Option<ChildStdin>,
    answers: Receiver<io::Result<Option<Answer>>>,
    tail: Receiver<String>,
    identity: Identity,
    engine: EngineKind,
    workloads: Vec<Description>,
}

type Answer = Result<Value, Failure>;

impl Inspector {
    /// Has a child load the plug-in and asks who it is.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(crate) fn start(file: &Path) -> Result<Self, Fault> {
        let shown = file.display().to_string();
        let fault = |blame, failure| Fault { file: shown.clone(), blame, failure };
        let broken = |what: &str, error: io::Error| {
            Fault::code(shown.clone(), Failure::broken(format!("{what}: {error}")))
        };
        let path = match fs::canonicalize(file) {
            // Plans and reports name it, and they are text.
            Ok(path) if path.to_str().is_none() => {
                let message = format!("its path is not UTF-8 text: {}", path.display());
                return Err(fault(
                    Blame::Path,
                    Failure::input(message, "rename the folder, or copy the file"),
                ));
            }
            Ok(path) if path.is_file() => path,
            Ok(_) => {
                let failure = Failure::input("it is not a file", "give the path of the library");
                return Err(fault(Blame::Path, failure));
            }
            Err(error) => {
                let hint = "give the path of the library, such as target/release/libmine.so";
                let failure = Failure::input(format!("it cannot be opened: {error}"), hint);
                return Err(fault(Blame::Path, failure));
            }
        };
        let spawn = || {
            let mut command = this_program()?;
            command.arg("__plugin").arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
            Group::start(command.stderr(Stdio::piped()))
        };
        let started = spawn().map_err(|error| broken("the process to load it in cannot start", error))?;
        let (group, (questions, stdout, stderr)) = started;
        let ((send, answers), (send_tail, tail)) = (channel(), channel());
        // From here on, dropping `inspector` ends the child.
        let mut inspector = Self {
            file: shown.clone(),
            path,
            group,
            questions,
            answers,
            tail,
            identity: Identity {
                abi: (0, 0),
                table_bytes: 0,
                name: String::new(),
                version: String::new(),
                sdk: String::new(),
                rustc: String::new(),
                engine: String::new(),
                engine_version: String::new(),
            },
            engine: EngineKind::Embedded,
            workloads: Vec::new(),
        };
        let (Some(mut stdout), Some(stderr)) = (stdout, stderr) else {
            unreachable!("all three streams were asked to be pipes");
        };
        let reader = move || {
            loop {
                let answer = wire::receive(&mut stdout);
                let last = !matches!(answer, Ok(Some(_)));
                if send.send(answer).is_err() || last {
                    break;
                }
            }
        };
        thread::Builder::new()
            .name("answers".to_owned())
            .spawn(reader)
            .and_then(|_| {
                thread::Builder::new().name("stderr".to_owned()).spawn(move || {
                    let _ = send_tail.send(read_tail(stderr));
                })
            })
            .map_err(|error| broken("a thread cannot be started", error))?;
        inspector.identity = inspector.ask(&Question::Identify, "while it was loaded")?;
        let engine = inspector.identity.engine.as_str();
        let known = EngineKind::ALL.into_iter().find(|kind| kind.as_str() == engine);
        inspector.engine = known.ok_or_else(|| {
            let names = EngineKind::ALL.map(EngineKind::as_str).join(" and ");
            let message = format!("it brings an engine `{engine}`, and this rtbench knows {names}");
            fault(Blame::File, Failure::input(message, "build it with the SDK of this rtbench"))
        })?;
        let about: About = inspector.ask(&Question::Describe, "in its entry `describe`")?;
        check_about(&about).map_err(|what| fault(Blame::Code, Failure::broken(what)))?;
        inspector.workloads = about.workloads;
        tracing::info!(file = shown, identity = ?inspector.identity, "a plug-in is loaded and asked");
        Ok(inspector)
    }

    /// What its table says.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The engine in it.
    pub(crate) fn engine(&self) -> EngineKind {
        self.engine
    }

    /// Its workloads.
    pub(crate) fn workloads(&self) -> &[Description] {
        &self.workloads
    }

    /// What plans and reports call it.
    pub(crate) fn id(&self) -> PluginId {
        let Identity { name, version, sdk, rustc, engine_version, .. } = self.identity.clone();
        PluginId { path: self.path.display().to_string(), name, version, sdk, rustc, engine_version }
    }

    /// What it thinks of a draft.
    ///
    /// # Errors
    ///
    /// It did not answer.
    pub(crate) fn validate(&mut self, draft: Draft) -> Result<Objections, Fault> {
        self.ask(&Question::Validate { draft }, "in its entry `validate`")
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &Question, doing: &str) -> Result<T, Fault> {
        if let Some(questions) = &mut self.questions {
            // A child that is gone is found when its answer does not come.
            let _ = wire::send(questions, question);
        }
        let failure = match self.answers.recv_timeout(LIMIT) {
            Ok(Ok(Some(Ok(value)))) => match serde_json::from_value(value) {
                Ok(answer) => return Ok(answer),
                Err(error) => Failure::broken(format!("its answer cannot be read {doing}: {error}")),
            },
            Ok(Ok(Some(Err(failure)))) => {
                // The child says that of a file that it could not load as a plug-in.
                let blame = if failure.is_input { Blame::File } else { Blame::Code };
                return Err(Fault { file: self.file.clone(), blame, failure });
            }
            Err(RecvTimeoutError::Timeout) => {
                self.group.kill();
                let limit = format_duration(LIMIT);
                Failure::broken(format!(
                    "it was not done within {limit} {doing}, and was killed with its group"
                ))
            }
            Ok(Ok(None) | Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                let status = self.group.end();
                let said = last_lines(&self.tail.recv_timeout(Duration::from_secs(2)).unwrap_or_default());
                let mut message = format!("its process {} {doing}", ending(&status));
                if !said.is_empty() {
                    message.push_str(&format!("; what it wrote:\n{}", said.trim_end()));
                }
                Failure::broken(message)
            }
        };
        Err(Fault::code(self.file.clone(), failure))
    }
}

/// A description that contradicts itself would be found late and told badly.
fn check_about(about: &About) -> Result<(), String> {
    use workloads::params::Params;
    use workloads::record::MAX_OWN_COUNTERS;

    if about.workloads.is_empty() {
        return Err("it has no workload".to_owned());
    }
    let mut names = Vec::new();
    for workload in &about.workloads {
        let name = &workload.name;
        if !crate::profile::is_name(name) {
            return Err(format!(
                "its workload {name:?} needs a name of letters, digits, `-` and `_`, at most 64"
            ));
        }
        if names.contains(&name) {
            return Err(format!("it has two workloads named `{name}`"));
        }
        names.push(name);
        if workload.counters.len() > MAX_OWN_COUNTERS {
            return Err(format!(
                "its workload `{name}` has {} counters, and {MAX_OWN_COUNTERS} are allowed",
                workload.counters.len()
            ));
        }
        for (at, param) in workload.params.iter().enumerate() {
            if workload.params[..at].iter().any(|other| other.name == param.name) {
                return Err(format!("its workload `{name}` declares `{}` twice", param.name));
            }
            if crate::profile::RESERVED.contains(&param.name.as_str()) {
                return Err(format!(
                    "its workload `{name}` declares `{}`, which every workload has",
                    param.name
                ));
            }
        }
        Params::check(&workload.params, &serde_json::Map::new())
            .map_err(|error| format!("its workload `{name}` has a default that it does not take: {error}"))?;
    }
    Ok(())
}
