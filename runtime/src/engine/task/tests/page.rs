//! Holds the protocol page of the module to the code.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::engine::task::state::{FLAGS, REFERENCES};

const PAGE: &str = include_str!("../mod.rs");
const CODE: &str = include_str!("../state.rs");

/// The rows of the page's table whose head begins with `head`, cut into cells.
fn table(head: &str) -> Vec<Vec<String>> {
    let start = format!("//! | {head} |");
    let rows = PAGE.lines().skip_while(|line| !line.starts_with(&start)).skip(2);
    let rows: Vec<Vec<String>> = rows
        .take_while(|line| line.starts_with("//! |"))
        .map(|line| {
            line["//! |".len()..].trim_end_matches('|').split('|').map(|cell| cell.trim().into()).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table {head:?} on the page");
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_flags_are_the_codes() {
    let page: Vec<(String, usize)> = table("flag")
        .into_iter()
        .map(|row| (quoted(&row[0]).remove(0), 1 << row[1].parse::<u32>().unwrap()))
        .collect();
    let code: Vec<(String, usize)> = FLAGS.iter().map(|(name, bit)| ((*name).to_owned(), *bit)).collect();
    assert_eq!(page, code);
    assert!(PAGE.contains(&format!("is in the bits from {REFERENCES} up")));
}

#[test]
fn the_transitions_are_the_codes() {
    // Every function of the state word that returns a duty, and that duty's type.
    let code: BTreeMap<String, String> = CODE
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.trim().strip_prefix("pub(super) fn ")?.split_once("(&self")?;
            let duty = rest.split_once("-> ")?.1.trim_end_matches(" {");
            (duty != "Snapshot").then(|| (name.to_owned(), duty.to_owned()))
        })
        .collect();
    // Every type of duty, with what it can say.
    let duty = |name: &str| -> Vec<String> {
        let body = CODE
            .split_once(&format!("pub(super) enum {name} {{"))
            .expect(name)
            .1
            .split_once("\n}")
            .unwrap()
            .0;
        let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("///"));
        lines.map(|line| line.trim_end_matches(',').to_owned()).collect()
    };
    let mut page = BTreeMap::new();
    for row in table("transition") {
        let mut returns = quoted(&row[2]);
        let name = returns.remove(0);
        assert_eq!(returns, duty(&name), "{}", row[0]);
        page.insert(quoted(&row[0]).remove(0), name);
    }
    assert_eq!(page, code);
}

#[test]
fn the_orderings_are_the_codes() {
    // All but the functions that count go through the one helper, and that is AcqRel and Acquire.
    let helper = CODE.split_once("fn transition<A>").unwrap().1.split_once("\n    }\n").unwrap().0;
    assert!(helper.contains("compare_exchange_weak(current.0, next.0, AcqRel, Acquire)"));
    let writes = ["compare_exchange", ".swap(", "fetch_", ".store("];
    let all: Vec<&str> =
        CODE.lines().filter(|line| writes.iter().any(|write| line.contains(write))).collect();
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all.iter().any(|line| line.contains("fetch_add(REF_ONE, Relaxed)")));
    assert!(all.iter().any(|line| line.contains("fetch_sub(amount, AcqRel)")));
}
