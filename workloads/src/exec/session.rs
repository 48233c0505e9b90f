//! A run under way, as the collecting thread sees it: events in, slices and the last word out.
//!
//! Next file to read: `exec/collect.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::collect::Collector;
use super::{Event, Exit, Frames, panicked};
use crate::engine::Engine;
use crate::record::Records;
use crate::wire::{Done, Failure, Frame, Phase};
use crate::workload::Run;

/// How long a workload may take to come home after its window, beyond its own drain.
const HOMECOMING: Duration = Duration::from_secs(8);
/// The same after a request to stop.
const HURRIED_HOMECOMING: Duration = Duration::from_secs(3);
/// How long the runtime may take to end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// A run under way. Dropped, it ends the runtime.
pub(super) struct Session {
    inbox: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
    engine: Option<Arc<Engine>>,
    interrupted: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Session {
    pub(super) fn new(inbox: Receiver<Event>, thread: JoinHandle<()>, engine: Arc<Engine>) -> Self {
        Self { inbox, thread: Some(thread), engine: Some(engine), interrupted: false }
    }

    /// Ends the runtime, unless a workload that was left behind still holds it.
    fn shut_down(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        match Arc::into_inner(engine) {
            Some(engine) => engine.shutdown(SHUTDOWN),
            None => tracing::warn!("the workload was left behind and holds the runtime: it is not shut down"),
        }
    }

    /// Sends frames from the warm-up's phase to the last word. `own` names the workload's own counters.
    pub(super) fn serve(
        mut self,
        frames: &mut Frames<'_>,
        engine: Arc<Engine>,
        streams: usize,
        own: Vec<String>,
        interval_ns: u64,
    ) -> io::Result<Exit> {
        let run = match self.wait(None) {
            Some(Event::Started(run)) => run,
            Some(Event::Stop) => {
                let counts = Records::new(0).counts(&own);
                return frames.done(Done { interrupted: true, counts, ..Done::default() });
            }
            Some(Event::Finished(Err(failure))) => return frames.failed(failure),
            Some(Event::Finished(Ok(()))) | None => {
                return frames.failed(Failure::broken("the workload ended before it began"));
            }
        };
        let mut collector = Collector::new(run.clone(), engine, streams, own, interval_ns);
        frames.send(&Frame::Phase { phase: collector.phase() })?;
        let finished = self.collect(frames, &run, &mut collector)?;
        collector.end_window();
        frames.send(&Frame::Phase { phase: Phase::Drain })?;
        let finished = finished.or_else(|| self.come_home());
        // The last slice holds what ended after the window, too: it was planned within it.
        frames.send(&Frame::Interval(collector.cut(collector.phase_end())))?;
        let left_behind = finished.is_none();
        match finished {
            Some(Ok(())) => {}
            Some(Err(failure)) => return frames.failed(failure),
            None if self.interrupted => {
                let text = "the workload did not end in time after the request to stop; it was left behind";
                frames.send(&Frame::Warning { text: text.to_owned() })?;
            }
            None => return frames.failed(Failure::broken("the workload did not end after its window")),
        }
        let done = Done { left_behind, ..collector.done(self.interrupted) };
        drop(collector);
        self.shut_down();
        frames.done(done)
    }

    /// Cuts slices until the load has ended. The workload's result, if it has ended as well.
    fn collect(
        &mut self,
        frames: &mut Frames<'_>,
        run: &Run,
        collector: &mut Collector,
    ) -> io::Result<Option<Result<(), Failure>>> {
        let (mut finished, mut sent) = (None, Ok(()));
        loop {
            let cut = collector.next_cut();
            let event = match finished {
                None => self.wait_and(Some(run.window.instant(cut)), || {
                    collector.look();
                    if sent.is_ok() {
                        sent = frames.events();
                    }
                }),
                Some(_) => None,
            };
            std::mem::replace(&mut sent, Ok(()))?;
            match event {
                Some(Event::Finished(result)) => {
                    run.window.close(run.window.now());
                    finished = Some(result);
                }
                Some(Event::Stop) => run.window.close_soon(),
                Some(Event::Started(_)) => {}
                None if cut < collector.phase_end() => {
                    let at = run.window.now().clamp(cut, collector.phase_end());
                    frames.send(&Frame::Interval(collector.cut(at)))?;
                }
                None if collector.phase() == Phase::Warmup && cut < run.window.end() => {
                    frames.send(&Frame::Interval(collector.cut(cut)))?;
                    collector.begin_window();
                    frames.send(&Frame::Phase { phase: Phase::Measure })?;
                }
                None => return Ok(finished),
            }
        }
    }

    /// Waits for the workload's end after the window's. `None`: it did not end.
    fn come_home(&mut self) -> Option<Result<(), Failure>> {
        let start = Instant::now();
        loop {
            let grace = if self.interrupted { HURRIED_HOMECOMING } else { HOMECOMING };
            match self.wait(Some(start + grace))? {
                Event::Finished(result) => return Some(result),
                Event::Stop | Event::Started(_) => {}
            }
        }
    }

    /// The next event, or `None` at `until`. A workload that panics counts as finished.
    fn wait(&mut self, until: Option<Instant>) -> Option<Event> {
        self.wait_and(until, || {})
    }

    /// The same; calls `look` about ten times a second meanwhile.
    fn wait_and(&mut self, until: Option<Instant>, mut look: impl FnMut()) -> Option<Event> {
        // A disconnected inbox is not enough to see a panic: the watcher keeps it open. So look, now and then.
        const LOOK: Duration = Duration::from_millis(100);
        loop {
            let left = until.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()));
            match self.inbox.recv_timeout(left.min(LOOK)) {
                Ok(Event::Stop) => {
                    self.interrupted = true;
                    return Some(Event::Stop);
                }
                Ok(event) => return Some(event),
                Err(RecvTimeoutError::Timeout)
                    if self.thread.as_ref().is_some_and(JoinHandle::is_finished) =>
                {
                    // It may have spoken between our look at the inbox and our look at the thread.
                    let last = self.inbox.try_recv().ok();
                    self.interrupted |= matches!(last, Some(Event::Stop));
                    return Some(last.unwrap_or_else(|| Event::Finished(Err(self.panic_of_the_workload()))));
                }
                Err(RecvTimeoutError::Timeout) if until.is_none_or(|until| Instant::now() < until) => look(),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    return Some(Event::Finished(Err(self.panic_of_the_workload())));
                }
            }
        }
    }

    fn panic_of_the_workload(&mut self) -> Failure {
        let payload = self.thread.take().and_then(|thread| thread.join().err());
        let silent = || Failure::broken("the workload ended without a word");
        payload.map_or_else(silent, |payload| panicked("the workload", payload))
    }
}
