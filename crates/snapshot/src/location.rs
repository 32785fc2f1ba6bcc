//! A repository's url.

use std::{fmt, path::PathBuf, str::FromStr};

use object_store::path::Path;
use url::Url;

use crate::SnapshotError;

/// Where a repository is: the directory or prefix that holds `index.latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub(crate) url: Url,
    pub(crate) store: Store,
    /// In the bucket or container.
    pub(crate) prefix: Path,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Store {
    Directory(PathBuf),
    S3,
    GoogleCloud,
    Azure,
}

impl Location {
    /// Parses `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or
    /// `abfs://container@account.dfs.core.windows.net/prefix` (`abfss://` too). A plain absolute path is a directory.
    pub fn parse(text: &str) -> Result<Self, SnapshotError> {
        let refuse = |what: &str| SnapshotError::Settings(format!("repository `{text}`: {what}"));
        let url = match text.starts_with('/') {
            true => Url::from_file_path(text).map_err(|()| refuse("not an absolute path"))?,
            false => Url::parse(text).map_err(|error| refuse(&error.to_string()))?,
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("a url of a repository has no `?` and no `#`"));
        }
        if url.password().is_some() {
            return Err(refuse("credentials belong into the environment, not into the url"));
        }
        let store = match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| {
                    refuse("a file url is file:///path, with an absolute path and without a host")
                })?;
                return Ok(Self { url, store: Store::Directory(path), prefix: Path::default() });
            }
            "s3" | "s3a" => Store::S3,
            "gs" => Store::GoogleCloud,
            "az" | "abfs" | "abfss" => Store::Azure,
            _ => return Err(refuse("expected file://, s3://, gs://, az:// or abfs://")),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse("the bucket is missing"));
        }
        let prefix = Path::from_url_path(url.path()).map_err(|error| refuse(&error.to_string()))?;
        Ok(Self { url, store, prefix })
    }
}

impl FromStr for Location {
    type Err = SnapshotError;

    fn from_str(text: &str) -> Result<Self, SnapshotError> {
        Self::parse(text)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_store() {
        for (text, store, prefix) in [
            ("s3://bucket", Store::S3, ""),
            ("s3://bucket/", Store::S3, ""),
            ("s3://bucket/a/b%20c/", Store::S3, "a/b c"),
            ("gs://bucket/a", Store::GoogleCloud, "a"),
            ("az://container/a", Store::Azure, "a"),
            ("abfs://container@account.dfs.core.windows.net/a", Store::Azure, "a"),
            ("file:///var/repo", Store::Directory("/var/repo".into()), ""),
            ("/var/repo", Store::Directory("/var/repo".into()), ""),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.store, store, "{text}");
            assert_eq!(location.prefix.as_ref(), prefix, "{text}");
        }
    }

    #[test]
    fn other_urls_are_refused_and_named() {
        for text in [
            "",
            "repo",
            "http://host/x",
            "s3:///x",
            "s3://b/x?y",
            "s3://a:b@bucket/x",
            "file://host/x",
        ] {
            let error = Location::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
