//! An asynchronous runtime: tasks, sockets and timers for `async` code.
//!
//! The public names, signatures and documented behaviour are those of Tokio 1.x, so what people know, and the code
//! they have, carries over. The inside is its own: one engine under both scheduler flavours, timers in a shard for
//! each worker, metrics that are always on.
//!
//! ```
//! use runtime::io::{AsyncReadExt, AsyncWriteExt};
//! use runtime::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! let rt = runtime::runtime::Runtime::new()?;
//! rt.block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = runtime::spawn(async move {
//!         let (mut socket, _) = listener.accept().await?;
//!         let mut greeting = [0; 5];
//!         socket.read_exact(&mut greeting).await?;
//!         socket.write_all(&greeting).await
//!     });
//!     let mut socket = TcpStream::connect(address).await?;
//!     socket.write_all(b"hello").await?;
//!     let mut echo = [0; 5];
//!     socket.read_exact(&mut echo).await?;
//!     assert_eq!(&echo, b"hello");
//!     server.await.unwrap()
//! })
//! # }
//! ```
//!
//! # Features
//!
//! None is on by default, and none changes how anything behaves.
//!
//! | feature | what it adds |
//! |---|---|
//! | `serde` | [`config::RuntimeConfig`] can be read and written, with times and sizes as people write them |
//! | `tracing` | each task, `spawn_blocking` closure and root future has a [`tracing`] span, each use of a task's waker is an event, with the names and fields that tokio-console knows; a poll that runs past [`stuck_poll_threshold`] is a warning |
//!
//! With `tracing`, a subscriber hears of the span `runtime.spawn` (target `tokio::task` or `tokio::task::blocking`, level
//! `TRACE`), which is entered for each poll and for the drop of the future; of events of the target
//! `tokio::task::waker`; and of warnings of the target `runtime::stuck_poll`. Oneshot channels, sleeps and intervals have
//! tokio-console's resource spans (`runtime.resource`, `runtime.resource.async_op`, and the events of the targets
//! `runtime::resource::state_update` and `runtime::resource::poll_op`); locks and other channels have none yet. Without the feature tasks are no larger and nothing is done for it.
//!
//! [`tracing`]: https://docs.rs/tracing
//! [`stuck_poll_threshold`]: runtime::Builder::stuck_poll_threshold
//!
//! # The tiers
//!
//! Imports point down only; the test `layers` holds every file to it.
//!
//! ```text
//!  T3 api      task  time  net  io  sync  metrics      what users call
//!  T2 front    builder  runtime  handle  context       assembles, and knows which runtime is current
//!  T1 engine   sched -> task, driver, blocking         runs things
//!  T0 base     prim list clock coop enter park ...     stands under all; and config, which is plain data
//! ```
//!
//! Next file to read: `config/mod.rs`.

mod base;
mod builder;
pub mod config;
mod context;
mod engine;
mod handle;
pub mod io;
mod local_runtime;
mod metrics;
pub mod net;
pub mod runtime;
mod shutdown;
pub mod sync;
pub mod task;
pub mod time;

pub use task::spawn;
