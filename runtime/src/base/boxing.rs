//! The one decision in this crate whether a future or a closure of a caller's is boxed before it is passed on.
//!
//! A value that is passed by value may be copied by each function on its way, most of all in a build without optimisations,
//! and each copy has its place in a stack frame. So whoever takes a future to run it decides first, in the function that
//! the caller calls, and passes on what is small: the future itself, or a pointer to it.
#![forbid(unsafe_code)]

/// Futures and closures larger than this are boxed, in bytes. Tokio's figures.
pub(crate) const BOX_THRESHOLD: usize = if cfg!(debug_assertions) { 2048 } else { 16384 };

/// Whether a future or closure of this type is boxed.
pub(crate) const fn is_large<F>() -> bool {
    size_of::<F>() > BOX_THRESHOLD
}

/// Evaluates an expression with a `future` (or a `closure`) as it is, or in a box if its type is a large one.
///
/// A macro, because a function would be one more that copies the value. The condition is a constant, so that only one
/// branch is compiled for each type, and has room in the frame.
macro_rules! box_if_large {
    (future $value:ident: $type:ty => $then:expr) => {
        $crate::base::boxing::box_if_large!(@ ::std::boxed::Box::pin; $value: $type => $then)
    };
    (closure $value:ident: $type:ty => $then:expr) => {
        $crate::base::boxing::box_if_large!(@ ::std::boxed::Box::new; $value: $type => $then)
    };
    (@ $box:path; $value:ident: $type:ty => $then:expr) => {
        if const { $crate::base::boxing::is_large::<$type>() } {
            let $value = $box($value);
            $then
        } else {
            $then
        }
    };
}
pub(crate) use box_if_large;

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    fn size_of_what_is_passed_on<const N: usize>() -> (usize, usize) {
        fn size_as_future<F: Future>(_: F) -> usize {
            size_of::<F>()
        }
        fn size_as_closure<F: FnOnce() -> usize>(f: F) -> usize {
            assert!(f() > 0);
            size_of::<F>()
        }
        fn future<F: Future>(value: F) -> usize {
            box_if_large!(future value: F => size_as_future(value))
        }
        fn closure<F: FnOnce() -> usize>(value: F) -> usize {
            box_if_large!(closure value: F => size_as_closure(value))
        }
        let ballast = [1_u8; N];
        (future(std::future::ready(ballast)), closure(move || usize::from(ballast[0])))
    }

    #[test]
    fn only_a_value_past_the_threshold_is_boxed() {
        const AT: usize = BOX_THRESHOLD;
        // A ready future is an option of its value.
        let (future, closure) = size_of_what_is_passed_on::<{ AT - 1 }>();
        assert_eq!((future, closure), (AT, AT - 1));
        assert_eq!(size_of_what_is_passed_on::<AT>(), (size_of::<usize>(), AT));
        assert_eq!(size_of_what_is_passed_on::<{ AT + 1 }>(), (size_of::<usize>(), size_of::<usize>()));
    }
}
