//! The programs and plug-ins of a comparison, held from before its first run to its end.
//!
//! Next file to read: `folder.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use workloads::wire::Plan;

use super::model::Side;
use crate::session::{Held, Source};

/// What stands for this program among the files of a comparison.
const THIS: &str = "rtbench";

/// The files that runs come from, open for as long as they are needed: builds may replace them meanwhile.
#[derive(Debug)]
pub(crate) struct Files {
    this: Held,
    others: BTreeMap<PathBuf, Held>,
}

impl Files {
    /// Opens the programs and the plug-ins of these sides.
    ///
    /// # Errors
    ///
    /// One of them is not there.
    pub(crate) fn open(sides: &[Side]) -> Result<Self> {
        let programs = sides.iter().filter_map(|side| side.program.clone());
        let plugins = sides.iter().flat_map(|side| &side.plans).filter_map(|plan| plan.plugin.as_ref());
        let paths = programs.chain(plugins.map(|plugin| PathBuf::from(&plugin.path)));
        let open = |path: PathBuf| {
            let held = Held::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
            Ok((path, held))
        };
        let this = Held::this_program().context("cannot open this program")?;
        Ok(Self { this, others: paths.map(open).collect::<Result<_>>()? })
    }

    /// What tells them from other builds, by path; this program is `rtbench`.
    ///
    /// # Errors
    ///
    /// One of them cannot be read.
    pub(crate) fn fingerprints(&self) -> Result<BTreeMap<String, String>> {
        let others = self.others.iter().map(|(path, held)| (path.display().to_string(), held));
        let all = std::iter::once((THIS.to_owned(), &self.this)).chain(others);
        let of = |(name, held): (String, &Held)| {
            let fingerprint = held.fingerprint().with_context(|| format!("cannot read {name}"))?;
            Ok((name, fingerprint))
        };
        all.map(of).collect()
    }

    /// Refuses files that are not those of a comparison that was begun with `known` ones.
    ///
    /// # Errors
    ///
    /// Which one is another now.
    pub(crate) fn check(&self, known: &BTreeMap<String, String>) -> Result<()> {
        for (name, now) in self.fingerprints()? {
            if known.get(&name).is_some_and(|then| *then != now) {
                bail!(
                    "{name} is another build than the one that the comparison was begun with: runs of both cannot be \
                     compared; go on with that build, or begin anew"
                );
            }
        }
        Ok(())
    }

    /// Where the runs of a side come from.
    pub(super) fn source(&self, side: &Side, plan: &Plan) -> Source<'_> {
        let held = |path: &Path| self.others.get(path);
        Source {
            program: side.program.as_deref().and_then(held),
            plugin: plan.plugin.as_ref().and_then(|plugin| held(Path::new(&plugin.path))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::compare::simulated;

    #[test]
    fn another_build_of_a_side_is_refused_and_named() {
        let dir = tempfile::TempDir::new().unwrap();
        let program = dir.path().join("old");
        fs::write(&program, "one").unwrap();
        let mut sides = simulated::setup(1, 8, 2).sides;
        sides[0].program = Some(program.clone());
        let open = |sides: &[Side]| Files::open(sides).unwrap();
        let known = open(&sides).fingerprints().unwrap();
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        assert_eq!(names, [program.to_str().unwrap(), THIS]);
        open(&sides).check(&known).unwrap();
        fs::write(&program, "two").unwrap();
        let said = open(&sides).check(&known).unwrap_err().to_string();
        assert!(said.contains("old is another build"), "{said}");
        sides[0].program = Some(dir.path().join("none"));
        assert!(Files::open(&sides).unwrap_err().to_string().contains("none"));
    }
}
