//! The terminal: what is written to it, and how a pipe that closes is taken.
//!
//! Next file to read: `progress.rs`.
#![forbid(unsafe_code)]

mod progress;
mod screen;
mod table;
mod wrap;

pub(crate) use progress::Progress;
pub(crate) use table::{indented, table};
pub(crate) use wrap::wrapped;

use std::io::{self, IsTerminal, Write};

/// Writes to standard output. A reader that has gone is no error: it has what it wanted.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a message to standard error, above a progress bar that is there, or nowhere if that stream is closed.
pub(crate) fn complain(text: &str) {
    // There is no third stream to report a failure to.
    progress::above(|| drop(writeln!(io::stderr().lock(), "{text}")));
}

/// Whether text for this stream may have colours.
pub(crate) fn color(stream: &impl IsTerminal) -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !plain && obeys(stream)
}

/// Whether this stream is a terminal that obeys escape sequences.
fn obeys(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// How many columns standard output has; 80 where it is no terminal.
pub(crate) fn columns() -> usize {
    console::Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns))
}
