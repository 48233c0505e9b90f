//! What a subscriber is told of tasks, with the feature `tracing`: the spans and events by which tokio-console knows
//! tasks, and the report of a poll that runs for too long.

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, Once, OnceLock, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use runtime::runtime::LocalRuntime;
use runtime::task::{self, LocalSet, yield_now};
use support::{Drops, LOST, Rt, builders, panic_text};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

over_flavours!(
    a_task_has_a_span,
    a_task_spawned_in_a_task_is_nobodys_child,
    a_closure_that_blocks_has_a_span,
    a_root_future_has_a_span,
    a_large_future_tells_its_size_before_it_was_boxed,
    each_poll_is_inside_the_span,
    a_span_ends_with_its_task,
    each_use_of_a_waker_is_an_event,
    a_subscriber_that_panics_harms_nobody,
);

/// Remembers everything that it is told.
#[derive(Default)]
struct Collector {
    next: AtomicU64,
    told: Mutex<Told>,
    news: Condvar,
}

#[derive(Default)]
struct Told {
    spans: BTreeMap<u64, Span>,
    events: Vec<OneEvent>,
}

#[derive(Clone, Debug)]
struct Span {
    metadata: &'static Metadata<'static>,
    fields: BTreeMap<&'static str, Value>,
    is_root: bool,
    handles: usize,
    /// What happened to it, in order.
    story: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct OneEvent {
    metadata: &'static Metadata<'static>,
    fields: BTreeMap<&'static str, Value>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(u64),
    Text(String),
    /// Recorded through `Debug`, as `%` and `?` do.
    Shown(String),
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, Value>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), Value::Shown(format!("{value:?}")));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), Value::Number(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), Value::Text(value.to_owned()));
    }
}

impl Collector {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    fn happens(&self, span: &Id, what: &'static str) -> usize {
        let mut told = self.told();
        let span = told.spans.get_mut(&span.into_u64()).unwrap();
        match what {
            "clone" => span.handles += 1,
            "drop" => span.handles -= 1,
            _ => span.story.push(what),
        }
        if span.handles == 0 {
            span.story.push("close");
        }
        self.news.notify_all();
        span.handles
    }
}

struct Shared(&'static Collector);

thread_local! {
    /// The spans that this thread is in.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Subscriber for Shared {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        if fields.get("task.name") == Some(&shown("refused")) {
            panic!("this span is refused");
        }
        let (metadata, is_root) = (attributes.metadata(), attributes.is_root());
        let span = Span { metadata, fields, is_root, handles: 1, story: Vec::new() };
        let id = self.0.next.fetch_add(1, SeqCst) + 1;
        self.0.told().spans.insert(id, span);
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        self.0.told().events.push(OneEvent { metadata: event.metadata(), fields });
        self.0.news.notify_all();
    }

    fn enter(&self, span: &Id) {
        self.0.happens(span, "enter");
        let unenterable =
            self.0.told().spans[&span.into_u64()].fields.get("task.name") == Some(&shown("unenterable"));
        if unenterable {
            panic!("nobody enters this span");
        }
        INSIDE.with_borrow_mut(|inside| inside.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.0.happens(span, "exit");
        let left = INSIDE.with_borrow_mut(Vec::pop);
        assert_eq!(left, Some(span.into_u64()), "left in another order than entered");
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.0.happens(span, "clone");
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        self.0.happens(&span, "drop") == 0
    }
}

/// The one subscriber of this process: workers hear of no other.
fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    static SET: Once = Once::new();
    let collector = COLLECTOR.get_or_init(Collector::default);
    SET.call_once(|| tracing::subscriber::set_global_default(Shared(collector)).unwrap());
    collector
}

/// The span that this thread is in.
fn inside() -> Option<u64> {
    INSIDE.with_borrow(|inside| inside.last().copied())
}

/// What a task of `Rt::spawn` is called.
fn kind(rt: &Rt) -> &'static str {
    match rt {
        Rt::Shared(_) => "task",
        Rt::Local(_) => "local",
    }
}

fn number(id: task::Id) -> Value {
    Value::Number(id.to_string().parse().unwrap())
}

fn shown(text: &str) -> Value {
    Value::Shown(text.to_owned())
}

fn size(bytes: usize) -> Value {
    Value::Number(bytes as u64)
}

