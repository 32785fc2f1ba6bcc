//! Flags, file and environment → checked settings.

mod flags;
mod run;

use codec::source;

use settings::{SettingsError, Size, layered};
use snapshot::{Location, Settings as RepositorySettings};

use crate::shard;

pub use flags::{Cli, Command, ReadFlags, RetryFlags, RunFlags, StatusFlags};
pub use run::{Output, RetrySettings, RunSettings, StatusSettings, Types, Versioning};

/// The section of the environment, and the name in messages.
const PROGRAM: &str = "backfill";

/// What is wrong with the settings; all are exit code 78.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    #[error(transparent)]
    Layer(#[from] SettingsError),
    #[error("--{flag} is missing: {why}")]
    Missing { flag: &'static str, why: &'static str },
    #[error("--{flag} `{value}`: {why}")]
    Value { flag: &'static str, value: String, why: String },
}

/// Checked settings of `backfill read`, and of what `backfill run` reads.
#[derive(Clone, Debug)]
pub struct ReadSettings {
    pub repository: RepositorySettings,
    pub snapshot: String,
    /// Names and patterns; none: all indices.
    pub indices: Vec<String>,
    pub limits: shard::Limits,
    /// Bounds on one document's source.
    pub source: source::Limits,
    pub log_level: String,
}

impl ReadSettings {
    /// The defaults for a snapshot.
    pub fn new(location: Location, snapshot: impl Into<String>) -> Self {
        Self {
            repository: RepositorySettings::new(location),
            snapshot: snapshot.into(),
            indices: Vec::new(),
            limits: shard::Limits::default(),
            source: source::Limits::default(),
            log_level: "info".into(),
        }
    }

    /// Merges file, environment and flags, and checks the result.
    pub fn load(
        flags: &ReadFlags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BadSettings> {
        let known = flags::known();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let merged = layered(PROGRAM, flags.config.as_deref(), environment, flags, &known)?;
        Self::check(&merged)
    }

    pub(crate) fn check(flags: &ReadFlags) -> Result<Self, BadSettings> {
        let missing = |flag, why| BadSettings::Missing { flag, why };
        let url = flags.repository.as_ref();
        let url = url.ok_or_else(|| missing("repository", "say where the snapshot is"))?;
        let location = Location::parse(url).map_err(|e| refuse("repository", url, e))?;
        let snapshot = flags.snapshot.clone();
        let snapshot = snapshot.ok_or_else(|| missing("snapshot", "say which snapshot to read"))?;
        let mut settings = Self::new(location, snapshot);
        settings.indices.clone_from(&flags.index);
        let repository = &mut settings.repository;
        repository.endpoint.clone_from(&flags.repository_endpoint);
        repository.region.clone_from(&flags.repository_region);
        repository.path_style = flags.repository_path_style;
        repository.anonymous = flags.repository_anonymous;
        repository.allow_http = flags.repository_allow_http;
        repository.ca.clone_from(&flags.repository_ca);
        if let Some(Size(bytes)) = flags.read_block {
            repository.reading.block = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(ahead) = flags.read_ahead {
            repository.reading.ahead = ahead;
        }
        if let Some(Size(bytes)) = flags.document_limit {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            settings.limits.chunk = bytes;
            settings.source.output = bytes;
        }
        if let Some(level) = &flags.log_level {
            settings.log_level.clone_from(level);
        }
        Ok(settings)
    }
}

pub(crate) fn refuse(flag: &'static str, value: &str, why: impl ToString) -> BadSettings {
    BadSettings::Value { flag, value: value.to_owned(), why: why.to_string() }
}
