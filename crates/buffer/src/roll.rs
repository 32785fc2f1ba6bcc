//! Small records, one behind the other in one allocation.
//!
//! A record in place keeps the whole slab that it was read into. For a read of a few hundred bytes
//! that is many times its size, touched once and then cold; to copy it costs less than that.

use bytes::BytesMut;

/// Bytes that are asked for at once. What `bytes` remembers of an allocation's size, so that the next
/// is as large, goes up to this.
const LENGTH: usize = 64 << 10;

/// Where records are copied to. One per thread.
#[derive(Debug, Default)]
pub struct Roll {
    rest: BytesMut,
}

impl Roll {
    /// `prefix`, `data` and `suffix` together, still to be changed. It shares its allocation with the
    /// records before and after it, which is freed, or used again, when all of them are gone.
    pub fn join(&mut self, prefix: &[u8], data: &[u8], suffix: &[u8]) -> BytesMut {
        let length = prefix.len() + data.len() + suffix.len();
        if self.rest.capacity() < length {
            self.rest.reserve(length.max(LENGTH));
        }
        self.rest.extend_from_slice(prefix);
        self.rest.extend_from_slice(data);
        self.rest.extend_from_slice(suffix);
        self.rest.split()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_lie_behind_each_other_and_don_t_touch() {
        let mut roll = Roll::default();
        let mut first = roll.join(b"a", b"bc", b"d");
        let second = roll.join(b"e", b"f", b"g");
        assert_eq!(first.as_ptr().wrapping_add(4), second.as_ptr());
        first[1..3].fill(b'*');
        assert_eq!((&first[..], &second[..]), (&b"a**d"[..], &b"efg"[..]));
    }

    #[test]
    fn a_record_longer_than_the_roll_has_an_allocation_of_its_own_size() {
        let mut roll = Roll::default();
        let long = vec![7; 3 * LENGTH];
        let short = roll.join(b"", b"x", b"");
        assert_eq!(roll.join(b"", &long, b"")[..], long[..]);
        assert_eq!(short[..], b"x"[..]);
        for _ in 0..3 * LENGTH {
            assert_eq!(roll.join(b"1", b"2", b"3")[..], b"123"[..]);
        }
    }
}
