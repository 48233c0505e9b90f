//! The bundled workloads as a plug-in.
#![forbid(unsafe_code)]

use workloads::registry::find;

workloads::export_plugin!(
    find("echo").expect("it is bundled"),
    find("timer_storm").expect("it is bundled"),
    find("spawn_flood").expect("it is bundled"),
);
