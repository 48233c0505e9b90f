//! The operations of Tokio, over devices with faults.

use tokio as rt;

#[path = "exec.rs"]
pub(crate) mod exec;
#[path = "stream.rs"]
pub(crate) mod stream;
