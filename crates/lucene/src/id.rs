//! How Elasticsearch keeps a document's id in a stored field (its `Uid`).
//!
//! ```text
//! from 6 on, `_id`    FF · UTF-8
//!                     FE · decimal digits, two a byte, upper half first; a last half F is none
//!                     FD · bytes   the id is their base64, URL-safe, without padding
//!                     other bytes  the same, the first byte included
//! before, `_uid`      type # id
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IdError {
    #[error("the stored id isn't UTF-8")]
    Encoding,
    #[error("the stored id is empty")]
    Empty,
    #[error("the stored id should be digits and isn't")]
    Digits,
    #[error("the stored id has no `#` between type and id")]
    Separator,
}

/// Decodes a stored `_id` into `id`, which is emptied first.
pub fn decode_id(stored: &[u8], id: &mut String) -> Result<(), IdError> {
    id.clear();
    let (&first, rest) = stored.split_first().ok_or(IdError::Empty)?;
    match first {
        0xFF => id.push_str(std::str::from_utf8(rest).map_err(|_| IdError::Encoding)?),
        0xFE => digits(rest, id)?,
        0xFD => URL_SAFE_NO_PAD.encode_string(rest, id),
        _ => URL_SAFE_NO_PAD.encode_string(stored, id),
    }
    if id.is_empty() { Err(IdError::Empty) } else { Ok(()) }
}

fn digits(packed: &[u8], id: &mut String) -> Result<(), IdError> {
    for (at, byte) in packed.iter().enumerate() {
        for (half, is_last) in [(byte >> 4, false), (byte & 0x0F, at + 1 == packed.len())] {
            match half {
                0..=9 => id.push(char::from(b'0' + half)),
                0x0F if is_last => {}
                _ => return Err(IdError::Digits),
            }
        }
    }
    Ok(())
}

/// Splits a stored `_uid`, or a stored `_parent`, into type and id.
pub fn split_uid(stored: &[u8]) -> Result<(&str, &str), IdError> {
    let stored = std::str::from_utf8(stored).map_err(|_| IdError::Encoding)?;
    let (doc_type, id) = stored.split_once('#').ok_or(IdError::Separator)?;
    if id.is_empty() { Err(IdError::Empty) } else { Ok((doc_type, id)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(stored: &[u8]) -> Result<String, IdError> {
        let mut id = String::from("before");
        decode_id(stored, &mut id).map(|()| id)
    }

    /// As Elasticsearch chooses between the encodings.
    fn encode(id: &str) -> Vec<u8> {
        if id.bytes().all(|b| b.is_ascii_digit()) {
            let halves: Vec<u8> = id.bytes().map(|b| b - b'0').collect();
            let pairs = halves.chunks(2).map(|p| p[0] << 4 | p.get(1).copied().unwrap_or(0x0F));
            return std::iter::once(0xFE).chain(pairs).collect();
        }
        match URL_SAFE_NO_PAD.decode(id) {
            Ok(bytes) if bytes.first().is_some_and(|b| *b >= 0xFD) => {
                [&[0xFD], &bytes[..]].concat()
            }
            Ok(bytes) => bytes,
            Err(_) => [&[0xFF], id.as_bytes()].concat(),
        }
    }

    #[test]
    fn each_encoding() {
        assert_eq!(decoded(b"\xFFplain id"), Ok("plain id".into()));
        assert_eq!(decoded(&[0xFE, 0x12, 0x3F]), Ok("123".into()));
        assert_eq!(decoded(&[0xFE, 0x00, 0x12]), Ok("0012".into()));
        assert_eq!(decoded(&[0xFD, 0xFF, 0xEF]), Ok("_-8".into()));
        assert_eq!(decoded(&[0x01, 0x02, 0x03]), Ok("AQID".into()));
        assert_eq!(decoded(&[0xFE, 0x1A]), Err(IdError::Digits));
        assert_eq!(decoded(&[0xFE, 0xF1]), Err(IdError::Digits));
        assert_eq!(decoded(&[0xFF, 0xC0]), Err(IdError::Encoding));
        assert_eq!(decoded(&[]), Err(IdError::Empty));
        assert_eq!(split_uid(b"doc#a#b"), Ok(("doc", "a#b")));
        assert_eq!(split_uid(b"doc"), Err(IdError::Separator));
    }

    proptest! {
        #[test]
        fn ids_come_back(id in "[0-9]{1,9}|[A-Za-z0-9_-]{1,24}|\\PC{1,40}") {
            prop_assert_eq!(decoded(&encode(&id)), Ok(id));
        }
    }
}
