//! These statistics against an independent implementation: SciPy's, by values that were once computed with it, and by
//! SciPy itself where it is installed (`python3 -c "import scipy"`).
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::{Command, Stdio};

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::{bootstrap, change, multiple, rank_sum, robust, signed_rank};

#[derive(Debug, Serialize)]
struct Given {
    margins: [f64; 5],
    cases: Vec<Case>,
}

#[derive(Debug, Serialize)]
struct Case {
    a: Vec<f64>,
    b: Vec<f64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expected {
    scipy: String,
    date: String,
    cases: Vec<Said>,
    holm: Vec<bool>,
    benjamini_hochberg: Vec<bool>,
}

/// What SciPy says of a case.
#[derive(Clone, Debug, Deserialize)]
struct Said {
    signed_rank_p: f64,
    walsh_median: f64,
    signed_rank_95: Option<(f64, f64)>,
    signed_rank_90: Option<(f64, f64)>,
    /// For each margin.
    equivalent: Vec<bool>,
    rank_sum_p: f64,
    shift: f64,
    rank_sum_95: Option<(f64, f64)>,
    welch_p: f64,
    spread: f64,
    /// Of the mean, by its own random numbers.
    bootstrap_95: (f64, f64),
    standard_error: f64,
}

/// The margins within which the cases are called equivalent or not.
const MARGINS: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 4.0];

/// Sizes, shifts and tails of many kinds; no ties, for SciPy's exact tests take none.
fn given() -> Given {
    let mut random = Rng::with_seed(20);
    let mut sample = |n: usize, shift: f64| -> Vec<f64> {
        let mut heavy = || 100.0 + shift + (random.f64() - 0.5) / (random.f64() + 0.05);
        // Few digits, so that both sides read the same numbers.
        (0..n).map(|_| (heavy() * 1e6).round() / 1e6).collect()
    };
    let kinds = [(6, 0.0), (8, 1.0), (10, 0.3), (12, 0.0), (12, 0.8), (15, 0.5), (20, 0.2), (24, 0.6)];
    let cases = kinds.map(|(n, shift)| Case { a: sample(n, 0.0), b: sample(n, shift) }).into();
    Given { margins: MARGINS, cases }
}

fn is_close(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-3)
}

fn compare(given: &Given, expected: &Expected) {
    let by = format!("SciPy {} of {}", expected.scipy, expected.date);
    assert_eq!(given.cases.len(), expected.cases.len());
    let mut all_p = Vec::new();
    for (case, said) in given.cases.iter().zip(&expected.cases) {
        let d: Vec<_> = case.a.iter().zip(&case.b).map(|(a, b)| b - a).collect();
        let n = d.len();
        let paired = signed_rank::paired(&d).unwrap();
        let unpaired = rank_sum::unpaired(&case.a, &case.b).unwrap();
        all_p.push(unpaired.p);
        let figures = [
            ("signed rank", paired.p, said.signed_rank_p),
            ("Walsh median", paired.center, said.walsh_median),
            ("rank sum", unpaired.p, said.rank_sum_p),
            ("shift", unpaired.center, said.shift),
            ("Welch", change::welch(&case.a, &case.b), said.welch_p),
            ("spread", robust::spread(&d).unwrap(), said.spread),
        ];
        for (what, ours, theirs) in figures {
            assert!(is_close(ours, theirs), "{what}, n = {n}: {ours}, and {by} says {theirs}");
        }
        let intervals = [
            ("signed rank at 95 %", paired.wide, said.signed_rank_95),
            ("signed rank at 90 %", paired.narrow, said.signed_rank_90),
            ("rank sum at 95 %", unpaired.wide, said.rank_sum_95),
        ];
        for (what, ours, theirs) in intervals {
            let same = match (ours, theirs) {
                (Some(ours), Some(theirs)) => is_close(ours.0, theirs.0) && is_close(ours.1, theirs.1),
                (ours, theirs) => ours.is_none() && theirs.is_none(),
            };
            assert!(same, "{what}, n = {n}: {ours:?}, and {by} says {theirs:?}");
        }
        let (low, high) = paired.narrow.unwrap();
        let inside = MARGINS.map(|margin| -margin < low && high < margin);
        assert_eq!(inside[..], said.equivalent, "two one-sided tests, n = {n}; {by}");
        // Both draw at random, so their ends differ by some hundredths of the standard error.
        let mean = |weights: &[u64]| {
            let sum: f64 = weights.iter().zip(&d).map(|(weight, d)| *weight as f64 * d).sum();
            vec![sum / n as f64]
        };
        let band = bootstrap::band(n, 20_000, 1, mean);
        for (ours, theirs) in [(band.low[0], said.bootstrap_95.0), (band.high[0], said.bootstrap_95.1)] {
            let apart = (ours - theirs).abs() / said.standard_error;
            assert!(apart < 0.1, "bootstrap, n = {n}: {ours}, and {by} says {theirs}");
        }
    }
    let decisions = [
        ("Holm", multiple::holm(&all_p, 0.05), &expected.holm),
        ("Benjamini and Hochberg", multiple::benjamini_hochberg(&all_p, 0.10), &expected.benjamini_hochberg),
    ];
    for (what, ours, theirs) in decisions {
        assert_eq!(&ours, theirs, "{what} by {by}");
        assert!(ours.contains(&true) && ours.contains(&false), "{what} decides nothing here: {ours:?}");
    }
    let told: Vec<_> = expected.cases.iter().flat_map(|said| &said.equivalent).collect();
    assert!(told.contains(&&true) && told.contains(&&false), "{told:?}");
}

#[test]
fn committed_values() {
    compare(&given(), &serde_json::from_str(include_str!("by_scipy.json")).unwrap());
}

#[test]
fn scipy_itself() {
    let python = || {
        let mut command = Command::new("python3");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    if !python().args(["-c", "import scipy"]).status().is_ok_and(|status| status.success()) {
        // Not by a macro, whose output the test harness keeps to itself.
        let text: &[u8] =
            b"skipped: python3 has no SciPy; the values that it gave once are tested in any case\n";
        std::io::stderr().write_all(text).unwrap();
        return;
    }
    let mut child = python().args(["-c", include_str!("by_scipy.py")]).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&given()).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    if let Some(path) = std::env::var_os("BY_SCIPY") {
        std::fs::write(path, &output.stdout).unwrap();
    }
    compare(&given(), &serde_json::from_slice(&output.stdout).unwrap());
}
