//! Which documents of a segment are alive.
//!
//! ```text
//! .liv (Lucene 5+)  index header · ceil(documents / 64) × i64, bit 1 = alive · footer
//! .del (Lucene 4)   i32 −2 · header "BitVector" · i32 size
//!                     size ≥ 0: i32 count · ceil(size / 8) bytes
//!                     size −1:  i32 size · i32 count · gaps (vInt bytes to skip, byte) over all ones
//! ```

use std::ops::Range;

use crate::{
    LuceneError, Present, SegmentCommit, header,
    input::{Input, Order},
};

/// One bit a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    length: u32,
}

impl Bits {
    pub(crate) fn zeros(length: u32) -> Self {
        Self { words: vec![0; words(length)], length }
    }

    /// All set: what a segment without deletions has.
    pub fn ones(length: u32) -> Self {
        let mut bits = Self { words: vec![u64::MAX; words(length)], length };
        bits.clear_tail();
        bits
    }

    fn clear_tail(&mut self) {
        if let Some(last) = self.words.last_mut()
            && !self.length.is_multiple_of(64)
        {
            *last &= (1 << (self.length % 64)) - 1;
        }
    }

    #[inline]
    pub fn get(&self, document: u32) -> bool {
        self.words
            .get((document / 64) as usize)
            .is_some_and(|word| word >> (document % 64) & 1 == 1)
    }

    pub(crate) fn set(&mut self, document: u32) {
        if let Some(word) = self.words.get_mut((document / 64) as usize) {
            *word |= 1 << (document % 64);
        }
    }

    pub(crate) fn set_word(&mut self, at: usize, word: u64) {
        if let Some(slot) = self.words.get_mut(at) {
            *slot = word;
        }
    }

    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// How many bits of a range are set.
    pub(crate) fn count_in(&self, range: Range<u32>) -> u32 {
        let (from, to) = ((range.start / 64) as usize, (range.end / 64) as usize);
        let below = |document: u32| (1u64 << (document % 64)) - 1;
        let word = |at: usize| self.words.get(at).copied().unwrap_or_default();
        if from == to {
            let mask = below(range.end) & !below(range.start);
            return (word(from) & mask).count_ones();
        }
        let first = (word(from) & !below(range.start)).count_ones();
        let last = (word(to) & below(range.end)).count_ones();
        let between = self.words.get(from + 1..to.min(self.words.len())).unwrap_or_default();
        first + between.iter().map(|word| word.count_ones()).sum::<u32>() + last
    }

    /// Clears what is set in `other`; how many bits that changed.
    pub(crate) fn remove(&mut self, other: &Self) -> u32 {
        let mut removed = 0;
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            removed += (*word & other).count_ones();
            *word &= !other;
        }
        removed
    }

    /// No bit is set behind the last one.
    pub(crate) fn is_within(&self) -> bool {
        let used = self.length % 64;
        used == 0 || self.words.last().is_none_or(|last| last >> used == 0)
    }
}

fn words(length: u32) -> usize {
    length.div_ceil(64) as usize
}

/// Reads a whole `.liv` or `.del` of a segment with so many documents, and checks that it has as many
/// deletions as the commit says.
pub fn parse_live(
    file: &str,
    bytes: &[u8],
    segment: &SegmentCommit,
    documents: u32,
) -> Result<Bits, LuceneError> {
    let bits = if file.ends_with(".del") {
        bit_vector(file, bytes, documents)?
    } else {
        live_docs(file, bytes, segment, documents)?
    };
    if !bits.is_within() {
        let what = "a document is alive that isn't there";
        return Err(Input::new(file, bytes).corrupt(what));
    }
    let dead = documents - bits.count();
    if dead != segment.deleted {
        return Err(LuceneError::Count {
            segment: segment.name.clone(),
            what: "the number of deleted documents",
            said: segment.deleted.into(),
            found: dead.into(),
        });
    }
    Ok(bits)
}

