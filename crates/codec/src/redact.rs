//! What must not be stored: where it is in the bytes that pass, and what is stored in its place.
//!
//! Whatever is covered keeps its length, so that lengths and chunks that a message announces stay true. By default that is
//! credentials in heads and trailers ([`secret_ranges`](crate::http1::secret_ranges)); beyond them fields of heads, parameters of
//! targets and fields of JSON bodies, by their names.

mod body;
mod cover;
mod query;

use std::ops::Range;

use smallvec::SmallVec;

use crate::http1::secret_ranges_and;

pub use body::BodySearch;
pub use cover::Cover;
use cover::Kind;

/// A secret in some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub range: Range<usize>,
    pub cover: Cover,
}

/// The secrets of one read, mostly none.
pub type Secrets = SmallVec<[Secret; 2]>;

/// What is not stored.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    /// Fields of heads, beside credentials.
    headers: Vec<Box<[u8]>>,
    parameters: Vec<Box<[u8]>>,
    /// Names, or paths with dots, of fields of JSON bodies, wherever they end.
    fields: Vec<Box<[u8]>>,
    /// What is covered is a hash under this key, the same for the same; without it, it says nothing.
    key: Option<Box<[u8]>>,
}

impl Redaction {
    /// Credentials, and these. Names of header fields in any case; all others exactly.
    pub fn of(
        headers: &[String],
        parameters: &[String],
        fields: &[String],
        key: Option<&[u8]>,
    ) -> Redaction {
        let bytes = |names: &[String]| names.iter().map(|name| name.as_bytes().into()).collect();
        Redaction {
            headers: bytes(headers),
            parameters: bytes(parameters),
            fields: bytes(fields),
            key: key.map(Into::into),
        }
    }

    /// Whether a head has to be searched; `may_hold_secrets`: what its framer says.
    pub fn looks_into(&self, may_hold_secrets: bool) -> bool {
        may_hold_secrets || !self.headers.is_empty() || !self.parameters.is_empty()
    }

    /// Whether bodies are searched.
    pub fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Whether more is covered than fields of heads: then a stream in which nothing can be told from anything is covered whole.
    pub fn covers_unframed(&self) -> bool {
        !self.fields.is_empty() || !self.parameters.is_empty()
    }

    /// The secrets in a head, which may be any bytes: see [`secret_ranges`](crate::http1::secret_ranges).
    pub fn in_head(&self, head: &[u8]) -> Secrets {
        let in_target = query::values(head, &self.parameters);
        let in_target = in_target.into_iter().map(|range| self.covered(head, range));
        in_target.chain(self.in_fields(head)).collect()
    }

    /// The secrets in the fields of a head, or behind a body.
    pub fn in_fields(&self, section: &[u8]) -> Secrets {
        let ranges = secret_ranges_and(section, &self.headers);
        ranges.into_iter().map(|range| self.covered(section, range)).collect()
    }

    fn covered(&self, section: &[u8], range: Range<usize>) -> Secret {
        let value = section.get(range.clone()).unwrap_or_default();
        let cover = match &self.key {
            Some(key) => cover::keyed(key, value, Kind::Text),
            None => Cover::Stars,
        };
        Secret { range, cover }
    }

    /// Header fields that are secret beside credentials.
    pub fn headers(&self) -> &[Box<[u8]>] {
        &self.headers
    }
}

/// The secrets that lie, at least in part, in bytes which begin at `start`, counted from there.
pub fn shifted(secrets: &[Secret], start: usize) -> Secrets {
    let inside = secrets.iter().filter(|secret| secret.range.end > start);
    inside
        .map(|Secret { range, cover }| Secret {
            range: range.start.saturating_sub(start)..range.end - start,
            cover: cover.from(start.saturating_sub(range.start)),
        })
        .collect()
}

/// The same secrets, in bytes that have `more` in front.
pub fn behind(secrets: Secrets, more: usize) -> impl Iterator<Item = Secret> {
    secrets.into_iter().map(move |Secret { range, cover }| Secret {
        range: more + range.start..more + range.end,
        cover,
    })
}

/// Covers every secret in `data`. Ranges may reach beyond it.
pub fn cover(data: &mut [u8], secrets: &[Secret]) {
    for Secret { range, cover } in secrets {
        let (start, end) = (range.start.min(data.len()), range.end.min(data.len()));
        if let Some(covered) = data.get_mut(start..end) {
            cover.put(covered);
        }
    }
}

#[cfg(test)]
mod tests;
