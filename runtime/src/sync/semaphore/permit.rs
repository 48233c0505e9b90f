//! Permits of a semaphore that are out.
#![forbid(unsafe_code)]

use std::mem;

use super::Semaphore;
use crate::base::prim::PlainArc as Arc;

/// Permits of a [`Semaphore`], which are given back when this is dropped.
///
/// Made by [`Semaphore::acquire`] and its kin.
#[must_use = "dropping it at once gives the permits back"]
#[clippy::has_significant_drop]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// Permits of a [`Semaphore`], which keep it alive and are given back when this is dropped.
///
/// Made by [`Semaphore::acquire_owned`] and its kin.
#[must_use = "dropping it at once gives the permits back"]
#[clippy::has_significant_drop]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl<'a> SemaphorePermit<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Takes the permits out of the semaphore for good.
    ///
    /// ```
    /// let semaphore = runtime::sync::Semaphore::new(2);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Makes one out of two.
    ///
    /// # Panics
    ///
    /// When they are of two semaphores.
    ///
    /// ```
    /// let semaphore = runtime::sync::Semaphore::new(3);
    /// let mut one = semaphore.try_acquire().unwrap();
    /// one.merge(semaphore.try_acquire_many(2).unwrap());
    /// assert_eq!(one.num_permits(), 3);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "merging permits from different semaphore instances"
        );
        self.permits = sum(self.permits, mem::take(&mut other.permits));
    }

    /// Splits `n` permits off. `None`, and nothing changed, when it has fewer.
    ///
    /// ```
    /// let semaphore = runtime::sync::Semaphore::new(3);
    /// let mut three = semaphore.try_acquire_many(3).unwrap();
    /// let one = three.split(1).unwrap();
    /// assert_eq!((one.num_permits(), three.num_permits()), (1, 2));
    /// assert!(three.split(3).is_none());
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(Self { semaphore: self.semaphore, permits: n })
    }

    /// The semaphore that they are of.
    pub fn semaphore(&self) -> &Semaphore {
        self.semaphore
    }

    /// How many they are.
    pub fn num_permits(&self) -> usize {
        self.permits
    }
}

impl OwnedSemaphorePermit {
    pub(super) fn new(semaphore: Arc<Semaphore>, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Takes the permits out of the semaphore for good.
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Makes one out of two.
    ///
    /// # Panics
    ///
    /// When they are of two semaphores.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.semaphore, &other.semaphore),
            "merging permits from different semaphore instances"
        );
        self.permits = sum(self.permits, mem::take(&mut other.permits));
    }

    /// Splits `n` permits off. `None`, and nothing changed, when it has fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(Self { semaphore: self.semaphore.clone(), permits: n })
    }

    /// The semaphore that they are of.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// How many they are.
    pub fn num_permits(&self) -> usize {
        self.permits
    }
}

fn sum(one: usize, other: usize) -> usize {
    one.checked_add(other).expect("number of permits overflowed")
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.add_permits(self.permits);
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.add_permits(self.permits);
    }
}
