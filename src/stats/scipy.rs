//! These statistics against an independent implementation: SciPy's, by values that were once computed with it, and by
//! SciPy itself where it is installed (`python3 -c "import scipy"`).
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::{Command, Stdio};

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::{change, rank_sum, robust, signed_rank};

#[derive(Debug, Serialize)]
struct Case {
    a: Vec<f64>,
    b: Vec<f64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expected {
    signed_rank_p: f64,
    walsh_median: f64,
    rank_sum_p: f64,
    welch_p: f64,
    spread: f64,
}

/// Sizes, shifts and tails of many kinds; no ties, for SciPy's exact tests take none.
fn cases() -> Vec<Case> {
    let mut random = Rng::with_seed(20);
    let mut sample = |n: usize, shift: f64| -> Vec<f64> {
        let mut heavy = || 100.0 + shift + (random.f64() - 0.5) / (random.f64() + 0.05);
        // Few digits, so that both sides read the same numbers.
        (0..n).map(|_| (heavy() * 1e6).round() / 1e6).collect()
    };
    let kinds = [(6, 0.0), (8, 1.0), (10, 0.3), (12, 0.0), (12, 0.8), (15, 0.5), (20, 0.2), (24, 0.6)];
    kinds.map(|(n, shift)| Case { a: sample(n, 0.0), b: sample(n, shift) }).into()
}

fn compare(cases: &[Case], expected: &[Expected]) {
    assert_eq!(cases.len(), expected.len());
    let close = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-3);
    for (case, expected) in cases.iter().zip(expected) {
        let d: Vec<_> = case.a.iter().zip(&case.b).map(|(a, b)| b - a).collect();
        let paired = signed_rank::paired(&d).unwrap();
        let unpaired = rank_sum::unpaired(&case.a, &case.b).unwrap();
        let pairs = [
            ("signed rank", paired.p, expected.signed_rank_p),
            ("Walsh median", paired.center, expected.walsh_median),
            ("rank sum", unpaired.p, expected.rank_sum_p),
            ("Welch", change::welch(&case.a, &case.b), expected.welch_p),
            ("spread", robust::spread(&d).unwrap(), expected.spread),
        ];
        for (what, ours, theirs) in pairs {
            assert!(close(ours, theirs), "{what}, n = {}: {ours}, and SciPy says {theirs}", d.len());
        }
    }
}

#[test]
fn committed_values() {
    compare(&cases(), &serde_json::from_str::<Vec<Expected>>(include_str!("by_scipy.json")).unwrap());
}

#[test]
fn scipy_itself() {
    let python = || {
        let mut command = Command::new("python3");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    if !python().args(["-c", "import scipy"]).status().is_ok_and(|status| status.success()) {
        eprintln!(
            "skipped: python3 with SciPy is not installed; the committed values are tested in any case"
        );
        return;
    }
    let mut child = python().args(["-c", include_str!("by_scipy.py")]).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&cases()).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    compare(&cases(), &serde_json::from_slice::<Vec<Expected>>(&output.stdout).unwrap());
}
