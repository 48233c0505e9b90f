//! A value behind permits: what `Mutex` and `RwLock` have in common.
//!
//! A lock has a number of permits. One of them gives shared access to the value, and all of them together give
//! exclusive access. A guard is made of the permits that it holds and of the address of what they give access to: the
//! value, or a part of it. It is the only way to the value, and only this file makes guards, each right after the permits
//! have been taken.
//!
//! Next file to read: `mutex/mod.rs`.

use super::mutex::{Mutex, TryLockError};
use super::rwlock::RwLock;
use super::semaphore::permits::Permits;
use crate::base::prim::{PlainArc as Arc, PlainUnsafeCell, const_unless_model};

/// A value, and the permits that give access to it.
pub(super) struct Guarded<T: ?Sized> {
    permits: Permits,
    /// How many permits there are in all.
    total: u32,
    value: PlainUnsafeCell<T>,
}

// SAFETY: the value goes from one thread to another, one at a time, as it would by being sent.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: as above; and it is shared by readers on several threads.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> Guarded<T> {
    const_unless_model! {
        pub(super) fn new(value: T, total: u32) -> Self {
            Self { permits: Permits::new(total as usize), total, value: PlainUnsafeCell::new(value) }
        }
    }

    pub(super) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Guarded<T> {
    pub(super) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// What leads to permits.
pub(super) trait Source {
    fn permits(&self) -> &Permits;
}

impl Source for &Permits {
    fn permits(&self) -> &Permits {
        self
    }
}

impl<L: LockRef> Source for L {
    fn permits(&self) -> &Permits {
        &self.guarded().permits
    }
}

/// What leads to a lock.
///
/// # Safety
/// As long as the value exists, even if it is moved, the lock that it leads to is alive, is not moved, and is the same. A
/// clone leads to that one, too.
pub(super) unsafe trait LockRef {
    /// What the lock guards.
    type Value: ?Sized;

    fn guarded(&self) -> &Guarded<Self::Value>;
}

/// A lock.
///
/// # Safety
/// What is guarded is a part of the lock, and always the same one.
pub(super) unsafe trait Lock {
    /// What the lock guards.
    type Value: ?Sized;

    fn guarded(&self) -> &Guarded<Self::Value>;
}

// SAFETY: it is a field.
unsafe impl<T: ?Sized> Lock for Mutex<T> {
    type Value = T;

    fn guarded(&self) -> &Guarded<T> {
        &self.guarded
    }
}

// SAFETY: it is a field.
unsafe impl<T: ?Sized> Lock for RwLock<T> {
    type Value = T;

    fn guarded(&self) -> &Guarded<T> {
        &self.guarded
    }
}

// SAFETY: what is borrowed is neither dropped nor moved.
unsafe impl<L: Lock + ?Sized> LockRef for &L {
    type Value = L::Value;

    fn guarded(&self) -> &Guarded<L::Value> {
        L::guarded(self)
    }
}

// SAFETY: what is counted is neither dropped nor moved.
unsafe impl<L: Lock + ?Sized> LockRef for Arc<L> {
    type Value = L::Value;

    fn guarded(&self) -> &Guarded<L::Value> {
        L::guarded(self)
    }
}

/// Permits of a lock that are given back when this is dropped.
struct Held<P: Source> {
    source: P,
    count: u32,
}

impl<P: Source> Drop for Held<P> {
    #[inline]
    fn drop(&mut self) {
        self.source.permits().release(self.count as usize);
    }
}

impl<'a, L: Lock + ?Sized> Held<&'a L> {
    fn detach(self) -> Held<&'a Permits> {
        let detached = Held { source: &self.source.guarded().permits, count: self.count };
        std::mem::forget(self);
        detached
    }
}

/// Exclusive access to `U`, a lock's value or a part of it.
pub(super) struct Exclusive<P: Source, U: ?Sized> {
    /// Valid, and reached in no other way, as long as the permits are held, which are all of the lock's.
    value: *mut U,
    held: Held<P>,
}

