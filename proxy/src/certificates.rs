//! Certificates, keys and authorities are read again when they change: looked at each few seconds, and on SIGHUP.
//!
//! Connections that are open keep what they began with. What is wrong with new files is said, once and in the metrics, and
//! the old ones stay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::metrics::TlsMetrics;
use crate::source::Sources;
use crate::systemd::Systemd;
use crate::tls::Listening;
use crate::watched::{FileError, Watched};

const EVERY: Duration = Duration::from_secs(2);
const WARN_EVERY: Duration = Duration::from_secs(60);
/// What is said of a source whose certificate nobody looks at.
pub(crate) const UNVERIFIED: &str =
    "--danger-accept-invalid-certs: nobody knows whether the source is the source";

/// What is looked after.
#[derive(Clone)]
pub(crate) struct Files {
    pub listener: Option<Arc<Watched<Listening>>>,
    pub sources: Arc<Sources>,
    pub metrics: TlsMetrics,
    /// The source's certificate isn't verified, which is to be said again and again.
    pub unverified: bool,
}

/// Looks after them until dropped.
pub(crate) async fn follow(files: Files, systemd: Systemd) {
    files.show();
    let mut hangups = signal(SignalKind::hangup()).ok();
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut warned: Option<Instant> = None;
    loop {
        let asked = tokio::select! {
            _ = every.tick() => false,
            Some(()) = async { hangups.as_mut()?.recv().await } => true,
        };
        if files.unverified && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            tracing::warn!("{UNVERIFIED}");
            warned = Some(Instant::now());
        }
        if asked {
            systemd.reloading();
        }
        let looked_at = files.clone();
        // Files may lie where reading takes its time.
        let _ = tokio::task::spawn_blocking(move || looked_at.refresh()).await;
        if asked {
            systemd.ready();
        }
    }
}

impl Files {
    fn refresh(&self) {
        let listener = self.listener.as_ref().and_then(|files| files.refresh());
        let source = self.sources.files().and_then(Watched::refresh);
        for (side, outcome) in [("listener", listener), ("source", source)] {
            if let Some(outcome) = outcome {
                self.note(side, outcome);
            }
        }
    }

    fn note(&self, side: &str, outcome: Result<(), FileError>) {
        let metrics = &self.metrics;
        metrics.stale.with_label_values(&[side]).set(i64::from(outcome.is_err()));
        match outcome {
            Ok(()) => {
                tracing::info!(side, "new certificates are used from now on");
                metrics.reloads.with_label_values(&[side, "taken"]).inc();
                self.show();
            }
            Err(error) => {
                tracing::error!(side, %error, "new certificates are refused, the old ones stay");
                metrics.reloads.with_label_values(&[side, "refused"]).inc();
            }
        }
    }

    /// Until when the certificates are valid.
    fn show(&self) {
        let expiry = |side: &str, until| self.metrics.expiry.with_label_values(&[side]).set(until);
        if let Some(files) = &self.listener {
            expiry("listener", files.current().until);
        }
        if let Some(until) = self.sources.files().and_then(|files| files.current().until) {
            expiry("source", until);
        }
    }
}
