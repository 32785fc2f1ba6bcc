//! Documents that were not written: kept until a retry writes them.
//!
//! The stream is a set of *parts*, each one file or object of JSON lines, written whole and never
//! changed. A part's name says who wrote it, so that workers never meet:
//!
//! ```text
//! DIR/RUN/UNIT.WORKER.TOKEN.000007.0.ndjson
//!         │    │      │     │      └ generation: how often the part was retried
//!         │    │      │     └ number, counted by the writer
//!         │    │      └ random, one a writer: a worker that was started again is another writer
//!         └────┴ only for people; letters, digits, `-` and `_`
//! ```
//!
//! After a retry, what still fails is written as the next generation of the part, and then the part is
//! deleted. A crash in between leaves two generations; the higher one counts. So no document is ever
//! forgotten, and what is repeated at worst is a retry, which is harmless.

mod document;
mod error;
mod retry;
mod store;
mod writer;

pub use document::{FailedDocument, Source};
pub use error::FailedError;
pub use retry::{Retried, RetryError};
pub use store::{FailedStore, Part, PartName};
pub use writer::{FailedWriter, Origin};
