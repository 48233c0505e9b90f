//! What somebody waits for on a descriptor, and what the descriptor is ready for.
//!
//! Both are plain sets of bits without a trace of the operating system: the I/O driver translates. Public as
//! `io::Interest` and `io::Ready`. Next file to read: `engine/driver/mod.rs`.
#![forbid(unsafe_code)]

use std::{fmt, ops};

/// What to wait for on an I/O resource: used by the methods `ready` and `async_io`.
///
/// # Examples
///
/// ```
/// use runtime::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert_eq!(both.remove(Interest::WRITABLE), Some(Interest::READABLE));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

/// What an I/O resource is ready for.
///
/// # Examples
///
/// ```
/// use runtime::io::Ready;
///
/// let ready = Ready::READ_CLOSED | Ready::WRITABLE;
/// // A read from a closed stream does not wait: it returns 0 or an error.
/// assert!(ready.is_readable());
/// assert!(ready.is_writable());
/// assert!(!ready.is_write_closed());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(u8);

impl Interest {
    /// Readable events, the closing of the read half among them.
    pub const READABLE: Interest = Interest(0b0001);
    /// Writable events, the closing of the write half among them.
    pub const WRITABLE: Interest = Interest(0b0010);
    /// Error events. Where the system reports errors only beside another event, this waits for them all the same.
    pub const ERROR: Interest = Interest(0b0100);
    /// Priority events: out-of-band data on a TCP socket.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Interest = Interest(PRIORITY_INTEREST);

    /// Whether the set holds readable interest.
    pub const fn is_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Whether the set holds writable interest.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    /// Whether the set holds error interest.
    pub const fn is_error(self) -> bool {
        self.0 & Self::ERROR.0 != 0
    }

    /// Whether the set holds priority interest.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY_INTEREST != 0
    }

    /// The union of the two sets.
    #[must_use = "the union is returned, the set itself stays as it was"]
    pub const fn add(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// The set without the members of `other`; `None` when nothing is left.
    #[must_use = "the difference is returned, the set itself stays as it was"]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        let left = self.0 & !other.0;
        (left != 0).then_some(Interest(left))
    }

    /// The readiness that ends a wait for this interest.
    pub(crate) fn mask(self) -> Ready {
        let mut mask = 0;
        if self.is_readable() {
            mask |= Ready::READABLE.0 | Ready::READ_CLOSED.0;
        }
        if self.is_writable() {
            mask |= Ready::WRITABLE.0 | Ready::WRITE_CLOSED.0;
        }
        if self.0 & PRIORITY_INTEREST != 0 {
            mask |= PRIORITY_READY | Ready::READ_CLOSED.0;
        }
        if self.is_error() {
            mask |= Ready::ERROR.0;
        }
        Ready(mask)
    }
}

// The bit exists everywhere and is only named where the system can report it.
const PRIORITY_INTEREST: u8 = 0b1000;
const PRIORITY_READY: u8 = 0b01_0000;

impl ops::BitOr for Interest {
    type Output = Interest;

    #[inline]
    fn bitor(self, other: Interest) -> Interest {
        self.add(other)
    }
}

impl ops::BitOrAssign for Interest {
    #[inline]
    fn bitor_assign(&mut self, other: Interest) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::READABLE.0, "READABLE"),
            (Self::WRITABLE.0, "WRITABLE"),
            (PRIORITY_INTEREST, "PRIORITY"),
            (Self::ERROR.0, "ERROR"),
        ];
        let mut separator = "";
        for (_, name) in names.into_iter().filter(|(bit, _)| self.0 & bit != 0) {
            write!(f, "{separator}{name}")?;
            separator = " | ";
        }
        Ok(())
    }
}

impl Ready {
    /// Ready for nothing.
    pub const EMPTY: Ready = Ready(0);
    /// Readable.
    pub const READABLE: Ready = Ready(0b00_0001);
    /// Writable.
    pub const WRITABLE: Ready = Ready(0b00_0010);
    /// The read half is closed.
    pub const READ_CLOSED: Ready = Ready(0b00_0100);
    /// The write half is closed.
    pub const WRITE_CLOSED: Ready = Ready(0b00_1000);
    /// Out-of-band data is there.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Ready = Ready(PRIORITY_READY);
    /// An error is waiting on the resource.
    pub const ERROR: Ready = Ready(0b10_0000);
    /// Everything.
    pub const ALL: Ready = Ready(if cfg!(any(target_os = "linux", target_os = "android")) {
        0b11_1111
    } else {
        0b11_1111 & !PRIORITY_READY
    });

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether a read would not wait: there is something to read, or the read half is closed.
    pub fn is_readable(self) -> bool {
        self.intersects(Self::READABLE | Self::READ_CLOSED)
    }

    /// Whether a write would not wait: there is room, or the write half is closed.
    pub fn is_writable(self) -> bool {
        self.intersects(Self::WRITABLE | Self::WRITE_CLOSED)
    }

    /// Whether the read half is closed.
    pub fn is_read_closed(self) -> bool {
        self.intersects(Self::READ_CLOSED)
    }

