//! What is wrong with a profile, and how it is shown: the place, the line, what was expected.
//!
//! Next file to read: `tree.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::plugin::Blame;

/// A stretch of one source's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index into [`Invalid::sources`].
    pub(super) source: usize,
    /// Bytes of its text.
    pub(super) span: Range<usize>,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    /// Where. `None`: the file as a whole.
    pub(super) at: Option<Place>,
    /// What, in a few words.
    pub(super) title: String,
    /// What was expected there; stands under the marked text.
    pub(super) label: String,
    /// What to do.
    pub(super) help: Option<String>,
}

impl Problem {
    pub(super) fn at(place: &Place, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { at: Some(place.clone()), title: title.into(), label: label.into(), help: None }
    }

    pub(super) fn whole(title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { at: None, title: title.into(), label: String::new(), help: Some(help.into()) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A text that a profile is made from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// How a message names it.
    pub(super) name: String,
    pub(super) text: String,
}

/// A profile that cannot be used: everything that was found wrong with it.
#[derive(Debug)]
pub(crate) struct Invalid {
    sources: Vec<Source>,
    problems: Vec<Problem>,
    /// Whose fault it is, where it is about the plug-in that the profile names.
    blame: Option<Blame>,
}

/// More than these would scroll the first ones away.
const SHOWN: usize = 8;

impl Invalid {
    pub(super) fn new(sources: Vec<Source>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at.as_ref().map(|at| (at.source, at.span.start)));
        Self { sources, problems, blame: None }
    }

    /// A profile whose plug-in cannot be used.
    pub(super) fn of_plugin(sources: Vec<Source>, problem: Problem, blame: Blame) -> Self {
        Self { blame: Some(blame), ..Self::new(sources, vec![problem]) }
    }

    /// Whose fault it is, where it is about the plug-in that the profile names.
    pub(crate) fn blame(&self) -> Option<Blame> {
        self.blame
    }

    /// The problems as text, with colours for a terminal or without.
    pub(crate) fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in self.problems.iter().take(SHOWN) {
            let title = Level::ERROR.primary_title(&problem.title);
            let mut group = match &problem.at {
                Some(at) => {
                    let source = &self.sources[at.source];
                    let mark = AnnotationKind::Primary.span(at.span.clone()).label(&problem.label);
                    title.element(Snippet::source(&source.text).path(&source.name).annotation(mark))
                }
                None => Group::with_title(title).element(Origin::path(&self.sources[0].name)),
            };
            if let Some(help) = &problem.help {
                group = group.element(Level::HELP.message(help));
            }
            text.push_str(&renderer.render(&[group]));
            text.push_str("\n\n");
        }
        if self.problems.len() > SHOWN {
            text.push_str(&format!("and {} more problems\n", self.problems.len() - SHOWN));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Invalid {}

/// The known name that somebody who wrote `name` most likely meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let name = plain(name);
    let score = |candidate: &'a str| (candidate, strsim::jaro_winkler(&name, &plain(candidate)));
    let best = known.into_iter().map(score).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 >= 0.85).then_some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near_or_none() {
        let known = ["event_interval", "global_queue_interval", "lifo_slot", "io"];
        assert_eq!(nearest("event_intervall", known), Some("event_interval"));
        assert_eq!(nearest("Event-Interval", known), Some("event_interval"));
        assert_eq!(nearest("lifo", known), Some("lifo_slot"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
