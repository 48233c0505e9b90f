//! The library's own source files, for the tests that read them.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// The folder, and every file in and below it: at least this many.
pub(crate) fn sources(at_least: usize) -> (PathBuf, Vec<PathBuf>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    find(&src, &mut files);
    assert!(files.len() > at_least, "found only {} files in {}", files.len(), src.display());
    (src, files)
}

/// Every file in and below a folder.
pub(crate) fn find(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
