//! The guards of those who read.
#![forbid(unsafe_code)]

use std::marker::PhantomData;

use super::RwLock;
use crate::base::prim::PlainArc as Arc;
use crate::sync::access::{Shared, guard_traits};
use crate::sync::semaphore::permits::Permits;

/// Shared access to the value of a [`RwLock`], or to a part of it. It is unlocked when this is dropped.
///
/// Made by [`RwLock::read`] and its kin.
#[must_use = "dropping it at once unlocks the lock"]
#[clippy::has_significant_drop]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    access: Shared<&'a Permits, T>,
    _value: PhantomData<&'a T>,
}

/// As a [`RwLockReadGuard`]; it keeps the lock alive and can go anywhere.
///
/// Made by [`RwLock::read_owned`] and its kin.
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    pub(super) access: Shared<Arc<RwLock<T>>, U>,
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    pub(super) fn new(access: Shared<&'a Permits, T>) -> Self {
        Self { access, _value: PhantomData }
    }

    /// Keeps a part of the value, and the lock.
    ///
    /// An associated function, as a method would hide one of the value's: `RwLockReadGuard::map(guard, ...)`.
    ///
    /// ```
    /// use runtime::sync::{RwLock, RwLockReadGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let name = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| pair.1);
    /// assert_eq!(&*name, "one");
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::new(this.access.map(f))
    }

    /// Keeps a part of the value, and the lock, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    ///
    /// ```
    /// use runtime::sync::{RwLock, RwLockReadGuard};
    ///
    /// let lock = RwLock::new(vec![1]);
    /// let guard = RwLockReadGuard::try_map(lock.try_read().unwrap(), |all| all.get(7)).unwrap_err();
    /// let first = RwLockReadGuard::try_map(guard, |all| all.first()).unwrap();
    /// assert_eq!(*first, 1);
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        this.access.try_map(f).map(RwLockReadGuard::new).map_err(Self::new)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// Keeps a part of the value, and the lock. See [`RwLockReadGuard::map`].
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        OwnedRwLockReadGuard { access: this.access.map(f) }
    }

    /// Keeps a part of the value, and the lock, if there is that part. See [`RwLockReadGuard::try_map`].
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(OwnedRwLockReadGuard { access }),
            Err(access) => Err(Self { access }),
        }
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.access.source()
    }
}

guard_traits!([T: ?Sized] RwLockReadGuard<'_, T>, T);
guard_traits!([T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U>, U);
