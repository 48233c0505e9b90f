//! A value that a future has for as long as it lives, and gives back when it ends or is dropped.

use std::cell::RefCell;
use std::rc::Rc;

pub(crate) struct Slot<T>(Rc<RefCell<Option<T>>>);

struct Loan<T> {
    slot: Slot<T>,
    value: Option<T>,
}

impl<T> Drop for Loan<T> {
    fn drop(&mut self) {
        *self.slot.0.borrow_mut() = self.value.take();
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: 'static> Slot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Rc::new(RefCell::new(Some(value))))
    }

    /// Whether it is neither lent nor taken.
    pub(crate) fn is_there(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Takes the value out for good.
    pub(crate) fn take(&self) -> Option<T> {
        self.0.borrow_mut().take()
    }

    /// Uses the value now, if it is there.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.borrow_mut().as_mut().map(f)
    }

    /// A future that has the value from now on.
    pub(crate) fn lend<R>(
        &self,
        f: impl AsyncFnOnce(&mut T) -> R + 'static,
    ) -> impl Future<Output = R> + 'static
    where
        R: 'static,
    {
        let mut loan = Loan { slot: self.clone(), value: self.take() };
        async move { f(loan.value.as_mut().expect("it was there")).await }
    }
}
