//! The axis of a comparison: what the command line names as different between the sides, before any profile is read.
//!
//! Next file to read: `differences.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use workloads::wire::EngineKind;

use super::compare_args::Compare;

/// A side before its profile is read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) label: String,
    pub(super) profile: PathBuf,
    pub(super) settings: Vec<String>,
    pub(super) engine: Option<EngineKind>,
    pub(super) program: Option<PathBuf>,
}

/// What the sides are called of which none differs.
const EQUAL: [&str; 10] =
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];

/// What differs between the sides.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) sides: Vec<Asked>,
    /// Whether it is something that plans say, so that equal plans are a mistake.
    pub(super) is_in_plans: bool,
    /// The key that it is, if it is one.
    pub(super) key: Option<String>,
}

/// The sides, along the one axis that the command line names.
pub(super) fn of(args: &Compare) -> Result<Axis> {
    let (mut fixed, mut varied) = (Vec::new(), Vec::new());
    for setting in &args.settings {
        match values(setting) {
            (_, values) if values.len() < 2 => fixed.push(setting.clone()),
            many => varied.push(many),
        }
    }
    let axes = [
        (args.profiles.len() > 1, "several profiles"),
        (args.flavors.len() > 1, "--flavors"),
        (args.engine.len() > 1, "--engine"),
        (!varied.is_empty(), "--set with several values"),
        (args.baseline.is_some(), "--baseline"),
        (args.baseline_program.is_some(), "--baseline-program"),
        (args.sides.is_some(), "--sides"),
    ];
    let named: Vec<_> = axes.iter().filter(|(is_there, _)| *is_there).map(|(_, name)| *name).collect();
    let is_equal = named == ["--sides"];
    if named.len() > 1 || varied.len() > 1 {
        let named = if varied.len() > 1 { vec!["--set with several values, twice"] } else { named };
        bail!(
            "a comparison has one axis, and here are {}; make one comparison for each",
            named.join(" and ")
        );
    }
    if let [flavor] = args.flavors.as_slice() {
        fixed.push(format!("runtime.flavor={flavor}"));
    }
    let engine = args.engine.first().copied();
    let side = |label: String| Asked {
        label,
        profile: args.profiles[0].clone(),
        settings: fixed.clone(),
        engine,
        program: None,
    };
    let with = |label: &str, setting: String| {
        let mut side = side(label.to_owned());
        side.settings.push(setting);
        side
    };
    let sides: Vec<Asked> = match named.first().filter(|_| !is_equal) {
        Some(&"several profiles") => {
            let of_path =
                |path: &PathBuf| Asked { profile: path.clone(), ..side(path.display().to_string()) };
            args.profiles.iter().map(of_path).collect()
        }
        Some(&"--flavors") => {
            args.flavors.iter().map(|flavor| with(flavor, format!("runtime.flavor={flavor}"))).collect()
        }
        Some(&"--engine") => args
            .engine
            .iter()
            .map(|engine| Asked { engine: Some(*engine), ..side(engine.to_string()) })
            .collect(),
        Some(&"--set with several values") => {
            let (key, values) = &varied[0];
            values.iter().map(|value| with(&format!("{key}={value}"), format!("{key}={value}"))).collect()
        }
        Some(&"--baseline") => vec![side("today".to_owned())],
        Some(_) => {
            let program = args.baseline_program.as_deref().map(absolute).transpose()?;
            let label = args.baseline_program.as_deref().map(|path| path.display().to_string());
            vec![Asked { program, ..side(label.unwrap_or_default()) }, side("this program".to_owned())]
        }
        None => {
            let number = usize::from(args.sides.unwrap_or(2));
            EQUAL.iter().take(number).map(|label| side((*label).to_owned())).collect()
        }
    };
    let labels: BTreeSet<_> = sides.iter().map(|side| &side.label).collect();
    if labels.len() < sides.len() {
        bail!(
            "the same side is named twice; to compare a profile with itself, name it once and nothing else"
        );
    }
    let is_in_plans =
        named.first().is_some_and(|axis| !["--baseline", "--baseline-program", "--sides"].contains(axis));
    Ok(Axis { sides, is_in_plans, key: varied.pop().map(|(key, _)| key) })
}

/// `key=v1,v2` in its parts. Commas in quotes and brackets belong to a value.
fn values(setting: &str) -> (String, Vec<String>) {
    let Some((key, text)) = setting.split_once('=') else { return (setting.to_owned(), Vec::new()) };
    let (mut values, mut quoted, mut depth) = (vec![String::new()], false, 0);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        values.last_mut().into_iter().for_each(|value| value.push(c));
    }
    (key.trim().to_owned(), values.into_iter().map(|value| value.trim().to_owned()).collect())
}

/// Where a file is, wherever the program goes on.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_cut_at_the_commas_between_its_values() {
        let split = |text: &str| values(text).1;
        assert_eq!(split("runtime.lifo_slot=true,false"), ["true", "false"]);
        assert_eq!(split("a.b=1"), ["1"]);
        assert_eq!(split("a.b=\"x,y\", z"), ["\"x,y\"", "z"]);
        assert_eq!(split("a.b=[1,2],[3]"), ["[1,2]", "[3]"]);
        assert_eq!(values(" a.b =1,2").0, "a.b");
        assert_eq!(split("nonsense"), Vec::<String>::new());
    }
}
