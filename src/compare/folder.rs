//! The folder of a comparison: `plan.json` before anything runs, a file for each block as soon as it is over, and the
//! results at the end. Each file appears whole or not at all, so a comparison that was killed can go on.
//!
//! Next file to read: `sentinel.rs`.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use workloads::wire::Plan;

use super::model::{Block, Comparison, PLAN_SCHEMA, SCHEMA, Setup, VERSION};
use crate::report::dir::{MadeFolders, lock, numbered, replace_file};
use crate::report::{slug, utc_stamp};

const PLAN: &str = "plan.json";
const BLOCKS: &str = "blocks";

/// A comparison's folder, held so that no other process works in it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: Option<File>,
}

/// What a folder holds.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) folder: PathBuf,
    pub(crate) setup: Setup,
    pub(crate) blocks: Vec<Block>,
}

impl Folder {
    /// Makes `<root>/compare-<name>-<UTC time>` and writes the plan to it.
    ///
    /// # Errors
    ///
    /// A message for people when `root` cannot be made or written.
    pub(crate) fn create(root: &Path, setup: &Setup, started: SystemTime) -> Result<Self> {
        let cannot = || {
            format!("cannot create a folder in `{}` (choose another place with `--out DIR`)", root.display())
        };
        MadeFolders::make(root).with_context(cannot)?.keep();
        let stem = format!("compare-{}-{}", slug(&setup.name), utc_stamp(started));
        for name in numbered(&stem) {
            let path = root.join(name);
            match fs::create_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made.with_context(cannot)?,
            }
            fs::create_dir(path.join(BLOCKS)).with_context(cannot)?;
            let folder = Self::hold(path)?;
            folder.write(PLAN, &json(setup)?)?;
            return Ok(folder);
        }
        Err(anyhow!("no name is left for a comparison in `{}`", root.display()))
    }

    /// Opens a folder to go on in it.
    ///
    /// # Errors
    ///
    /// It is no comparison's folder, it is damaged, or another process works in it.
    pub(crate) fn resume(path: &Path) -> Result<(Self, Stored)> {
        let stored = Stored::read(path)?;
        Ok((Self::hold(path.to_owned())?, stored))
    }

    fn hold(path: PathBuf) -> Result<Self> {
        match lock(&path) {
            Ok(Some(held)) => Ok(Self { path, _lock: Some(held) }),
            Ok(None) => bail!("another rtbench works in {}", path.display()),
            // A file system without locks.
            Err(_) => Ok(Self { path, _lock: None }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file, whole or not at all.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        replace_file(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Keeps a block.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn keep(&self, block: &Block) -> Result<()> {
        let Block { workload, number, attempt, .. } = block;
        self.write(&format!("{BLOCKS}/{number:04}-{workload}-{attempt}.json"), &json(block)?)
    }
}

impl Stored {
    /// Reads a comparison's folder.
    ///
    /// # Errors
    ///
    /// Which file is missing or damaged, and how.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        if !folder.is_dir() {
            bail!(
                "there is no folder {shown}; a comparison's folder is named at the end of `rtbench compare`"
            );
        }
        if folder.join("report.json").exists() && !folder.join(PLAN).exists() {
            bail!(
                "{shown} is the report of `rtbench run`: one run, and one run cannot be told from chance; make a \
                 baseline with `rtbench compare PROFILE`, which compares a profile with itself"
            );
        }
        let setup: Setup = parse(&folder.join(PLAN))?;
        if (setup.schema.as_str(), setup.version) != (PLAN_SCHEMA, VERSION) {
            let (schema, version) = (&setup.schema, setup.version);
            bail!(
                "{shown}/{PLAN} is {schema} version {version}, and this rtbench reads {PLAN_SCHEMA} version {VERSION}"
            );
        }
        let listed =
            fs::read_dir(folder.join(BLOCKS)).with_context(|| format!("cannot read {shown}/{BLOCKS}"))?;
        let mut paths: Vec<_> = listed.flatten().map(|entry| entry.path()).collect();
        // A dot begins the name of what was being written when the process was killed.
        paths.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
        paths.sort();
        let mut blocks = Vec::new();
        for path in paths {
            let block: Block = parse(&path)?;
            let sides = setup.sides.len();
            let fits =
                block.workload < setup.workloads.len() && block.runs.iter().all(|run| run.side < sides);
            if !fits {
                bail!(
                    "{} does not belong to {shown}/{PLAN}: it names sides that are not there",
                    path.display()
                );
            }
            blocks.push(block);
        }
        Ok(Self { folder: folder.to_owned(), setup, blocks })
    }

    /// Where the runs of this workload are: the index of the workload, and the side with the same plan or else the first.
    pub(crate) fn runs_of(&self, workload: &str, plan: &Plan) -> (usize, usize) {
        let at = self.setup.workloads.iter().position(|name| name == workload).unwrap_or(0);
        let same = self.setup.sides.iter().position(|side| side.plans.get(at) == Some(plan));
        (at, same.unwrap_or(0))
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a JSON file, and names it if it is damaged.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_slice(&bytes).map_err(|error| anyhow!("{shown} is damaged: {error}"))
}

/// Reads a `compare.json`. Fields that it does not have yet, or that this rtbench does not know yet, do no harm.
///
/// # Errors
///
/// Damage, or another format or version of it, named.
pub(crate) fn compared(path: &Path) -> Result<Comparison> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
        version: u32,
    }
    let Head { schema, version } = parse(path)?;
    if (schema.as_str(), version) != (SCHEMA, VERSION) {
        let shown = path.display();
        bail!("{shown} is {schema} version {version}, and this rtbench reads {SCHEMA} version {VERSION}");
    }
    parse(path)
}
