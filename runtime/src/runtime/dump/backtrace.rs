//! The part of a backtrace that says where a task waits.
//!
//! The standard library takes backtraces, and shows them only as text, a line for each function and perhaps one for its
//! place:
//!
//! ```text
//!   12: program::serve::{{closure}}
//!              at ./src/main.rs:20:31
//! ```
//!
//! Its form is nobody's promise, so what does not look like this is taken as the name of a function.
//!
//! Next file to read: `handle.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a task waits: the functions from the one that kept its waker to the one that was spawned.
#[derive(Clone, Debug)]
pub struct Backtrace {
    frames: Box<[BacktraceFrame]>,
}

/// One function of a [`Backtrace`].
#[derive(Clone, Debug)]
pub struct BacktraceFrame {
    symbol: BacktraceSymbol,
}

/// The name and place of a function in a [`Backtrace`].
#[derive(Clone, Debug, Default)]
pub struct BacktraceSymbol {
    name: String,
    filename: Option<PathBuf>,
    line: Option<u32>,
    column: Option<u32>,
}

impl Backtrace {
    /// The frames, innermost first.
    pub fn frames(&self) -> impl Iterator<Item = &BacktraceFrame> {
        self.frames.iter()
    }

    pub(super) fn resolve(backtrace: &std::backtrace::Backtrace) -> Self {
        let symbols = between(parse(&backtrace.to_string()));
        Self { frames: symbols.into_iter().map(|symbol| BacktraceFrame { symbol }).collect() }
    }
}

impl BacktraceFrame {
    /// The names of the function: here always one, for a function that was inlined has a frame of its own.
    pub fn symbols(&self) -> impl Iterator<Item = &BacktraceSymbol> {
        std::iter::once(&self.symbol)
    }
}

impl BacktraceSymbol {
    /// The function's name, as in a source.
    pub fn name_demangled(&self) -> Option<&str> {
        Some(&self.name)
    }

    /// The file of the place in the function, if the program has debug information.
    pub fn filename(&self) -> Option<&Path> {
        self.filename.as_deref()
    }

    /// Its line.
    pub fn lineno(&self) -> Option<u32> {
        self.line
    }

    /// Its column.
    pub fn colno(&self) -> Option<u32> {
        self.column
    }
}

fn parse(text: &str) -> Vec<BacktraceSymbol> {
    let mut symbols: Vec<BacktraceSymbol> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let (Some(place), Some(symbol)) = (line.strip_prefix("at "), symbols.last_mut()) {
            let (place, column) = number_at_end(place);
            let (file, line) = if column.is_some() { number_at_end(place) } else { (place, None) };
            (symbol.filename, symbol.line, symbol.column) = (Some(file.into()), line, column);
            if line.is_none() {
                (symbol.line, symbol.column) = (column, None);
            }
            continue;
        }
        let name = match line.split_once(": ") {
            Some((number, name)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => line,
        };
        if !name.is_empty() {
            symbols.push(BacktraceSymbol { name: name.to_owned(), ..BacktraceSymbol::default() });
        }
    }
    symbols
}

/// `a:5` is `a` and 5.
fn number_at_end(text: &str) -> (&str, Option<u32>) {
    match text.rsplit_once(':').map(|(rest, number)| (rest, number.parse())) {
        Some((rest, Ok(number))) => (rest, Some(number)),
        _ => (text, None),
    }
}

/// The functions below the taking of the backtrace and above the task's own machinery.
fn between(mut symbols: Vec<BacktraceSymbol>) -> Vec<BacktraceSymbol> {
    // The functions of the waker, and of the standard library around them.
    const INNER: &[&str] = &["engine::task::trace::", "engine::task::waker::", "core::task::wake::"];
    // What a future is wrapped into when it is spawned.
    const OUTER: &[&str] = &["engine::task::", "tracing::instrument::Instrumented"];
    let is_ours = |symbol: &BacktraceSymbol, path: &str| {
        let name = symbol.name.trim_start_matches('<');
        let own = concat!(env!("CARGO_CRATE_NAME"), "::");
        name.starts_with(path) || name.strip_prefix(own).is_some_and(|name| name.starts_with(path))
    };
    let root = symbols.iter().position(|symbol| is_ours(symbol, "engine::task::cell::poll"));
    symbols.truncate(root.unwrap_or(symbols.len()));
    while symbols.pop_if(|symbol| OUTER.iter().any(|path| is_ours(symbol, path))).is_some() {}
    let noted = symbols.iter().position(|symbol| is_ours(symbol, INNER[0]));
    symbols.drain(..noted.unwrap_or(0));
    let leaf = symbols.iter().position(|symbol| !INNER.iter().any(|path| is_ours(symbol, path)));
    symbols.drain(..leaf.unwrap_or(0));
    symbols
}

impl fmt::Display for Backtrace {
    /// A line for each frame, innermost first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, BacktraceFrame { symbol }) in self.frames.iter().enumerate() {
            let lead = if n == 0 { "  waits in " } else { "\n        in " };
            write!(f, "{lead}{symbol}")?;
        }
        Ok(())
    }
}

impl fmt::Display for BacktraceSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some(file) = &self.filename else { return Ok(()) };
        write!(f, " at {}", file.display())?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "   0: runtime::engine::task::trace::note_place
             at ./src/engine/task/trace.rs:50:17
   1: runtime::engine::task::waker::watched_clone
   2: <core::task::wake::Waker as core::clone::Clone>::clone
             at /rustc/0/library/core/src/task/wake.rs:600:23
   3: leaf::poll
             at ./leaf.rs:7
   4: program::serve::{{closure}}
             at /home/a b/c:d/main.rs:20:31
   5: <runtime::engine::task::owned::AtHome<F> as core::future::future::Future>::poll
   6: runtime::engine::task::cell::poll::{{closure}}
             at ./src/engine/task/cell.rs:150:1
   7: main
";

    #[test]
    fn what_is_the_machinerys_is_cut_off() {
        let symbols = between(parse(TEXT));
        let shown: Vec<_> = symbols.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["leaf::poll at ./leaf.rs:7", "program::serve::{{closure}} at /home/a b/c:d/main.rs:20:31"]
        );
        assert_eq!(symbols[0].lineno(), Some(7));
        assert_eq!((symbols[1].lineno(), symbols[1].colno()), (Some(20), Some(31)));
    }

    #[test]
    fn what_is_not_understood_is_kept() {
        let names = |text| between(parse(text)).into_iter().map(|symbol| symbol.name).collect::<Vec<_>>();
        assert_eq!(names("disabled backtrace"), ["disabled backtrace"]);
        assert_eq!(names("at home\n   0: <unknown>\n\nx: y"), ["at home", "<unknown>", "x: y"]);
        assert_eq!(names(""), [""; 0]);
    }
}
