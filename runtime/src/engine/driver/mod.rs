//! The driver: what the threads of a runtime wait on when there is nothing to run.

pub(crate) mod timer;
