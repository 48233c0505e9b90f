//! Where results go besides the comparison's own folder: files that the user names, and the summary of a CI server.
//!
//! Nothing is made, emptied or removed before there is something to write; symbolic links are followed and stay.
//!
//! Next file to read: `sides.rs`.
#![forbid(unsafe_code)]

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{Access, access};

use super::compare_args::Compare;
use crate::compare::model::Comparison;
use crate::compare::output;
use crate::{history, term};

/// A CI server shows no more of a summary than this.
const SUMMARY_BYTES: usize = 1 << 20;
/// A chain of symbolic links is no longer, as in the kernel.
const LINKS: usize = 40;

/// Finds out, and changes nothing, whether a file can be written.
///
/// # Errors
///
/// Why it cannot.
pub(super) fn check(path: &Path) -> Result<()> {
    writable(path).with_context(|| format!("cannot write {}", path.display()))
}

fn writable(path: &Path) -> io::Result<()> {
    if is_stdout(path) {
        return Ok(());
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        // Opening a pipe or a device may wait, or do something.
        Ok(_) => Ok(access(path, Access::WRITE_OK)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let target = target(path)?;
            let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(access(folder.unwrap_or(Path::new(".")), Access::WRITE_OK | Access::EXEC_OK)?)
        }
        Err(error) => Err(error),
    }
}

/// Where a path leads: the end of its chain of symbolic links, there or not.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Whether a path is another name of standard output. Its file must not be emptied: others write to it, too.
fn is_stdout(path: &Path) -> bool {
    if path == Path::new("-") {
        return true;
    }
    let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let stdout = fs::metadata("/proc/self/fd/1").or_else(|_| fs::metadata("/dev/stdout"));
    stdout.is_ok_and(|stdout| fs::metadata(path).is_ok_and(|found| same(&stdout, &found)))
}

/// Writes `text` to a file in place of what is in it, or after it where the file is standard output.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let write = || -> io::Result<()> {
        if is_stdout(path) {
            return term::print(text);
        }
        let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let mut file: File =
            if is_special { OpenOptions::new().write(true).open(path)? } else { File::create(path)? };
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes what the user asked for, each file whether or not the others could be written, and a CI server's summary.
/// Says which of them could not be written; the summary, for which nobody asked, is only complained about.
pub(super) fn publish(args: &Compare, comparison: &Comparison) -> Vec<anyhow::Error> {
    let markdown = output::markdown(comparison);
    if let Err(error) = step_summary(&markdown) {
        term::complain(&format!("warning: {error:#}"));
    }
    let written = [
        args.markdown.as_deref().map(|path| write(path, &markdown)),
        args.junit.as_deref().map(|path| write(path, &output::junit(comparison))),
        args.history.as_deref().map(|path| add(path, comparison, args.label.as_deref())),
    ];
    written.into_iter().flatten().filter_map(Result::err).collect()
}

/// Appends a comparison to a history, unless it is there already.
pub(super) fn add(path: &Path, comparison: &Comparison, label: Option<&str>) -> Result<()> {
    if !history::append(path, comparison, label)? {
        term::complain(&format!("{} has this comparison already; nothing was added", path.display()));
    }
    Ok(())
}

fn step_summary(markdown: &str) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let path = Path::new(&path);
    if markdown.len() > SUMMARY_BYTES {
        bail!("the summary is longer than {} shows (GITHUB_STEP_SUMMARY)", path.display());
    }
    let append = || OpenOptions::new().append(true).create(true).open(path)?.write_all(markdown.as_bytes());
    append().with_context(|| format!("cannot write {} (GITHUB_STEP_SUMMARY)", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_check_leaves_links_files_and_folders_as_they_are() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        symlink("not-yet", at("dangling")).unwrap();
        symlink("dangling", at("twice")).unwrap();
        symlink("loop", at("loop")).unwrap();
        fs::write(at("file"), "before").unwrap();
        for fine in ["dangling", "twice", "file", "new", "-"] {
            check(&at(fine)).unwrap_or_else(|error| panic!("{fine}: {error:#}"));
        }
        for wrong in ["loop", "", "no/such/folder", "file/below"] {
            assert!(check(&at(wrong)).is_err(), "{wrong}");
        }
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["dangling", "file", "loop", "twice"]);
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "before");
    }

    #[test]
    fn a_write_goes_through_a_link_and_replaces_what_was_there() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        symlink("target", at("link")).unwrap();
        write(&at("link"), "a longer text").unwrap();
        write(&at("link"), "short").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read_to_string(at("target")).unwrap(), "short");
        write(Path::new("/dev/null"), "gone").unwrap();
        assert!(write(Path::new("/dev/full"), "no room").is_err());
    }
}
