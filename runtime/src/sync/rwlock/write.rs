//! The guards of those who write.
#![forbid(unsafe_code)]

use std::marker::PhantomData;

use super::{OwnedRwLockReadGuard, RwLock, RwLockReadGuard};
use crate::base::prim::PlainArc as Arc;
use crate::sync::access::{Exclusive, guard_traits};
use crate::sync::semaphore::permits::Permits;

/// Exclusive access to the value of a [`RwLock`], which is unlocked when this is dropped.
///
/// Made by [`RwLock::write`] and its kin.
#[must_use = "dropping it at once unlocks the lock"]
#[clippy::has_significant_drop]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    pub(super) access: Exclusive<&'a RwLock<T>, T>,
}

/// As a [`RwLockWriteGuard`]; it keeps the lock alive and can go anywhere.
///
/// Made by [`RwLock::write_owned`] and its kin.
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    pub(super) access: Exclusive<Arc<RwLock<T>>, T>,
}

/// Exclusive access to a part of the value of a [`RwLock`], which is unlocked when this is dropped.
///
/// Made by [`RwLockWriteGuard::map`]. It cannot be downgraded: its part may have been found through a mutable reference
/// in a way that does not hold for what is shared.
#[clippy::has_significant_drop]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    access: Exclusive<&'a Permits, T>,
    // Goes to other threads as the lock does, which is shared only if its value may be.
    _value: PhantomData<(&'a T, &'a mut T)>,
}

/// As a [`RwLockMappedWriteGuard`]; it keeps the lock alive and can go anywhere.
///
/// Made by [`OwnedRwLockWriteGuard::map`].
#[clippy::has_significant_drop]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    access: Exclusive<Arc<RwLock<T>>, U>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Keeps a part of the value, and the lock.
    ///
    /// An associated function, as a method would hide one of the value's: `RwLockWriteGuard::map(guard, ...)`.
    ///
    /// ```
    /// use runtime::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// *RwLockWriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair.0) = 2;
    /// assert_eq!(lock.into_inner(), (2, "one"));
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard { access: this.access.map(f).detach(), _value: PhantomData }
    }

    /// Becomes a reader of a part of the value, with nobody writing in between.
    ///
    /// ```
    /// use runtime::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let mut writer = lock.try_write().unwrap();
    /// writer.0 = 2;
    /// let number = RwLockWriteGuard::downgrade_map(writer, |pair| &pair.0);
    /// assert_eq!((*number, lock.try_read().unwrap().1), (2, "one"));
    /// ```
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::new(this.access.downgrade_map(f).detach())
    }

    /// Keeps a part of the value, and the lock, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(RwLockMappedWriteGuard { access: access.detach(), _value: PhantomData }),
            Err(access) => Err(Self { access }),
        }
    }

    /// Becomes a reader of a part of the value, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.access.try_downgrade_map(f) {
            Ok(access) => Ok(RwLockReadGuard::new(access.detach())),
            Err(access) => Err(Self { access }),
        }
    }

    /// As [`map`](Self::map), with the whole as the part: for code that wants guards of one type.
    #[inline]
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        Self::map(this, |whole| whole)
    }

    /// Becomes a reader, with nobody writing in between. Readers that wait get in, up to the next writer.
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let lock = runtime::sync::RwLock::new(1);
    /// let mut writer = lock.write().await;
    /// *writer += 1;
    /// let reader = writer.downgrade();
    /// assert_eq!(*reader + *lock.read().await, 4);
    /// # });
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        Self::downgrade_map(self, |whole| whole)
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// Keeps a part of the value, and the lock. See [`RwLockWriteGuard::map`].
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedRwLockMappedWriteGuard { access: this.access.map(f) }
    }

    /// Becomes a reader of a part of the value. See [`RwLockWriteGuard::downgrade_map`].
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        OwnedRwLockReadGuard { access: this.access.downgrade_map(f) }
    }

    /// Keeps a part of the value, and the lock, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(OwnedRwLockMappedWriteGuard { access }),
            Err(access) => Err(Self { access }),
        }
    }

    /// Becomes a reader of a part of the value, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.access.try_downgrade_map(f) {
            Ok(access) => Ok(OwnedRwLockReadGuard { access }),
            Err(access) => Err(Self { access }),
        }
    }

    /// As [`map`](Self::map), with the whole as the part: for code that wants guards of one type.
    #[inline]
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        Self::map(this, |whole| whole)
    }

    /// Becomes a reader, with nobody writing in between. See [`RwLockWriteGuard::downgrade`].
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        Self::downgrade_map(self, |whole| whole)
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.access.source()
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    /// Keeps a part of the part, and the lock. See [`RwLockWriteGuard::map`].
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard { access: this.access.map(f), _value: PhantomData }
    }

    /// Keeps a part of the part, and the lock, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(RwLockMappedWriteGuard { access, _value: PhantomData }),
            Err(access) => Err(Self { access, _value: PhantomData }),
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// Keeps a part of the part, and the lock. See [`RwLockWriteGuard::map`].
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        OwnedRwLockMappedWriteGuard { access: this.access.map(f) }
    }

    /// Keeps a part of the part, and the lock, if there is that part.
    ///
    /// # Errors
    ///
    /// Gives the guard back when `f` returns `None`.
    #[inline]
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        match this.access.try_map(f) {
            Ok(access) => Ok(OwnedRwLockMappedWriteGuard { access }),
            Err(access) => Err(Self { access }),
        }
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.access.source()
    }
}

guard_traits!([T: ?Sized] mut RwLockWriteGuard<'_, T>, T);
guard_traits!([T: ?Sized] mut OwnedRwLockWriteGuard<T>, T);
guard_traits!([T: ?Sized] mut RwLockMappedWriteGuard<'_, T>, T);
guard_traits!([T: ?Sized, U: ?Sized] mut OwnedRwLockMappedWriteGuard<T, U>, U);
