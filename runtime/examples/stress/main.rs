//! Loads the runtime at random for as long as asked, and checks that nothing is lost.
//!
//! ```text
//! cargo run --release -p runtime --example stress -- [--seconds N] [--seed S] [--flavour NAME] [--patience N] [--lateness TICKS]
//! ```
//!
//! Each *episode* builds a runtime with random settings, lets tasks, foreign threads, timers, blocking jobs, channels,
//! locks and connections meet on it, and shuts it down in one of the ways there are, often in the middle of it all. Then every
//! future must have been dropped exactly once, one that is not `Send` on its own thread, and every join handle must have
//! given its result. Where nothing moves for `--patience` seconds, a wake-up was lost: what is stuck is printed. In the
//! end no thread of any runtime may be left. Any violation ends the process with 1.
//!
//! | flavour | what it is |
//! |---|---|
//! | `current` | `current_thread` |
//! | `multi1`, `multi2`, `multi4` | `multi_thread` with so many workers |
//! | `local` | a `LocalRuntime` |
//! | `set` | a `LocalSet` on one of the first four |
//! | `paused` | `current` or `local` with a clock that stands, is advanced, or is resumed now and then |
//! | `late` | any of these but sets and `paused`, 1 to 64 workers, with long polls, and with a record of how late things come |
//!
//! `--lateness` is how many ticks of 10 ms something may come late in `late`; 10 if left out.
//!
//! The seed is printed first. It determines what is done, not how the threads meet while doing it.
//!
//! Next file to read: `episode.rs`.
#![forbid(unsafe_code)]

mod acts;
mod aside;
mod ctx;
mod episode;
mod events;
mod exchanges;
mod foreign;
mod lateness;
mod ledger;
mod local;
mod threads;

use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use episode::{FLAVOURS, Flavour};

/// The payload of a panic that belongs to the test.
pub(crate) struct Planned;

/// Whether something panicked that should not have.
static UNPLANNED: AtomicBool = AtomicBool::new(false);

struct Arguments {
    seconds: u64,
    seed: u64,
    patience: Duration,
    flavours: Vec<Flavour>,
}

fn arguments() -> Result<Arguments, String> {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |age| age.as_nanos() as u64);
    let mut parsed =
        Arguments { seconds: 10, seed: now, patience: Duration::from_secs(60), flavours: FLAVOURS.to_vec() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--seconds" => parsed.seconds = number()?,
            "--seed" => parsed.seed = number()?,
            "--patience" => parsed.patience = Duration::from_secs(number()?),
            "--lateness" => lateness::set_limit(number()? as usize),
            "--flavour" => {
                let names = || FLAVOURS.map(|flavour| flavour.name).join(", ");
                parsed.flavours.retain(|flavour| flavour.name == value);
                if parsed.flavours.is_empty() {
                    return Err(format!("no flavour is named {value}; there are {}", names()));
                }
            }
            _ => {
                return Err(format!(
                    "unknown: {name}; there are --seconds, --seed, --flavour, --patience, --lateness"
                ));
            }
        }
    }
    Ok(parsed)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("{mistake}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}", arguments.seed);
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().is::<Planned>() {
            return;
        }
        // A task that blocks in place has left its runtime, which may end meanwhile; its next timer says so.
        let text = info.payload().downcast_ref::<String>();
        if text.is_some_and(|text| text.contains("but it is being shutdown")) && ledger::is_closing() {
            return;
        }
        default_hook(info);
        UNPLANNED.store(true, SeqCst);
    }));
    ledger::watch(arguments.patience);
    let threads = ledger::threads();

    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut rng = fastrand::Rng::with_seed(arguments.seed);
    let mut totals = ledger::Totals::default();
    let mut episodes = 0_u64;
    while Instant::now() < end {
        let flavour = arguments.flavours[rng.usize(..arguments.flavours.len())];
        episode::run(&flavour, episodes, &mut rng.fork(), arguments.patience, &mut totals);
        episodes += 1;
        if UNPLANNED.load(SeqCst) {
            ledger::violation(&format!("an unplanned panic in episode {} ({})", episodes - 1, flavour.name));
        }
    }
    ledger::wait_for_threads(threads, arguments.patience);
    print!("{}", totals.lateness);
    println!("{episodes} episodes; each of {totals} was dropped once, and no wake-up was lost");
    ExitCode::SUCCESS
}
