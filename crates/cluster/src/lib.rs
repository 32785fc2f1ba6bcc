//! A thin client of Elasticsearch and OpenSearch, every version.
//!
//! What it gives: raw requests with exact errors, the few calls that a migration needs (bulk, `_mget`
//! with versions, index definitions, sweeps by sequence number, scans) and bounded retries.
//! What it is not: a typed client of the API. Bodies go in and come out as bytes; only the fields that a
//! caller needs are read from answers.
//!
//! Invariants: an `Err` of [`Cluster::send`] means that no whole answer was read, a status of any kind is
//! an `Ok`; every retry loop, response body and page has a bound from [`Settings`].
#![forbid(unsafe_code)]

mod bulk;
mod client;
mod credentials;
mod documents;
mod endpoint;
mod error;
mod gone;
mod index;
mod plugins;
mod pool;
mod rate;
mod reach;
mod retry;
mod scan;
mod sigv4;
mod state;
mod sweep;
mod tasks;
mod transport;
mod version;

pub use bulk::{BulkCause, BulkItem, BulkReply};
pub use client::{Cluster, Reply, Request};
pub use documents::{Document, DocumentId, Found, Wanted};
pub use endpoint::{Auth, Identity, Settings};
pub use error::ClusterError;
pub use gone::not_among;
pub use index::{AliasedIndex, IndexDefinition, IndexIdentity, data_stream_of, encode_segment};
pub use pool::{Lease, Pool};
pub use rate::Rate;
pub use reach::{CoordinatorReach, Names, Reach, SourceReach, TargetReach};
pub use reqwest::Method;
pub use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
pub use retry::{Repeat, Retry};
pub use scan::Scan;
pub use sigv4::{Keys, Scope};
pub use state::IndexState;
pub use sweep::{ShardProgress, Sweep};
pub use version::{Flavour, Info};
