//! Where the progress bar is drawn: the terminal, a little narrower than it is.
//!
//! The bar fills its line up to the last column, and the `^C` that a terminal writes when the user presses those keys
//! would go to the next line, so that the bar could not clear its own line any more. The margin takes it.
//!
//! Next file to read: `table.rs`.
#![forbid(unsafe_code)]

use std::io;

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

/// Columns that stay free: room for `^C` twice.
const MARGIN: u16 = 4;

/// Draws at most so often a second.
const HZ: u8 = 10;

#[derive(Debug)]
struct Screen(Term);

/// Standard error.
pub(super) fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Screen(Term::buffered_stderr())), HZ)
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.0.size().1.saturating_sub(MARGIN).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.0.write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
