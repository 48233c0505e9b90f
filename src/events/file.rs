//! The file that events go into: of a bounded size, and with a last line that says what it lacks.
//!
//! Next file to read: `line.rs`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use workloads::wire::{Event, EventLevel};

use super::{THIS, line};

/// The file's name in a report's folder.
pub(crate) const NAME: &str = "log.jsonl";
/// The most bytes of a file.
const MOST_BYTES: usize = 16 << 20;
/// The most bytes that wait for a file.
const MOST_WAITING: usize = 1 << 20;
/// Room for the last line.
const LAST_LINE: usize = 512;

/// What is kept of the events.
#[derive(Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Default)]
struct State {
    file: Option<Box<dyn Write + Send>>,
    /// What was told before there was a file.
    waiting: String,
    written: usize,
    lost: u64,
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, with its end.
    pub(super) fn put(&self, line: &str) {
        self.state().put(line, MOST_BYTES);
    }

    /// Writes what waits into a file, and from now on everything.
    pub(super) fn open(&self, file: File) {
        let mut state = self.state();
        state.file = Some(Box::new(file));
        let waiting = std::mem::take(&mut state.waiting);
        state.put(&waiting, MOST_BYTES);
    }

    /// Ends the file; it says then how many events it lacks, which is the answer, too.
    pub(super) fn end(&self) -> u64 {
        self.state().end()
    }
}

impl State {
    fn put(&mut self, text: &str, most: usize) {
        if text.is_empty() {
            return;
        }
        let Some(file) = &mut self.file else {
            if self.waiting.len() + text.len() <= MOST_WAITING {
                self.waiting.push_str(text);
            } else {
                self.lost += 1;
            }
            return;
        };
        // Once something is lost, all that follows is: a gap that nobody sees would mislead.
        let fits = self.lost == 0 && self.written + text.len() + LAST_LINE <= most;
        if fits && file.write_all(text.as_bytes()).is_ok() {
            self.written += text.len();
        } else {
            self.lost += 1;
        }
    }

    fn end(&mut self) -> u64 {
        let lost = std::mem::take(&mut self.lost);
        if let Some(mut file) = self.file.take()
            && lost > 0
        {
            let message = format!("this file was cut: {lost} more events are not in it");
            let last = Event::new(EventLevel::Warn, module_path!(), &message);
            // A disk that was full is full still.
            let _ = file.write_all(line::json(THIS, &last).as_bytes());
        }
        self.written = 0;
        lost
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_ends_at_its_bound_and_says_what_it_lacks() {
        let into = Shared::default();
        let mut state = State { file: Some(Box::new(into.clone())), ..State::default() };
        (0..100).for_each(|nth| state.put(&format!("{{\"nth\":{nth}}}\n"), 1000));
        let lost = state.end();
        let text = String::from_utf8(into.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len() as u64, 100 - lost + 1);
        assert!(lines.last().unwrap().contains(&format!("{lost} more events are not in it")), "{text}");
        assert!(text.len() <= 1000, "{}", text.len());
        assert_eq!(state.end(), 0, "told once");
    }

    #[test]
    fn what_is_told_before_there_is_a_file_stands_at_its_beginning() {
        let kept = Kept::default();
        kept.put("early\n");
        let path = tempfile::NamedTempFile::new().unwrap();
        kept.open(path.reopen().unwrap());
        kept.put("late\n");
        assert_eq!(kept.end(), 0);
        assert_eq!(std::fs::read_to_string(path.path()).unwrap(), "early\nlate\n");
    }
}
