//! The guards of a [`Mutex`].
#![forbid(unsafe_code)]

use std::marker::PhantomData;

use super::Mutex;
use crate::base::prim::PlainArc as Arc;
use crate::sync::access::{Exclusive, guard_traits};
use crate::sync::semaphore::permits::Permits;

/// Access to the value of a [`Mutex`], which is unlocked when this is dropped.
///
/// Made by [`Mutex::lock`] and its kin.
#[must_use = "dropping it at once unlocks the mutex"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(super) access: Exclusive<&'a Mutex<T>, T>,
}

/// As a [`MutexGuard`]; it keeps the mutex alive and can go anywhere.
///
/// Made by [`Mutex::lock_owned`] and its kin.
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    pub(super) access: Exclusive<Arc<Mutex<T>>, T>,
}

/// Access to a part of the value of a [`Mutex`], which is unlocked when this is dropped.
///
/// Made by [`MutexGuard::map`].
#[must_use = "dropping it at once unlocks the mutex"]
#[clippy::has_significant_drop]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    access: Exclusive<&'a Permits, T>,
    _value: PhantomData<&'a mut T>,
}

/// As a [`MappedMutexGuard`]; it keeps the mutex alive and can go anywhere.
///
/// Made by [`OwnedMutexGuard::map`].
#[must_use = "dropping it at once unlocks the mutex"]
#[clippy::has_significant_drop]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    access: Exclusive<Arc<Mutex<T>>, U>,
    // Shared between threads as the whole would be.
    _value: PhantomData<T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Keeps a part of the value, and the lock.
    ///
    /// An associated function, as a method would hide one of the value's: `MutexGuard::map(guard, ...)`.
    ///
    /// ```
    /// use runtime::sync::{Mutex, MutexGuard};
    ///
    /// let lock = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(lock.try_lock().unwrap(), |pair| &mut pair.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(lock.into_inner(), (2, "one"));
    /// ```
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard { access: this.access.map(f).detach(), _value: PhantomData }
    }

    /// Keeps a part of the value, and the lock, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    ///
    /// ```
    /// use runtime::sync::{Mutex, MutexGuard};
    ///
    /// let lock = Mutex::new(vec![1]);
    /// let guard = MutexGuard::try_map(lock.try_lock().unwrap(), |all| all.get_mut(7)).unwrap_err();
    /// let first = MutexGuard::try_map(guard, |all| all.first_mut()).unwrap();
    /// assert_eq!(*first, 1);
    /// ```
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(MappedMutexGuard { access: access.detach(), _value: PhantomData }),
            Err(access) => Err(Self { access }),
        }
    }

    /// The mutex.
    ///
    /// ```
    /// use runtime::sync::{Mutex, MutexGuard};
    ///
    /// fn unlock_and_lock_again<'a>(guard: MutexGuard<'a, u32>) -> MutexGuard<'a, u32> {
    ///     let lock = MutexGuard::mutex(&guard);
    ///     drop(guard);
    ///     lock.blocking_lock()
    /// }
    /// # let lock = Mutex::new(5);
    /// # assert_eq!(*unlock_and_lock_again(lock.blocking_lock()), 5);
    /// ```
    #[inline]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.access.source()
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Keeps a part of the value, and the lock. See [`MutexGuard::map`].
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedMappedMutexGuard { access: this.access.map(f), _value: PhantomData }
    }

    /// Keeps a part of the value, and the lock, if there is that part. See [`MutexGuard::try_map`].
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(OwnedMappedMutexGuard { access, _value: PhantomData }),
            Err(access) => Err(Self { access }),
        }
    }

    /// The mutex.
    #[inline]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.access.source()
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Keeps a part of the part, and the lock. See [`MutexGuard::map`].
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard { access: this.access.map(f), _value: PhantomData }
    }

    /// Keeps a part of the part, and the lock, if there is that part. See [`MutexGuard::try_map`].
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(MappedMutexGuard { access, _value: PhantomData }),
            Err(access) => Err(Self { access, _value: PhantomData }),
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    /// Keeps a part of the part, and the lock. See [`MutexGuard::map`].
    #[inline]
    pub fn map<S, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, S>
    where
        F: FnOnce(&mut U) -> &mut S,
    {
        OwnedMappedMutexGuard { access: this.access.map(f), _value: PhantomData }
    }

    /// Keeps a part of the part, and the lock, if there is that part. See [`MutexGuard::try_map`].
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<S, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, S>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut S>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(OwnedMappedMutexGuard { access, _value: PhantomData }),
            Err(access) => Err(Self { access, _value: PhantomData }),
        }
    }
}

guard_traits!([T: ?Sized] mut MutexGuard<'_, T>, T);
guard_traits!([T: ?Sized] mut OwnedMutexGuard<T>, T);
guard_traits!([T: ?Sized] mut MappedMutexGuard<'_, T>, T);
guard_traits!([T: ?Sized, U: ?Sized] mut OwnedMappedMutexGuard<T, U>, U);