/// The spans with this field, in the order of their making, each with its number.
fn spans_with(field: &str, value: &Value) -> Vec<(u64, Span)> {
    let told = collector().told();
    let with = |(_, span): &(_, &Span)| span.fields.get(field) == Some(value);
    told.spans.iter().filter(with).map(|(&id, span)| (id, span.clone())).collect()
}

fn span_of(task: task::Id) -> (u64, Span) {
    let mut spans = spans_with("task.id", &number(task));
    assert_eq!(spans.len(), 1, "{spans:?}");
    spans.remove(0)
}

/// What was done with the wakers of the task with this span.
fn waker_ops(span: u64) -> Vec<String> {
    let told = collector().told();
    let ops = told.events.iter().filter(|event| {
        event.metadata.target() == "tokio::task::waker"
            && event.fields.get("task.id") == Some(&Value::Number(span))
    });
    let op = |event: &OneEvent| {
        assert_eq!((*event.metadata.level(), event.fields.len()), (Level::TRACE, 2));
        let Value::Text(op) = &event.fields["op"] else { panic!("not told as text: {event:?}") };
        op.clone()
    };
    ops.map(op).collect()
}

/// Waits until what has been told answers.
fn wait_for<T>(mut answer: impl FnMut(&Told) -> Option<T>) -> T {
    let collector = collector();
    let mut told = collector.told();
    loop {
        if let Some(answer) = answer(&told) {
            return answer;
        }
        let (guard, late) = collector.news.wait_timeout(told, LOST).unwrap();
        assert!(!late.timed_out(), "never told");
        told = guard;
    }
}

