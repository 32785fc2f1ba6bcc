//! Slabs that were made ready for a read that had nothing to give.
//!
//! A connection takes a slab, tries to read, and when the socket is empty puts it back: ten thousand
//! idle connections share a few slabs instead of pinning one each.

use crate::Slab;

/// A few empty slabs of one size class or another. One per thread; holds at most `keep`.
#[derive(Debug)]
pub struct Shelf {
    slabs: Vec<Slab>,
    keep: usize,
}

impl Shelf {
    /// A shelf that keeps at most `keep` slabs and frees what is put back beyond that.
    pub const fn keeping(keep: usize) -> Shelf {
        Shelf { slabs: Vec::new(), keep }
    }

    /// An empty slab with room for exactly `room` bytes.
    pub fn take(&mut self, room: usize) -> Slab {
        match self.slabs.iter().rposition(|slab| slab.room() == room) {
            Some(at) => self.slabs.swap_remove(at),
            None => Slab::new(room),
        }
    }

    /// Puts back a slab that nothing was read into.
    pub fn put(&mut self, slab: Slab) {
        if slab.is_empty() && self.slabs.len() < self.keep {
            self.slabs.push(slab);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    #[test]
    fn it_gives_back_what_fits_and_never_a_slab_with_bytes_in_it() {
        let mut shelf = Shelf::keeping(2);
        let slab = shelf.take(100);
        let place = slab.data().as_ptr();
        shelf.put(slab);
        assert_eq!(shelf.take(200).room(), 200);
        assert_eq!(shelf.take(100).data().as_ptr(), place);
        let mut used = Slab::new(100);
        used.unfilled().put_slice(b"x");
        shelf.put(used);
        assert!(shelf.take(100).is_empty());
    }
}
