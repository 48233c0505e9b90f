//! A child process in a process group of its own, which ends with all that it has started.
//!
//! Next file to read: `child.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// A child and its group. Dropping it kills the whole group.
///
/// The group's number is the child's, and the system may give it to another process as soon as the child is reaped: so
/// the group is killed before that, and never afterwards.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    id: Pid,
    is_reaped: bool,
}

/// The ends of a child's streams that were asked to be pipes.
pub(crate) type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Group {
    /// Starts a command as the first process of a new group.
    pub(crate) fn start(command: &mut Command) -> io::Result<(Self, Pipes)> {
        let mut child = command.process_group(0).spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok((Self { id: Pid::from_child(&child), child, is_reaped: false }, pipes))
    }

    /// Whether the child has ended. It is not reaped by that.
    pub(crate) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.is_reaped || !matches!(waitid(WaitId::Pid(self.id), options), Ok(None))
    }

    /// Kills the child and all that it started, unless it is reaped.
    pub(crate) fn kill(&self) {
        if !self.is_reaped {
            // An empty group is what is wanted.
            let _ = kill_process_group(self.id, Signal::KILL);
        }
    }

    /// Kills what is left of the group, then reaps the child.
    pub(crate) fn end(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        let status = self.child.wait();
        self.is_reaped |= status.is_ok();
        status
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::Stdio;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A child that ends at once and leaves a process in its group, and the folder of that process.
    fn that_leaves_another() -> (Group, std::path::PathBuf) {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 >&- 2>&- & echo $!; exit 7"]).stdout(Stdio::piped());
        let (group, (_, stdout, _)) = Group::start(&mut command).unwrap();
        let mut line = String::new();
        BufReader::new(stdout.unwrap()).read_line(&mut line).unwrap();
        let left = Path::new("/proc").join(line.trim());
        until(|| group.has_ended());
        assert!(left.exists());
        (group, left)
    }

    fn until(mut happened: impl FnMut() -> bool) {
        let limit = Instant::now() + LONG;
        while !happened() {
            assert!(Instant::now() < limit, "it never happened");
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn what_a_child_leaves_behind_ends_with_its_group_though_the_child_has_ended() {
        let (group, left) = that_leaves_another();
        drop(group);
        until(|| !left.exists());
        let (mut group, left) = that_leaves_another();
        assert_eq!(group.end().unwrap().code(), Some(7), "the child's own end");
        until(|| !left.exists());
    }

    #[test]
    fn a_group_is_not_killed_any_more_once_its_child_is_reaped() {
        let (mut group, _) = that_leaves_another();
        group.end().unwrap();
        // Another group stands for one that has got the number.
        let (mut other, _) = Group::start(Command::new("sleep").arg("1000")).unwrap();
        group.id = other.id;
        group.kill();
        assert_eq!(group.end().unwrap().code(), Some(7), "remembered");
        assert!(group.has_ended());
        drop(group);
        assert!(!other.has_ended(), "the other one was killed");
        other.end().unwrap();
    }
}
