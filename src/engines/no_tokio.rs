//! A build without the feature `tokio`.
//!
//! Next file to read: `../profile/mod.rs`.
#![forbid(unsafe_code)]

use super::Engine;

pub(super) fn engine() -> Option<Engine> {
    None
}
