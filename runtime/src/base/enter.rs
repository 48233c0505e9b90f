//! Whether this thread is inside a runtime, and may therefore not block.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;

/// Where a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    /// It drives a runtime. If others can go on without it, it may step out to block.
    Inside {
        may_step_out: bool,
    },
}

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Outside) };
}

/// While it lives, this thread stands elsewhere than before.
#[derive(Debug)]
struct Restore {
    former: Place,
    not_send: PhantomData<*const ()>,
}

impl Restore {
    fn after(place: Place) -> Self {
        Self { former: PLACE.replace(place), not_send: PhantomData }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        PLACE.set(self.former);
    }
}

/// While it lives, this thread drives a runtime.
#[derive(Debug)]
pub(crate) struct Entered {
    _restore: Restore,
}

/// Marks this thread as driving a runtime. `None`: it already does.
pub(crate) fn try_enter(may_step_out: bool) -> Option<Entered> {
    let outside = PLACE.get() == Place::Outside;
    outside.then(|| Entered { _restore: Restore::after(Place::Inside { may_step_out }) })
}

/// Whether this thread drives a runtime now. False while the thread is torn down.
pub(crate) fn is_entered() -> bool {
    PLACE.try_with(Cell::get).is_ok_and(|place| place != Place::Outside)
}

/// While it lives, this thread may block: what it drove has been left to others.
#[derive(Debug)]
pub(crate) struct SteppedOut {
    _restore: Restore,
}

/// While it lives, this thread cannot step out.
#[derive(Debug)]
pub(crate) struct StaysIn {
    _restore: Restore,
}

/// Keeps a thread that drives a runtime inside.
pub(crate) fn stay_in() -> StaysIn {
    let place = match PLACE.get() {
        Place::Outside => Place::Outside,
        Place::Inside { .. } => Place::Inside { may_step_out: false },
    };
    StaysIn { _restore: Restore::after(place) }
}

/// Why a thread cannot step out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CannotStepOut {
    /// It is outside.
    IsOutside,
    /// Nobody could go on with what it drives.
    Forbidden,
}

/// Lets a thread that drives a runtime block for a while.
pub(crate) fn step_out() -> Result<SteppedOut, CannotStepOut> {
    match PLACE.get() {
        Place::Outside => Err(CannotStepOut::IsOutside),
        Place::Inside { may_step_out: false } => Err(CannotStepOut::Forbidden),
        Place::Inside { may_step_out: true } => Ok(SteppedOut { _restore: Restore::after(Place::Outside) }),
    }
}
