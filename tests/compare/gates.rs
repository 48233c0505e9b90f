//! What a gate decides, and how the exit code says so.

use std::fs;

use crate::sandbox::{MADE_UP_WINDOW, Sandbox, text, unwrapped};
use crate::support::with_a_window;

/// Two sides that differ in this.
fn axis(setting: &str) -> [&str; 4] {
    ["--allow", "plan", "--set", setting]
}

#[test]
fn the_gate_speaks_through_the_exit_code() {
    let sandbox = Sandbox::made_up("");
    let (code, said) = sandbox.judged(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("small: No regression: the gate was shown not to be worse.\n"), "{said}");
    let (code, said) = sandbox.judged(&axis("workload.made_up.level=100us,120us"));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.starts_with("small: Regression: worse in p50.\n") && said.contains("REGRESSED"), "{said}");
    let (code, said) = sandbox.judged(&axis("workload.made_up.level=120us,100us"));
    assert_eq!((code, said.contains("IMPROVED")), (Some(0), true), "{said}");
}

#[test]
fn a_stream_decides_where_a_gate_names_it_alone_or_in_a_pattern_by_a_change_or_a_limit() {
    let sandbox = Sandbox::made_up("");
    let other = axis("workload.made_up.other=100us,120us");
    let judged = |gates: &[&str]| sandbox.judged(&[&other[..], gates].concat());
    let (code, said) = judged(&["--gate", "p50<110us"]);
    assert_eq!((code, said.contains("WITHIN")), (Some(0), true), "the other stream is no gate: {said}");
    for (gates, worse) in [
        (["--gate", "other.p99=5%", "--gate", "other.p50<110us"], "worse in other.p50, other.p99"),
        (["--gate", "*.p50=5%", "--gate", "other.p99=5%, <1s"], "worse in other.p50, other.p99"),
    ] {
        // A third gate needs more blocks.
        let (code, said) = judged(&[&gates[..], &["--blocks", "8"]].concat());
        assert_eq!(code, Some(3), "{gates:?}: {said}");
        assert!(unwrapped(&said).contains(worse), "{gates:?}: {said}");
    }
}

#[test]
fn a_counter_decides_where_a_gate_names_it() {
    let sandbox = Sandbox::made_up("");
    let judged = |counts, gate| sandbox.judged(&[&axis(counts)[..], &["--gate", gate]].concat());
    let more = "workload.made_up.hashed=5,6";
    let (code, said) = judged(more, "kib_hashed=5%");
    assert_eq!(code, Some(3), "{said}");
    // More of it is better.
    let (code, said) = judged(more, "kib_hashed=-5%");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = judged("workload.made_up.hashed=0,1", "kib_hashed=5%");
    assert_eq!((code, said.contains("new")), (Some(3), true), "{said}");
}

#[test]
fn what_cannot_be_told_has_an_exit_code_and_a_sentence_of_its_own() {
    let sandbox = Sandbox::new();
    let noisy = |differ: &str| {
        let lines = format!("noise = 0.5\ndiffer = {differ:?}\nruns = \"runs\"");
        sandbox.write_made_up("p.toml", &lines);
        // Runs are counted from 0 in each comparison.
        let _ = fs::remove_file(sandbox.path("runs"));
    };
    // The side that happens to be first is slower; with this seed that is now one and now the other.
    noisy("between");
    let (code, said) = sandbox.judged(&["--seed", "3"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.starts_with("small: Inconclusive: these blocks cannot tell about p50."), "{said}");
    assert!(!said.to_lowercase().contains("no regression"), "{said}");
    noisy("between");
    let (code, said) = sandbox.judged(&["--seed", "3", "--inconclusive", "pass"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("small: Inconclusive: ") && !said.to_lowercase().contains("no regression"),
        "{said}"
    );
    noisy("within");
    let (code, said) = sandbox.judged(&["--noise-limit", "1"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.starts_with("small: Too noisy to tell: equal runs differ too much in p50.\n"), "{said}");
}

#[test]
fn a_gate_on_what_no_run_has_ends_the_comparison_at_its_first_run() {
    for (gate, said) in [
        ("kib_hashd=5%", "no workload has a counter of that name; did you mean `kib_hashed`?"),
        ("othr.p50=5%", "no workload has a stream of that name; did you mean `other`?"),
        ("other.p50<2", "other.p50 is a time"),
    ] {
        // What a run has it has once its account has begun before the middle of the window.
        with_a_window(MADE_UP_WINDOW, |window| {
            let sandbox = Sandbox::made_up("");
            let args = ["compare", "p.toml", "--quiet", "--gate", gate, "--duration", window];
            let output = sandbox.rtbench(&args);
            let blocks = fs::read_dir(sandbox.folder().join("blocks")).unwrap().count();
            let ended_at_once = unwrapped(&text(&output.stdout)).contains(said) && blocks == 1;
            ended_at_once.then(|| assert_eq!(output.status.code(), Some(2), "{gate}"))
        });
    }
}
