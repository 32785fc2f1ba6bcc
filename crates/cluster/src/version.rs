//! What kind of cluster answers.

use serde::Deserialize;

/// Whose software it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Elasticsearch,
    OpenSearch,
}

/// What `GET /` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub flavour: Flavour,
    pub major: u32,
    pub minor: u32,
    /// As printed by the cluster, e.g. `7.10.2`.
    pub version: String,
    pub cluster_name: String,
    /// `None` for servers that don't print one.
    pub cluster_uuid: Option<String>,
}

impl Info {
    /// Elasticsearch before 6 has no sequence numbers.
    pub fn has_sequence_numbers(&self) -> bool {
        self.flavour == Flavour::OpenSearch || self.major >= 6
    }

    /// Whether documents that are read say their sequence numbers, in `_mget` and in searches: since Elasticsearch
    /// 6.7. Before that, only answers to writes did.
    pub fn reads_sequence_numbers(&self) -> bool {
        self.flavour == Flavour::OpenSearch || (self.major, self.minor) >= (6, 7)
    }

    /// Reads the body of `GET /`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let root: Root = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let mut parts = root.version.number.split(['.', '-']);
        let mut part = || parts.next().and_then(|p| p.parse().ok());
        let major = part().ok_or_else(|| format!("version `{}`", root.version.number))?;
        let minor = part().unwrap_or(0);
        let flavour = match root.version.distribution.as_deref() {
            Some("opensearch") => Flavour::OpenSearch,
            _ => Flavour::Elasticsearch,
        };
        Ok(Self {
            flavour,
            major,
            minor,
            version: root.version.number,
            cluster_name: root.cluster_name,
            cluster_uuid: root.cluster_uuid,
        })
    }
}

#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    cluster_name: String,
    cluster_uuid: Option<String>,
    version: Version,
}

#[derive(Deserialize)]
struct Version {
    number: String,
    distribution: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_flavours_are_told_apart() {
        let es =
            br#"{"name":"n","cluster_name":"c","cluster_uuid":"u","version":{"number":"7.10.2"}}"#;
        let es = Info::parse(es).unwrap();
        assert_eq!((es.flavour, es.major, es.minor), (Flavour::Elasticsearch, 7, 10));
        let os = br#"{"cluster_name":"c","version":{"distribution":"opensearch","number":"3.0.0-beta1"}}"#;
        let os = Info::parse(os).unwrap();
        assert_eq!((os.flavour, os.major, os.minor), (Flavour::OpenSearch, 3, 0));
        assert!(Info::parse(b"<html>").is_err());
        assert!(Info::parse(br#"{"version":{"number":"x"}}"#).is_err());
    }
}
