//! A file that is too long to be held: checked as its bytes pass.

use crc32fast::Hasher;

use crate::{
    LuceneError, SegmentCommit,
    header::{self, FOOTER},
    input::{Input, Order},
};

/// More than any index header takes: a codec's name of at most 127 bytes, a suffix of at most 255, and 26 others.
const HEAD: usize = 512;

/// The header and the footer of a file of a segment, of Lucene 5 or newer.
///
/// Hand over all of its bytes in their order with [`LongFile::pass`], in blocks of any size; then
/// [`LongFile::end`] says whether nothing is wrong with them.
pub struct LongFile<'s> {
    file: String,
    length: u64,
    segment: &'s SegmentCommit,
    passed: u64,
    /// Of everything before the footer.
    hasher: Hasher,
    head: Vec<u8>,
    footer: Vec<u8>,
}

impl<'s> LongFile<'s> {
    /// `length` is the file's, in bytes.
    pub fn new(file: impl Into<String>, length: u64, segment: &'s SegmentCommit) -> Self {
        let (head, footer) = (Vec::with_capacity(HEAD), Vec::with_capacity(FOOTER));
        let file = file.into();
        Self { file, length, segment, passed: 0, hasher: Hasher::new(), head, footer }
    }

    /// Takes the next bytes of the file.
    pub fn pass(&mut self, block: &[u8]) {
        let head = block.len().min(HEAD - self.head.len());
        self.head.extend_from_slice(&block[..head]);
        let before_footer = self.length.saturating_sub(FOOTER as u64).saturating_sub(self.passed);
        let body = usize::try_from(before_footer).map_or(block.len(), |left| left.min(block.len()));
        let (body, footer) = block.split_at(body);
        self.hasher.update(body);
        let footer = &footer[..footer.len().min(FOOTER - self.footer.len())];
        self.footer.extend_from_slice(footer);
        self.passed = self.passed.saturating_add(block.len() as u64);
    }

    /// Gives the file's checksum.
    ///
    /// # Errors
    /// When there were more or fewer bytes, the sum is wrong, or the file belongs to another segment.
    pub fn end(self) -> Result<u64, LuceneError> {
        let at = self.length.saturating_sub(FOOTER as u64);
        let input = Input::at_offset(&self.file, &self.footer, at, Order::Big);
        if self.footer.len() < FOOTER {
            return Err(input.truncated(FOOTER));
        }
        if self.passed != self.length {
            let passed = self.passed;
            return Err(input.corrupt(format!("{passed} bytes came of {}", self.length)));
        }
        header::index(&mut Input::new(&self.file, &self.head), self.segment.id.as_ref())?;
        header::check_footer(&self.file, at, &self.footer, self.hasher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::tests as files;

    fn check(bytes: &[u8], length: usize, block: usize) -> Result<u64, LuceneError> {
        let segment = files::segment();
        let mut passing = LongFile::new("f", length as u64, &segment);
        bytes.chunks(block).for_each(|block| passing.pass(block));
        passing.end()
    }

    #[test]
    fn every_flipped_bit_is_found_in_blocks_of_any_size() {
        let body: Vec<u8> = (0..600).map(|at| at as u8).collect();
        let good = files::file("Codec", 3, [7; 16], &body);
        let sum = u64::from(crc32fast::hash(&good[..good.len() - 8]));
        for block in [1, 7, 15, 16, 17, good.len() - 1, good.len()] {
            assert_eq!(check(&good, good.len(), block), Ok(sum), "{block}");
            assert!(check(&good, good.len() - 1, block).is_err());
            assert!(check(&good, good.len() + 1, block).is_err());
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bad, bad.len(), 64).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(check(&good[..length], length, 64).is_err(), "length {length}");
            assert!(check(&good[..length], good.len(), 64).is_err(), "length {length}");
        }
        let other = files::file("Codec", 3, [8; 16], &body);
        let error = check(&other, other.len(), 64).unwrap_err();
        assert!(error.to_string().contains("another segment"), "{error}");
    }
}
