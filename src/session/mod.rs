//! Measuring: each run of a profile in a fresh process, one after the other.
//!
//! Parent and child are the same program. The child (`exec`) is told its plan and sends frames; the parent (`measure`,
//! `watch`, `child`) keeps what it says, shows it, and sees to it that the child ends. A crash of the child costs its
//! own run and no more.
//!
//! Next file to read: `measure.rs`.
#![forbid(unsafe_code)]

mod balance;
mod child;
mod exec;
mod group;
mod interrupt;
mod keep;
mod measure;
mod program;
pub(crate) mod record;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use balance::completed_nothing;
pub(crate) use child::{ending, read_tail};
pub(crate) use exec::{answer, exec};
pub(crate) use group::Group;
pub(crate) use measure::{Session, Source};
pub(crate) use program::{Fingerprint, Held, this_program};
pub(crate) use watch::last_lines;
