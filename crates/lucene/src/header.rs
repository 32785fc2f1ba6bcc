//! The header and the footer that (almost) every file has.
//!
//! ```text
//! plain header (Lucene 4)     3F D7 6C 17 | vInt length, codec name | BE u32 version
//! index header (Lucene 5+)    … the same …                          | id[16] | length byte, suffix
//! footer (Lucene 4.8+)        C0 28 93 E8 | BE u32 algorithm 0 | BE u64 CRC-32 of all bytes before it
//! ```

use crate::{LuceneError, input::Input};

const MAGIC: u32 = 0x3FD7_6C17;
const FOOTER_MAGIC: u32 = 0xC028_93E8;
/// Bytes of a footer.
pub(crate) const FOOTER: usize = 16;

/// Who wrote a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) codec: &'a str,
    pub(crate) version: u32,
}

impl Header<'_> {
    /// The version must be one that is known: a newer one may mean anything.
    pub(crate) fn expect(&self, file: &str, least: u32, most: u32) -> Result<(), LuceneError> {
        if (least..=most).contains(&self.version) {
            return Ok(());
        }
        Err(LuceneError::Version {
            file: file.to_owned(),
            codec: self.codec.to_owned(),
            version: self.version,
            least,
            most,
        })
    }

    pub(crate) fn unknown(&self, file: &str) -> LuceneError {
        LuceneError::Codec { file: file.to_owned(), codec: self.codec.to_owned() }
    }
}

/// Reads a plain header.
pub(crate) fn plain<'a>(input: &mut Input<'a>) -> Result<Header<'a>, LuceneError> {
    let magic = input.be_u32()?;
    if magic != MAGIC {
        return Err(input.corrupt(format!("{magic:08x} isn't the beginning of a Lucene file")));
    }
    let codec = input.string()?;
    Ok(Header { codec, version: input.be_u32()? })
}

/// Reads what an index header has after a plain one: the segment's id, and a suffix.
pub(crate) fn id<'a>(input: &mut Input<'a>) -> Result<([u8; 16], &'a [u8]), LuceneError> {
    let id = input.id()?;
    let length = usize::from(input.byte()?);
    Ok((id, input.take(length)?))
}

/// Reads an index header, and checks that the file belongs to this segment (`None`: the commit names no id).
pub(crate) fn index<'a>(
    input: &mut Input<'a>,
    segment: Option<&[u8; 16]>,
) -> Result<Header<'a>, LuceneError> {
    let header = plain(input)?;
    let (id, _) = id(input)?;
    if segment.is_some_and(|segment| *segment != id) {
        return Err(input.corrupt("the file belongs to another segment"));
    }
    Ok(header)
}

/// Takes the footer off and checks the sum of everything before it.
pub(crate) fn checked<'a>(file: &'a str, bytes: &'a [u8]) -> Result<Input<'a>, LuceneError> {
    let input = Input::new(file, bytes).without_last(FOOTER)?;
    let (body, footer) = bytes.split_at(bytes.len() - FOOTER);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    check_footer(file, body.len() as u64, footer, hasher)?;
    Ok(input)
}

/// Checks a footer, given the sum of everything before it, and gives the sum that it holds.
pub(crate) fn check_footer(
    file: &str,
    at: u64,
    footer: &[u8],
    mut before: crc32fast::Hasher,
) -> Result<u64, LuceneError> {
    let mut input = Input::at_offset(file, footer, at, crate::input::Order::Big);
    let (magic, algorithm) = (input.be_u32()?, input.be_u32()?);
    if magic != FOOTER_MAGIC || algorithm != 0 {
        return Err(input.corrupt("the footer isn't one: the file is truncated or damaged"));
    }
    before.update(&footer[..8]);
    let (stored, computed) = (input.be_u64()?, before.finalize());
    if stored != u64::from(computed) {
        return Err(LuceneError::Checksum { file: file.to_owned(), stored, computed });
    }
    Ok(stored)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file with an index header and a footer, for tests.
    pub(crate) fn file(codec: &str, version: u32, id: [u8; 16], body: &[u8]) -> Vec<u8> {
        let mut file = MAGIC.to_be_bytes().to_vec();
        file.push(codec.len() as u8);
        file.extend(codec.as_bytes());
        file.extend(version.to_be_bytes());
        file.extend(id);
        file.push(0);
        file.extend(body);
        sealed(file)
    }

    /// A segment whose files have the id 7, 7, 7…
    pub(crate) fn segment() -> crate::SegmentCommit {
        crate::SegmentCommit {
            name: "_0".into(),
            id: Some([7; 16]),
            deleted: 0,
            soft_deleted: 0,
            deletes_generation: None,
            fields_generation: None,
            doc_values_generation: None,
        }
    }

    pub(crate) fn sealed(mut file: Vec<u8>) -> Vec<u8> {
        file.extend(FOOTER_MAGIC.to_be_bytes());
        file.extend([0; 4]);
        let sum = crc32fast::hash(&file);
        file.extend(u64::from(sum).to_be_bytes());
        file
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = file("Codec", 3, [7; 16], b"body");
        let mut input = checked("f", &good).unwrap();
        let header = index(&mut input, Some(&[7; 16])).unwrap();
        assert_eq!((header.codec, header.version), ("Codec", 3));
        assert_eq!(input.rest(), 4);
        assert!(index(&mut checked("f", &good).unwrap(), Some(&[8; 16])).is_err());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(checked("f", &bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(checked("f", &good[..length]).is_err(), "length {length}");
        }
    }
}
