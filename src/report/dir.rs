//! The report's folder: proved writable before the run, put in place in one step after it. Next: `model.rs`.
//!
//! Files are written to a hidden folder beside the final one, which is then renamed. The log grows in it during the run.
//! A run that is killed leaves only that hidden folder. Its owner holds a lock on it (`flock`, gone with the process), so
//! the next run can tell an abandoned one: it keeps the log, under a visible name, and removes the rest. The hidden name
//! holds the final one, which is thereby reserved: two runs that start in the same second get different names.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::events;

use super::assemble::timestamp;
use super::decode::slug;
use super::hlog::Log;

/// How an unfinished folder's name begins and ends.
const UNFINISHED: (&str, &str) = (".", ".rtbench-unfinished");

/// How the name of a folder ends that holds less than a report.
const INCOMPLETE: &str = "-incomplete";

/// The file of slices, which grows during a run.
const LOG: &str = "latency.hlog";
/// All files that grow during a run.
const GROWING: [&str; 2] = [LOG, events::NAME];

/// A place for a report. Dropped without a [`write`](Self::write), it leaves nothing.
#[derive(Debug)]
pub(crate) struct ReportDir {
    path: PathBuf,
    staging: RefCell<Option<Staging>>,
    /// What killed runs had measured, under the names that it has now.
    recovered: Vec<PathBuf>,
    /// Dropped after `staging`: the folders above it that were made for it.
    _made: MadeFolders,
}

/// What [`ReportDir::write`] left.
#[derive(Debug)]
pub(crate) struct Written {
    /// The folder; `index.html` in it is the page to open first.
    pub(crate) path: PathBuf,
    /// Why it is not where it was to be, or not whole.
    pub(crate) trouble: Option<Trouble>,
}

/// Why a report is not as it was to be.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// What the file system said of the first file that could not be written.
    pub(crate) error: anyhow::Error,
    /// The files that are nowhere. Empty: the report is whole, in another place.
    pub(crate) lost: Vec<String>,
    /// The files that are in [`Written::path`].
    pub(crate) saved: Vec<String>,
}

impl ReportDir {
    /// Makes sure that `<root>/<profile>-<UTC time>` can be written. Of what killed runs left in `root`, it keeps what
    /// they had measured, and removes the rest.
    ///
    /// # Errors
    ///
    /// A message for people when `root` cannot be made or written.
    pub(crate) fn prepare(root: &Path, profile: &str, started: SystemTime) -> Result<Self> {
        let made = MadeFolders::make(root).with_context(|| cannot("create the report folder", root))?;
        let recovered = clear_abandoned(root);
        let stem = format!("{}-{}", slug(profile), utc_stamp(started));
        for name in numbered(&stem) {
            let path = root.join(&name);
            if path.symlink_metadata().is_ok() {
                continue;
            }
            let staging = Staging::make(&root.join(format!("{}{name}{}", UNFINISHED.0, UNFINISHED.1)));
            if let Some(staging) = staging.with_context(|| cannot("write to the report folder", root))? {
                return Ok(Self { path, staging: RefCell::new(Some(staging)), recovered, _made: made });
            }
        }
        Err(anyhow!("no name is left for a report in `{}`", root.display()))
    }

    /// Where that is which runs had measured that were killed.
    pub(crate) fn recovered(&self) -> &[PathBuf] {
        &self.recovered
    }

    /// The log of the run, which grows in the folder.
    ///
    /// # Errors
    ///
    /// A message for people when it cannot be made.
    pub(crate) fn log(&self) -> Result<Log<File>> {
        Ok(Log::new(self.grow(LOG)?))
    }

    /// The file of diagnostic events, which grows in the folder.
    ///
    /// # Errors
    ///
    /// A message for people when it cannot be made.
    pub(crate) fn events(&self) -> Result<File> {
        self.grow(events::NAME)
    }

    fn grow(&self, name: &str) -> Result<File> {
        let staging = self.staging.borrow();
        let path = staging.as_ref().context("the report has already been written")?.path.join(name);
        File::create_new(&path).with_context(|| cannot("write", &path))
    }

    /// Writes all files of the report and puts the folder in its place. It can be called once.
    ///
    /// If there is no room for it, the report goes into the system's folder for temporary files; if there is none
    /// either, what could be written stays, in a folder whose name says so.
    ///
    /// # Errors
    ///
    /// What the file system says; nothing could be saved then.
    pub(crate) fn write(&self, files: &[super::File]) -> Result<Written> {
        self.write_or(files, &std::env::temp_dir())
    }

