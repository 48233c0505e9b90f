//! Files that many runs share, opened once: a build that puts another file in their place changes nothing.
//!
//! Next file to read: `child.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Crc;

/// This program as a command. On Linux it is the file that runs now, even if its path leads to another one by now.
pub(crate) fn this_program() -> io::Result<Command> {
    let link = Path::new("/proc/self/exe");
    if link.exists() {
        // The link is followed by the new process, which is a copy of this one until then.
        let mut command = Command::new(link);
        command.arg0("rtbench");
        return Ok(command);
    }
    Ok(Command::new(std::env::current_exe()?))
}

/// A file that is held open.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    file: File,
    stamp: Stamp,
    /// Programs that are scripts look for other files beside their own path.
    is_script: bool,
}

/// What changes when a file is written.
type Stamp = (u64, i64, i64);

impl Held {
    /// Opens a file for all runs.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut start = [0; 2];
        let is_script = file.read_exact_at(&mut start, 0).is_ok() && start == *b"#!";
        Ok(Self { path: path.to_owned(), stamp: stamp(&file)?, file, is_script })
    }

    /// This program's file.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn this_program() -> io::Result<Self> {
        let link = Path::new("/proc/self/exe");
        if link.exists() { Self::open(link) } else { Self::open(&std::env::current_exe()?) }
    }

    /// A path that leads to the open file, whatever its own path leads to.
    ///
    /// # Errors
    ///
    /// The file itself was written to since it was opened: it is no longer what earlier runs used.
    pub(crate) fn handle(&self) -> io::Result<PathBuf> {
        if stamp(&self.file)? != self.stamp {
            return Err(io::Error::other(format!("{} was overwritten in the meantime", self.path.display())));
        }
        let handle = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()));
        Ok(if handle.exists() { handle } else { self.path.clone() })
    }

    /// The file as a program.
    ///
    /// # Errors
    ///
    /// As of [`handle`](Self::handle).
    pub(super) fn command(&self) -> io::Result<Command> {
        let handle = self.handle()?;
        let mut command = Command::new(if self.is_script { &self.path } else { &handle });
        command.arg0(&self.path);
        Ok(command)
    }

    /// Tells its content from that of another build.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(crate) fn fingerprint(&self) -> io::Result<String> {
        let (mut content, mut at) = (Fingerprint::default(), 0);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = self.file.read_at(&mut buffer, at)?;
            if read == 0 {
                return Ok(content.to_string());
            }
            content.add(&buffer[..read]);
            at += read as u64;
        }
    }
}

fn stamp(file: &File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Tells one content from another: its length and its CRC-32. It finds changes; it does not keep anybody from making them.
#[derive(Debug, Default)]
pub(crate) struct Fingerprint(Crc);

impl Fingerprint {
    /// Of a content that is there as a whole.
    pub(crate) fn of(content: &[u8]) -> String {
        let mut fingerprint = Self::default();
        fingerprint.add(content);
        fingerprint.to_string()
    }

    fn add(&mut self, content: &[u8]) {
        self.0.update(content);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:08x}", self.0.amount(), self.0.sum())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn output(mut command: Command) -> String {
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_program_that_was_replaced_still_runs_as_it_was_when_it_was_opened() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("program");
        fs::copy("/bin/echo", &path).unwrap();
        let held = Held::open(&path).unwrap();
        let before = held.fingerprint().unwrap();
        let next = dir.path().join("next");
        fs::copy("/bin/false", &next).unwrap();
        fs::rename(&next, &path).unwrap();
        assert_ne!(Held::open(&path).unwrap().fingerprint().unwrap(), before);
        assert_eq!(held.fingerprint().unwrap(), before);
        let mut command = held.command().unwrap();
        command.arg("as it was");
        assert_eq!(output(command), "as it was\n");
        // And after its path leads nowhere.
        fs::remove_file(&path).unwrap();
        assert!(held.command().unwrap().status().unwrap().success());
    }

    #[test]
    fn a_program_that_was_overwritten_in_place_is_refused() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("program");
        fs::write(&path, "one").unwrap();
        let held = Held::open(&path).unwrap();
        fs::write(&path, "another").unwrap();
        let error = held.command().unwrap_err().to_string();
        assert!(error.contains("program was overwritten"), "{error}");
    }

    #[test]
    fn a_script_runs_under_its_own_path() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("script");
        fs::write(&path, "#!/bin/sh\necho $0\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let held = Held::open(&path).unwrap();
        assert_eq!(output(held.command().unwrap()), format!("{}\n", path.display()));
    }

    #[test]
    fn equal_contents_have_equal_fingerprints() {
        assert_eq!(Fingerprint::of(b"abc"), "3-352441c2");
        assert_ne!(Fingerprint::of(b"abc"), Fingerprint::of(b"abd"));
        assert_ne!(Fingerprint::of(b""), Fingerprint::of(b"\0"));
    }
}
