//! When to stop: once asked, drain; asked twice, at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Two requests that a program may get: to finish what it has begun, and to stop at once.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    now: CancellationToken,
}

impl Shutdown {
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Asks to drain: take nothing new, finish what is open.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Asks to stop at once.
    pub fn now(&self) {
        self.drain.cancel();
        self.now.cancel();
    }

    /// Resolves when draining is asked for.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Resolves when stopping at once is asked for.
    pub async fn stopping(&self) {
        self.now.cancelled().await;
    }

    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }
}

/// The first SIGTERM or SIGINT drains, the second stops at once.
///
/// # Errors
/// The process may not listen to signals.
pub fn on_signals(shutdown: &Shutdown) -> std::io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if shutdown.is_draining() {
                tracing::warn!("asked to stop a second time: stopping at once");
                return shutdown.now();
            }
            tracing::info!("asked to stop: finishing what is open");
            shutdown.drain();
        }
    });
    Ok(())
}