/// Takes the softly deleted documents from those alive, and checks that they are as many as the commit says.
pub fn remove_soft_deletes(
    live: &mut Bits,
    soft: &Present,
    segment: &SegmentCommit,
) -> Result<(), LuceneError> {
    let removed = match soft {
        Present::None => 0,
        Present::All => live.remove(&Bits::ones(live.length)),
        Present::Some(bits) => live.remove(bits),
    };
    if removed != segment.soft_deleted {
        return Err(LuceneError::Count {
            segment: segment.name.clone(),
            what: "the number of softly deleted documents",
            said: segment.soft_deleted.into(),
            found: removed.into(),
        });
    }
    Ok(())
}

fn live_docs(
    file: &str,
    bytes: &[u8],
    segment: &SegmentCommit,
    documents: u32,
) -> Result<Bits, LuceneError> {
    let mut input = header::checked(file, bytes)?;
    let header = header::index(&mut input, segment.id.as_ref())?;
    input.order = match header.codec {
        "Lucene50LiveDocs" => Order::Big,
        "Lucene90LiveDocs" => Order::Little,
        _ => return Err(header.unknown(file)),
    };
    header.expect(file, 0, 0)?;
    let words = input.checked_count(words(documents) as i64, 8)?;
    let mut bits = Bits::zeros(documents);
    for at in 0..words {
        bits.set_word(at, input.i64()? as u64);
    }
    input.end()?;
    Ok(bits)
}

fn bit_vector(file: &str, bytes: &[u8], documents: u32) -> Result<Bits, LuceneError> {
    let mut input = Input::new(file, bytes);
    if input.i32()? != -2 {
        return Err(input.corrupt("the deletions are of a Lucene before 4"));
    }
    let header = header::plain(&mut input)?;
    if header.codec != "BitVector" {
        return Err(header.unknown(file));
    }
    header.expect(file, 1, 2)?;
    if header.version >= 2 {
        let at = input.at() as u64;
        input = header::checked(file, bytes)?;
        input.skip(at)?;
    }
    let first = input.i32()?;
    let size = if first == -1 { input.i32()? } else { first };
    if size as u32 != documents {
        return Err(input.corrupt(format!("{size} bits for {documents} documents")));
    }
    let set = input.i32()?;
    let length = documents.div_ceil(8) as usize;
    let plain =
        if first == -1 { gaps(&mut input, documents, set)? } else { input.take(length)?.to_vec() };
    input.end()?;
    let mut bits = Bits::zeros(documents);
    for document in 0..documents {
        if plain[(document / 8) as usize] >> (document % 8) & 1 == 1 {
            bits.set(document);
        }
    }
    if i64::from(set) != i64::from(bits.count()) {
        let found = bits.count();
        return Err(input.corrupt(format!("{found} bits are set where {set} were announced")));
    }
    Ok(bits)
}

