//! Which server a definition comes from, and which one takes it.

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Elasticsearch,
    OpenSearch,
}

/// A version as far as rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub flavour: Flavour,
    pub major: u32,
    pub minor: u32,
}

impl Version {
    pub fn elasticsearch(major: u32, minor: u32) -> Self {
        Self { flavour: Flavour::Elasticsearch, major, minor }
    }

    pub fn opensearch(major: u32, minor: u32) -> Self {
        Self { flavour: Flavour::OpenSearch, major, minor }
    }

    /// Reads `index.version.created`: `Mmmrrbb` (`1070699` is 1.7.6). OpenSearch sets bit 27, so that its
    /// numbers stay above those of Elasticsearch. Since 8.11 Elasticsearch counts index versions
    /// (`8537000`): the minor is one of them then, the major is right.
    pub fn from_created(id: u64) -> Option<Self> {
        const OPENSEARCH: u64 = 1 << 27;
        let opensearch = id & OPENSEARCH != 0;
        let id = id & !OPENSEARCH;
        let major = u32::try_from(id / 1_000_000).ok().filter(|major| id > 0 && *major < 100)?;
        let minor = u32::try_from(id / 10_000 % 100).ok()?;
        let flavour = if opensearch { Flavour::OpenSearch } else { Flavour::Elasticsearch };
        Some(Self { flavour, major, minor })
    }

    pub(crate) fn number(self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// Elasticsearch before `major`.
    pub(crate) fn elasticsearch_before(self, major: u32) -> bool {
        self.flavour == Flavour::Elasticsearch && self.major < major
    }
}

/// The server that takes a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub version: Version,
    /// It has the k-NN plugin, and with it `knn_vector`.
    pub knn: bool,
    /// It has the custom-codecs plugin, and with it the zstd codecs.
    pub zstd: bool,
}

impl Target {
    /// OpenSearch without the plugins that a distribution may leave out.
    pub fn opensearch(major: u32, minor: u32) -> Self {
        Self { version: Version::opensearch(major, minor), knn: false, zstd: false }
    }

    /// Elasticsearch with all that its default distribution has.
    pub fn elasticsearch(major: u32, minor: u32) -> Self {
        Self { version: Version::elasticsearch(major, minor), knn: false, zstd: false }
    }

    /// With what these plugins give.
    pub fn with_plugins<'p>(self, names: impl IntoIterator<Item = &'p str>) -> Self {
        names.into_iter().fold(self, |target, name| match name {
            "opensearch-knn" => Self { knn: true, ..target },
            "opensearch-custom-codecs" => Self { zstd: true, ..target },
            _ => target,
        })
    }

    /// OpenSearch from this version on.
    pub(crate) fn at_least(self, since: (u32, u32)) -> bool {
        self.version.flavour == Flavour::OpenSearch && self.version.number() >= since
    }

    /// Elasticsearch from this version on.
    pub(crate) fn elasticsearch_from(self, since: (u32, u32)) -> bool {
        self.is_elasticsearch() && self.version.number() >= since
    }

    pub(crate) fn is_elasticsearch(self) -> bool {
        self.version.flavour == Flavour::Elasticsearch
    }
}

/// Where nothing is known of the target: a recent OpenSearch.
impl Default for Target {
    fn default() -> Self {
        Self::opensearch(3, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_created_an_index() {
        let check = |id, version| assert_eq!(Version::from_created(id), version, "{id}");
        check(900_599, Some(Version::elasticsearch(0, 90)));
        check(1_070_699, Some(Version::elasticsearch(1, 7)));
        check(6_082_399, Some(Version::elasticsearch(6, 8)));
        check(7_100_299, Some(Version::elasticsearch(7, 10)));
        check(8_537_000, Some(Version::elasticsearch(8, 53)));
        check(135_249_827, Some(Version::opensearch(1, 3)));
        check(136_408_427, Some(Version::opensearch(2, 19)));
        check(137_297_827, Some(Version::opensearch(3, 8)));
        check(0, None);
        check(u64::MAX, None);
    }
}