    fn write_or(&self, files: &[super::File], elsewhere: &Path) -> Result<Written> {
        tracing::debug!(path = %self.path.display(), files = files.len(), "the report is written");
        let staging = self.staging.take().context("the report has already been written")?;
        let mut saved = Vec::new();
        let mut trouble: Option<Trouble> = None;
        let mut note = |name: &str, written: io::Result<bool>| match written {
            Ok(false) => {}
            Ok(true) => saved.push(name.to_owned()),
            Err(error) => {
                let path = staging.path.join(name);
                // Half a file is none, unless it grew; and a smaller file may still have room.
                if !GROWING.contains(&name) {
                    let _ = fs::remove_file(&path);
                }
                let error = anyhow::Error::new(error).context(cannot("write", &path));
                let trouble = trouble.get_or_insert(Trouble { error, lost: Vec::new(), saved: Vec::new() });
                trouble.lost.push(name.to_owned());
            }
        };
        for name in GROWING {
            note(name, sync(&staging.path.join(name)));
        }
        for (name, content) in files {
            note(name, write_file(&staging.path.join(name), content).map(|()| true));
        }
        let Some(trouble) = trouble else {
            let path = staging.finish(&self.path).with_context(|| cannot("finish the report", &self.path))?;
            return Ok(Written { path, trouble: None });
        };
        if let Ok(path) = self.whole_elsewhere(&staging, files, elsewhere) {
            return Ok(Written { path, trouble: Some(Trouble { lost: Vec::new(), ..trouble }) });
        }
        if saved.is_empty() {
            return Err(trouble.error);
        }
        let path = staging.finish(&with_suffix(&self.path, INCOMPLETE)).context(trouble.error.to_string())?;
        Ok(Written { path, trouble: Some(Trouble { saved, ..trouble }) })
    }

    /// Writes the whole report into a folder in `elsewhere`.
    fn whole_elsewhere(
        &self,
        from: &Staging,
        files: &[super::File],
        elsewhere: &Path,
    ) -> io::Result<PathBuf> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let hidden = elsewhere.join(format!("{}rtbench-{name}{}", UNFINISHED.0, UNFINISHED.1));
        let staging = Staging::make(&hidden)?.ok_or(io::ErrorKind::AlreadyExists)?;
        for name in GROWING {
            match fs::copy(from.path.join(name), staging.path.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied?),
            }
        }
        for (name, content) in files {
            write_file(&staging.path.join(name), content)?;
        }
        staging.finish(&elsewhere.join(format!("rtbench-{name}")))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Has a file's content reach the disk. Whether there is any.
