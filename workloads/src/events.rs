//! Diagnostics: `tracing` events, gathered in the measuring process and sent to the parent between the slices.
//!
//! The parent asks for them with the environment variable [`FILTER`]. Without it no subscriber is installed, and an event
//! costs the reading of one static. With it, the thread that an event comes from formats it and puts it into a bounded
//! queue, and the collector sends what is in there. What an event costs is measured at the start and sent along.
//!
//! Next file to read: `exec/session.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use crate::wire::{Event, EventLevel, EventSpan, Events};

/// The environment variable that holds the filter, in the syntax of `RUST_LOG`. Unset or empty: there are no events.
pub const FILTER: &str = "RTBENCH_EVENTS";

/// The most events that wait for the collector.
const MOST_WAITING: usize = 8192;
/// The most bytes of a text in an event.
const MOST_TEXT: usize = 2048;

/// Hands each event that its filter lets through to a function, on the thread that the event comes from.
pub struct Listener<F>(F);

impl<F: Fn(Event) + Send + Sync + 'static> Listener<F> {
    /// A listener for a subscriber that is a registry of spans.
    pub fn new(heard: F) -> Self {
        Self(heard)
    }
}

impl<F> fmt::Debug for Listener<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// A span's fields, and when it began.
struct Known {
    fields: Fields,
    began: Instant,
}

impl<S, F> Layer<S> for Listener<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: Fn(Event) + Send + Sync + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let Some(span) = context.span(id) else { return };
        span.extensions_mut().insert(Known { fields, began: Instant::now() });
        (self.0)(event(span.metadata(), "begins", Map::new(), spans(span.scope().from_root())));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(known) = span.extensions_mut().get_mut::<Known>() {
            values.record(&mut known.fields);
        }
    }

    fn on_event(&self, happened: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        happened.record(&mut fields);
        let scope = context.event_scope(happened);
        let spans = scope.map_or_else(Vec::new, |scope| spans(scope.from_root()));
        (self.0)(event(happened.metadata(), &fields.message, fields.others, spans));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let lived = span.extensions().get::<Known>().map(|known| known.began.elapsed());
        let lived = lived.map(|lived| ("lived".to_owned(), Value::from(format!("{lived:?}"))));
        let spans = spans(span.scope().from_root());
        (self.0)(event(span.metadata(), "ends", lived.into_iter().collect(), spans));
    }
}

fn event(of: &Metadata<'_>, message: &str, fields: Map<String, Value>, spans: Vec<EventSpan>) -> Event {
    let level = match *of.level() {
        Level::ERROR => EventLevel::Error,
        Level::WARN => EventLevel::Warn,
        Level::INFO => EventLevel::Info,
        Level::DEBUG => EventLevel::Debug,
        Level::TRACE => EventLevel::Trace,
    };
    Event { fields, spans, ..Event::new(level, of.target(), message) }
}

fn spans<'a, S: LookupSpan<'a> + 'a>(scope: impl Iterator<Item = SpanRef<'a, S>>) -> Vec<EventSpan> {
    let span = |span: SpanRef<'a, S>| {
        let extensions = span.extensions();
        let known = extensions.get::<Known>().map(|known| known.fields.others.clone());
        EventSpan { name: span.name().to_owned(), fields: known.unwrap_or_default() }
    };
    scope.map(span).collect()
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, shortened(value.to_owned()).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, shortened(format!("{value:?}")).into());
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MOST_TEXT {
        let end = (0..=MOST_TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// What waits to be sent.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<(VecDeque<Event>, u64)>,
    cost_ns: OnceLock<u64>,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, (VecDeque<Event>, u64)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, event: Event) {
        let mut waiting = self.waiting();
        if waiting.0.len() < MOST_WAITING {
            waiting.0.push_back(event);
        } else {
            waiting.1 += 1;
        }
    }

    fn take(&self) -> Option<Events> {
        let (events, lost) = mem::take(&mut *self.waiting());
        if events.is_empty() && lost == 0 {
            return None;
        }
        let cost_ns = self.cost_ns.get().copied().unwrap_or(0);
        Some(Events { events: events.into(), lost, cost_ns })
    }
}

/// What this process gathers; nothing, if nobody has asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Gathered(Option<Arc<Queue>>);

impl Gathered {
    /// Begins to gather if the parent has asked for it. Once a process: later calls give what the first one gave.
    pub(crate) fn begin() -> Self {
        static GATHERED: OnceLock<Gathered> = OnceLock::new();
        let begin = || {
            let filter = std::env::var(FILTER).ok().filter(|filter| !filter.is_empty());
            Self(filter.map(|filter| gather(&filter)))
        };
        GATHERED.get_or_init(begin).clone()
    }