#[track_caller]
fn assert_span(span: &Span, target: &str, kind: &str, line: u32, extra: &[(&'static str, Value)]) {
    assert_eq!((span.metadata.name(), span.metadata.target()), ("runtime.spawn", target));
    assert_eq!(*span.metadata.level(), Level::TRACE);
    let mut fields = span.fields.clone();
    let column = fields.remove("loc.col");
    assert!(matches!(column, Some(Value::Number(1..))), "{column:?}");
    assert!(matches!(fields.remove("task.id"), Some(Value::Number(1..))), "{span:?}");
    let expected = [
        ("kind", shown(kind)),
        ("loc.file", Value::Text(file!().to_owned())),
        ("loc.line", Value::Number(line.into())),
    ];
    let name = (!extra.iter().any(|(field, _)| *field == "task.name")).then(|| ("task.name", shown("")));
    assert_eq!(fields, expected.into_iter().chain(name).chain(extra.iter().cloned()).collect());
}

fn a_task_has_a_span(new: fn() -> Rt) {
    collector();
    let rt = new();
    let future = async {};
    let bytes = size_of_val(&future);
    let (plain, line) = (rt.spawn(future), line!());
    let (_, span) = span_of(plain.id());
    assert_span(&span, "tokio::task", kind(&rt), line, &[("size.bytes", size(bytes))]);
    assert!(span.is_root);

    let _entered = rt.enter();
    let named = task::Builder::new().name("named").spawn(yield_now()).unwrap();
    let line = line!() - 1;
    let extra = [("size.bytes", size(size_of_val(&yield_now()))), ("task.name", shown("named"))];
    assert_span(&span_of(named.id()).1, "tokio::task", "task", line, &extra);
    rt.block_on(async {
        plain.await.unwrap();
        named.await.unwrap();
    });
}

fn a_task_spawned_in_a_task_is_nobodys_child(new: fn() -> Rt) {
    collector();
    let rt = new();
    let inner = rt.block_on(rt.spawn(async {
        let inner = task::spawn(async {});
        let id = inner.id();
        inner.await.unwrap();
        id
    }));
    assert!(span_of(inner.unwrap()).1.is_root);
}

fn a_closure_that_blocks_has_a_span(new: fn() -> Rt) {
    collector();
    let rt = new();
    let data = [1_u8; 100];
    let closure = move || data.iter().map(|&byte| usize::from(byte)).sum::<usize>();
    let name = std::any::type_name_of_val(&closure).to_owned();
    let (job, line) = (rt.spawn_blocking(closure), line!());
    let id = job.id();
    assert_eq!(rt.block_on(job).unwrap(), 100);
    let extra = [("size.bytes", size(100)), ("fn", shown(&name))];
    assert_span(&span_of(id).1, "tokio::task::blocking", "blocking", line, &extra);
}

fn a_root_future_has_a_span(new: fn() -> Rt) {
    collector();
    let root = || async { inside().unwrap() };
    let bytes = size_of_val(&root());
    let rt = new();
    let from_handle = rt.handle().clone();
    let ((ours, line), (theirs, other)) =
        ((rt.block_on(root()), line!()), (from_handle.block_on(root()), line!()));
    for (id, line) in [(ours, line), (theirs, other)] {
        let span = collector().told().spans[&id].clone();
        assert_span(&span, "tokio::task", "block_on", line, &[("size.bytes", size(bytes))]);
        assert_eq!(span.story.last(), Some(&"close"), "it is over");
    }
}

#[test]
fn local_tasks_are_told_apart() {
    collector();
    let future = || async { std::rc::Rc::new(1) };
    let bytes = size_of_val(&future());
    let rt = LocalRuntime::new().unwrap();
    let (on_runtime, line) = (rt.spawn_local(future()), line!());
    let extra = [("size.bytes", size(bytes))];
    assert_span(&span_of(on_runtime.id()).1, "tokio::task", "local", line, &extra);
    rt.block_on(on_runtime).unwrap();
    let (sendable, line) = (rt.handle().spawn(yield_now()), line!());
    let bytes = size_of_val(&yield_now());
    assert_span(&span_of(sendable.id()).1, "tokio::task", "task", line, &[("size.bytes", size(bytes))]);

    let set = LocalSet::new();
    let (in_set, line) = (set.spawn_local(future()), line!());
    assert_span(&span_of(in_set.id()).1, "tokio::task", "local", line, &extra);
    let id = in_set.id();
    drop(set);
    assert_eq!(span_of(id).1.story.last(), Some(&"close"));
}

fn a_large_future_tells_its_size_before_it_was_boxed(new: fn() -> Rt) {
    collector();
    let rt = new();
    let large = || {
        let ballast = [1_u8; 40_000];
        async move {
            yield_now().await;
            std::hint::black_box(ballast);
            inside().unwrap()
        }
    };
    let boxed =
        [("size.bytes", size(size_of::<usize>())), ("original_size.bytes", size(size_of_val(&large())))];
    let (task, line) = (rt.spawn(large()), line!());
    assert_span(&span_of(task.id()).1, "tokio::task", kind(&rt), line, &boxed);
    rt.block_on(task).unwrap();
    let (root, line) = (rt.block_on(large()), line!());
    let span = collector().told().spans[&root].clone();
    assert_span(&span, "tokio::task", "block_on", line, &boxed);

    let mut set = task::JoinSet::new();
    let (in_set, line) = (set.spawn_on(large(), rt.handle()), line!());
    assert_span(&span_of(in_set.id()).1, "tokio::task", "task", line, &boxed);
    let builder = task::Builder::new();
    let (built, line) = (builder.spawn_on(large(), rt.handle()).unwrap(), line!());
    assert_span(&span_of(built.id()).1, "tokio::task", "task", line, &boxed);

    let ballast = [1_u8; 40_000];
    let closure = move || ballast.len();
    let job = rt.spawn_blocking(closure);
    let (_, span) = span_of(job.id());
    assert_eq!(span.fields["original_size.bytes"], size(40_000));
    assert_eq!(span.fields["size.bytes"], size(size_of::<usize>()));
    rt.block_on(job).unwrap();
}

fn each_poll_is_inside_the_span(new: fn() -> Rt) {
    collector();
    let rt = new();
    let seen = rt.spawn(async {
        let before = inside().unwrap();
        yield_now().await;
        (before, inside().unwrap())
    });
    let id = seen.id();
    let seen = rt.block_on(seen).unwrap();
    let (number, span) = span_of(id);
    assert_eq!(seen, (number, number));
    // Two polls, and the drop of the future.
    assert_eq!(span.story, ["enter", "exit", "enter", "exit", "enter", "exit", "close"]);
}

fn a_span_ends_with_its_task(new: fn() -> Rt) {
    collector();
    let rt = new();
    let _entered = rt.enter();
    let aborted = task::spawn(std::future::pending::<()>());
    let panics = task::spawn(async { panic!("expected") });
    let (kept, ids) = (rt.spawn(std::future::pending::<()>()), [aborted.id(), panics.id()]);
    aborted.abort();
    rt.block_on(async {
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert!(panics.await.unwrap_err().is_panic());
    });
    for id in ids {
        assert_eq!(span_of(id).1.story.last(), Some(&"close"));
    }
    assert!(!span_of(kept.id()).1.story.contains(&"close"));
    drop(_entered);
    drop(rt);
    assert_eq!(span_of(kept.id()).1.story.last(), Some(&"close"));
}

fn each_use_of_a_waker_is_an_event(new: fn() -> Rt) {
    collector();
    let rt = new();
    let (send, receive) = mpsc::channel::<Waker>();
    let mut polls = 0;
    let task = rt.spawn(poll_fn(move |cx| {
        polls += 1;
        if polls < 3 {
            send.send(cx.waker().clone()).unwrap();
            return Poll::Pending;
        }
        Poll::Ready(())
    }));
    let (number, _) = span_of(task.id());
    let other = std::thread::spawn(move || {
        let first = receive.recv_timeout(LOST).unwrap();
        first.wake_by_ref();
        let second = receive.recv_timeout(LOST).unwrap();
        drop(first);
        second.wake();
    });
    rt.block_on(task).unwrap();
    other.join().unwrap();
    let ops = waker_ops(number);
    let expected =
        ["waker.clone", "waker.wake_by_ref", "waker.clone", "waker.drop", "waker.wake"].map(str::to_owned);
    assert_eq!(ops, expected);
}

fn a_subscriber_that_panics_harms_nobody(new: fn() -> Rt) {
    collector();
    let rt = new();
    let drops = Drops::default();
    let tracked = drops.track();
    let text = panic_text(|| {
        let _ = task::Builder::new().name("refused").spawn_on(async move { drop(tracked) }, rt.handle());
    });
    assert_eq!(text, "this span is refused");
    assert_eq!((rt.metrics().spawned_tasks_count(), drops.count()), (0, 1));
    let unenterable = task::Builder::new().name("unenterable").spawn_on(async {}, rt.handle()).unwrap();
    assert!(rt.block_on(unenterable).unwrap_err().is_panic());
    assert_eq!(rt.metrics().num_alive_tasks(), 0);
    assert_eq!(rt.block_on(rt.spawn(async { 5 })).unwrap(), 5);
}

#[test]
fn a_stuck_poll_is_a_warning() {
    for (flavour, mut builder) in builders() {
        collector();
        let rt = flavour.build(builder.stuck_poll_threshold(Duration::from_millis(5)));
        let place = Location::caller();
        let task = rt.spawn(async {
            let id = number(task::id());
            // Goes on when the warning has come, or never.
            wait_for(|told| {
                let is_it = |event: &&OneEvent| {
                    event.metadata.target() == "runtime::stuck_poll" && event.fields["task.id"] == id
                };
                told.events.iter().find(is_it).cloned()
            })
        });
        let event = rt.block_on(task).unwrap();
        assert_eq!(*event.metadata.level(), Level::WARN);
        let fields = &event.fields;
        assert_eq!(fields["loc.file"], Value::Text(file!().to_owned()));
        assert!(matches!(fields["loc.line"], Value::Number(line) if line == u64::from(place.line()) + 1));
        assert_eq!(fields["task.name"], shown(""));
        assert!(
            matches!(fields["worker"], Value::Number(worker) if worker < rt.metrics().num_workers() as u64)
        );
        assert!(matches!(&fields["running_for"], Value::Shown(time) if time.ends_with('s')), "{event:?}");
        assert_eq!(fields["message"], shown("a poll runs for too long"));
    }
}

/// Also one that was never polled.
#[test]
fn a_future_is_dropped_inside_its_span() {
    collector();
    struct Teller(mpsc::Sender<Option<u64>>);
    impl Drop for Teller {
        fn drop(&mut self) {
            self.0.send(inside()).unwrap();
        }
    }
    let rt = support::current();
    let (send, receive) = mpsc::channel();
    let teller = Teller(send);
    let future: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move { drop(teller) });
    let task = rt.spawn(future);
    let (number, _) = span_of(task.id());
    drop(rt);
    assert_eq!(receive.recv_timeout(LOST).unwrap(), Some(number));
}
