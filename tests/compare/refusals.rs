//! What is refused before anything runs.

use std::fs;

use crate::sandbox::{PROFILE, Sandbox};

#[test]
fn what_makes_no_comparison_is_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("q.toml"), PROFILE.replace("2_000", "500")).unwrap();
    fs::write(sandbox.path("r.toml"), PROFILE.replace("kind", "name = \"other\"\nkind")).unwrap();
    let refused = |args: &[&str], said: &[&str]| sandbox.refused(&[&["compare"], args].concat(), said);
    refused(
        &["p.toml", "q.toml"],
        &["different loads on `spawn_flood`", "rate is", "p.toml", "q.toml", "--allow plan"],
    );
    refused(&["p.toml", "r.toml"], &["has the workloads spawn_flood", "other"]);
    refused(&["p.toml", "p.toml"], &["named twice"]);
    // Sides that would run the same, and why.
    fs::copy(sandbox.path("p.toml"), sandbox.path("copy.toml")).unwrap();
    refused(&["p.toml", "copy.toml"], &["`p.toml` and `copy.toml` run the same plan", "name one profile"]);
    for (setting, why) in [
        ("duration=1s,5s", "as long as [compare] or --warmup and --duration say"),
        ("workload.spawn_flood.warmup=1s,5s", "as long as [compare]"),
        ("compare.noise_limit=3,50", "[compare] says how sides are compared"),
        ("report.dir=\"a\",\"b\"", "[report] says where reports go"),
        ("name=\"a\",\"b\"", "nothing to compare"),
        ("runtime.event_interval=61,0x3d", "nothing to compare"),
    ] {
        refused(&["p.toml", "--set", setting], &["run the same plan", why]);
    }
    refused(
        &["p.toml", "--gate", "p50=5%", "--blocks", "5"],
        &["5 blocks cannot decide", "need 6 blocks or more"],
    );
    refused(
        &["p.toml", "--gate", "p50=5%", "--time", "1s"],
        &["which fit into 1 s", "need 6 blocks or more"],
    );
    refused(
        &["p.toml", "--flavors", "multi_thread,local", "--engine", "embedded,tokio"],
        &["one axis", "--flavors", "--engine"],
    );
    refused(
        &["p.toml", "--set", "runtime.event_interval=1,2", "--set", "runtime.lifo_slot=true,false"],
        &["one axis"],
    );
    refused(&["p.toml", "--flavors", "multi_thread,curent_thread"], &["curent_thread"]);
    refused(
        &["p.toml", "--gate", "thruput=3%"],
        &["no metric is named `thruput`", "did you mean `throughput`?"],
    );
    refused(&["p.toml", "--gate", "p99=much"], &["3%"]);
    refused(&["p.toml", "--blocks", "1"], &["between 2 and 200"]);
    refused(
        &["p.toml", "--gate", "foreing.p99=5%"],
        &["no workload has a stream of that name", "`foreign`?"],
    );
    refused(
        &["p.toml", "--set", "runtime.lifo_slott=true,false"],
        &["unknown key `lifo_slott`", "did you mean"],
    );
    refused(
        &["p.toml", "--engine", "embedded,tokio", "--set", "runtime.lifo_slot=false"],
        &["tokio", "lifo_slot"],
    );
    refused(&["p.toml", "--junit", "no/such/folder.xml"], &["cannot write no/such/folder.xml"]);
    refused(&["--resume", "nowhere"], &["there is no folder nowhere"]);
    refused(&[], &["PROFILE"]);
    fs::write(sandbox.path("s.toml"), PROFILE.replace("[report]", "thruput = \"3%\"\n[report]")).unwrap();
    refused(&["s.toml"], &["wrong gate for `thruput`", "did you mean `throughput`?", "s.toml:"]);
    assert!(!sandbox.path("reports").exists());
}