    /// What has come since the last call.
    pub(crate) fn take(&self) -> Option<Events> {
        self.0.as_ref().and_then(|queue| queue.take())
    }
}

fn gather(filter: &str) -> Arc<Queue> {
    let queue = Arc::new(Queue::default());
    let _ = queue.cost_ns.set(cost());
    let into = queue.clone();
    let subscriber =
        Registry::default().with(EnvFilter::new(filter)).with(Listener::new(move |event| into.put(event)));
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        // A plug-in may have one of its own. Its statics are its affair; that nothing comes is worth a word.
        let of = "this library has a subscriber of its own: its events are not forwarded";
        queue.put(Event::new(EventLevel::Warn, module_path!(), of));
    }
    queue
}

/// What an event costs the thread that it comes from, in nanoseconds: the median of some batches.
fn cost() -> u64 {
    const BATCHES: usize = 15;
    const EACH: u32 = 20;
    let queue = Arc::new(Queue::default());
    let into = queue.clone();
    let subscriber = Registry::default().with(Listener::new(move |event| into.put(event)));
    let mut took: Vec<_> = tracing::subscriber::with_default(subscriber, || {
        let batch = |_| {
            let start = Instant::now();
            (0..EACH).for_each(|nth| tracing::error!(nth, "what an event costs"));
            u64::try_from((start.elapsed() / EACH).as_nanos()).unwrap_or(u64::MAX)
        };
        (0..BATCHES).map(batch).collect()
    });
    took.sort_unstable();
    took[BATCHES / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a listener with this filter heard of what `body` does.
    fn heard(filter: &str, body: impl FnOnce()) -> Vec<Event> {
        let queue = Arc::new(Queue::default());
        let into = queue.clone();
        let subscriber = Registry::default()
            .with(EnvFilter::new(filter))
            .with(Listener::new(move |event| into.put(event)));
        tracing::subscriber::with_default(subscriber, body);
        queue.take().map_or_else(Vec::new, |events| events.events)
    }

    #[test]
    fn an_event_comes_with_its_fields_and_the_spans_that_it_lies_in() {
        let events = heard("trace", || {
            let _outer = tracing::info_span!("outer", of = 7).entered();
            let inner = tracing::debug_span!(target: "elsewhere", "inner", later = tracing::field::Empty);
            inner.record("later", "said");
            let _inner = inner.entered();
            tracing::warn!(target: "here", count = 3, ratio = 0.5, ok = true, text = "t", debug = ?Some(1), "it {}", "is");
        });
        let told: Vec<_> =
            events.iter().map(|event| (event.target.as_str(), event.message.as_str())).collect();
        let this = module_path!();
        let expected = [
            (this, "begins"),
            ("elsewhere", "begins"),
            ("here", "it is"),
            ("elsewhere", "ends"),
            (this, "ends"),
        ];
        assert_eq!(told, expected);
        let event = &events[2];
        assert_eq!(event.level, EventLevel::Warn);
        let fields =
            serde_json::json!({ "count": 3, "ratio": 0.5, "ok": true, "text": "t", "debug": "Some(1)" });
        assert_eq!(Value::Object(event.fields.clone()), fields);
        let spans: Vec<_> = event.spans.iter().map(|span| (span.name.as_str(), &span.fields)).collect();
        assert_eq!(spans[0].0, "outer");
        assert_eq!(spans[0].1["of"], 7);
        assert_eq!((spans[1].0, &spans[1].1["later"]), ("inner", &Value::from("said")));
        assert!(events[4].fields.contains_key("lived"));
    }

    #[test]
    fn what_the_filter_leaves_out_is_not_heard() {
        let body = || {
            tracing::info!(target: "a", "no");
            tracing::warn!(target: "a", "yes");
            tracing::trace!(target: "b::c", "also");
        };
        let told = heard("warn,b=trace", body);
        let told: Vec<_> = told.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(told, ["yes", "also"]);
    }

    #[test]
    fn more_than_the_queue_holds_is_counted_and_long_texts_are_cut() {
        let queue = Queue::default();
        (0..MOST_WAITING + 5).for_each(|_| queue.put(Event::new(EventLevel::Info, "t", "m")));
        let taken = queue.take().unwrap();
        assert_eq!((taken.events.len(), taken.lost), (MOST_WAITING, 5));
        assert_eq!(queue.take(), None);
        let text = "\u{fc}".repeat(MOST_TEXT);
        let events = heard("trace", || tracing::error!(text, "m"));
        let kept = events[0].fields["text"].as_str().unwrap();
        assert!(kept.len() <= MOST_TEXT + 3 && kept.ends_with("..."), "{}", kept.len());
    }

    #[test]
    fn what_an_event_costs_is_measured() {
        assert!(cost() > 0);
    }
}
