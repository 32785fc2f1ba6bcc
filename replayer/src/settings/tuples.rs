//! Where tuples go, and in which form.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use settings::{BadSettings, refuse};

#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TupleFlags {
    /// `gzip` (default) or `zstd`
    #[arg(long, value_name = "HOW")]
    pub tuple_compression: Option<TupleCompression>,
    /// `godwit`: with what it found out; `reference`: only what the reference implementation's have, in its folders
    #[arg(long, value_name = "LAYOUT")]
    pub tuple_layout: Option<TupleLayout>,
    /// Another service than the store's own, such as http://minio:9000
    #[arg(long, value_name = "URL")]
    pub tuple_endpoint: Option<String>,
    /// Region of the bucket
    #[arg(long, value_name = "NAME")]
    pub tuple_region: Option<String>,
    /// The bucket is in the path instead of in the host's name
    #[arg(long)]
    pub tuple_path_style: bool,
    /// The endpoint may be plain http
    #[arg(long)]
    pub tuple_allow_http: bool,
    /// Certificate authority of the endpoint, PEM
    #[arg(long, value_name = "FILE")]
    pub tuple_ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TupleCompression {
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TupleLayout {
    Godwit,
    Reference,
}

/// How tuples are written.
#[derive(Clone, Debug, Default)]
pub struct TupleSettings {
    pub compression: tuples::Compression,
    pub layout: tuples::Layout,
    /// Nobody wants any.
    pub none: bool,
    /// In place of the folder.
    pub store: Option<Box<snapshot::Settings>>,
}

/// In place of a folder: no tuples are written.
const NONE: &str = "none";

impl TupleFlags {
    /// `place`: a folder, or the url of a store.
    pub(super) fn check(self, place: &Path) -> Result<TupleSettings, BadSettings> {
        let compression = match self.tuple_compression {
            None | Some(TupleCompression::Gzip) => tuples::Compression::Gzip,
            Some(TupleCompression::Zstd) => tuples::Compression::Zstd,
        };
        let layout = match self.tuple_layout {
            None | Some(TupleLayout::Godwit) => tuples::Layout::Godwit,
            Some(TupleLayout::Reference) => tuples::Layout::Reference,
        };
        let url = place.to_string_lossy();
        let store = match url.contains("://") {
            false => None,
            true if url.starts_with("file://") => {
                return Err(refuse("tuples", &url, "write a folder as a path, /var/lib/tuples"));
            }
            true => {
                let location = snapshot::Location::parse(&url);
                let location = location.map_err(|error| refuse("tuples", &url, error))?;
                let mut settings = Box::new(snapshot::Settings::new(location));
                settings.endpoint = self.tuple_endpoint;
                settings.region = self.tuple_region;
                settings.path_style = self.tuple_path_style;
                settings.allow_http = self.tuple_allow_http;
                settings.ca = self.tuple_ca;
                Some(settings)
            }
        };
        Ok(TupleSettings { compression, layout, none: url == NONE, store })
    }
}
