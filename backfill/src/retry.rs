//! `backfill retry`: sends the documents again that failed in a run.

use std::fmt;

use cluster::Cluster;
use serde::Serialize;
use telemetry::Shutdown;

use crate::{
    failed::{FailedError, FailedStore, Retried, RetryError},
    send::{SendError, Sender},
    settings::RetrySettings,
};

/// What became of the failed documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetrySummary {
    pub written: u64,
    pub superseded: u64,
    /// They failed again, and are kept.
    pub failed: u64,
    /// They can only be read from the snapshot again, and are kept.
    pub unreadable: u64,
    /// Asked to stop before the end: there are more.
    pub stopped: bool,
}

impl fmt::Display for RetrySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, superseded, failed, unreadable, stopped } = self;
        write!(
            f,
            "written={written} superseded={superseded} failed={failed} unreadable={unreadable}"
        )?;
        if *stopped {
            write!(f, " (stopped before the end)")?;
        }
        Ok(())
    }
}

impl RetrySummary {
    /// No failed document is left.
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.unreadable == 0 && !self.stopped
    }

    fn add(&mut self, retried: Retried) {
        self.written += retried.written;
        self.superseded += retried.superseded;
        self.failed += retried.failed;
        self.unreadable += retried.unreadable;
    }
}

/// Why a retry ended before its end; what was written by then is, and running it again is harmless.
#[derive(Debug, thiserror::Error)]
pub enum RetryRunError {
    #[error(transparent)]
    Cluster(#[from] cluster::ClusterError),
    #[error(transparent)]
    Failed(#[from] FailedError),
    #[error(transparent)]
    Send(#[from] SendError),
}

impl From<RetryError> for RetryRunError {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::Send(error) => Self::Send(error),
            RetryError::Failed(error) => Self::Failed(error),
        }
    }
}

/// Sends every failed document of a run again, part by part.
///
/// # Errors
/// When the target can't be written to, or what is kept can't be read.
pub async fn retry(
    settings: &RetrySettings,
    shutdown: &Shutdown,
) -> Result<RetrySummary, RetryRunError> {
    let sender = Sender::new(Cluster::connect(settings.target.clone()).await?, settings.send);
    let store = FailedStore::open(&settings.failed)?;
    let mut summary = RetrySummary::default();
    for name in store.parts(settings.run.as_str()).await? {
        if shutdown.is_draining() {
            summary.stopped = true;
            break;
        }
        let part = store.read(name).await?;
        summary.add(store.retry(part, &sender).await?);
    }
    Ok(summary)
}
