//! The folder of a comparison: `plan.json` before anything runs, a file for each block as soon as it is over, and the
//! results at the end. Each file appears whole or not at all, so a comparison that was killed can go on.
//!
//! Next file to read: `sentinel.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use workloads::wire::Plan;

use super::blocks::order;
use super::model::{Block, Comparison, PLAN_SCHEMA, Run, SCHEMA, Setup, State, VERSION};
use crate::profile::{Gate, blocks_in_range, noise_limit_in_range};
use crate::report::dir::{MadeFolders, lock, numbered, replace_file};
use crate::report::{slug, utc_stamp};
use crate::session::Fingerprint;

const PLAN: &str = "plan.json";
const BLOCKS: &str = "blocks";

/// A comparison's folder, held so that no other process works in it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Fingerprint of the plan: each block names the one that it was measured for.
    plan: String,
    _lock: Option<File>,
}

/// What a folder holds.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) folder: PathBuf,
    pub(crate) setup: Setup,
    pub(crate) blocks: Vec<Block>,
    plan: String,
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
            let plan = json(setup)?;
            let folder = Self::hold(path, Fingerprint::of(&plan))?;
            folder.write(PLAN, &plan)?;
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
        Ok((Self::hold(path.to_owned(), stored.plan.clone())?, stored))
    }

    fn hold(path: PathBuf, plan: String) -> Result<Self> {
        match lock(&path) {
            Ok(Some(held)) => Ok(Self { path, plan, _lock: Some(held) }),
            Ok(None) => bail!("another rtbench works in {}", path.display()),
            // A file system without locks.
            Err(_) => Ok(Self { path, plan, _lock: None }),
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
        let block = Block { plan: self.plan.clone(), ..block.clone() };
        self.write(&format!("{BLOCKS}/{}", file_name(&block)), &json(&block)?)
    }
}

fn file_name(block: &Block) -> String {
    let Block { workload, number, attempt, .. } = block;
    format!("{number:04}-{workload}-{attempt}.json")
}

/// Whether this is a name that [`file_name`] makes: number, workload and attempt.
fn is_block_name(name: &str) -> bool {
    let parts: Vec<_> = name.strip_suffix(".json").unwrap_or_default().split('-').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts[0].len() >= 4 && parts.iter().all(is_number)
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
        let path = folder.join(PLAN);
        let bytes = read(&path)?;
        let head: Head = parsed(&path, &bytes)?;
        if (head.schema.as_str(), head.version) != (PLAN_SCHEMA, VERSION) {
            let Head { schema, version } = head;
            bail!(
                "{shown}/{PLAN} is {schema} version {version}, and this rtbench reads {PLAN_SCHEMA} version {VERSION}"
            );
        }
        let setup: Setup = parsed(&path, &bytes)?;
        if let Err(wrong) = check(&setup) {
            bail!("{shown}/{PLAN} is damaged: {wrong}");
        }
        let plan = Fingerprint::of(&bytes);
        let listed =
            fs::read_dir(folder.join(BLOCKS)).with_context(|| format!("cannot read {shown}/{BLOCKS}"))?;
        let mut names = Vec::new();
        for entry in listed {
            let entry = entry.with_context(|| format!("cannot read {shown}/{BLOCKS}"))?;
            // Anything else is not ours: what an editor left, or what was being written when the process was killed.
            names.extend(entry.file_name().into_string().ok().filter(|name| is_block_name(name)));
        }
        names.sort();
        let mut blocks = Vec::new();
        for name in names {
            let path = folder.join(BLOCKS).join(&name);
            let block: Block = parse(&path)?;
            if block.plan != plan {
                bail!(
                    "{shown}/{PLAN} was changed after {BLOCKS}/{name} was measured for it: what was measured does not \
                     belong to what it says now"
                );
            }
            if let Err(wrong) = check_block(&setup, &block, &name) {
                bail!("{shown}/{BLOCKS}/{name} is damaged: {wrong}");
            }
            blocks.push(block);
        }
        Ok(Self { folder: folder.to_owned(), setup, blocks, plan })
    }

    /// Where the runs of this workload are: the index of the workload, and the side with the same plan or else the first.
    pub(crate) fn runs_of(&self, workload: &str, plan: &Plan) -> (usize, usize) {
        let at = self.setup.workloads.iter().position(|name| name == workload).unwrap_or(0);
        let same = self.setup.sides.iter().position(|side| side.plans.get(at) == Some(plan));
        (at, same.unwrap_or(0))
    }
}

