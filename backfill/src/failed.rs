//! Documents that were not written: kept until a retry writes them.
//!
//! The stream is a set of *parts*, each one file or object of JSON lines, written whole and never
//! changed. A part's name says who wrote it, so that workers never meet:
//!
//! ```text
//! DIR/RUN/UNIT.WORKER.TOKEN.000007.ndjson
//!     │   │    │      │     └ number, counted by the writer
//!     │   │    │      └ random, one a writer: a worker that was started again is another writer
//!     │   │    └ for people; `retry` and `unsettled`: written by a retry
//!     └───┴ letters, digits, `-` and `_`, and a hash where the name has others or is long
//! ```
//!
//! A retry sends the documents of all parts of a unit, writes what still fails as parts of its own, and lets the
//! unit's document in the coordinator say so, together with the unit's new accounts: from then on its parts count,
//! by their token, and the others are deleted. Whatever it dies at, either the old parts count with the old
//! accounts, or the new ones with the new accounts; so no document is ever forgotten or counted twice, and what is
//! repeated at worst is sending, which is harmless. Of two retries at once one is the first to say so, and the
//! other deletes what it wrote.
//!
//! Where there are no accounts to settle, the parts of a retry are `unsettled`: they always count.

mod document;
mod error;
mod retry;
mod store;
mod writer;

pub use document::{FailedDocument, Source};
pub use error::FailedError;
pub use retry::{Resent, RetryError};
pub use store::{FailedStore, Part, PartName, plain_name};
pub use writer::{FailedWriter, Origin};
