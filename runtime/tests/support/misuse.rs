//! Provokes panics, and looks at what they say and whom they blame.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Once;

thread_local!(static BLAMED: RefCell<String> = const { RefCell::new(String::new()) });

/// The message of the panic that `f` ends with, and the file that it blames.
pub(crate) fn panic_of(f: impl FnOnce()) -> (String, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let file = info.location().map(Location::file).unwrap_or_default().to_owned();
            BLAMED.with(|blamed| *blamed.borrow_mut() = file);
            previous(info);
        }));
    });
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it is misuse");
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    (message.expect("a text"), BLAMED.with(RefCell::take))
}

/// What is done, how Tokio's message for it begins, and the cure that ours names besides.
pub(crate) type Case = (&'static str, &'static str, &'static str, Box<dyn FnOnce()>);

/// People's tests and crates look for Tokio's sentences, so each message begins with one.
#[track_caller]
pub(crate) fn all_are_named(cases: Vec<Case>) {
    for (case, sentence, cure, f) in cases {
        let (message, file) = panic_of(f);
        assert!(message.starts_with(sentence), "{case}: {message}");
        assert!(message[sentence.len()..].contains(cure), "{case}: {message}");
        assert_eq!(file, Location::caller().file(), "{case}: {message}");
    }
}

/// As above, for what has no caller to blame: drops and polls.
pub(crate) fn all_are_named_without_a_caller(cases: Vec<Case>) {
    for (case, sentence, cure, f) in cases {
        let (message, _) = panic_of(f);
        assert!(message.starts_with(sentence), "{case}: {message}");
        assert!(message[sentence.len()..].contains(cure), "{case}: {message}");
    }
}
