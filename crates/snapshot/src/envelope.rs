//! The envelope around every `.dat` blob since Elasticsearch 2, and the footer of Lucene's own files.
//!
//! ```text
//! 3F D7 6C 17 | vInt length, ASCII codec name | u32 version = 1 | body | C0 28 93 E8 | u32 0 | u64 CRC-32
//! └ header                                                     ┘      └ footer, 16 bytes, big-endian    ┘
//! ```
//! The checksum covers everything before itself.

use crate::FormatError;

const HEADER_MAGIC: [u8; 4] = [0x3F, 0xD7, 0x6C, 0x17];
const FOOTER_MAGIC: [u8; 4] = [0xC0, 0x28, 0x93, 0xE8];
/// Bytes of a footer: magic, algorithm, checksum.
const FOOTER_LENGTH: usize = 16;
/// The only version that any server has written.
const VERSION: u32 = 1;

/// Whether the bytes begin as an envelope does.
fn is_enveloped(bytes: &[u8]) -> bool {
    bytes.starts_with(&HEADER_MAGIC)
}

/// The body of an envelope of this codec, its checksum verified.
pub fn body<'a>(bytes: &'a [u8], codec: &str) -> Result<&'a [u8], FormatError> {
    if !is_enveloped(bytes) {
        return Err(FormatError::unknown("the start of the envelope", bytes));
    }
    let stored = footer_checksum(bytes)?;
    let checked = bytes.len() - 8; // `footer_checksum` has found 16 bytes
    let computed = u64::from(crc32fast::hash(&bytes[..checked]));
    if stored != computed {
        return Err(FormatError::Checksum { stored, computed });
    }
    let rest = &bytes[HEADER_MAGIC.len()..bytes.len() - FOOTER_LENGTH];
    let length = usize::from(*rest.first().ok_or_else(|| FormatError::truncated("the header"))?);
    let (name, rest) = rest
        .get(1..)
        .and_then(|rest| rest.split_at_checked(length))
        .filter(|_| length < 0x80) // a longer name would be a vInt of two bytes; there is none
        .ok_or_else(|| FormatError::truncated("the codec name"))?;
    if name != codec.as_bytes() {
        let found = String::from_utf8_lossy(name).into_owned();
        return Err(FormatError::Codec { expected: codec.to_owned(), found });
    }
    let (version, body) =
        rest.split_first_chunk::<4>().ok_or_else(|| FormatError::truncated("the version"))?;
    match u32::from_be_bytes(*version) {
        VERSION => Ok(body),
        found => Err(FormatError::Version { codec: codec.to_owned(), found }),
    }
}

/// The checksum that the footer at the end of a Lucene file (4.8 and newer) claims.
pub fn footer_checksum(bytes: &[u8]) -> Result<u64, FormatError> {
    let footer = bytes
        .last_chunk::<FOOTER_LENGTH>()
        .filter(|footer| footer[..4] == FOOTER_MAGIC && footer[4..8] == [0; 4])
        .ok_or_else(|| FormatError::truncated("the footer"))?;
    let (_, checksum) = footer.split_last_chunk::<8>().expect("a footer has 16 bytes");
    Ok(u64::from_be_bytes(*checksum))
}

#[cfg(test)]
pub(crate) fn wrap(codec: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = HEADER_MAGIC.to_vec();
    bytes.push(u8::try_from(codec.len()).unwrap());
    bytes.extend_from_slice(codec.as_bytes());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&FOOTER_MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    let checksum = u64::from(crc32fast::hash(&bytes));
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_and_every_flipped_bit_is_an_error() {
        let whole = wrap("snapshot", b"the body");
        assert_eq!(body(&whole, "snapshot").unwrap(), b"the body");
        assert!(matches!(body(&whole, "metadata"), Err(FormatError::Codec { .. })));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(body(&flipped, "snapshot").is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(body(&whole[..length], "snapshot").is_err(), "length {length}");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut whole = wrap("snapshot", b"the body");
        whole.truncate(whole.len() - 8);
        whole[16] = 7;
        let checksum = u64::from(crc32fast::hash(&whole));
        whole.extend_from_slice(&checksum.to_be_bytes());
        assert!(matches!(body(&whole, "snapshot"), Err(FormatError::Version { found: 7, .. })));
    }
}
