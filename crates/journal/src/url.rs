//! Where a journal is: `file:///var/lib/godwit/journal` or `kafka://host:9092,host:9092/topic`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// A journal's address, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalUrl {
    /// A folder of segments on this host.
    File(PathBuf),
    /// A topic: `brokers` as Kafka clients take them, comma-separated `host:port`.
    Kafka { brokers: String, topic: String },
    /// A file of `key|base64` lines, gzip or not, as exported from a topic. Only read.
    Export(PathBuf),
}

/// What is wrong with a journal's address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    #[error(
        "`{0}` is no journal: use file:///absolute/folder, kafka://host:port[,host:port]/topic, or \
         export:///absolute/file to read one"
    )]
    Scheme(String),
    #[error(
        "`{0}`: the folder of a file journal must be absolute, as in file:///var/lib/godwit/journal"
    )]
    Relative(String),
    #[error("`{0}`: the file of an export must be absolute, as in export:///tmp/traffic.proto.gz")]
    RelativeExport(String),
    #[error("`{0}`: a broker must be host:port")]
    Broker(String),
    #[error("`{0}`: a topic's name is 1 to 249 letters, digits, `.`, `_` and `-`")]
    Topic(String),
}

impl FromStr for JournalUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<JournalUrl, UrlError> {
        if let Some(path) = text.strip_prefix("file://") {
            if !path.starts_with('/') || path.len() < 2 {
                return Err(UrlError::Relative(text.into()));
            }
            return Ok(JournalUrl::File(PathBuf::from(path)));
        }
        if let Some(path) = text.strip_prefix("export://") {
            if !path.starts_with('/') || path.ends_with('/') {
                return Err(UrlError::RelativeExport(text.into()));
            }
            return Ok(JournalUrl::Export(PathBuf::from(path)));
        }
        let rest = text.strip_prefix("kafka://").ok_or_else(|| UrlError::Scheme(text.into()))?;
        let (brokers, topic) = rest.split_once('/').ok_or_else(|| UrlError::Topic(text.into()))?;
        let named = |broker: &str| {
            let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
        };
        if !brokers.split(',').all(named) {
            return Err(UrlError::Broker(text.into()));
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if topic.is_empty() || topic.len() > 249 || !topic.bytes().all(letter) {
            return Err(UrlError::Topic(text.into()));
        }
        Ok(JournalUrl::Kafka { brokers: brokers.into(), topic: topic.into() })
    }
}

impl fmt::Display for JournalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalUrl::File(path) => write!(f, "file://{}", path.display()),
            JournalUrl::Export(path) => write!(f, "export://{}", path.display()),
            JournalUrl::Kafka { brokers, topic } => write!(f, "kafka://{brokers}/{topic}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_come_back_as_they_were_typed() {
        for text in [
            "file:///var/lib/j",
            "export:///e.gz",
            "kafka://a:9092,b:9093/traffic",
            "kafka://[::1]:9092/t",
        ] {
            assert_eq!(text.parse::<JournalUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| text.parse::<JournalUrl>().unwrap_err();
        assert!(matches!(wrong("/tmp/j"), UrlError::Scheme(_)));
        assert!(matches!(wrong("file://tmp/j"), UrlError::Relative(_)));
        assert!(matches!(wrong("export://e.gz"), UrlError::RelativeExport(_)));
        assert!(matches!(wrong("kafka://host/t"), UrlError::Broker(_)));
        assert!(matches!(wrong("kafka://host:9092"), UrlError::Topic(_)));
        assert!(matches!(wrong("kafka://host:9092/a b"), UrlError::Topic(_)));
    }
}
