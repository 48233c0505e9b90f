//! Timers: who waits for which time, and the waking of those whose time has come.
//!
//! Each timer is a node inside the future that waits, linked in place into the wheel of one shard; registering
//! allocates nothing, and registering and cancelling take that one shard's lock, once. A worker registers in its own
//! shard, so that workers do not meet. A future that never has to wait is never registered.
//!
//! # Protocol
//!
//! A timer has an owner, who holds it by a unique reference, and a shard, whose lock is held by who touches the
//! wheel. The state says what is whose:
//!
//! | state | in the wheel | deadline and waker | left by | to |
//! |---|---|---|---|---|
//! | `Idle` | no | the owner's; no waker is stored | the owner | `Registered`, `Fired` |
//! | `Registered` | yes | the lock's; a waker is stored | who holds the lock | `Idle`, `Fired`, `Shutdown` |
//! | `Fired` | no | the owner's; no waker is stored | the owner | `Idle` |
//! | `Shutdown` | no | the owner's; no waker is stored | the owner | `Idle`, `Fired` |
//!
//! From this follows what every race comes down to:
//!
//! - *Fire against drop.* Who fires takes the waker out and writes the new state last, under the lock; he never
//!   looks at the node again. The owner who reads a state other than `Registered` may free it without the lock. One who
//!   reads `Registered` takes the lock and reads again: then either the node is still linked and he unlinks it, or
//!   it has been let go.
//! - *Fire against reset.* A reset takes the lock and looks: a registered timer moves, with its waker; one that has
//!   fired becomes `Idle`, and the wake-up that is on its way makes its task poll, which registers it anew. If the new
//!   deadline has passed it stays `Fired`, or becomes it.
//! - *Fire against a new waker.* The owner replaces the waker under the lock, and only if the timer is still
//!   registered; else he learns that its time has come. A poll by the task whose waker is stored takes no lock: it
//!   compares bytes which, while the state is `Registered`, only the owner himself writes. If the timer fires at that
//!   moment the waker is moved out by a read; the bytes stay, and the task that is woken is the one that compares.
//! - *Shutdown against registering.* A shard's flag is set under its lock before the shard is emptied. Who comes
//!   before is found in the wheel; who comes after finds the flag.
//! - *A sooner deadline against a sleeping thread.* The thread that looks after a shard arms it under the shard's lock:
//!   it stores the deadline until which it will sleep. Whoever sets a deadline does so under the same lock, and then
//!   compares: if the new one is sooner it unparks the thread, and such an unpark is not lost if it comes before the park.
//!   So either the thread has seen the new deadline, or it is unparked. A thread that is awake has nothing armed. It
//!   disarms without the lock: a deadline stored over that at the same moment costs at most a needless unpark.
//!
//! Wakers are cloned before the lock is taken, and woken and dropped after it has been given up. A cancel drops the
//! stored waker. A node never leaves its shard while it is registered, and never its registry, which it keeps alive.
//!
//! | access | ordering | why |
//! |---|---|---|
//! | state, written by who fires | release | his last access to the node comes before the owner's freeing it |
//! | state, read by the owner | acquire | the other half |
//! | state, deadline, written to register | relaxed | the lock that follows publishes them |
//! | next deadline of a shard | release, acquire | who was unparked sees the deadline that he was unparked for |
//! | armed deadline of a shard | relaxed | read under the lock, and stored under it when a thread goes to sleep |
//!
//! Next file to read: `timer/entry.rs`.

mod entry;
mod moment;
mod registry;
mod wheel;

#[cfg(test)]
mod tests;

pub(crate) use entry::TimerEntry;
pub(crate) use registry::TimerRegistry;

/// Where a timer is in its life: the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Idle,
    Registered,
    Fired,
    Shutdown,
}

impl State {
    fn from_bits(bits: u8) -> State {
        match bits {
            0 => State::Idle,
            1 => State::Registered,
            2 => State::Fired,
            _ => State::Shutdown,
        }
    }
}

/// The runtime that a timer belongs to has been shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shutdown;
