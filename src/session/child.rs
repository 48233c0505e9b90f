//! One measuring process: started in a process group of its own, told its plan, heard, and ended for certain.
//!
//! Next file to read: `interrupt.rs`.
#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use workloads::wire::{self, Frame, Plan};

use super::group::Group;

/// What a session waits for. It travels with the number of the run that it belongs to.
#[derive(Debug)]
pub(crate) enum Event {
    /// The child said something.
    Frame(Box<Frame>),
    /// The child's pipe ended, well or with an error.
    Closed(io::Result<()>),
    /// The user wants to stop.
    Interrupt,
}

/// How much of a child's standard error is kept: its end.
const TAIL_BYTES: usize = 16 << 10;

/// A running child. Dropping it kills its whole process group.
pub(super) struct Measuring {
    group: Group,
    stdin: Option<ChildStdin>,
    tail: Receiver<String>,
}

impl Measuring {
    /// Starts `command`, tells it `plan`, and has what it says sent to `events` as run number `run`.
    pub(super) fn start(
        mut command: Command,
        plan: &Plan,
        run: u32,
        events: Sender<(u32, Event)>,
    ) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (group, (stdin, stdout, stderr)) = Group::start(&mut command)?;
        let (send_tail, tail) = channel();
        // From here on, dropping `measuring` ends the child.
        let mut measuring = Self { group, stdin, tail };
        let (Some(mut stdout), Some(stderr)) = (stdout, stderr) else {
            unreachable!("all three streams were asked to be pipes");
        };
        thread::Builder::new().name("frames".to_owned()).spawn(move || {
            let closed = loop {
                match wire::receive(&mut stdout) {
                    Ok(Some(frame)) => {
                        if events.send((run, Event::Frame(Box::new(frame)))).is_err() {
                            return;
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            // Nobody waits any more: the session is over.
            let _ = events.send((run, Event::Closed(closed)));
        })?;
        thread::Builder::new().name("stderr".to_owned()).spawn(move || {
            let _ = send_tail.send(read_tail(stderr));
        })?;
        if let Some(stdin) = &mut measuring.stdin
            && let Err(error) = wire::send(stdin, plan)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(error);
        }
        // A child that is gone already is found when its pipe ends.
        Ok(measuring)
    }

    /// Asks the child to end early.
    pub(super) fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    /// Kills the child and all that it started.
    pub(super) fn kill(&self) {
        self.group.kill();
    }

    /// Waits until the child has ended, kills what is left of its group after `patience`, and gives its exit status
    /// and the end of what it wrote to standard error.
    pub(super) fn finish(mut self, patience: Duration) -> (io::Result<ExitStatus>, String) {
        self.ask_to_stop();
        let deadline = Instant::now() + patience;
        while !self.group.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        let status = self.group.end();
        // A process that left the group may hold the pipe open for ever.
        let tail = self.tail.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
        (status, tail)
    }
}

/// Reads to the end and keeps the last [`TAIL_BYTES`].
pub(crate) fn read_tail(mut from: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => kept.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if kept.len() > 2 * TAIL_BYTES {
            kept.drain(..kept.len() - TAIL_BYTES);
        }
    }
    let start = kept.len().saturating_sub(TAIL_BYTES);
    String::from_utf8_lossy(&kept[start..]).into_owned()
}

/// How a process ended, in words.
pub(crate) fn ending(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => match signal_hook::low_level::signal_name(signal) {
                Some(name) => format!("was killed by signal {signal} ({name})"),
                None => format!("was killed by signal {signal}"),
            },
            (None, Some(code)) => format!("ended with exit code {code}"),
            (None, None) => "ended".to_owned(),
        },
        Err(error) => format!("ended, and its exit code could not be read ({error})"),
    }
}