/// Shared access to `U`, a lock's value or a part of it.
pub(super) struct Shared<P: Source, U: ?Sized> {
    /// Valid, and reached by shared references only, as long as the permit is held.
    value: *const U,
    held: Held<P>,
}

// SAFETY: as a mutable reference to the value, and as what leads to the permits.
unsafe impl<P: Source + Send, U: ?Sized + Send> Send for Exclusive<P, U> {}
// SAFETY: as above.
unsafe impl<P: Source + Sync, U: ?Sized + Sync> Sync for Exclusive<P, U> {}
// SAFETY: as a shared reference to the value, and as what leads to the permits.
unsafe impl<P: Source + Send, U: ?Sized + Sync> Send for Shared<P, U> {}
// SAFETY: as above.
unsafe impl<P: Source + Sync, U: ?Sized + Sync> Sync for Shared<P, U> {}

/// Waits for all permits.
#[inline]
pub(super) async fn exclusive<L: LockRef>(lock: L) -> Exclusive<L, L::Value> {
    let guarded = lock.guarded();
    let total = guarded.total;
    guarded.permits.acquire(total as usize).await.expect("a lock's permits are never closed");
    let value = lock.guarded().value.get();
    Exclusive { value, held: Held { source: lock, count: total } }
}

/// Takes all permits if they are there.
#[inline]
pub(super) fn try_exclusive<L: LockRef>(lock: L) -> Result<Exclusive<L, L::Value>, TryLockError> {
    let guarded = lock.guarded();
    let total = guarded.total;
    guarded.permits.try_acquire(total as usize).map_err(|_| TryLockError(()))?;
    let value = guarded.value.get();
    Ok(Exclusive { value, held: Held { source: lock, count: total } })
}

/// Waits for one permit.
#[inline]
pub(super) async fn shared<L: LockRef>(lock: L) -> Shared<L, L::Value> {
    lock.guarded().permits.acquire(1).await.expect("a lock's permits are never closed");
    Shared::new(lock.guarded().value.get(), Held { source: lock, count: 1 })
}

/// Takes one permit if it is there.
#[inline]
pub(super) fn try_shared<L: LockRef>(lock: L) -> Result<Shared<L, L::Value>, TryLockError> {
    lock.guarded().permits.try_acquire(1).map_err(|_| TryLockError(()))?;
    Ok(Shared::new(lock.guarded().value.get(), Held { source: lock, count: 1 }))
}

impl<P: Source, U: ?Sized> Exclusive<P, U> {
    pub(super) fn source(&self) -> &P {
        &self.held.source
    }

    #[inline]
    pub(super) fn get(&self) -> &U {
        // SAFETY: valid, and borrowed as this guard is.
        unsafe { &*self.value }
    }

    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut U {
        // SAFETY: valid, exclusive, and borrowed as this guard is.
        unsafe { &mut *self.value }
    }

    /// Narrows the access to a part.
    pub(super) fn map<V: ?Sized>(mut self, part: impl FnOnce(&mut U) -> &mut V) -> Exclusive<P, V> {
        let value: *mut V = part(self.get_mut());
        Exclusive { value, held: self.held }
    }

    pub(super) fn try_map<V: ?Sized>(
        mut self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<Exclusive<P, V>, Self> {
        match part(self.get_mut()) {
            Some(part) => {
                let value: *mut V = part;
                Ok(Exclusive { value, held: self.held })
            }
            None => Err(self),
        }
    }

    /// Lets others have a part of it, too, as readers; the part is found among what is shared.
    pub(super) fn downgrade_map<V: ?Sized>(self, part: impl FnOnce(&U) -> &V) -> Shared<P, V> {
        let value: *const V = part(self.get());
        self.share(value)
    }

    pub(super) fn try_downgrade_map<V: ?Sized>(
        self,
        part: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<Shared<P, V>, Self> {
        match part(self.get()) {
            Some(part) => {
                let value: *const V = part;
                Ok(self.share(value))
            }
            None => Err(self),
        }
    }

    /// Gives all permits but one back.
    fn share<V: ?Sized>(self, value: *const V) -> Shared<P, V> {
        let mut held = self.held;
        let extra = std::mem::replace(&mut held.count, 1) - 1;
        let shared = Shared::new(value, held);
        shared.held.source.permits().release(extra as usize);
        shared
    }
}

impl<'a, L: Lock + ?Sized, U: ?Sized> Exclusive<&'a L, U> {
    /// Forgets what the lock guards.
    pub(super) fn detach(self) -> Exclusive<&'a Permits, U> {
        Exclusive { value: self.value, held: self.held.detach() }
    }
}

impl<P: Source, U: ?Sized> Shared<P, U> {
    fn new(value: *const U, held: Held<P>) -> Self {
        Self { value, held }
    }

