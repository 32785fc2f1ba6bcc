//! What there is to do: ranges of segments, and places within them.

use std::{fmt, ops::Range, str::FromStr};

use serde::{Deserialize, Serialize};

/// The name of a run: a part of an index name, so lower case letters, digits, `-`, `_` and `.`, up to 64
/// bytes, beginning with a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunName(String);

impl RunName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RunName {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name of a run: take up to 64 lower case letters, digits, `-`, `_` and `.`, beginning \
     with a letter or a digit"
)]
pub struct NotARunName(String);

impl FromStr for RunName {
    type Err = NotARunName;

    fn from_str(text: &str) -> Result<Self, NotARunName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let first = text.bytes().next().is_some_and(plain);
        let rest = text.bytes().all(|b| plain(b) || matches!(b, b'-' | b'_' | b'.'));
        if first && rest && text.len() <= 64 {
            return Ok(Self(text.to_owned()));
        }
        Err(NotARunName(text.to_owned()))
    }
}

impl TryFrom<String> for RunName {
    type Error = NotARunName;

    fn try_from(text: String) -> Result<Self, NotARunName> {
        text.parse()
    }
}

impl From<RunName> for String {
    fn from(name: RunName) -> Self {
        name.0
    }
}

/// Some segments of one shard: what one worker does at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Made by [`Unit::id_of`]; the same in every process that plans the same.
    pub id: String,
    pub index: String,
    /// What the index is called on the target.
    pub target_index: String,
    /// Of the index in the snapshot.
    pub uuid: String,
    pub shard: u32,
    /// Ordinals in the shard's commit.
    pub segments: Range<u32>,
    /// Of what is read of them.
    pub bytes: u64,
    /// The sum of the segments' document counts, those that are deleted or nested included: what
    /// [`crate::accounts::Accounts::passed`] must come to at the end.
    pub documents: u64,
}

impl Unit {
    /// Printable, and different for every unit of a run: `run.index.uuid.shard.first-segment`. At most 512
    /// bytes for the names that a cluster takes.
    pub fn id_of(run: &RunName, index: &str, uuid: &str, shard: u32, first_segment: u32) -> String {
        format!("{run}.{index}.{uuid}.{shard}.{first_segment}")
    }
}

/// Where to go on: everything before it is in the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Ordinal in the shard's commit.
    pub segment: u32,
    /// The next document to read in it.
    pub document: u32,
    /// The first document of the chunk that holds it.
    pub chunk: u32,
    /// Where that chunk begins in the segment's `.fdt`.
    pub offset: u64,
    /// The state of the file's CRC up to there.
    pub checksum: u32,
}

impl Position {
    /// Positions of one unit are ordered by segment and document.
    pub fn is_before(&self, other: &Self) -> bool {
        (self.segment, self.document) < (other.segment, other.document)
    }
}

/// FNV-1a: the same in every version of this program.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs_are_parts_of_index_names() {
        for name in ["a", "2024-01", "night.run_2"] {
            assert_eq!(name.parse::<RunName>().map(|n| n.to_string()), Ok(name.to_owned()));
        }
        for name in ["", ".a", "-a", "A", "a b", "a/b", "a*", &"a".repeat(65)] {
            assert!(name.parse::<RunName>().is_err(), "{name}");
        }
        assert!(serde_json::from_str::<RunName>("\"UPPER\"").is_err());
    }

    #[test]
    fn ids_are_stable_and_tell_units_apart() {
        let run = "r".parse().unwrap();
        let id = Unit::id_of(&run, "logs.1", "u-_", 12, 3);
        assert_eq!(id, "r.logs.1.u-_.12.3");
        assert_ne!(id, Unit::id_of(&run, "logs.1", "u-_", 1, 23));
    }

    #[test]
    fn positions_are_ordered_by_segment_then_document() {
        let at =
            |segment, document| Position { segment, document, chunk: 0, offset: 0, checksum: 0 };
        assert!(at(0, 9).is_before(&at(1, 0)) && at(1, 0).is_before(&at(1, 1)));
        assert!(!at(1, 1).is_before(&at(1, 1)));
    }

    #[test]
    fn the_hash_is_the_published_function() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
