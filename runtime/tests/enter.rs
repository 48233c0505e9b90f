//! The guard that makes a runtime the current one of a thread.

mod support;

use std::time::Duration;

use runtime::runtime::{Handle, Runtime};
use support::{LOST, Rt, local};

over_flavours!(a_runtime_can_be_shut_down_while_a_guard_of_it_is_in_scope, a_guard_outlives_its_runtime);

/// That this compiles is half of what is tested: the guard's end must not count as a use of the runtime.
fn a_runtime_can_be_shut_down_while_a_guard_of_it_is_in_scope(new: fn() -> Rt) {
    let rt = new();
    let _entered = rt.enter();
    let before = runtime::spawn(async { 1 });
    assert_eq!(rt.block_on(before).unwrap(), 1);
    assert!(rt.shutdown_timeout_report(LOST).is_complete());
    assert!(Handle::try_current().is_ok(), "the guard holds until it is dropped");
    assert!(runtime::spawn(async {}).is_finished(), "cancelled, for its runtime has ended");
}

fn a_guard_outlives_its_runtime(new: fn() -> Rt) {
    {
        let rt = new();
        let _entered = rt.enter();
        drop(rt);
        assert!(Handle::try_current().is_ok());
    }
    assert!(Handle::try_current().unwrap_err().is_missing_context());
}

#[test]
fn each_way_to_end_a_runtime_compiles_beside_a_guard() {
    let rt = Runtime::new().unwrap();
    let _first = rt.enter();
    rt.shutdown_timeout(Duration::from_millis(100));
    let rt = Runtime::new().unwrap();
    let _second = rt.enter();
    rt.shutdown_background();
    let rt = local();
    let _third = rt.enter();
    rt.shutdown_timeout(Duration::from_millis(100));
    let rt = local();
    let _fourth = rt.enter();
    rt.shutdown_background();
    let handle = Runtime::new().unwrap().handle().clone();
    let _fifth = handle.enter();
    drop(handle);
}
