//! Capture records as lines of text: `key|base64`, one record each, as the reference implementation exports a topic.
//!
//! Its replayer's own file input has no key: only `base64`. Both are read; the key is what stands before the last `|`,
//! which base64 never has.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use thiserror::Error;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A record and its key; an empty one where there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub key: Bytes,
    pub value: Bytes,
}

/// Why a line holds no record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    #[error("neither `key|base64` nor base64: {0}")]
    Base64(String),
    #[error("nothing follows the key")]
    Empty,
}

/// Reads one line, without its end.
///
/// # Errors
/// [`LineError`] when it isn't one of an export.
pub fn parse(line: &[u8]) -> Result<Line, LineError> {
    let line = line.trim_ascii();
    let (key, encoded) = match memchr::memrchr(b'|', line) {
        Some(at) => (line.get(..at), line.get(at + 1..)),
        None => (None, Some(line)),
    };
    let encoded = encoded.unwrap_or_default();
    if encoded.is_empty() {
        return Err(LineError::Empty);
    }
    let value = BASE64.decode(encoded).map_err(|error| LineError::Base64(error.to_string()))?;
    Ok(Line { key: Bytes::copy_from_slice(key.unwrap_or_default()), value: value.into() })
}

/// Writes one line, with its end. What would break it is left out of the key: readers find records by what is in
/// them.
pub fn write(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(key.iter().filter(|byte| !byte.is_ascii_control() && **byte != b'|'));
    out.push(b'|');
    out.extend_from_slice(BASE64.encode(value).as_bytes());
    out.push(b'\n');
}

/// Whether a key has a record's number behind its connection, as older topics of the reference implementation do: there
/// the records of one connection are scattered over all partitions.
pub fn is_scattered(key: &[u8], connection: &str, number: u64) -> bool {
    let behind = key.strip_prefix(connection.as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
    behind.is_some_and(|digits| digits == number.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        for (key, value) in
            [(&b"0242ac.3"[..], &b"\x0a\x01c"[..]), (b"", b"\0"), (b"a|b\nc", b"xyz")]
        {
            let mut out = Vec::new();
            write(key, value, &mut out);
            assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            let line = parse(&out).unwrap();
            assert_eq!(&line.value[..], value);
            assert!(key == b"a|b\nc" || line.key == key);
        }
    }

    #[test]
    fn keys_padding_and_ends_of_lines_may_be_missing() {
        let value = |line: &[u8]| parse(line).map(|line| line.value);
        for line in [&b"c.1|CgFj"[..], b"CgFj", b"c|CgFj\r\n", b"a|b|CgFj", b"  CgFj "] {
            assert_eq!(value(line).unwrap(), &b"\x0a\x01c"[..]);
        }
        assert_eq!(value(b"c|CgE=").unwrap(), value(b"c|CgE").unwrap());
        assert_eq!(value(b"c|").unwrap_err(), LineError::Empty);
        assert!(matches!(value(b"c|%%%").unwrap_err(), LineError::Base64(_)));
    }

    #[test]
    fn older_keys_name_the_record() {
        assert!(is_scattered(b"c.12", "c", 12));
        for key in [&b"c"[..], b"c.1", b"c.12.12", b"", b"d.12"] {
            assert!(!is_scattered(key, "c", 12), "{key:?}");
        }
    }
}