    /// Whether the write half is closed.
    pub fn is_write_closed(self) -> bool {
        self.intersects(Self::WRITE_CLOSED)
    }

    /// Whether out-of-band data is there.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn is_priority(self) -> bool {
        self.intersects(Self::PRIORITY)
    }

    /// Whether an error is waiting.
    pub fn is_error(self) -> bool {
        self.intersects(Self::ERROR)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Ready {
        Ready(bits & Self::ALL.0)
    }

    pub(crate) fn intersects(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }
}

impl ops::BitOr for Ready {
    type Output = Ready;

    #[inline]
    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Ready {
    #[inline]
    fn bitor_assign(&mut self, other: Ready) {
        self.0 |= other.0;
    }
}

impl ops::BitAnd for Ready {
    type Output = Ready;

    #[inline]
    fn bitand(self, other: Ready) -> Ready {
        Ready(self.0 & other.0)
    }
}

impl ops::Sub for Ready {
    type Output = Ready;

    #[inline]
    fn sub(self, other: Ready) -> Ready {
        Ready(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Ready");
        f.field("is_readable", &self.is_readable())
            .field("is_writable", &self.is_writable())
            .field("is_read_closed", &self.is_read_closed())
            .field("is_write_closed", &self.is_write_closed())
            .field("is_error", &self.is_error());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        f.field("is_priority", &self.is_priority());
        f.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each single interest, whether the four questions say yes of it, and the readiness that ends a wait for it.
    fn interests() -> [(Interest, [bool; 4], u8); 4] {
        let row =
            |nth: usize, mask: u8| (Interest(1 << nth), std::array::from_fn(|asked| asked == nth), mask);
        let (readable, writable) = (Ready::READABLE.0, Ready::WRITABLE.0);
        let (read_closed, write_closed) = (Ready::READ_CLOSED.0, Ready::WRITE_CLOSED.0);
        [
            row(0, readable | read_closed),
            row(1, writable | write_closed),
            row(2, Ready::ERROR.0),
            row(3, PRIORITY_READY | read_closed),
        ]
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn an_interest_has_the_members_and_the_mask_of_its_parts() {
        assert_eq!(
            interests().map(|(interest, ..)| interest),
            [Interest::READABLE, Interest::WRITABLE, Interest::ERROR, Interest::PRIORITY]
        );
        for set in 1..16u8 {
            let parts = || interests().into_iter().filter(|(part, ..)| set & part.0 != 0);
            let whole = parts().map(|(part, ..)| part).reduce(Interest::add).unwrap();
            let mut assigned = whole;
            parts().for_each(|(part, ..)| assigned |= part);
            assert_eq!((whole, assigned), (Interest(set), Interest(set)));
            let says = [whole.is_readable(), whole.is_writable(), whole.is_error(), whole.is_priority()];
            assert_eq!(says, std::array::from_fn(|nth| parts().any(|(_, says, _)| says[nth])), "{whole:?}");
            assert_eq!(whole.mask().0, parts().fold(0, |mask, (.., part)| mask | part), "{whole:?}");
            for (part, ..) in interests() {
                let left = set & !part.0;
                assert_eq!(whole.remove(part), (left != 0).then_some(Interest(left)), "{whole:?} - {part:?}");
            }
        }
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn readiness_answers_by_its_members_and_combines_as_sets_do() {
        const BITS: u8 = 6;
        for set in 0..1 << BITS {
            let ready = Ready::from_bits(set);
            assert_eq!(ready.bits(), set);
            assert_eq!(Ready::from_bits(set | 0b1100_0000), ready, "what names nothing is dropped");
            let has = |bits: Ready| (0..BITS).any(|bit| set & bits.0 & 1 << bit != 0);
            assert_eq!(ready.is_empty(), !has(Ready::ALL));
            assert_eq!(ready.is_readable(), has(Ready::READABLE) || has(Ready::READ_CLOSED));
            assert_eq!(ready.is_writable(), has(Ready::WRITABLE) || has(Ready::WRITE_CLOSED));
            assert_eq!(ready.is_read_closed(), has(Ready::READ_CLOSED));
            assert_eq!(ready.is_write_closed(), has(Ready::WRITE_CLOSED));
            assert_eq!(ready.is_priority(), has(Ready::PRIORITY));
            assert_eq!(ready.is_error(), has(Ready::ERROR));
            for other in (0..1 << BITS).map(Ready) {
                let mut assigned = ready;
                assigned |= other;
                assert_eq!(assigned, ready | other);
                assert_eq!(ready.intersects(other), has(other));
                for bit in (0..BITS).map(|bit| 1 << bit) {
                    let (ours, theirs) = (set & bit != 0, other.0 & bit != 0);
                    let is_in = |result: Ready| result.0 & bit != 0;
                    assert_eq!(is_in(ready | other), ours || theirs);
                    assert_eq!(is_in(ready & other), ours && theirs);
                    assert_eq!(is_in(ready - other), ours && !theirs);
                }
            }
        }
    }

    #[test]
    fn debug_names_each_member() {
        assert_eq!(format!("{:?}", Interest::READABLE | Interest::ERROR), "READABLE | ERROR");
    }
}
