//! Names of sides that fit and still differ.
//!
//! Next file to read: `words.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

/// Shortens names to `most` characters so that no two of them become the same.
pub(super) fn distinct<S: AsRef<str>>(names: &[S], most: usize) -> Vec<String> {
    let names: Vec<Vec<char>> = names.iter().map(|name| name.as_ref().chars().collect()).collect();
    if names.iter().all(|name| name.len() <= most) {
        return names.iter().map(|name| name.iter().collect()).collect();
    }
    let by_end: Vec<_> = names.iter().map(|name| its_end(name, most)).collect();
    if differ(&by_end) {
        return by_end;
    }
    let prefix = common_prefix(&names);
    let by_rest: Vec<_> = names.iter().map(|name| around(&name[prefix..], most)).collect();
    if differ(&by_rest) {
        return by_rest;
    }
    let digits = names.len().to_string().len();
    let numbered = |(nth, name): (usize, &Vec<char>)| {
        format!("{} {}", nth + 1, its_end(name, most.saturating_sub(digits + 1).max(1)))
    };
    names.iter().enumerate().map(numbered).collect()
}

fn differ(names: &[String]) -> bool {
    names.iter().collect::<BTreeSet<_>>().len() == names.len()
}

/// The end of a name, where the value of a key stands, and the file of a path.
fn its_end(name: &[char], most: usize) -> String {
    match name.len() <= most {
        true => name.iter().collect(),
        false => std::iter::once(&'\u{2026}').chain(&name[name.len() - (most - 1)..]).collect(),
    }
}

/// A name without what all of them begin with.
fn around(rest: &[char], most: usize) -> String {
    let room = most.saturating_sub(2).max(1);
    let cut = if rest.len() > most.saturating_sub(1) { "\u{2026}" } else { "" };
    let kept = if cut.is_empty() { rest } else { &rest[..room.min(rest.len())] };
    format!("\u{2026}{}{cut}", kept.iter().collect::<String>())
}

/// How many characters all names begin with, back to the last place between two words.
fn common_prefix(names: &[Vec<char>]) -> usize {
    let Some(first) = names.first() else { return 0 };
    let is_common = |at: &usize| names.iter().all(|name| name.get(*at) == first.get(*at));
    let length = (0..first.len()).take_while(is_common).count();
    let ends_word = |at: &usize| *at == 0 || !first[at - 1].is_alphanumeric();
    (0..=length).rev().find(ends_word).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        let long = |value: u32| format!("runtime.drivers.max_io_events_per_tick={value}");
        assert_eq!(distinct(&["a", "bcd"], 5), ["a", "bcd"]);
        assert_eq!(
            distinct(&[long(64), long(1024)], 20),
            ["\u{2026}_events_per_tick=64", "\u{2026}vents_per_tick=1024"]
        );
        let ends_alike = ["builds/old/target/release/rtbench", "builds/new/target/release/rtbench"];
        assert_eq!(
            distinct(&ends_alike, 16),
            ["\u{2026}old/target/rel\u{2026}", "\u{2026}new/target/rel\u{2026}"]
        );
        let alike = ["x".repeat(40) + "a" + &"y".repeat(40), "x".repeat(40) + "b" + &"y".repeat(40)];
        let shown = distinct(&alike, 12);
        assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), 2, "{shown:?}");
        for most in [6, 8, 12, 20, 60] {
            for names in [&alike[..], &[long(1), long(2), long(11)], &ends_alike.map(str::to_owned)] {
                let shown = distinct(names, most);
                assert!(differ(&shown), "{most}: {shown:?}");
                assert!(shown.iter().all(|name| name.chars().count() <= most), "{most}: {shown:?}");
            }
        }
    }
}
