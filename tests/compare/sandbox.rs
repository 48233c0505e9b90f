//! Folders with profiles to compare, and what comparisons leave there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::build;
use crate::support::{wait_until, with_a_window};

/// Its figures are what its parameters say.
pub(crate) static MADE_UP: LazyLock<PathBuf> = LazyLock::new(|| build::package("made-up"));

/// Two blocks of a bundled workload, judged by nothing.
pub(crate) const PROFILE: &str = r#"
name = "small"
[[workload]]
kind = "spawn_flood"
rate = 2_000
[compare]
blocks = 2
warmup = "0s"
duration = "200ms"
noise_limit = 1000
[compare.gate]
all = "off"
[report]
interval = "50ms"
"#;

/// As few blocks as two gates need.
const ENOUGH: &str = "blocks = 7";

/// Long enough for the plug-in that makes its figures up: as short as the program takes it.
pub(crate) const MADE_UP_WINDOW: Duration = Duration::from_millis(50);

pub(crate) struct Sandbox(TempDir);

impl Sandbox {
    /// One in which `p.toml` is [`PROFILE`].
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("p.toml"), PROFILE).unwrap();
        Self(dir)
    }

    /// One in which `p.toml` runs the plug-in that makes its figures up, with these lines in its workload, and is judged
    /// by its median.
    pub(crate) fn made_up(lines: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write_made_up("p.toml", lines);
        sandbox
    }

    /// The same with two blocks, and judged by nothing.
    pub(crate) fn unjudged(lines: &str) -> Self {
        let sandbox = Self::made_up(lines);
        let profile = fs::read_to_string(sandbox.path("p.toml")).unwrap();
        let profile = profile.replace(ENOUGH, "blocks = 2").replace("\np50 = \"5%\"", "");
        fs::write(sandbox.path("p.toml"), profile).unwrap();
        sandbox
    }

    pub(crate) fn write_made_up(&self, name: &str, lines: &str) {
        let profile = PROFILE
            .replacen("name", &format!("plugin = {:?}\nname", MADE_UP.as_path()), 1)
            .replace("kind = \"spawn_flood\"\nrate = 2_000", &format!("kind = \"made_up\"\n{lines}"))
            .replace("200ms", "50ms")
            .replace("blocks = 2", ENOUGH)
            .replace("all = \"off\"", "all = \"off\"\np50 = \"5%\"");
        fs::write(self.path(name), profile).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A program of any name in this folder.
    pub(crate) fn program(&self, program: impl AsRef<Path>, args: &[&str]) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        for name in ["RUST_BACKTRACE", "GITHUB_STEP_SUMMARY", "GITHUB_SHA", "CI_COMMIT_SHA"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_rtbench"), args)
    }

    pub(crate) fn rtbench(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The command ends with this code; what it printed.
    pub(crate) fn ends_with(&self, code: i32, args: &[&str]) -> String {
        let output = self.rtbench(args);
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {printed}{}", text(&output.stderr));
        printed
    }

    /// The command is refused, nothing is made, and it says this.
    pub(crate) fn refused(&self, args: &[&str], said: &[&str]) {
        let output = self.rtbench(args);
        let text = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        for said in said {
            assert!(text.contains(said), "{args:?} does not say `{said}`: {text}");
        }
    }

    /// The outcome of a comparison that is quiet, and what it printed. Costs and counters of an operation are known if its
    /// account begins before the middle of the window: where it came later, the windows are made longer.
    pub(crate) fn judged(&self, args: &[&str]) -> (Option<i32>, String) {
        with_a_window(MADE_UP_WINDOW, |window| {
            let quiet = ["compare", "p.toml", "--quiet", "--out", "judged", "--duration", window];
            let output = self.rtbench(&[&quiet[..], args].concat());
            let printed = text(&output.stdout);
            let lacks = ["have a run without it", "no block has this metric"];
            let lacks = lacks.iter().any(|said| unwrapped(&printed).contains(said));
            (!lacks).then(|| (output.status.code(), printed))
        })
    }

    /// The only comparison in `reports`.
    pub(crate) fn folder(&self) -> PathBuf {
        let entries: Vec<_> =
            fs::read_dir(self.path("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [folder] = entries.as_slice() else { panic!("expected one folder, found {entries:?}") };
        folder.clone()
    }

    /// A copy of a folder, under another name each time.
    pub(crate) fn copy(&self, folder: &Path) -> PathBuf {
        let number = fs::read_dir(self.0.path()).unwrap().count();
        let copy = self.path(&format!("copy-{number}"));
        fs::create_dir_all(copy.join("blocks")).unwrap();
        for entry in fs::read_dir(folder.join("blocks")).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), copy.join("blocks").join(entry.file_name())).unwrap();
        }
        fs::copy(folder.join("plan.json"), copy.join("plan.json")).unwrap();
        copy
    }

    /// An [`unjudged`](Self::unjudged) one whose runs wait, after those of so many blocks, until [`release`](Self::release)d.
    pub(crate) fn held(blocks: usize) -> Self {
        let lines = format!("hold = \"hold\"\nruns = \"runs\"\nfree = {}", 4 * blocks);
        let sandbox = Self::unjudged(&lines);
        fs::write(sandbox.path("hold"), "").unwrap();
        sandbox
    }

    /// Starts a comparison, and waits until it has kept so many blocks.
    pub(crate) fn start(&self, mut command: Command, blocks: usize) -> Child {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("no block is kept", || {
            assert!(child.try_wait().unwrap().is_none(), "it has ended early");
            self.blocks() >= blocks
        });
        child
    }

    pub(crate) fn release(&self) {
        fs::remove_file(self.path("hold")).unwrap();
    }

    /// How many blocks the only comparison in `reports` has kept so far.
    fn blocks(&self) -> usize {
        let reports = fs::read_dir(self.path("reports")).into_iter().flatten().flatten();
        let Some(folder) = reports.map(|entry| entry.path()).next() else { return 0 };
        let blocks = fs::read_dir(folder.join("blocks")).into_iter().flatten().flatten();
        blocks.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).count()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

/// What was printed, in one line.
pub(crate) fn unwrapped(printed: &str) -> String {
    printed.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

pub(crate) fn edit_json(path: &Path, edit: &dyn Fn(&mut Value)) {
    let mut content = json(path);
    edit(&mut content);
    fs::write(path, content.to_string()).unwrap();
}

/// Changes a plan, and has the blocks belong to it all the same.
pub(crate) fn edit_plan(folder: &Path, edit: &dyn Fn(&mut Value)) {
    let plan = folder.join("plan.json");
    edit_json(&plan, edit);
    let mut crc = flate2::Crc::new();
    crc.update(&fs::read(&plan).unwrap());
    let fingerprint = format!("{:x}-{:08x}", crc.amount(), crc.sum());
    for entry in fs::read_dir(folder.join("blocks")).unwrap().map(Result::unwrap) {
        edit_json(&entry.path(), &|block| block["plan"] = fingerprint.clone().into());
    }
}
