//! One allocation that is read into, sent on, and recorded.
//!
//! ```text
//! [ headroom | bytes as read from the socket | tailroom ]
//!            └──────── data ────────────────┘
//!       └─ prefix ─┴─────── data ───────────┴─ suffix ─┘  = record
//! ```
//!
//! The prefix is written right-aligned against the data and the suffix behind it, both while the
//! allocation is still owned by one; then it is frozen, and `data` and `record` are two views of it.

use std::sync::Arc;

use bytes::buf::Limit;
use bytes::{BufMut, Bytes, BytesMut};

use crate::budget::{self, Budget, Charge};

/// Bytes kept free in front of what is read: the prefix of a record with ids of 36 bytes needs 130.
pub const HEADROOM: usize = 192;
/// Bytes kept free behind what is read: an end-of-message observation and the numbers need 60.
pub const TAILROOM: usize = 64;

/// A buffer that is being filled by one reader.
#[derive(Debug)]
pub struct Slab {
    bytes: BytesMut,
    room: usize,
    /// What it takes of a budget, from the read that filled it on.
    charge: Option<Charge>,
}

/// What a filled slab becomes.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The bytes as they were read.
    pub data: Bytes,
    /// Prefix, data and suffix, contiguous.
    pub record: Bytes,
    /// Whether `record` had to be copied because prefix or suffix did not fit.
    pub copied: bool,
}

impl Slab {
    /// A slab with room for `room` bytes of data.
    pub fn new(room: usize) -> Slab {
        let mut bytes = BytesMut::with_capacity(Slab::allocation(room));
        bytes.resize(HEADROOM, 0);
        Slab { bytes, room, charge: None }
    }

    /// Where a reader may put bytes; never more than the room that is left.
    pub fn unfilled(&mut self) -> Limit<&mut BytesMut> {
        let left = self.left();
        (&mut self.bytes).limit(left)
    }

    /// Bytes that still fit.
    pub fn left(&self) -> usize {
        self.room - self.len()
    }

    /// Bytes of data this slab was made for.
    pub fn room(&self) -> usize {
        self.room
    }

    /// The data read so far.
    pub fn data(&self) -> &[u8] {
        &self.bytes[HEADROOM..]
    }

    /// The data read so far, to be changed before it is sealed.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[HEADROOM..]
    }

    /// Bytes of data read so far.
    pub fn len(&self) -> usize {
        self.bytes.len() - HEADROOM
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the allocation of a slab with room for `room` bytes.
    pub const fn allocation(room: usize) -> usize {
        HEADROOM + room + TAILROOM
    }

    /// Counts the whole allocation, until the last view of it is gone.
    pub fn charge(&mut self, budget: &Arc<Budget>) {
        self.charge = Some(budget.charge(Slab::allocation(self.room)));
    }

    /// The same memory, empty again, and counted no more.
    pub fn emptied(mut self) -> Slab {
        self.bytes.truncate(HEADROOM);
        self.charge = None;
        self
    }

    /// The data alone, without a record around it.
    pub fn into_data(self) -> Bytes {
        self.freeze().slice(HEADROOM..)
    }

    /// Writes `prefix` in front of the data and `suffix` behind it. When they fit, nothing of the
    /// data moves; otherwise the record is a copy and [`Sealed::copied`] says so.
    pub fn seal(mut self, prefix: &[u8], suffix: &[u8]) -> Sealed {
        if prefix.len() > HEADROOM || suffix.len() > TAILROOM {
            let copy = join(prefix, self.data(), suffix);
            let record = match &self.charge {
                Some(charge) => counted(copy, charge.budget()),
                None => copy.freeze(),
            };
            return Sealed { data: self.into_data(), record, copied: true };
        }
        let start = HEADROOM - prefix.len();
        self.bytes[start..HEADROOM].copy_from_slice(prefix);
        let end = self.bytes.len();
        self.bytes.extend_from_slice(suffix);
        let whole = self.freeze();
        Sealed { data: whole.slice(HEADROOM..end), record: whole.slice(start..), copied: false }
    }

    fn freeze(self) -> Bytes {
        match self.charge {
            Some(charge) => budget::counted(self.bytes, charge),
            None => self.bytes.freeze(),
        }
    }
}