fn sync(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => file.sync_all().and_then(|()| Ok(file.metadata()?.len() > 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
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

/// Takes care of the unfinished folders in `root` that no living run holds: those with a log become visible with
/// nothing in them but what grew during the run, the others are removed. What cannot be removed is left.
fn clear_abandoned(root: &Path) -> Vec<PathBuf> {
    let mut recovered = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED.0));
        let Some(name) = name.and_then(|name| name.strip_suffix(UNFINISHED.1)) else { continue };
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(Some(lock)) = lock(&entry.path()) else { continue };
        let abandoned = Staging { path: entry.path(), _lock: Some(lock), finished: false };
        if fs::metadata(entry.path().join(LOG)).is_ok_and(|log| log.len() > 0) {
            for other in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                if !GROWING.iter().any(|&name| other.file_name() == name) {
                    let _ = fs::remove_file(other.path());
                }
            }
            recovered.extend(abandoned.finish(&root.join(format!("{name}{INCOMPLETE}"))));
        }
    }
    recovered.sort();
    recovered
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

    use super::super::Account;
    use super::super::model::Report;
    use super::super::synthetic::{profile, start, with_samples};
    use super::*;
    use crate::session::record::Slices as _;

    fn inside(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn a_slice_in(log: &mut Log<File>) {
        let run = with_samples([1]);
        log.begin(&run.name);
        log.hello(run.hello.as_ref().unwrap());
        log.slice(&run.intervals[0]).unwrap();
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
        let runs = [with_samples([1])];
        let files = Account::new(&profile(), &runs).files().unwrap();
        a_slice_in(&mut dir.log().unwrap());
        let written = dir.write(&files).unwrap();
        assert!(written.trouble.is_none());
        assert_eq!(written.path, deep.join("a-profile-20261121T074500Z"));
        assert_eq!(
            inside(&written.path),
            [
                "few.over-time.svg",
                "few.percentiles.svg",
                "few.runtime.svg",
                "index.html",
                "latency.hlog",
                "report.json"
            ]
        );
        let report = fs::read(written.path.join("report.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&report).unwrap().schema, "rtbench-report");
        assert!(dir.write(&[]).is_err());
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

    /// Files of which one cannot be written anywhere.
    fn some_files_and_an_impossible_one() -> Vec<super::super::File> {
        let mut files = some_files();
        files.insert(1, ("no/such/folder".to_owned(), Vec::new()));
        files
    }

    #[test]
    fn a_report_with_no_room_in_its_place_is_whole_in_the_other() {
        let (root, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let dir = ReportDir::prepare(root.path(), "x", start()).unwrap();
        a_slice_in(&mut dir.log().unwrap());
        // A folder in the way of `b`, as a disk without room would be.
        let hidden = root.path().join(".x-20261121T074500Z.rtbench-unfinished");
        fs::create_dir(hidden.join("b")).unwrap();
        let Written { path, trouble } = dir.write_or(&some_files(), temporary.path()).unwrap();
        assert_eq!(path, temporary.path().join("rtbench-x-20261121T074500Z"));
        assert_eq!(inside(&path), ["a", "b", "latency.hlog"]);
        let trouble = trouble.unwrap();
        assert!(trouble.lost.is_empty(), "{trouble:?}");
        assert!(format!("{:#}", trouble.error).contains("unfinished/b"), "{trouble:?}");
        assert_eq!(inside(root.path()), Vec::<String>::new());
    }

    #[test]
    fn a_report_with_no_room_anywhere_is_saved_as_far_as_it_can_be() {
        let (root, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let dir = ReportDir::prepare(root.path(), "x", start()).unwrap();
        a_slice_in(&mut dir.log().unwrap());
        let Written { path, trouble } =
            dir.write_or(&some_files_and_an_impossible_one(), temporary.path()).unwrap();
        assert_eq!(path, root.path().join("x-20261121T074500Z-incomplete"));
        assert_eq!(inside(&path), ["a", "b", "latency.hlog"]);
        let trouble = trouble.unwrap();
        assert_eq!(trouble.saved, ["latency.hlog", "a", "b"]);
        assert_eq!(trouble.lost, ["no/such/folder"]);
        assert_eq!(inside(temporary.path()), Vec::<String>::new(), "what was begun there is removed");
    }

    #[test]
    fn a_report_of_which_nothing_can_be_written_leaves_nothing() {
        let (root, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let dir = ReportDir::prepare(root.path(), "x", start()).unwrap();
        let error = dir.write_or(&some_files_and_an_impossible_one()[1..2], temporary.path()).unwrap_err();
        assert!(format!("{error:#}").contains("no/such/folder"), "{error:#}");
        assert_eq!(inside(root.path()), Vec::<String>::new());
    }

    #[test]
    fn a_taken_name_gets_a_number_and_the_earlier_report_is_not_touched() {
        let root = TempDir::new().unwrap();
        let prepare = || ReportDir::prepare(root.path(), "x", start()).unwrap();
        // Both at once: the second may not take the name that the first holds.
        let (first, second) = (prepare(), prepare());
        let paths: Vec<PathBuf> = [second, first].map(|dir| dir.write(&some_files()).unwrap().path).into();
        assert_eq!(paths, ["x-20261121T074500Z-2", "x-20261121T074500Z"].map(|name| root.path().join(name)));
        // One after the other.
        assert_eq!(prepare().write(&some_files()).unwrap().path, root.path().join("x-20261121T074500Z-3"));
        // Somebody takes the name during the run.
        let dir = ReportDir::prepare(root.path(), "y", start()).unwrap();
        let taken = root.path().join("y-20261121T074500Z");
        fs::create_dir(&taken).unwrap();
        assert_eq!(dir.write(&some_files()).unwrap().path, root.path().join("y-20261121T074500Z-2"));
        assert_eq!(inside(&taken), Vec::<String>::new());
        assert_eq!(inside(root.path()).len(), 5);
    }

    #[test]
    fn of_what_a_killed_run_left_the_log_is_kept_and_what_a_living_one_holds_is_not_touched() {
        let root = TempDir::new().unwrap();
        let living = ReportDir::prepare(root.path(), "living", start()).unwrap();
        a_slice_in(&mut living.log().unwrap());
        let dead = |name: &str, log: &str| {
            let dead = root.path().join(format!(".{name}-20261121T074500Z.rtbench-unfinished"));
            fs::create_dir(&dead).unwrap();
            fs::write(dead.join("report.json"), "{").unwrap();
            fs::write(dead.join("latency.hlog"), log).unwrap();
        };
        dead("measured", "#[a log]");
        dead("early", "");
        fs::write(root.path().join(".a-file.rtbench-unfinished"), "not a folder").unwrap();
        fs::create_dir(root.path().join(".other")).unwrap();
        let next = ReportDir::prepare(root.path(), "measured", start()).unwrap();
        let kept = root.path().join("measured-20261121T074500Z-incomplete");
        assert_eq!(next.recovered(), std::slice::from_ref(&kept));
        assert_eq!(fs::read_to_string(kept.join("latency.hlog")).unwrap(), "#[a log]");
        assert_eq!(inside(&kept), ["latency.hlog"]);
        assert_eq!(
            inside(root.path()),
            [
                ".a-file.rtbench-unfinished",
                ".living-20261121T074500Z.rtbench-unfinished",
                ".measured-20261121T074500Z.rtbench-unfinished",
                ".other",
                "measured-20261121T074500Z-incomplete",
            ],
            "the killed run's name was free again, so the new run took it"
        );
        assert!(living.write(&some_files()).is_ok());
        assert!(next.write(&some_files()).is_ok());
        assert_eq!(
            ReportDir::prepare(root.path(), "again", start()).unwrap().recovered(),
            [] as [PathBuf; 0]
        );
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
