//! `backfill retry`: sends the documents again that failed in a run, and has its units that couldn't be read read
//! again.
//!
//! The accounts of a unit are settled by one compare-and-set, between writing what still fails and deleting what
//! was kept before; see [`crate::failed`] for what that means for a crash.

mod summary;

use std::collections::BTreeMap;

use cluster::Cluster;
use deletes::Deletes;
use telemetry::Shutdown;

use crate::{
    coordinator::{self, Coordinator, CoordinatorError, SeenUnit, State},
    failed::{FailedError, FailedStore, FailedWriter, PartName, Resent, RetryError, plain_name},
    send::{SendError, Sender},
    settings::RetrySettings,
};

pub use summary::RetrySummary;

/// Documents that still fail are kept in files of this size.
const PART: usize = 8 << 20;

/// Why a retry ended before its end; what was written by then is, and running it again is harmless.
#[derive(Debug, thiserror::Error)]
pub enum RetryRunError {
    #[error(transparent)]
    Cluster(#[from] cluster::ClusterError),
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    #[error(transparent)]
    Failed(#[from] FailedError),
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Sends every failed document of a run again, unit by unit, and settles the accounts of those that nobody works
/// on any more. With `reread`, those of which something couldn't be read wait again instead.
///
/// # Errors
/// When the target or the coordinator can't be written to, or what is kept can't be read.
pub async fn retry(
    settings: &RetrySettings,
    shutdown: &Shutdown,
) -> Result<RetrySummary, RetryRunError> {
    let target = Cluster::connect(settings.target.clone()).await?;
    let coordinating = match &settings.coordinator {
        Some(coordinator) => Cluster::connect(coordinator.clone()).await?,
        None => target.clone(),
    };
    let here = coordinator::Settings::here();
    let mut retry = Retry {
        coordinator: Coordinator::new(coordinating, settings.run.clone(), here)?,
        sender: Sender::new(target.clone(), settings.send),
        target,
        store: FailedStore::open(&settings.failed)?,
        settings,
        shutdown,
        has_run: true,
        summary: RetrySummary::default(),
    };
    retry.all().await?;
    Ok(retry.summary)
}

struct Retry<'r> {
    settings: &'r RetrySettings,
    shutdown: &'r Shutdown,
    coordinator: Coordinator,
    target: Cluster,
    sender: Sender,
    store: FailedStore,
    has_run: bool,
    summary: RetrySummary,
}

impl Retry<'_> {
    async fn all(&mut self) -> Result<(), RetryRunError> {
        // Before the parts are listed: see `coordinator::settle`.
        let units = match self.coordinator.units().await {
            Err(CoordinatorError::NoRun { index }) if !self.settings.reread => {
                tracing::warn!(index, "there is no run, so that no accounts are settled");
                self.has_run = false;
                Vec::new()
            }
            units => units?,
        };
        let mut parts: BTreeMap<String, Vec<PartName>> = BTreeMap::new();
        for name in self.store.parts(self.settings.run.as_str()).await? {
            parts.entry(name.unit().to_owned()).or_default().push(name);
        }
        for seen in &units {
            if self.stops() {
                break;
            }
            let parts = parts.remove(&plain_name(&seen.unit().id)).unwrap_or_default();
            self.unit(seen, &parts).await?;
        }
        for (unit, parts) in &parts {
            if self.stops() {
                break;
            }
            self.without_accounts(unit, parts).await?;
        }
        if self.summary.restarted > 0 {
            self.coordinator.show().await?;
        }
        if self.summary.written + self.summary.restarted > 0 {
            // Once more, for a sweep that was begun meanwhile.
            let known = std::mem::take(&mut self.summary.to_sweep);
            self.unsweep(known).await?;
        }
        Ok(())
    }

    /// Documents are written, or will be, after a sweep of deletes: where a replay notes them, or `always`, it has to
    /// be done again.
    async fn unsweep(&mut self, always: bool) -> Result<(), RetryRunError> {
        if !self.has_run || self.summary.to_sweep {
            return Ok(());
        }
        if always || Deletes::of(self.target.clone()).await?.is_some() {
            self.coordinator.unsweep().await?;
            self.summary.to_sweep = true;
        }
        Ok(())
    }

    fn stops(&mut self) -> bool {
        self.summary.stopped |= self.shutdown.is_draining();
        self.summary.stopped
    }

    async fn unit(&mut self, seen: &SeenUnit, parts: &[PartName]) -> Result<(), RetryRunError> {
        if !seen.is_at_rest() {
            // By a retry that was killed when it had restarted the unit.
            let (forgotten, others): (Vec<_>, Vec<_>) =
                parts.iter().cloned().partition(|part| seen.has_forgotten(part));
            if !others.is_empty() {
                self.leave(seen, seen.state().as_str());
            }
            return self.delete(&forgotten).await;
        }
        let (reread, counted) = (self.settings.reread, seen.accounts().failures());
        if reread && (seen.state() == State::Refused || seen.unread() > 0) {
            return self.restart(seen, parts).await;
        }
        if parts.is_empty() && counted == 0 {
            return Ok(());
        }
        let counting: Vec<PartName> =
            parts.iter().filter(|part| seen.counts(part)).cloned().collect();
        let unit = &seen.unit().id;
        let writer = self.store.retrying(self.settings.run.as_str(), unit, PART);
        let token = writer.token().to_owned();
        let Some((resent, writer)) = self.resend(&counting, writer, Some(seen)).await? else {
            return Ok(());
        };
        let missing = seen.missing(&resent);
        if reread && missing > 0 {
            writer.discard().await?;
            return self.restart(seen, parts).await;
        }
        if parts.is_empty() {
            self.summary.missing += missing;
            return Ok(());
        }
        // Where there's no answer, what it has written may count, and is left.
        if !self.coordinator.settle(seen, &resent, &token).await? {
            writer.discard().await?;
            self.leave(seen, "changed meanwhile");
            return Ok(());
        }
        self.delete(parts).await?;
        self.summary.settled += 1;
        self.summary.missing += missing;
        self.summary.add(&resent);
        Ok(())
    }

    /// Gives a unit back. Its parts are deleted afterwards: before, a crash would leave documents that are counted
    /// as failed and kept nowhere. What a crash leaves now doesn't count, and the next retry deletes it.
    async fn restart(&mut self, seen: &SeenUnit, parts: &[PartName]) -> Result<(), RetryRunError> {
        self.unsweep(true).await?;
        if !self.coordinator.restart(seen, parts).await? {
            self.leave(seen, "changed meanwhile");
            return Ok(());
        }
        tracing::info!(unit = seen.unit().id, "to be read again");
        self.summary.restarted += 1;
        self.delete(parts).await
    }

    async fn without_accounts(
        &mut self,
        unit: &str,
        parts: &[PartName],
    ) -> Result<(), RetryRunError> {
        let writer = self.store.unsettled(self.settings.run.as_str(), unit, PART);
        let Some((resent, _)) = self.resend(parts, writer, None).await? else { return Ok(()) };
        self.delete(parts).await?;
        self.summary.unsettled += 1;
        self.summary.add(&resent);
        Ok(())
    }

    /// Sends the documents of parts, and keeps those that fail still; `None`: nothing came of it.
    async fn resend(
        &mut self,
        parts: &[PartName],
        mut writer: FailedWriter,
        seen: Option<&SeenUnit>,
    ) -> Result<Option<(Resent, FailedWriter)>, RetryRunError> {
        if !parts.is_empty() {
            self.unsweep(false).await?;
        }
        // A unit that counts none has some of a worker whose successor could read them.
        let keep_unread = seen.is_none_or(|seen| seen.unread() > 0);
        let error = match self
            .store
            .resend(parts, &self.sender, &mut writer, keep_unread, self.shutdown)
            .await
        {
            Ok(resent) => return Ok(Some((resent, writer))),
            Err(error) => error,
        };
        // What it has written counts for nobody; what can't be deleted now will be by the next.
        if let Err(error) = writer.discard().await {
            tracing::warn!(%error, "parts that don't count are left");
        }
        match error {
            RetryError::Stopped => {
                self.summary.stopped = true;
                Ok(None)
            }
            RetryError::Failed(error) if error.is_gone() => {
                // Another retry has settled the unit and deleted what we were about to read.
                match seen {
                    Some(seen) if !self.coordinator.is_as_seen(seen).await? => {
                        self.leave(seen, "changed meanwhile");
                        Ok(None)
                    }
                    _ => Err(error.into()),
                }
            }
            RetryError::Failed(error) => Err(error.into()),
            RetryError::Send(error) => Err(error.into()),
        }
    }

    async fn delete(&self, parts: &[PartName]) -> Result<(), RetryRunError> {
        for part in parts {
            self.store.delete(part).await?;
        }
        Ok(())
    }

    fn leave(&mut self, seen: &SeenUnit, why: &str) {
        tracing::warn!(unit = seen.unit().id, why, "left alone; retry again");
        self.summary.left_alone += 1;
    }
}
