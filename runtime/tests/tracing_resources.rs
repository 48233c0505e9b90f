//! What a subscriber is told of what tasks wait for, with the feature `tracing`: the spans and events by which tokio-console
//! knows resources. All of it in its order, as Tokio tells it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use runtime::runtime::{Builder, Runtime};
use runtime::sync::oneshot;
use runtime::time::{Instant, interval, sleep, sleep_until};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

const STATE: &str = "runtime::resource::state_update";
const POLL: &str = "runtime::resource::poll_op";

/// Writes down what it is told, a line for each thing.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    lines: Vec<String>,
    /// The name of each span, and how many handles it has.
    spans: Vec<(String, usize)>,
    inside: Vec<u64>,
    panics_at: Option<&'static str>,
}

impl Recorder {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.told().lines)
    }
}

impl Told {
    fn name(&self, span: u64) -> &str {
        &self.spans[span as usize - 1].0
    }

    fn happens(&mut self, what: &str, span: u64) {
        let line = format!("{what} {}", self.name(span));
        self.lines.push(line);
    }
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// The fields but those that say where it is: these are put together.
fn shown(record: impl FnOnce(&mut Fields)) -> String {
    let mut fields = Fields(BTreeMap::new());
    record(&mut fields);
    let mut place = |part| fields.0.remove(part);
    let place = (place("loc.file"), place("loc.line"), place("loc.col"));
    let mut shown: Vec<_> = fields.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if let (Some(file), Some(line), Some(_)) = place {
        shown.push(format!("at {}:{line}", file.trim_matches('"')));
    }
    shown.join(" ")
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name().starts_with("runtime.resource") || metadata.target().starts_with("runtime::resource")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut told = self.told();
        assert_eq!(*attributes.metadata().level(), Level::TRACE);
        let parent = match attributes.parent() {
            Some(parent) => format!("of {}", told.name(parent.into_u64())),
            None if attributes.is_root() => "root".to_owned(),
            None => {
                told.inside.last().map_or("nowhere".to_owned(), |&span| format!("in {}", told.name(span)))
            }
        };
        let (name, target) = (attributes.metadata().name(), attributes.metadata().target());
        let fields = shown(|fields| attributes.record(fields));
        told.lines.push(format!("new {name} {target} {parent} {fields}").trim_end().to_owned());
        told.spans.push((name.to_owned(), 1));
        Id::from_u64(told.spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let fields = shown(|fields| event.record(fields));
        let mut told = self.told();
        let line = format!("{} {fields}", event.metadata().target());
        let panics = told.panics_at.is_some_and(|at| line.contains(at));
        told.lines.push(line);
        drop(told);
        if panics {
            panic!("told too much");
        }
    }

    fn enter(&self, span: &Id) {
        let mut told = self.told();
        told.happens("enter", span.into_u64());
        told.inside.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut told = self.told();
        told.happens("exit", span.into_u64());
        assert_eq!(told.inside.pop(), Some(span.into_u64()), "left in another order than entered");
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.told().spans[span.into_u64() as usize - 1].1 += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut told = self.told();
        let handles = &mut told.spans[span.into_u64() as usize - 1].1;
        *handles -= 1;
        let closed = *handles == 0;
        if closed {
            told.happens("close", span.into_u64());
        }
        closed
    }
}

/// Runs `f` on this thread with a subscriber.
fn record<R>(f: impl FnOnce(&Recorder) -> R) -> R {
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || f(&recorder))
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The lines of something done inside of a resource's span.
fn inside(line: &str) -> Vec<String> {
    ["enter runtime.resource", line, "exit runtime.resource"].map(str::to_owned).into()
}

fn state(change: &str) -> Vec<String> {
    inside(&format!("{STATE} {change}"))
}

/// The lines of a poll, in which these events are told.
fn polled(events: &[&str]) -> Vec<String> {
    const SPANS: [&str; 3] =
        ["runtime.resource", "runtime.resource.async_op", "runtime.resource.async_op.poll"];
    let enter = SPANS.iter().map(|span| format!("enter {span}"));
    let exit = SPANS.iter().rev().map(|span| format!("exit {span}"));
    enter.chain(events.iter().map(|&event| event.to_owned())).chain(exit).collect()
}

fn closed(spans: [&str; 3]) -> Vec<String> {
    spans.map(|span| format!("close runtime.resource{span}")).into()
}

/// A new operation, made in the resource's span.
fn op_in_scope(target: &str, source: &str) -> Vec<String> {
    [
        "enter runtime.resource".to_owned(),
        format!("new runtime.resource.async_op {target} in runtime.resource {source}"),
        "exit runtime.resource".to_owned(),
        "enter runtime.resource.async_op".to_owned(),
        format!("new runtime.resource.async_op.poll {target} in runtime.resource.async_op"),
        "exit runtime.resource.async_op".to_owned(),
    ]
    .into()
}

fn new_channel(line: u32) -> Vec<String> {
    let mut lines = vec![format!(
        "new runtime.resource tokio::sync::oneshot root concrete_type=\"Sender|Receiver\" kind=\"Sync\" at {}:{line}",
        file!()
    )];
    for part in ["tx_dropped", "rx_dropped", "value_sent", "value_received"] {
        lines.extend(state(&format!("{part}=false {part}.op=\"override\"")));
    }
    lines.extend(op_in_scope("tokio::sync::oneshot", "source=\"Receiver::await\""));
    lines
}

#[test]
fn a_oneshot_channel_is_a_resource() {
    record(|recorder| {
        let (channel, line) = (oneshot::channel::<bool>(), line!());
        assert_eq!(recorder.take(), new_channel(line));
        drop(channel);
        let expected = [
            state("tx_dropped=true tx_dropped.op=\"override\""),
            state("rx_dropped=true rx_dropped.op=\"override\""),
            closed(["", ".async_op", ".async_op.poll"]),
        ];
        assert_eq!(recorder.take(), expected.concat());
    });
}

#[test]
fn each_poll_of_a_receiver_and_what_is_sent_is_told() {
    record(|recorder| {
        let (sender, mut receiver) = oneshot::channel();
        recorder.take();
        assert!(poll(pin!(&mut receiver)).is_pending());
        assert_eq!(recorder.take(), polled(&[&format!("{POLL} is_ready=false op_name=\"poll_recv\"")]));
        sender.send(7).unwrap();
        assert_eq!(recorder.take(), state("value_sent=true value_sent.op=\"override\""), "and not its drop");
        assert_eq!(poll(pin!(&mut receiver)), Poll::Ready(Ok(7)));
        assert_eq!(recorder.take(), polled(&[&format!("{POLL} is_ready=true op_name=\"poll_recv\"")]));
        drop(receiver);
        assert_eq!(recorder.take(), closed(["", ".async_op", ".async_op.poll"]), "it has given its value");

        let (sender, mut receiver) = oneshot::channel();
        sender.send(8).unwrap();
        recorder.take();
        receiver.close();
        assert_eq!(recorder.take(), state("rx_dropped=true rx_dropped.op=\"override\""));
        assert_eq!(receiver.try_recv(), Ok(8));
        assert_eq!(recorder.take(), state("value_received=true value_received.op=\"override\""));
    });
}

#[test]
fn waiting_for_the_receiver_to_go_is_an_operation() {
    record(|recorder| {
        let (mut sender, receiver) = oneshot::channel::<u8>();
        recorder.take();
        let mut waiting = Box::pin(sender.closed());
        assert!(poll(waiting.as_mut()).is_pending());
        let expected = [
            op_in_scope("tokio::util::trace", "inherits_child_attrs=false source=\"Sender::closed\""),
            polled(&[&format!("{POLL} is_ready=false op_name=\"poll_closed\"")]),
        ];
        assert_eq!(recorder.take(), expected.concat());
        drop(receiver);
        recorder.take();
        assert!(poll(waiting.as_mut()).is_ready());
        let ready = polled(&[&format!("{POLL} is_ready=true op_name=\"poll_closed\"")]);
        assert_eq!(recorder.take()[..7], ready);
    });
}

fn new_sleep(line: u32) -> Vec<String> {
    let target = "tokio::time::sleep";
    [
        format!(
            "new runtime.resource {target} root concrete_type=\"Sleep\" kind=\"timer\" at {}:{line}",
            file!()
        ),
        format!("new runtime.resource.async_op {target} of runtime.resource source=\"Sleep::new_timeout\""),
        format!("new runtime.resource.async_op.poll {target} of runtime.resource.async_op"),
    ]
    .into()
}

fn elapsed(is_ready: bool) -> String {
    format!("{POLL} is_ready={is_ready} op_name=\"poll_elapsed\"")
}

#[test]
fn a_sleep_is_a_resource() {
    let rt = paused();
    let _entered = rt.enter();
    record(|recorder| {
        let (mut nap, line) = (Box::pin(sleep(Duration::from_millis(7))), line!());
        assert_eq!(recorder.take(), new_sleep(line));
        assert!(poll(nap.as_mut()).is_pending());
        let duration = |ms| format!("{STATE} duration={ms} duration.op=\"override\" duration.unit=\"ms\"");
        let first = polled(&[&elapsed(true), &duration(7), &elapsed(false)]);
        assert_eq!(recorder.take(), first, "there was budget, and then it had to wait");
        assert!(poll(nap.as_mut()).is_pending());
        assert_eq!(recorder.take(), polled(&[&elapsed(true), &elapsed(false)]));
        nap.as_mut().reset(Instant::now() + Duration::from_millis(3));
        let lines = recorder.take();
        assert_eq!(lines[..6], op_in_scope("tokio::time::sleep", "source=\"Sleep::reset\""));
        assert!(lines.contains(&duration(3)), "{lines:#?}");
        rt.block_on(async { runtime::time::advance(Duration::from_millis(3)).await });
        assert!(poll(nap.as_mut()).is_ready());
        assert_eq!(recorder.take(), polled(&[&elapsed(true), &elapsed(true)]));
        drop(nap);
        assert_eq!(recorder.take(), closed([".async_op", ".async_op.poll", ""]));
        let (later, line) = (sleep_until(Instant::now()), line!());
        assert_eq!(recorder.take(), new_sleep(line));
        drop(later);
    });
}

#[test]
fn an_interval_is_a_resource_and_a_tick_an_operation() {
    let rt = paused();
    let _entered = rt.enter();
    record(|recorder| {
        let (mut ticks, line) = (interval(Duration::from_millis(7)), line!());
        let new = format!(
            "new runtime.resource tokio::time::interval root concrete_type=\"Interval\" kind=\"timer\" at {}:{line}",
            file!()
        );
        let lines = recorder.take();
        assert!(lines.contains(&new), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("Sleep::new_timeout")), "{lines:#?}");
        assert!(poll(pin!(ticks.tick())).is_ready());
        let lines = recorder.take();
        assert_eq!(
            lines[..6],
            op_in_scope("tokio::util::trace", "inherits_child_attrs=false source=\"Interval::tick\"")
        );
        assert!(lines.contains(&format!("{POLL} is_ready=true op_name=\"poll_tick\"")), "{lines:#?}");
    });
}

/// A panic of the subscriber comes out of the call that told it, and costs neither end its value or its wake-up.
#[test]
fn a_subscriber_that_panics_leaves_the_channel_whole() {
    record(|recorder| {
        let (sender, mut receiver) = oneshot::channel();
        recorder.told().panics_at = Some("value_sent=true");
        assert!(catch_unwind(AssertUnwindSafe(|| sender.send(1))).is_err());
        assert_eq!(receiver.try_recv(), Ok(1));

        let (sender, mut receiver) = oneshot::channel::<u8>();
        recorder.told().panics_at = Some("is_ready=false");
        assert!(catch_unwind(AssertUnwindSafe(|| poll(pin!(&mut receiver)).is_ready())).is_err());
        recorder.told().panics_at = Some("tx_dropped=true");
        drop(sender);
        recorder.told().panics_at = None;
        assert!(matches!(poll(pin!(&mut receiver)), Poll::Ready(Err(_))));
    });
}
