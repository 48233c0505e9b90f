//! Timers on the machine's clock, over all flavours: nothing is early, nothing is lost, misuse is named.

mod time_support;

use std::future::pending;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;

use runtime::runtime::Builder;
use runtime::time::{
    self, Duration, Instant, interval, interval_at, sleep, sleep_until, timeout, timeout_at,
};
use time_support::{Rng, flavours, foreign_block_on, ms};

#[test]
fn nothing_completes_before_its_deadline_and_everything_completes() {
    for (name, rt) in flavours() {
        let mut rng = Rng(0x5eed);
        let naps: Vec<Duration> = (0..2000).map(|_| Duration::from_micros(rng.below(60_000))).collect();
        let count = Arc::new(AtomicUsize::new(0));
        rt.block_on(async {
            let tasks: Vec<_> = naps
                .into_iter()
                .map(|nap| {
                    let count = count.clone();
                    runtime::spawn(async move {
                        for nap in [nap, nap / 7] {
                            let deadline = Instant::now() + nap;
                            sleep_until(deadline).await;
                            assert!(Instant::now() >= deadline);
                        }
                        count.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 2000, "{name}");
    }
}

#[test]
fn timeouts_win_and_lose() {
    for (name, rt) in flavours() {
        rt.block_on(async {
            let tasks: Vec<_> = (0..200u64)
                .map(|n| {
                    runtime::spawn(async move {
                        let deadline = Instant::now() + ms(n % 20);
                        let lost = timeout_at(deadline, pending::<()>()).await;
                        assert!(lost.is_err() && Instant::now() >= deadline);
                        timeout(Duration::from_secs(600), sleep(ms(1))).await.unwrap();
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        });
    }
}

#[test]
fn an_interval_ticks() {
    for (_, rt) in flavours() {
        rt.block_on(async {
            let start = Instant::now() + ms(3);
            let mut interval = interval_at(start, ms(2));
            for n in 0..10 {
                let due = interval.tick().await;
                assert_eq!(due, start + ms(2) * n);
                assert!(Instant::now() >= due);
            }
        });
    }
}

#[test]
fn a_sleep_can_be_waited_for_outside_of_its_runtime() {
    for (name, rt) in flavours() {
        if name.is_single() {
            // Its timers run while somebody is in its `block_on` only.
            continue;
        }
        // All workers are asleep, until a far deadline or without one.
        for busy in [false, true] {
            if busy {
                rt.spawn(sleep_long());
            }
            let naps: Vec<_> = {
                let _entered = rt.enter();
                (0..20).map(|n| sleep(ms(20 - n))).collect()
            };
            for nap in naps {
                let deadline = nap.deadline();
                thread::spawn(move || foreign_block_on(nap)).join().unwrap();
                assert!(Instant::now() >= deadline);
            }
        }
    }
}

async fn sleep_long() {
    sleep(Duration::from_secs(3600)).await;
}

#[test]
fn a_sleep_belongs_to_the_runtime_that_it_was_made_in() {
    let other = Builder::new_current_thread().build().unwrap();
    for (name, rt) in flavours() {
        if name.is_single() {
            continue;
        }
        let nap = {
            let _entered = rt.enter();
            sleep(ms(5))
        };
        let deadline = nap.deadline();
        // That one has no timers of its own.
        other.block_on(nap);
        assert!(Instant::now() >= deadline);
    }
}

#[test]
fn a_task_moves_its_sleep_to_others() {
    for (_, rt) in flavours() {
        rt.block_on(async {
            let mut nap = Box::pin(sleep(ms(30)));
            for _ in 0..20 {
                // Polled by many tasks in turn, on whatever worker: the last one's waker counts.
                let mut moved = Some(nap);
                nap = runtime::spawn(std::future::poll_fn(move |cx| {
                    let mut nap = moved.take().expect("the task is ready at its first poll");
                    let _ = Future::poll(nap.as_mut(), cx);
                    std::task::Poll::Ready(nap)
                }))
                .await
                .unwrap();
            }
            let deadline = nap.deadline();
            nap.await;
            assert!(Instant::now() >= deadline);
        });
    }
}

#[test]
fn the_end_of_the_runtime_ends_its_sleeps() {
    for (name, rt) in flavours() {
        let (started, wait) = std::sync::mpsc::channel();
        let nap = {
            let _entered = rt.enter();
            Box::pin(sleep(Duration::from_secs(3600)))
        };
        let waiter = thread::spawn(move || {
            let mut nap = nap;
            foreign_block_on(std::future::poll_fn(|cx| {
                let polled = Future::poll(nap.as_mut(), cx);
                let _ = started.send(());
                polled
            }));
        });
        wait.recv().unwrap();
        drop(rt);
        let panic = waiter.join().unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("being shutdown"), "{name}: {message}");
    }
}

#[test]
fn a_shutdown_drops_tasks_that_sleep() {
    for (name, rt) in flavours() {
        let alive = Arc::new(());
        for n in 0..100 {
            let alive = alive.clone();
            rt.spawn(async move {
                sleep(Duration::from_secs(3600 + n)).await;
                drop(alive);
            });
        }
        rt.block_on(sleep_a_little());
        drop(rt);
        assert_eq!(Arc::strong_count(&alive), 1, "{name}");
    }
}

async fn sleep_a_little() {
    sleep(ms(2)).await;
}

/// The message of the panic that `f` ends with, and the file that it blames.
fn panic_of(f: impl FnOnce()) -> (String, String) {
    thread_local!(static BLAMED: Mutex<Option<String>> = const { Mutex::new(None) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let file = info.location().map(Location::file).unwrap_or_default().to_owned();
            BLAMED.with(|blamed| *blamed.lock().unwrap() = Some(file));
            previous(info);
        }));
    });
    let panic = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap();
    (message, BLAMED.with(|blamed| blamed.lock().unwrap().take()).unwrap())
}

#[test]
fn misuse_is_named_and_blamed_on_the_caller() {
    type Case = (&'static str, fn(Instant));
    let now = Instant::now();
    let cases: [Case; 6] = [
        ("sleep", |_| drop(sleep(ms(1)))),
        ("sleep_until", |now| drop(sleep_until(now))),
        ("timeout", |_| drop(timeout(ms(1), pending::<()>()))),
        ("timeout_at", |now| drop(timeout_at(now, pending::<()>()))),
        ("interval", |_| drop(interval(ms(1)))),
        ("interval_at", |now| drop(interval_at(now, ms(1)))),
    ];
    let no_timers = Builder::new_current_thread().build().unwrap();
    for (name, case) in cases {
        let (message, file) = panic_of(|| case(now));
        assert!(message.contains("runtime"), "{name}: {message}");
        assert_eq!(file, file!(), "{name}");
        let (message, file) = panic_of(|| no_timers.block_on(async { case(now) }));
        assert!(message.contains("enable_time"), "{name}: {message}");
        assert_eq!(file, file!(), "{name}");
    }
    for case in
        [|_| drop(interval(Duration::ZERO)), |now| drop(interval_at(now, Duration::ZERO))] as [fn(Instant); 2]
    {
        let (message, file) = panic_of(|| case(now));
        assert!(message.contains("zero"), "{message}");
        assert_eq!(file, file!());
    }
}

#[test]
fn misuse_of_the_clock_is_named() {
    let (message, file) = panic_of(time::pause);
    assert!(message.contains("runtime"), "{message}");
    assert!(!file.is_empty());
    for (name, rt) in flavours() {
        let (message, file) = panic_of(|| {
            rt.block_on(async {
                time::pause();
                time::pause();
            });
        });
        assert!(
            message.contains(if name.is_single() { "already frozen" } else { "current_thread" }),
            "{message}"
        );
        assert_eq!(file, file!());
    }
    for (name, rt) in flavours() {
        let (message, file) = panic_of(|| rt.block_on(async { time::resume() }));
        assert!(message.contains("not frozen"), "{name}: {message}");
        assert_eq!(file, file!());
        let (message, _) = panic_of(|| rt.block_on(time::advance(ms(1))));
        assert!(message.contains("not frozen"), "{name}: {message}");
    }
}
