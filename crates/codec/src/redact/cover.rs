//! What is stored in a secret's place, as long as the secret is.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What covers a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cover {
    /// A `*` for each byte.
    Stars,
    /// These bytes.
    Bytes(Box<[u8]>),
}

impl Cover {
    /// The cover of what is left without its first bytes.
    pub(super) fn from(&self, skipped: usize) -> Cover {
        match self {
            Cover::Stars => Cover::Stars,
            Cover::Bytes(bytes) => Cover::Bytes(bytes.get(skipped..).unwrap_or_default().into()),
        }
    }

    /// Writes it over `secret`, as far as that is there.
    pub(super) fn put(&self, secret: &mut [u8]) {
        match self {
            Cover::Stars => secret.fill(b'*'),
            Cover::Bytes(bytes) => {
                for (byte, covering) in secret.iter_mut().zip(bytes) {
                    *byte = *covering;
                }
            }
        }
    }
}

/// What a value is in JSON, and so what may stand in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, without its quotes.
    Text,
    /// A number, or a name like `true`.
    Scalar,
}

/// 64 letters that need no escape in JSON, in a target, or in a field's value.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A hash of `value` under `key`, as long as the value: HMAC-SHA-256 of a block's number and the value, block by block, as
/// letters of six bits each. Of a number each digit is replaced; its first by none that could make it too large for 64 bits.
pub(super) fn keyed(key: &[u8], value: &[u8], kind: Kind) -> Cover {
    if kind == Kind::Scalar && !is_number(value) {
        return literal(value);
    }
    let mut hash = Hash { key, value, block: 0, bytes: Vec::new() };
    if kind == Kind::Text {
        let letter = |byte: u8| LETTERS.get(usize::from(byte & 63)).copied().unwrap_or(b'*');
        return Cover::Bytes(value.iter().map(|_| letter(hash.next())).collect());
    }
    let mut digits = 0;
    let digit = |byte: &u8| {
        if !byte.is_ascii_digit() {
            return *byte;
        }
        digits += 1;
        let (least, many) = if digits == 1 { (b'1', 8) } else { (b'0', 10) };
        least + hash.next() % many
    };
    Cover::Bytes(value.iter().map(digit).collect())
}

/// A number that says nothing, or what [`literal`] says.
pub(super) fn masked_scalar(value: &[u8]) -> Cover {
    if !is_number(value) {
        return literal(value);
    }
    let one = |byte: &u8| if byte.is_ascii_digit() { b'1' } else { *byte };
    Cover::Bytes(value.iter().map(one).collect())
}

fn is_number(value: &[u8]) -> bool {
    value.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
}

/// `null`, and spaces behind it: as long as `true` and `false` are. Stars for what is no JSON.
fn literal(value: &[u8]) -> Cover {
    match value {
        b"true" | b"null" => Cover::Bytes(b"null".as_slice().into()),
        b"false" => Cover::Bytes(b"null ".as_slice().into()),
        _ => Cover::Stars,
    }
}

/// The bytes of a keyed hash, one after the other, as many as are wanted.
struct Hash<'a> {
    key: &'a [u8],
    value: &'a [u8],
    block: u64,
    bytes: Vec<u8>,
}

impl Hash<'_> {
    fn next(&mut self) -> u8 {
        if let Some(byte) = self.bytes.pop() {
            return byte;
        }
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key) else { return 0 };
        mac.update(&self.block.to_be_bytes());
        mac.update(self.value);
        self.block += 1;
        self.bytes = mac.finalize().into_bytes().to_vec();
        self.bytes.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cover: Cover) -> String {
        let Cover::Bytes(bytes) = cover else { panic!("stars") };
        String::from_utf8(bytes.into_vec()).unwrap()
    }

    #[test]
    fn equal_stays_equal_and_nothing_else_does() {
        let of = |key: &[u8], value: &[u8]| text(keyed(key, value, Kind::Text));
        assert_eq!(of(b"k", b"alice@example.org"), of(b"k", b"alice@example.org"));
        assert_ne!(of(b"k", b"alice@example.org"), of(b"k", b"alicf@example.org"));
        assert_ne!(of(b"k", b"alice@example.org"), of(b"l", b"alice@example.org"));
        // Not even what begins alike.
        assert_ne!(of(b"k", b"alice")[..2], of(b"k", b"alicf")[..2]);
        assert_eq!(of(b"k", &[b'x'; 100]).len(), 100);
    }

    #[test]
    fn numbers_stay_numbers_of_their_length() {
        for number in ["-12.5e3", "9223372036854775807", "0", "1e-7"] {
            let hashed = text(keyed(b"k", number.as_bytes(), Kind::Scalar));
            assert_eq!(hashed.len(), number.len());
            assert!(serde_json::from_str::<serde_json::Number>(&hashed).is_ok(), "{hashed}");
            let masked = text(masked_scalar(number.as_bytes()));
            assert!(serde_json::from_str::<serde_json::Number>(&masked).is_ok(), "{masked}");
        }
        let largest = text(keyed(b"key", b"9223372036854775807", Kind::Scalar));
        assert!(largest.parse::<i64>().is_ok(), "{largest}");
        assert_eq!(text(masked_scalar(b"true")), "null");
        assert_eq!(text(keyed(b"k", b"false", Kind::Scalar)), "null ");
    }
}
