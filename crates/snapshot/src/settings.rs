//! Where a repository is, how it is reached, and what bounds reading it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use object_store::{ObjectStore, path::Path};
use settings::Secret;

use crate::{Location, SnapshotError, store};

/// One repository's address and bounds. Credentials come from the environment (`AWS_ACCESS_KEY_ID`, …,
/// `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_…`), a role or the machine's metadata service, unless they are
/// among the options. Profiles of `~/.aws/config` are not read.
#[derive(Debug, Clone)]
pub struct Settings {
    pub location: Location,
    /// Another service than the store's own: `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// Of S3; else `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// S3 buckets in the path instead of in the host's name.
    pub path_style: bool,
    /// Requests are not signed: a public bucket.
    pub anonymous: bool,
    pub allow_http: bool,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Any other option of the store by the name that `object_store` has for it, as `aws_secret_access_key`,
    /// `aws_request_payer`, `google_service_account` or `azure_storage_sas_key`. They win over the environment.
    pub options: Vec<(String, Secret)>,
    pub reading: Reading,
    pub retry: Retry,
    pub limits: Limits,
}

/// How files are read in sequence. A stream holds at most `ahead + 1` blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Bytes of one ranged request.
    pub block: usize,
    /// Blocks under way or waiting to be taken.
    pub ahead: usize,
    /// A request that brings nothing for this long has stalled and is made again.
    pub stall: Duration,
}

/// How patiently a request that failed is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    pub attempts: u32,
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

/// What metadata may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest metadata blob that is read.
    pub blob: usize,
    /// Longest metadata when expanded. Parsed it may take a few times that in memory, for as long as it is parsed.
    pub expanded: usize,
    /// Longest file that is kept in the list of a shard's files.
    pub inline: usize,
}

impl Settings {
    /// The defaults for a repository.
    pub fn new(location: Location) -> Self {
        Self {
            location,
            endpoint: None,
            region: None,
            path_style: false,
            anonymous: false,
            allow_http: false,
            ca: None,
            options: Vec::new(),
            reading: Reading::default(),
            retry: Retry::default(),
            limits: Limits::default(),
        }
    }

    /// Opens the store, for those that keep something else in one, and says what is below its prefix. Nothing is asked
    /// of it yet.
    ///
    /// # Errors
    /// When the settings can't work.
    pub fn open_store(&self) -> Result<(Arc<dyn ObjectStore>, Path), SnapshotError> {
        self.check()?;
        Ok((store::connect(self)?, self.location.prefix.clone()))
    }

    /// Refuses what can't work.
    pub(crate) fn check(&self) -> Result<(), SnapshotError> {
        let refuse = |what: &str| Err(SnapshotError::Settings(what.to_owned()));
        if self.reading.block < 4096 {
            return refuse(
                "a block of less than 4096 bytes makes a request of every few documents",
            );
        }
        if self.reading.ahead == 0 {
            return refuse("at least one block must be read ahead");
        }
        if self.reading.stall.is_zero() {
            return refuse("a request must have some time before it counts as stalled");
        }
        if self.retry.attempts == 0 {
            return refuse("at least one attempt must be made");
        }
        if let Some(endpoint) = &self.endpoint {
            let plain = endpoint.starts_with("http://");
            if !plain && !endpoint.starts_with("https://") {
                return refuse("the endpoint must begin with http:// or https://");
            }
            if plain && !self.allow_http {
                return refuse("the endpoint is http:// but plain HTTP is not allowed");
            }
        }
        Ok(())
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self { block: 4 << 20, ahead: 3, stall: Duration::from_secs(30) }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 8,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(15),
        }
    }
}

impl Retry {
    /// The wait after attempt `attempt` (the first is 1): doubled each time up to the longest, less up to half of it
    /// by chance (`0..=1`), so that many workers don't come back at once.
    pub(crate) fn wait(&self, attempt: u32, chance: f64) -> Duration {
        let factor = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let full = self.first_wait.saturating_mul(factor).min(self.longest_wait);
        full.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { blob: 256 << 20, expanded: 256 << 20, inline: 64 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_chance_halves_them() {
        let retry = Retry::default();
        assert_eq!(retry.wait(1, 0.0), Duration::from_millis(100));
        assert_eq!(retry.wait(3, 0.0), Duration::from_millis(400));
        assert_eq!(retry.wait(3, 1.0), Duration::from_millis(200));
        assert_eq!(retry.wait(u32::MAX, 0.0), Duration::from_secs(15));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let good = Settings::new(Location::parse("file:///tmp/x").unwrap());
        assert!(good.check().is_ok());
        let changes: [fn(&mut Settings); 6] = [
            |settings| settings.reading.block = 1,
            |settings| settings.reading.ahead = 0,
            |settings| settings.reading.stall = Duration::ZERO,
            |settings| settings.retry.attempts = 0,
            |settings| settings.endpoint = Some("localhost:9000".into()),
            |settings| settings.endpoint = Some("http://localhost:9000".into()),
        ];
        for change in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(bad.check().is_err());
        }
    }
}
