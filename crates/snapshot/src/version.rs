//! Versions as servers store them: numbers.

use std::fmt;

/// OpenSearch marks its version ids with this bit.
const OPENSEARCH: u64 = 0x0800_0000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    Elasticsearch,
    OpenSearch,
}

/// The version of a server or of what made an index.
///
/// Since 8.11 Elasticsearch counts index versions by themselves (8_537_000 was written by 8.19): only the major
/// version is known then, and `minor` and `patch` are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    pub flavour: Flavour,
    pub major: u32,
    pub minor: Option<u32>,
    pub patch: Option<u32>,
    /// As stored.
    pub id: u64,
}

impl Version {
    /// Reads a version id: `Mmmpp99` (7100299 is 7.10.2), with a bit set for OpenSearch; `None` if it is none.
    pub fn from_id(id: u64) -> Option<Self> {
        let (flavour, number) = match id & OPENSEARCH {
            0 => (Flavour::Elasticsearch, id),
            _ => (Flavour::OpenSearch, id ^ OPENSEARCH),
        };
        let major = u32::try_from(number / 1_000_000).ok().filter(|major| (1..100).contains(major));
        // release ids end in 99; Elasticsearch 9 and newer give index versions only, 8 from 8_500_000 on
        let index_version = flavour == Flavour::Elasticsearch
            && (number >= 9_000_000 && number % 100 != 99
                || (8_500_000..9_000_000).contains(&number));
        let part =
            |divisor: u64| u32::try_from(number / divisor % 100).ok().filter(|_| !index_version);
        Some(Self { flavour, major: major?, minor: part(10_000), patch: part(100), id })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.flavour {
            Flavour::Elasticsearch => "Elasticsearch",
            Flavour::OpenSearch => "OpenSearch",
        };
        match (self.minor, self.patch) {
            (Some(minor), Some(patch)) => write!(f, "{name} {}.{minor}.{patch}", self.major),
            _ => write!(f, "{name} {} (index version {})", self.major, self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_family() {
        for (id, text) in [
            (1_070_699, "Elasticsearch 1.7.6"),
            (7_100_299, "Elasticsearch 7.10.2"),
            (8_110_099, "Elasticsearch 8.11.0"),
            (8_537_000, "Elasticsearch 8 (index version 8537000)"),
            (9_009_000, "Elasticsearch 9 (index version 9009000)"),
            (0x0800_0000 + 2_190_699, "OpenSearch 2.19.6"),
        ] {
            let found = Version::from_id(id).map(|version| version.to_string());
            assert_eq!(found.as_deref(), Some(text));
        }
        for id in [0, 99, 999_999, 200_000_000_000, u64::MAX, OPENSEARCH] {
            assert_eq!(Version::from_id(id), None, "{id}");
        }
    }
}
