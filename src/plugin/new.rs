//! `rtbench plugin new`: a crate that builds, runs and tests as it stands.
//!
//! Next file to read: `conform.rs`.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use workloads::wire::EngineKind;

const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/tests.rs", include_str!("template/test.rs.txt")),
    ("profile.toml", include_str!("template/profile.toml.txt")),
];

/// The checkout that this program was built from.
const BUILT_FROM: &str = env!("CARGO_MANIFEST_DIR");

/// Makes the folder `path`, a crate of that name, which depends on the SDK in the checkout `sdk`.
///
/// # Errors
///
/// A name that no crate can have, a folder that is there already, a checkout that is none, or files that cannot be
/// written.
pub(crate) fn new(path: &Path, engine: EngineKind, sdk: Option<&Path>) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = &*name;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 64 || !name.chars().all(fits) {
        bail!(
            "`{name}` cannot name a crate and a workload; begin with a lowercase letter, and go on with lowercase \
             letters, digits, `-` and `_`"
        );
    }
    // Names of the language and of what the crate is built with.
    if ["test", "core", "std", "alloc", "workloads", "runtime", "tokio", "build", "deps"].contains(&name) {
        bail!("`{name}` has a meaning for cargo already; choose another name");
    }
    if path.exists() {
        bail!("{} is there already; choose another name, or remove it", path.display());
    }
    let given = sdk.unwrap_or(Path::new(BUILT_FROM));
    let (package, folder) = match engine {
        EngineKind::Embedded => ("workloads", "workloads"),
        EngineKind::Tokio => ("workloads-tokio", "workloads/tokio"),
    };
    let manifest = Path::new(folder).join("Cargo.toml");
    let Some(sdk) = given.canonicalize().ok().filter(|sdk| sdk.join(&manifest).is_file()) else {
        bail!(
            "there is no checkout of rtbench at {} to take the SDK from: it has no {}; give the path of one with --sdk PATH",
            given.display(),
            manifest.display()
        );
    };
    let Some(source) = sdk.join(folder).to_str().map(toml::Value::from) else {
        bail!("the path of the checkout, {}, is not UTF-8 text, and a manifest is", sdk.display());
    };
    let dependency = format!("workloads = {{ package = \"{package}\", path = {source} }}");
    let crate_name = name.replace('-', "_");
    let write = || -> Result<()> {
        for (file, text) in FILES {
            let text = text.replace("@NAME@", name).replace("@CRATE@", &crate_name);
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap_or(path))?;
            fs::write(&file, text.replace("@DEPENDENCY@", &dependency))?;
        }
        fs::write(path.join(".gitignore"), "/target\n/reports\n")?;
        // The same versions of everything below, so that it measures as the bundled workloads do.
        let lock = sdk.join("Cargo.lock");
        if lock.is_file() {
            fs::copy(lock, path.join("Cargo.lock"))?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(sdk)
}
