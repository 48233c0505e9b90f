//! The children in which plug-ins are loaded: one that answers questions, and one for each run.
//!
//! Next file to read: `load.rs`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread;

use serde::de::DeserializeOwned;
use serde_json::Value;
use workloads::plugin::abi::{DONE, MAX_EMIT, PANICKED};
use workloads::plugin::talk::{About, Objections};
use workloads::wire::{self, Failure, Frame};

use super::load::{Loaded, late_message, leave, take_late};
use super::{Identity, Question};

/// Answers questions about the plug-in at `path` until there are no more.
pub(crate) fn answer(path: &Path, mut questions: File, mut answers: File) -> ! {
    let mut loaded = None;
    while let Ok(Some(question)) = wire::receive::<Question>(&mut questions) {
        let answer = reply(path, &mut loaded, &question);
        if wire::send(&mut answers, &answer).is_err() {
            break;
        }
    }
    leave(0)
}

fn reply(path: &Path, loaded: &mut Option<Loaded>, question: &Question) -> Result<Value, Failure> {
    let plugin = match loaded {
        Some(plugin) => *plugin,
        None => *loaded.insert(Loaded::open(path)?),
    };
    match question {
        Question::Identify => Ok(json::<Identity>(plugin.identity()?)),
        Question::Describe => single::<About>("describe", |sink| plugin.describe(sink)),
        Question::Validate { draft } => {
            let draft = serde_json::to_vec(draft).unwrap_or_default();
            single::<Objections>("validate", |sink| plugin.validate(&draft, sink))
        }
    }
}

fn json<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Calls an entry that emits a single message of type `T`.
fn single<T: DeserializeOwned + serde::Serialize>(
    entry: &str,
    call: impl FnOnce(&mut (dyn FnMut(&[u8]) -> u32 + Send)) -> u32,
) -> Result<Value, Failure> {
    let mut emitted: Vec<Vec<u8>> = Vec::new();
    let mut too_long = None;
    let status = call(&mut |message| {
        if message.len() > MAX_EMIT {
            too_long = Some(message.len());
            return 1;
        }
        // One is expected; a second one is kept to say so, a third one is not.
        if emitted.len() < 2 {
            emitted.push(message.to_owned());
        }
        0
    });
    if let Some(late) = take_late() {
        return Err(Failure::broken(late_message(late)));
    }
    if let Some(length) = too_long {
        return Err(Failure::broken(oversized(entry, length)));
    }
    let [message] = emitted.as_slice() else {
        let count = if emitted.is_empty() { "nothing" } else { "more than one message" };
        return Err(Failure::broken(format!("its entry `{entry}` emitted {count} (status {status})")));
    };
    if status != DONE {
        let failure = serde_json::from_slice::<Failure>(message).map_err(|_| {
            Failure::broken(format!(
                "its entry `{entry}` failed with status {status}, and garbage for a reason"
            ))
        })?;
        let verb = if status == PANICKED { "panicked in" } else { "failed in" };
        let message = format!("it {verb} its entry `{entry}`: {}", failure.message);
        return Err(Failure { message, is_input: false, hint: failure.hint });
    }
    let parsed = serde_json::from_slice::<T>(message);
    parsed.map(json).map_err(|error| {
        Failure::broken(format!("its entry `{entry}` emitted what is no answer to it: {error}"))
    })
}

fn oversized(entry: &str, length: usize) -> String {
    format!("its entry `{entry}` emitted a message of {length} bytes, and {MAX_EMIT} are allowed")
}

/// Runs the plan that comes from `plan` on the plug-in at `path`, sends frames to `frames`, and ends the process.
pub(crate) fn exec(path: &Path, mut plan: File, mut frames: File) -> ! {
    let mut message = Vec::new();
    let code = match read_message(&mut plan, &mut message).and_then(|()| {
        // It was a plug-in when the profile was read: no longer a mistake in what was asked for.
        let open = Loaded::open(path);
        let plugin = open.map_err(|failure| Stop::Failed(Failure { is_input: false, ..failure }))?;
        run(plugin, &message, plan, &mut frames)
    }) {
        Ok(DONE) => 0,
        Ok(_) | Err(Stop::ParentGone) => 1,
        Err(Stop::Failed(failure)) => {
            let _ = wire::send(&mut frames, &Frame::Failed(failure));
            1
        }
    };
    leave(code)
}

enum Stop {
    ParentGone,
    Failed(Failure),
}

/// Takes one message off the pipe as it is: the plug-in's own types read it.
fn read_message(from: &mut File, to: &mut Vec<u8>) -> Result<(), Stop> {
    let value: Option<Value> = wire::receive(from)
        .map_err(|error| Stop::Failed(Failure::broken(format!("the plan cannot be read: {error}"))))?;
    *to = value.ok_or(Stop::ParentGone)?.to_string().into_bytes();
    Ok(())
}

fn run(plugin: Loaded, plan: &[u8], mut pipe: File, frames: &mut File) -> Result<u32, Stop> {
    let watcher = move || {
        let mut ignored = [0; 64];
        loop {
            match pipe.read(&mut ignored) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        plugin.stop();
    };
    let started = thread::Builder::new().name("rtbench-stop".to_owned()).spawn(watcher);
    started
        .map_err(|error| Stop::Failed(Failure::broken(format!("a thread could not be started: {error}"))))?;
    let mut fault = None;
    let status = plugin.run(plan, &mut |message| {
        if fault.is_some() {
            return 1;
        }
        if message.len() > MAX_EMIT {
            fault = Some(Stop::Failed(Failure::broken(oversized("run", message.len()))));
            return 1;
        }
        let mut packet = Vec::with_capacity(4 + message.len());
        packet.extend_from_slice(&(message.len() as u32).to_le_bytes());
        packet.extend_from_slice(message);
        match frames.write_all(&packet) {
            Ok(()) => 0,
            Err(_) => {
                fault = Some(Stop::ParentGone);
                1
            }
        }
    });
    fault.map_or(Ok(status), Err)
}
