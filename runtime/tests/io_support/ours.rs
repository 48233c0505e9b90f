//! The operations of this crate, over devices with faults.

use runtime as rt;

#[path = "exec.rs"]
pub(crate) mod exec;
#[path = "stream.rs"]
pub(crate) mod stream;
