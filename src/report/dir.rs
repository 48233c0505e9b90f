//! The report's folder: proved writable before the run, put in place in one step after it. Next: `model.rs`.
//!
//! Files are written to a hidden folder beside the final one, which is then renamed. A run that is killed leaves
//! only that hidden folder. Its owner holds a lock on it (`flock`, gone with the process), so the next run can tell
//! an abandoned one and remove it. The hidden name holds the final one, which is thereby reserved: two runs that
//! start in the same second get different names.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::session::record::{ProfileInfo, RunRecord};

use super::assemble::timestamp;
use super::decode::slug;
use super::machine::Machine;

/// How an unfinished folder's name begins and ends.
const UNFINISHED: (&str, &str) = (".", ".rtbench-unfinished");

/// A place for a report. Dropped without a [`write`](Self::write), it leaves nothing.
#[derive(Debug)]
pub(crate) struct ReportDir {
    path: PathBuf,
    staging: RefCell<Option<Staging>>,
    /// Dropped after `staging`: the folders above it that were made for it.
    _made: MadeFolders,
}

/// What [`ReportDir::write`] left.
#[derive(Debug)]
pub(crate) struct Written {
    /// The folder; `index.html` in it is the page to open first.
    pub(crate) path: PathBuf,
}

impl ReportDir {
    /// Makes sure that `<root>/<profile>-<UTC time>` can be written, and removes what killed runs left in `root`.
    ///
    /// # Errors
    ///
    /// A message for people when `root` cannot be made or written.
    pub(crate) fn prepare(root: &Path, profile: &str, started: SystemTime) -> Result<Self> {
        let made = MadeFolders::make(root).with_context(|| cannot("create the report folder", root))?;
        remove_abandoned(root);
        let stem = format!("{}-{}", slug(profile), utc_stamp(started));
        for name in numbered(&stem) {
            let path = root.join(&name);
            if path.symlink_metadata().is_ok() {
                continue;
            }
            let staging = Staging::make(&root.join(format!("{}{name}{}", UNFINISHED.0, UNFINISHED.1)));
            if let Some(staging) = staging.with_context(|| cannot("write to the report folder", root))? {
                return Ok(Self { path, staging: RefCell::new(Some(staging)), _made: made });
            }
        }
        Err(anyhow!("no name is left for a report in `{}`", root.display()))
    }

    /// Writes all files of the report and puts the folder in its place. It can be called once.
    ///
    /// # Errors
    ///
    /// What the file system says; nothing of the report is left then.
    pub(crate) fn write(&self, profile: &ProfileInfo, runs: &[RunRecord]) -> Result<Written> {
        self.put(super::files(profile, runs, Machine::this(), Timestamp::now())?)
    }

    pub(super) fn put(&self, files: Vec<super::File>) -> Result<Written> {
        let staging = self.staging.take().context("the report has already been written")?;
        for (name, content) in &files {
            let path = staging.path.join(name);
            write_file(&path, content).with_context(|| cannot("write", &path))?;
        }
        let path = staging.finish(&self.path).with_context(|| cannot("finish the report", &self.path))?;
        Ok(Written { path })
    }
}

/// A time as it stands in the names of folders.
pub(crate) fn utc_stamp(time: SystemTime) -> String {
    timestamp(time).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn cannot(act: &str, path: &Path) -> String {
    format!("cannot {act} `{}` (choose another place with `--out DIR`)", path.display())
}

fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(content)?;
    // A rename that outlives a power cut must not show empty files.
    file.sync_all()
}

/// Writes a file, or replaces it, in one step: it is there as a whole, or as it was before.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = path.with_file_name(format!(".{name}{}", UNFINISHED.1));
    // What a killed process left under this name is of no use.
    let _ = fs::remove_file(&staged);
    write_file(&staged, content)?;
    fs::rename(&staged, path)
}

/// `name`, `name-2`, `name-3`...
pub(crate) fn numbered(name: &str) -> impl Iterator<Item = String> {
    let more = (2..10_000).map({
        let name = name.to_owned();
        move |number| format!("{name}-{number}")
    });
    std::iter::once(name.to_owned()).chain(more)
}

/// An unfinished report. Dropped, it is removed with all that is in it.
#[derive(Debug)]
struct Staging {
    path: PathBuf,
    /// Open for its lock. `None`: the file system has none.
    _lock: Option<File>,
    finished: bool,
}

impl Staging {
    /// `None`: the name is taken by another run.
    fn make(path: &Path) -> io::Result<Option<Self>> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            made => made?,
        }
        let staging = |lock| Self { path: path.to_owned(), _lock: lock, finished: false };
        match lock(path) {
            Ok(None) => Ok(None),
            Ok(lock) => Ok(Some(staging(lock))),
            // No locks on this file system: nobody will remove the folder, and nobody will take it for abandoned.
            Err(_) => Ok(Some(staging(None))),
        }
    }

    /// Renames the folder to `path`, or to the next free name.
    fn finish(mut self, path: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for name in numbered(&name) {
            let path = path.with_file_name(name);
            // The name is reserved among runs of this tool, so nobody of ours comes between these two calls; and
            // `rename` itself refuses to replace anything but an empty folder.
            if path.symlink_metadata().is_ok() {
                continue;
            }
            fs::rename(&self.path, &path)?;
            self.finished = true;
            return Ok(path);
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is removed by the next run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Locks the folder at `path`. `None`: it belongs to somebody else, or has just been removed.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
    let folder = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        folder => folder?,
    };
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    // Between `open` and `flock` another run may have taken it for abandoned and removed it.
    let (ours, there) = (folder.metadata()?, path.symlink_metadata());
    let same = there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    Ok(same.then_some(folder))
}