/// Deletions as the bytes that aren't all ones, each with its distance from the one before.
fn gaps(input: &mut Input<'_>, documents: u32, set: i32) -> Result<Vec<u8>, LuceneError> {
    let length = documents.div_ceil(8) as usize;
    let mut bytes = vec![0xFF; length];
    if let Some(last) = bytes.last_mut()
        && !documents.is_multiple_of(8)
    {
        *last = (1 << (documents % 8)) - 1;
    }
    let mut missing = i64::from(documents) - i64::from(set);
    let mut at = 0;
    while missing > 0 {
        at += input.length()?;
        let byte = input.byte()?;
        let Some(slot) = bytes.get_mut(at) else {
            return Err(input.corrupt("a deletion lies behind the last document"));
        };
        *slot = byte;
        // A byte at the end has bits that are no documents'.
        missing -= i64::from(byte.count_zeros());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::tests as files;

    fn segment(deleted: u32) -> SegmentCommit {
        SegmentCommit { deleted, deletes_generation: Some(1), ..files::segment() }
    }

    /// A `.del` of a Lucene 4; `as_gaps`: only the bytes with deletions.
    fn legacy(alive: &Bits, as_gaps: bool) -> Vec<u8> {
        let mut file = (-2i32).to_be_bytes().to_vec();
        file.extend([0x3F, 0xD7, 0x6C, 0x17, 9]);
        file.extend(b"BitVector");
        file.extend(2u32.to_be_bytes());
        if as_gaps {
            file.extend((-1i32).to_be_bytes());
        }
        file.extend(alive.length.to_be_bytes());
        file.extend(alive.count().to_be_bytes());
        let bytes = alive.words.iter().flat_map(|word| word.to_le_bytes());
        let bytes = bytes.take(alive.length.div_ceil(8) as usize);
        if !as_gaps {
            file.extend(bytes);
            return files::sealed(file);
        }
        let (mut last, mut missing) = (0, i64::from(alive.length - alive.count()));
        for (at, byte) in bytes.enumerate().filter(|(_, byte)| *byte != 0xFF) {
            if missing <= 0 {
                break; // as the writer does: what is left are the last byte's unused bits
            }
            file.extend([(at - last) as u8, byte]); // a gap of up to 127
            last = at;
            missing -= i64::from(byte.count_zeros());
        }
        files::sealed(file)
    }

    fn modern(words: &[u64]) -> Vec<u8> {
        let body: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        files::file("Lucene90LiveDocs", 0, [7; 16], &body)
    }

    fn without(length: u32, dead: &[u32]) -> Bits {
        let mut bits = Bits::ones(length);
        let mut set = Bits::zeros(length);
        dead.iter().for_each(|document| set.set(document % length));
        bits.remove(&set);
        bits
    }

    #[test]
    fn a_bit_behind_the_last_document_is_refused() {
        let parse =
            |words: &[u64], deleted| parse_live("_0_1.liv", &modern(words), &segment(deleted), 70);
        assert_eq!(parse(&[u64::MAX, 0x3E], 1), Ok(without(70, &[64])));
        assert!(parse(&[u64::MAX, u64::MAX], 0).is_err());
        assert!(parse(&[u64::MAX, 0x7E], 0).is_err());
        assert!(parse(&[u64::MAX], 6).is_err());
        assert!(parse(&[u64::MAX, 0x3E, 0], 1).is_err());
        assert!(parse(&[u64::MAX, 0x3E], 2).is_err());
    }

    proptest! {
        #[test]
        fn ranges_are_counted(set in proptest::collection::vec(0..300u32, 0..80), a in 0..=300u32, b in 0..=300u32) {
            let mut bits = Bits::zeros(300);
            for document in &set {
                bits.set(*document);
            }
            let (from, to) = (a.min(b), a.max(b));
            let expected = (from..to).filter(|document| bits.get(*document)).count();
            prop_assert_eq!(bits.count_in(from..to) as usize, expected);
            prop_assert!(bits.is_within() && Bits::ones(300).count() == 300);
        }

        #[test]
        fn deletions_come_back(
            length in 1..900u32,
            dead in proptest::collection::vec(any::<u32>(), 0..40),
            at in any::<prop::sample::Index>(),
            value in any::<u8>(),
        ) {
            let alive = without(length, &dead);
            let segment = segment(length - alive.count());
            let legacy = [legacy(&alive, false), legacy(&alive, true)];
            for (name, bytes) in [("a.liv", &modern(&alive.words)), ("a.del", &legacy[0]), ("a.del", &legacy[1])] {
                prop_assert_eq!(&parse_live(name, bytes, &segment, length).unwrap(), &alive);
                let mut bad = bytes[..bytes.len() - 16].to_vec();
                let at = at.index(bad.len());
                bad[at] = value;
                if let Ok(other) = parse_live(name, &files::sealed(bad), &segment, length) {
                    prop_assert_eq!(other.count(), alive.count());
                }
            }
        }
    }
}
