//! The fields of a message, owned.

use bytes::Bytes;

use super::fields::{fields, has_token, trim};

/// Fields in the order and the case in which they were sent, repeats included; values without the
/// white space around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Bytes, Bytes)>);

impl Headers {
    /// The fields of `section` (see [`fields`]), as parts of it.
    pub(super) fn of(section: &Bytes) -> Self {
        let part = |bytes: &[u8]| section.slice_ref(bytes);
        Self(fields(section).map(|(name, value)| (part(name), part(trim(value)))).collect())
    }

    /// The first value of `name`, whatever its case.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.iter().find(|(other, _)| is(other, name)).map(|(_, value)| value)
    }

    /// Whether a field `name` has `token` in its comma-separated list, whatever the case of either.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.iter().any(|(other, value)| is(other, name) && has_token(value, token.as_bytes()))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Bytes, Bytes)> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is(name: &[u8], other: &str) -> bool {
    name.eq_ignore_ascii_case(other.as_bytes())
}