/// What a plan must be for everything that reads it.
fn check(setup: &Setup) -> Result<(), String> {
    let Setup { sides, workloads, blocks, gates, noise_limit, baseline, .. } = setup;
    let fewest = if baseline.is_some() { 1 } else { 2 };
    if sides.len() < fewest || (baseline.is_some() && sides.len() > 1) {
        return Err(format!("it has {} sides", sides.len()));
    }
    if workloads.is_empty() {
        return Err("it has no workloads".to_owned());
    }
    if let Some(side) = sides.iter().find(|side| side.plans.len() != workloads.len()) {
        let (plans, all) = (side.plans.len(), workloads.len());
        return Err(format!("`{}` has {plans} plans for {all} workloads", side.label));
    }
    let labels: BTreeSet<_> = sides.iter().map(|side| &side.label).collect();
    let names: BTreeSet<_> = workloads.iter().collect();
    if labels.len() < sides.len() || names.len() < workloads.len() {
        return Err("it names a side or a workload twice".to_owned());
    }
    blocks_in_range(*blocks).map_err(|expected| format!("blocks is {blocks}, {expected}"))?;
    noise_limit_in_range(*noise_limit)
        .map_err(|expected| format!("noise_limit is {noise_limit}, {expected}"))?;
    let is_positive = |value: f64| value.is_finite() && value > 0.0;
    let is_fine = |gate: &Gate| {
        gate.change.as_ref().is_none_or(|change| is_positive(change.margin))
            && gate.limit.as_ref().is_none_or(|limit| is_positive(limit.value))
    };
    match gates.iter().find(|(_, gate)| !is_fine(gate)) {
        Some((metric, _)) => Err(format!("the gate of {metric} has a margin or a limit that is none")),
        None => Ok(()),
    }
}

/// Whether a block is one that this plan has, with the runs that its state says.
fn check_block(setup: &Setup, block: &Block, name: &str) -> Result<(), String> {
    if file_name(block) != name {
        return Err(format!("it is block {}", file_name(block)));
    }
    if block.workload >= setup.workloads.len()
        || !(1..=setup.blocks).contains(&block.number)
        || block.attempt == 0
    {
        return Err("the plan has no such block".to_owned());
    }
    let order = order(setup.seed, block.workload, block.number, setup.sides.len());
    let sides: Vec<_> = block.runs.iter().map(|run| run.side).collect();
    if sides.is_empty() || !order.starts_with(&sides) {
        return Err(format!("its runs are of the sides {sides:?}, and the plan has {order:?}"));
    }
    if block.readings.len() != sides.len() + 1 {
        return Err(format!("it has {} readings for {} runs", block.readings.len(), sides.len()));
    }
    let well = |run: &Run| run.failure.is_none() && run.figures.is_some();
    let (last, others) = block.runs.split_last().ok_or("it has no runs")?;
    let fits = match block.state {
        State::Kept | State::Redone => sides.len() == order.len() && block.runs.iter().all(well),
        State::Failed => last.failure.is_some() && others.iter().all(well),
    };
    if fits { Ok(()) } else { Err(format!("its runs are not those of a block that is {:?}", block.state)) }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What every file of ours begins with.
#[derive(serde::Deserialize)]
struct Head {
    schema: String,
    version: u32,
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn parsed<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| anyhow!("{} is damaged: {error}", path.display()))
}

/// Reads a JSON file, and names it if it is damaged.
fn parse<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parsed(path, &read(path)?)
}

/// Reads a `compare.json`. Fields that it does not have yet, or that this rtbench does not know yet, do no harm.
///
/// # Errors
///
/// Damage, or another format or version of it, named.
pub(crate) fn compared(path: &Path) -> Result<Comparison> {
    let bytes = read(path)?;
    let Head { schema, version } = parsed(path, &bytes)?;
    if (schema.as_str(), version) != (SCHEMA, VERSION) {
        let shown = path.display();
        bail!("{shown} is {schema} version {version}, and this rtbench reads {SCHEMA} version {VERSION}");
    }
    let comparison: Comparison = parsed(path, &bytes)?;
    if let Err(wrong) = check(&comparison.setup) {
        bail!("{} is damaged: {wrong}", path.display());
    }
    Ok(comparison)
}
