//! How large the next read of one direction of one connection should be.
//!
//! A small read in a large slab pins the whole slab until the journal has it; a large body in small
//! slabs costs a record, a system call and a checksum each. So the size follows what the socket
//! gives: a read that filled its slab doubles the next, four in a row below a quarter halve it.

/// The size of the next slab, between two bounds.
#[derive(Debug, Clone, Copy)]
pub struct ReadSize {
    next: usize,
    least: usize,
    most: usize,
    small: u8,
}

/// Small reads in a row before the size is halved.
const PATIENCE: u8 = 4;

impl ReadSize {
    /// Starts at `least`; never above `most`.
    pub fn between(least: usize, most: usize) -> ReadSize {
        let least = least.max(1);
        ReadSize { next: least, least, most: most.max(least), small: 0 }
    }

    /// Bytes that the next slab should have.
    pub fn next(&self) -> usize {
        self.next
    }

    /// Tells what a slab of [`ReadSize::next`] bytes got from one read.
    pub fn read(&mut self, bytes: usize) {
        if bytes >= self.next {
            self.next = (self.next * 2).min(self.most);
            self.small = 0;
            return;
        }
        if bytes >= self.next / 4 {
            self.small = 0;
            return;
        }
        self.small += 1;
        if self.small == PATIENCE {
            self.next = (self.next / 2).max(self.least);
            self.small = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_a_body_and_shrinks_with_small_requests() {
        let mut size = ReadSize::between(8 << 10, 64 << 10);
        for _ in 0..5 {
            size.read(size.next());
        }
        assert_eq!(size.next(), 64 << 10);
        for _ in 0..(3 * PATIENCE as usize) {
            size.read(200);
        }
        assert_eq!(size.next(), 8 << 10);
    }
}
