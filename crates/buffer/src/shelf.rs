//! Slabs that were made ready for a read that had nothing to give.
//!
//! A connection takes a slab, tries to read, and when the socket is empty puts it back: ten thousand
//! idle connections share a few slabs instead of pinning one each.

use crate::Slab;

/// A few empty slabs of one size or another. One per thread; holds at most `keep`, and one at least.
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

    /// An empty slab with room for exactly `room` bytes, which stays here unless it is taken.
    pub fn ready(&mut self, room: usize) -> &mut Slab {
        // What was asked for last is asked for next, nearly always.
        if self.slabs.last().is_none_or(|slab| slab.room() != room) {
            let slab = match self.slabs.iter().rposition(|slab| slab.room() == room) {
                Some(at) => self.slabs.swap_remove(at),
                None => Slab::new(room),
            };
            if self.slabs.len() >= self.keep {
                self.slabs.swap_remove(0);
            }
            self.slabs.push(slab);
        }
        let last = self.slabs.len() - 1;
        &mut self.slabs[last] // one was pushed, or was there
    }

    /// The slab that was asked for last, now that something was read into it.
    pub fn take(&mut self) -> Option<Slab> {
        self.slabs.pop()
    }

    /// Puts a slab back, empty; frees it when there are enough.
    pub fn put(&mut self, slab: Slab) {
        if self.slabs.len() < self.keep {
            self.slabs.push(slab.emptied());
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
        let place = shelf.ready(100).data().as_ptr();
        assert_eq!(shelf.ready(200).room(), 200);
        assert_eq!(shelf.ready(100).data().as_ptr(), place);
        shelf.ready(100).unfilled().put_slice(b"x");
        let used = shelf.take().unwrap();
        assert_eq!((used.data(), used.data().as_ptr()), (&b"x"[..], place));
        shelf.put(used);
        assert_eq!(shelf.ready(100).data().as_ptr(), place);
        assert!(shelf.ready(100).is_empty());
    }

    #[test]
    fn it_keeps_no_more_than_it_should() {
        let mut shelf = Shelf::keeping(2);
        for room in 1..10 {
            shelf.ready(room);
            assert!(shelf.slabs.len() <= 2);
        }
        (0..5).for_each(|_| shelf.put(Slab::new(7)));
        assert_eq!(shelf.slabs.len(), 2);
    }
}
