//! The admin listener: `/livez`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Whether a balancer should send clients here.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    ready: Arc<AtomicBool>,
    /// What is dangerous all the same: lines of the report.
    warnings: Arc<[&'static str]>,
}

impl Readiness {
    /// Not ready yet; `/readyz` says each of `warnings` on a line of its own, ready or not.
    pub fn with_warnings(warnings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { warnings: warnings.into_iter().collect(), ..Self::default() }
    }

    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn report(&self) -> (StatusCode, String) {
        let (status, word) = match self.is_ready() {
            true => (StatusCode::OK, "ok\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        };
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}\n"));
        (status, std::iter::once(word.to_owned()).chain(warnings).collect())
    }
}

/// The admin listener while it runs; dropping it closes the port.
#[derive(Debug)]
pub struct Admin {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

/// The admin listener can't be had.
#[derive(Debug, thiserror::Error)]
#[error("the admin listener cannot listen on {address}: {source}; choose another with --admin")]
pub struct AdminError {
    pub address: SocketAddr,
    pub source: std::io::Error,
}

impl Admin {
    /// Serves on `address` until dropped; without an address nothing is served.
    ///
    /// # Errors
    /// [`AdminError`]: the address can't be had.
    pub async fn bind(
        address: Option<SocketAddr>,
        registry: Registry,
        ready: Readiness,
    ) -> Result<Option<Admin>, AdminError> {
        Self::bind_with(address, registry, ready, Router::new()).await
    }

    /// As [`Admin::bind`], with a program's own routes besides.
    ///
    /// # Errors
    /// [`AdminError`]: the address can't be had.
    pub async fn bind_with(
        address: Option<SocketAddr>,
        registry: Registry,
        ready: Readiness,
        own: Router,
    ) -> Result<Option<Admin>, AdminError> {
        let Some(address) = address else { return Ok(None) };
        let served = async { Self::serve(TcpListener::bind(address).await?, registry, ready, own) };
        served.await.map(Some).map_err(|source| AdminError { address, source })
    }

    /// Serves on a socket that listens already, until dropped.
    ///
    /// # Errors
    /// The socket is none that listens.
    pub fn on(
        listener: std::net::TcpListener,
        registry: Registry,
        ready: Readiness,
        own: Router,
    ) -> std::io::Result<Admin> {
        listener.set_nonblocking(true)?;
        Self::serve(TcpListener::from_std(listener)?, registry, ready, own)
    }

    /// Serves on `listener` until dropped.
    ///
    /// # Errors
    /// The listener has no address.
    fn serve(
        listener: TcpListener,
        registry: Registry,
        ready: Readiness,
        own: Router,
    ) -> std::io::Result<Admin> {
        let address = listener.local_addr()?;
        let routes = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state((registry, ready))
            .merge(own);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the admin listener ended");
            }
        });
        Ok(Admin { address, task })
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn readyz(State((_, ready)): State<(Registry, Readiness)>) -> (StatusCode, String) {
    ready.report()
}

async fn metrics(State((registry, _)): State<(Registry, Readiness)>) -> (StatusCode, String) {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
