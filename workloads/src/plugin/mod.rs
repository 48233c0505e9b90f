//! Workloads as plug-ins: a dynamic library that carries its own copy of this crate, and so its own runtime.
//!
//! A plug-in is a crate of type `cdylib` that depends on this package (or, for the real Tokio, on `workloads-tokio`),
//! implements [`Workload`] and names it in [`export_plugin!`](crate::export_plugin). The macro writes the
//! library's one exported symbol, a [`Table`] of plain data and five entries. All that crosses the border is bytes:
//! the plan in, the frames of [`wire`](crate::wire) out. Everything measured happens on the plug-in's side, in
//! the code that measures the bundled workloads, too: [`exec`](crate::exec).
//!
//! | file | what it is |
//! |---|---|
//! | [`abi`] | the table, as both sides see it |
//! | [`talk`] | the messages that are no frames |
//! | [`export`] | the plug-in's side of the border |
//!
//! Next file to read: `plugin/abi.rs`.

pub mod abi;
#[doc(hidden)]
pub mod export;
pub mod talk;

use std::sync::Arc;

use crate::workload::Workload;
pub use abi::Table;

/// What [`export_plugin!`](crate::export_plugin) makes of a crate.
#[doc(hidden)]
pub trait Plugin {
    /// Name of the crate.
    const NAME: &'static str;
    /// Its version.
    const VERSION: &'static str;

    /// Its workloads, in the order in which a list shows them.
    fn workloads() -> Vec<Arc<dyn Workload>>;
}

/// Makes the calling crate a plug-in with these workloads: one expression for each, of a type that implements
/// [`Workload`].
///
/// Use it once in a crate, at the top level. The crate's `Cargo.toml` needs `crate-type = ["cdylib"]`; with a second
/// type beside it, cargo would leave link-time optimisation out.
///
/// ```
/// use workloads::params::Params;
/// use workloads::wire::{Failure, Stream};
/// use workloads::workload::{Description, Load, Run, Site, Workload};
///
/// /// Does nothing, and does not even say how fast.
/// struct Idle;
///
/// impl Workload for Idle {
///     fn describe(&self) -> Description {
///         Description::new("idle", "does nothing until the window is over")
///     }
///
///     fn streams(&self, _: &Params) -> Vec<Stream> {
///         vec![Stream::nanoseconds("latency", "nothing is ever recorded here")]
///     }
///
///     fn setup(&self, _: &Site) -> Result<Box<dyn Load>, Failure> {
///         Ok(Box::new(Idle))
///     }
/// }
///
/// impl Load for Idle {
///     fn run(&mut self, run: &Run) -> Result<(), Failure> {
///         while !run.window.is_over() {
///             std::thread::sleep(std::time::Duration::from_millis(5));
///         }
///         Ok(())
///     }
/// }
///
/// workloads::export_plugin!(Idle);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($($workload:expr),+ $(,)?) => {
        /// This crate as a plug-in.
        #[doc(hidden)]
        enum RtbenchPlugin {}

        impl $crate::plugin::Plugin for RtbenchPlugin {
            const NAME: &'static str = ::core::env!("CARGO_PKG_NAME");
            const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");

            fn workloads() -> ::std::vec::Vec<::std::sync::Arc<dyn $crate::workload::Workload>> {
                ::std::vec![$(::std::sync::Arc::new($workload)),+]
            }
        }

        #[doc(hidden)]
        #[allow(non_upper_case_globals, reason = "the name of the symbol")]
        #[unsafe(no_mangle)]
        pub static rtbench_plugin_v1: $crate::plugin::Table =
            $crate::plugin::export::table::<RtbenchPlugin>();
    };
}
