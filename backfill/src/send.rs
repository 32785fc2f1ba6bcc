//! Batches of documents → `_bulk` of the target, until each document is accounted for.
//!
//! `written + superseded + failed = items` for every batch that [`Sender::send`] returns; what can't be
//! said about a document (the target is away, the credentials are wrong) is an error instead. Only what
//! was refused for now is sent again. A repeat is harmless: versions are external or ids are the same.
//!
//! What a request that was refused as a whole comes to:
//!
//! | answer | |
//! |---|---|
//! | 429, 502, 503, 504, no connection | waited for; then sent in requests as large as the pace allows |
//! | 429 for one large document, again and again, while others are taken | it fails as `too_large` |
//! | a block (read-only, flood stage) | waited for, with a warning each minute |
//! | 413 | halved; a single document fails as `too_large` |
//! | 400 | halved until the guilty document is alone; it fails as `malformed` |
//! | no answer or 500, again and again, while the target answers others | halved; a single one fails as `other` |
//! | 401, 403, anything else | an error |

mod batch;
mod delivery;
mod error;
mod gate;
mod gzip;
mod patience;
mod piece;
mod verdict;

pub mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster::{Cluster, HeaderName, HeaderValue, Method, Reply, Request, encode_segment};

pub use batch::{Batch, BatchBuilder, ItemMark, Place};
pub use error::{Obstacle, SendError};
pub use gzip::Gzip;
pub use pace::Limits;
pub use verdict::Class;

use delivery::Delivery;
use gate::Gate;
use patience::Warnings;
use piece::Piece;

/// How to send.
#[derive(Clone, Copy, Debug)]
pub struct SendSettings {
    pub limits: Limits,
    pub gzip: Gzip,
    /// How long a target that writes nothing is waited for (`--target-retry-for`).
    pub retry_for: Duration,
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for SendSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            gzip: Gzip::Auto,
            retry_for: Duration::from_secs(30 * 60),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub written: u64,
    /// The target holds the document already, or a newer one.
    pub superseded: u64,
    /// In the order of the batch.
    pub failed: Vec<FailedItem>,
}

impl Outcome {
    /// Every document of the batch, once.
    pub fn accounted(&self) -> u64 {
        self.written + self.superseded + self.failed.len() as u64
    }
}

/// A document that wasn't written, and won't be by trying again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedItem {
    /// In the batch.
    pub position: usize,
    pub class: Class,
    pub status: u16,
    /// As the target names the error.
    pub kind: String,
    pub reason: String,
    /// Requests that held it.
    pub attempts: u32,
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub requests: u64,
    /// Bodies as they went out.
    pub bytes: u64,
    /// Bodies before compression.
    pub plain_bytes: u64,
    /// Items that went out again.
    pub repeated_items: u64,
    /// Requests that were refused for now, wholly or in part.
    pub refused: u64,
}

/// Sends to one target; clones share its pace.
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cluster: Cluster,
    settings: SendSettings,
    gzip: bool,
    gate: Gate,
    warnings: Warnings,
    requests: AtomicU64,
    bytes: AtomicU64,
    plain_bytes: AtomicU64,
    repeated_items: AtomicU64,
    refused: AtomicU64,
    /// Requests of which something was taken.
    taken: AtomicU64,
}

impl Sender {
    pub fn new(cluster: Cluster, settings: SendSettings) -> Self {
        let shared = Shared {
            gzip: settings.gzip.for_target(cluster.url()),
            gate: Gate::new(settings.limits),
            cluster,
            settings,
            warnings: Warnings::default(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            plain_bytes: AtomicU64::new(0),
            repeated_items: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How large a batch should be at the moment.
    pub fn batch_bytes(&self) -> usize {
        self.shared.gate.batch_bytes()
    }

    /// How many requests the target takes at once at the moment. More calls of [`Sender::send`] than
    /// this wait for each other; fewer leave the target idle.
    pub fn connections(&self) -> u32 {
        self.shared.gate.connections()
    }

    pub fn sent(&self) -> Sent {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Sent {
            requests: read(&self.shared.requests),
            bytes: read(&self.shared.bytes),
            plain_bytes: read(&self.shared.plain_bytes),
            repeated_items: read(&self.shared.repeated_items),
            refused: read(&self.shared.refused),
        }
    }

    /// Sends a batch until each of its documents is written, superseded or failed.
    ///
    /// # Errors
    /// When the target can't be written to for a reason that isn't a document's; nothing is then known of
    /// the batch, and it is to be sent again.
    pub async fn send(&self, batch: &Batch) -> Result<Outcome, SendError> {
        Delivery::new(&self.shared, batch).run().await
    }
}

impl Shared {
    /// One request with the items of a piece.
    async fn request(&self, batch: &Batch, piece: &Piece) -> Result<Request, SendError> {
        let plain = piece.body(batch);
        let count = |counter: &AtomicU64, by| counter.fetch_add(by, Ordering::Relaxed);
        count(&self.plain_bytes, plain.len() as u64);
        let body = if self.gzip { gzip::compress(plain).await? } else { plain };
        count(&self.bytes, body.len() as u64);
        count(&self.requests, 1);
        if piece.attempts > 0 {
            count(&self.repeated_items, piece.items.len() as u64);
        }
        let mut request = Request::ndjson(Method::POST, path(batch), body);
        if self.gzip {
            let encoding = HeaderName::from_static("content-encoding");
            request.headers.insert(encoding, HeaderValue::from_static("gzip"));
        }
        Ok(request)
    }

    /// Does the target answer anything at all?
    async fn is_there(&self) -> bool {
        const LONGEST: Duration = Duration::from_secs(10);
        let reply = self.cluster.send(Request::new(Method::GET, "/"));
        let reply = tokio::time::timeout(LONGEST, reply).await;
        matches!(reply, Ok(Ok(reply)) if Reply::is_success(&reply))
    }
}

/// With only what is read of the answer: 26 bytes an item instead of 200.
fn path(batch: &Batch) -> String {
    const FILTER: &str = "_bulk?filter_path=took,errors,items.*.status,items.*.error,error,status";
    match &batch.index {
        Some(index) => format!("/{}/{FILTER}", encode_segment(index)),
        None => format!("/{FILTER}"),
    }
}