    pub(super) fn source(&self) -> &P {
        &self.held.source
    }

    #[inline]
    pub(super) fn get(&self) -> &U {
        // SAFETY: valid, and borrowed as this guard is.
        unsafe { &*self.value }
    }

    /// Narrows the access to a part.
    pub(super) fn map<V: ?Sized>(self, part: impl FnOnce(&U) -> &V) -> Shared<P, V> {
        let value: *const V = part(self.get());
        Shared::new(value, self.held)
    }

    pub(super) fn try_map<V: ?Sized>(
        self,
        part: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<Shared<P, V>, Self> {
        match part(self.get()) {
            Some(part) => {
                let value: *const V = part;
                Ok(Shared::new(value, self.held))
            }
            None => Err(self),
        }
    }
}

impl<'a, L: Lock + ?Sized, U: ?Sized> Shared<&'a L, U> {
    /// Forgets what the lock guards.
    pub(super) fn detach(self) -> Shared<&'a Permits, U> {
        Shared::new(self.value, self.held.detach())
    }
}

/// What every lock can do for who has it for himself, and the traits of a container of one value.
macro_rules! lock_traits {
    ($Lock:ident, $name:literal, $try_lock:ident) => {
        impl<T: ?Sized> $Lock<T> {
            /// The value. Nothing has to be locked, as the lock is borrowed mutably.
            ///
            /// ```
            #[doc = concat!("let mut lock = runtime::sync::", $name, "::new(1);")]
            /// *lock.get_mut() = 10;
            /// assert_eq!(lock.into_inner(), 10);
            /// ```
            pub fn get_mut(&mut self) -> &mut T {
                self.guarded.get_mut()
            }

            /// Ends the lock, and gives the value out.
            pub fn into_inner(self) -> T
            where
                T: Sized,
            {
                self.guarded.into_inner()
            }
        }

        impl<T> From<T> for $Lock<T> {
            fn from(s: T) -> Self {
                Self::new(s)
            }
        }

        impl<T: Default> Default for $Lock<T> {
            fn default() -> Self {
                Self::new(T::default())
            }
        }

        impl<T: ?Sized + ::std::fmt::Debug> ::std::fmt::Debug for $Lock<T> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let mut debug = f.debug_struct($name);
                match self.$try_lock() {
                    Ok(guard) => debug.field("data", &&*guard),
                    Err(_) => debug.field("data", &format_args!("<locked>")),
                };
                debug.finish()
            }
        }
    };
}
pub(super) use lock_traits;

/// What every guard can do: it stands for its value.
macro_rules! guard_traits {
    ([$($generics:tt)*] $guard:ty, $value:ident) => {
        impl<$($generics)*> ::std::ops::Deref for $guard {
            type Target = $value;

            #[inline]
            fn deref(&self) -> &$value {
                self.access.get()
            }
        }

        impl<$($generics)*> ::std::fmt::Debug for $guard
        where
            $value: ::std::fmt::Debug,
        {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&**self, f)
            }
        }

        impl<$($generics)*> ::std::fmt::Display for $guard
        where
            $value: ::std::fmt::Display,
        {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&**self, f)
            }
        }
    };
    ([$($generics:tt)*] mut $guard:ty, $value:ident) => {
        $crate::sync::access::guard_traits!([$($generics)*] $guard, $value);

        impl<$($generics)*> ::std::ops::DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $value {
                self.access.get_mut()
            }
        }
    };
}
pub(super) use guard_traits;