/// Removes the unfinished folders in `root` that no living run holds. What cannot be removed is left.
fn remove_abandoned(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let unfinished = name
            .to_str()
            .and_then(|name| name.strip_prefix(UNFINISHED.0))
            .is_some_and(|name| name.ends_with(UNFINISHED.1));
        if !unfinished || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if let Ok(Some(_lock)) = lock(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The folders that had to be made for a report; those still empty are removed on drop.
#[derive(Debug)]
pub(crate) struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    pub(crate) fn make(root: &Path) -> io::Result<Self> {
        let missing = root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(root)?;
        Ok(made)
    }

    /// Leaves them in any case.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for path in &self.0 {
            // Refused where something is in it, as it should be.
            let _ = fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::model::Report;
    use super::super::synthetic::{profile, start, with_samples};
    use super::*;

    fn inside(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn some_files() -> Vec<super::super::File> {
        vec![("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())]
    }

    #[test]
    fn a_report_appears_whole_and_only_once() {
        let root = TempDir::new().unwrap();
        let deep = root.path().join("some/where");
        let dir = ReportDir::prepare(&deep, "a profile/..", start()).unwrap();
        assert_eq!(inside(&deep), [".a-profile-20261121T074500Z.rtbench-unfinished"]);
        let written = dir.write(&profile(), &[with_samples([1])]).unwrap();
        assert_eq!(written.path, deep.join("a-profile-20261121T074500Z"));
        assert_eq!(
            inside(&written.path),
            ["few.over-time.svg", "few.percentiles.svg", "index.html", "latency.hlog", "report.json"]
        );
        let report = fs::read(written.path.join("report.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&report).unwrap().schema, "rtbench-report");
        assert!(dir.write(&profile(), &[]).is_err());
        drop(dir);
        assert_eq!(inside(&deep), ["a-profile-20261121T074500Z"]);
    }

    #[test]
    fn a_run_that_never_writes_leaves_nothing_even_of_the_folders_above() {
        let root = TempDir::new().unwrap();
        let existing = root.path().join("kept");
        fs::create_dir(&existing).unwrap();
        drop(ReportDir::prepare(&existing.join("made/deeper"), "x", start()).unwrap());
        assert_eq!(inside(&existing), Vec::<String>::new());
    }

    #[test]
    fn a_write_that_fails_midway_leaves_nothing() {
        let root = TempDir::new().unwrap();
        let dir = ReportDir::prepare(root.path(), "x", start()).unwrap();
        let mut files = some_files();
        files.insert(1, ("no/such/folder".to_owned(), Vec::new()));
        let error = dir.put(files).unwrap_err();
        assert!(format!("{error:#}").contains("no/such/folder"), "{error:#}");
        assert_eq!(inside(root.path()), Vec::<String>::new());
    }

    #[test]
    fn a_taken_name_gets_a_number_and_the_earlier_report_is_not_touched() {
        let root = TempDir::new().unwrap();
        let prepare = || ReportDir::prepare(root.path(), "x", start()).unwrap();
        // Both at once: the second may not take the name that the first holds.
        let (first, second) = (prepare(), prepare());
        let paths: Vec<PathBuf> = [second, first].map(|dir| dir.put(some_files()).unwrap().path).into();
        assert_eq!(paths, ["x-20261121T074500Z-2", "x-20261121T074500Z"].map(|name| root.path().join(name)));
        // One after the other.
        assert_eq!(prepare().put(some_files()).unwrap().path, root.path().join("x-20261121T074500Z-3"));
        // Somebody takes the name during the run.
        let dir = ReportDir::prepare(root.path(), "y", start()).unwrap();
        let taken = root.path().join("y-20261121T074500Z");
        fs::create_dir(&taken).unwrap();
        assert_eq!(dir.put(some_files()).unwrap().path, root.path().join("y-20261121T074500Z-2"));
        assert_eq!(inside(&taken), Vec::<String>::new());
        assert_eq!(inside(root.path()).len(), 5);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_a_living_one_holds_is_not() {
        let root = TempDir::new().unwrap();
        let living = ReportDir::prepare(root.path(), "living", start()).unwrap();
        let dead = root.path().join(".dead-20261121T074500Z.rtbench-unfinished");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("report.json"), "{").unwrap();
        fs::write(root.path().join(".a-file.rtbench-unfinished"), "not a folder").unwrap();
        fs::create_dir(root.path().join(".other")).unwrap();
        let next = ReportDir::prepare(root.path(), "dead", start()).unwrap();
        assert_eq!(
            inside(root.path()),
            [
                ".a-file.rtbench-unfinished",
                ".dead-20261121T074500Z.rtbench-unfinished",
                ".living-20261121T074500Z.rtbench-unfinished",
                ".other",
            ]
        );
        assert_eq!(inside(&dead), Vec::<String>::new(), "the name was free again, so the new run took it");
        assert!(living.put(some_files()).is_ok());
        assert!(next.put(some_files()).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_is_found_before_the_run_and_the_message_says_what_to_do() {
        let root = TempDir::new().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        for place in [file.clone(), file.join("below")] {
            let error = ReportDir::prepare(&place, "x", start()).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains(&format!("`{}`", place.display())), "{text}");
            assert!(text.contains("--out DIR"), "{text}");
        }
        assert_eq!(inside(root.path()), ["file"]);
    }
}