/// Bytes of a copy, frozen, and counted with all of their allocation until the last view of them is gone.
pub fn counted(copy: BytesMut, budget: &Arc<Budget>) -> Bytes {
    let charge = budget.charge(copy.capacity());
    budget::counted(copy, charge)
}

/// A record around bytes that have no room of their own: one copy, still to be changed.
pub fn join(prefix: &[u8], data: &[u8], suffix: &[u8]) -> BytesMut {
    let mut record = BytesMut::with_capacity(prefix.len() + data.len() + suffix.len());
    record.extend_from_slice(prefix);
    record.extend_from_slice(data);
    record.extend_from_slice(suffix);
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn data_and_record_are_two_views_of_one_allocation() {
        let mut slab = Slab::new(4096);
        slab.unfilled().put_slice(b"PUT /i/_doc/1 HTTP/1.1\r\n");
        let read_into = slab.data().as_ptr();
        let sealed = slab.seal(b"prefix", b"suffix");
        assert!(!sealed.copied);
        assert_eq!(sealed.data.as_ptr(), read_into);
        assert_eq!(sealed.record[6..].as_ptr(), read_into);
        assert_eq!(&sealed.record[..], b"prefixPUT /i/_doc/1 HTTP/1.1\r\nsuffix");
    }

    #[test]
    fn a_reader_never_gets_at_the_tailroom() {
        let mut slab = Slab::new(8);
        slab.unfilled().put_slice(b"12345678");
        assert_eq!(slab.left(), 0);
        assert_eq!(slab.unfilled().remaining_mut(), 0);
    }

    #[test]
    fn it_is_counted_whole_until_its_last_view_is_gone() {
        let budget = Budget::of(1 << 20);
        let mut slab = Slab::new(4096);
        slab.unfilled().put_slice(b"PUT /i/_doc/1 HTTP/1.1\r\n");
        slab.charge(&budget);
        let read_into = slab.data().as_ptr();
        let Sealed { data, record, .. } = slab.seal(b"prefix", b"suffix");
        assert_eq!((data.as_ptr(), budget.used()), (read_into, Slab::allocation(4096)));
        let few = record.slice(..3);
        drop((data, record));
        assert_eq!(budget.used(), Slab::allocation(4096));
        drop(few);
        assert_eq!(budget.used(), 0);
        let mut slab = Slab::new(100);
        slab.charge(&budget);
        let _kept = slab.emptied();
        assert_eq!(budget.used(), 0);
        let copy = counted(join(b"a", b"b", b"c"), &budget);
        assert_eq!((&copy[..], budget.used()), (&b"abc"[..], 3));
        drop(copy);
        assert_eq!(budget.used(), 0);
        let mut roomy = BytesMut::with_capacity(100);
        roomy.extend_from_slice(b"abc");
        let roomy = counted(roomy, &budget);
        assert_eq!((&roomy[..], budget.used()), (&b"abc"[..], 100));
        drop(roomy);
        assert_eq!(budget.used(), 0);
    }

    proptest! {
        #[test]
        fn whatever_the_lengths_the_record_is_the_three_parts(
            prefix in prop::collection::vec(any::<u8>(), 0..300),
            data in prop::collection::vec(any::<u8>(), 0..200),
            suffix in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut slab = Slab::new(200);
            slab.unfilled().put_slice(&data);
            let sealed = slab.seal(&prefix, &suffix);
            prop_assert_eq!(&sealed.data[..], &data[..]);
            prop_assert_eq!(&sealed.record[..], &[prefix.clone(), data, suffix.clone()].concat()[..]);
            prop_assert_eq!(sealed.copied, prefix.len() > HEADROOM || suffix.len() > TAILROOM);
        }
    }
}
