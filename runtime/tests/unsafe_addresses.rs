//! Unsafe code has addresses: the files listed here, and no others.

#[path = "support/sources.rs"]
mod sources;

use std::fs;
use std::path::Path;

use sources::{find, sources};

/// Files, without `.rs`, and folders that may hold unsafe code.
const ADDRESSES: &[&str] = &[
    "base/prim",
    "base/list",
    "base/short_lock",
    "base/wait_queue/mod",
    "base/wake_list",
    "base/atomic_waker",
    "engine/task/cell",
    "engine/task/vtable",
    "engine/task/harness",
    "engine/task/slot",
    "engine/task/waker",
    "engine/task/join",
    "engine/task/owned",
    "engine/sched/tls",
    "engine/driver/timer/entry",
    "io/futures/fill_buf",
    "io/read_buf",
    "net/fd",
    "sync/access",
    "sync/mpsc/block",
    "sync/mpsc/list",
    "sync/oneshot/channel",
    "sync/write_once",
];

/// A name in a source, as one compares it: `src/base/prim/std.rs` is `base/prim/std`.
fn address(src: &Path, file: &Path) -> String {
    file.strip_prefix(src).unwrap().with_extension("").to_str().unwrap().replace('\\', "/")
}

fn is_listed(address: &str) -> bool {
    let inside = |rest: &str| rest.is_empty() || rest.starts_with('/');
    ADDRESSES.iter().any(|listed| address.strip_prefix(listed).is_some_and(inside))
}

/// Tests forge wakers and the like; they are held to comments by clippy, and to no address.
fn is_test(address: &str) -> bool {
    address.split('/').any(|part| part == "tests")
}

/// A source without its comments, strings and unit tests, which come last in a file.
fn code(source: &str) -> String {
    let source = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let source = source.split("\n#[cfg(all(test, not(rt_loom)))]\nmod tests {").next().unwrap();
    source.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn has_unsafe(source: &str) -> bool {
    words(&code(source)).any(|word| word == "unsafe")
}

fn forbids(source: &str) -> bool {
    source.contains("#![forbid(unsafe_code)]")
}

/// Parents of listed files cannot forbid: it would cascade.
fn is_parent(address: &str) -> bool {
    let folder = address.strip_suffix("/mod").unwrap_or(address);
    folder == "lib" || ADDRESSES.iter().any(|listed| listed.starts_with(&format!("{folder}/")))
}

#[test]
fn unsafe_code_is_where_it_is_listed() {
    let (src, files) = sources(100);
    let mut wrong = Vec::new();
    for file in files {
        let (address, source) = (address(&src, &file), fs::read_to_string(&file).unwrap());
        if is_test(&address) {
            continue;
        }
        if has_unsafe(&source) && !is_listed(&address) {
            wrong.push(format!("{address}: has unsafe code and is not listed"));
        }
        if is_listed(&address) && forbids(&source) {
            wrong.push(format!("{address}: is listed and forbids unsafe code"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_other_file_forbids_it() {
    let (src, files) = sources(100);
    let lax: Vec<String> = files
        .iter()
        .map(|file| (address(&src, file), fs::read_to_string(file).unwrap()))
        .filter(|(address, source)| {
            let free = is_listed(address) || is_test(address) || is_parent(address);
            // A file of `mod` and `use` lines has nothing to forbid.
            let has_code = words(&code(source)).any(|word| matches!(word, "fn" | "impl"));
            !free && has_code && !forbids(source)
        })
        .map(|(address, _)| address)
        .collect();
    assert!(lax.is_empty(), "without `#![forbid(unsafe_code)]`: {lax:#?}");
}

#[test]
fn every_address_exists_and_has_unsafe_code() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for listed in ADDRESSES {
        let (file, folder) = (src.join(format!("{listed}.rs")), src.join(listed));
        let mut files = Vec::new();
        if folder.is_dir() {
            find(&folder, &mut files);
        } else {
            files.push(file);
        }
        let used = files.iter().any(|file| has_unsafe(&fs::read_to_string(file).unwrap_or_default()));
        assert!(used || *listed == "base/prim", "{listed} has no unsafe code: take it off the list");
    }
}

#[test]
fn unsafe_code_is_found() {
    assert!(has_unsafe("fn f() { unsafe { g() } }"));
    assert!(has_unsafe("unsafe impl Send for A {}"));
    assert!(!has_unsafe("#![forbid(unsafe_code)] // unsafe\n/// unsafe\nfn f() {}"));
    assert!(!has_unsafe("fn f() {}\n\n#[cfg(test)]\nmod tests {\n unsafe {} }"));
    assert!(is_listed("base/prim/std") && is_listed("net/fd") && !is_listed("net/fdx") && !is_listed("net"));
    assert!(is_parent("engine/task/mod") && is_parent("net/mod") && !is_parent("net/tcp/mod"));
}
