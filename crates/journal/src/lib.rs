//! The journal: an append-only log of capture records, keyed by connection.
//!
//! Two implementations behind one small interface, chosen by url ([`JournalUrl`]): checksummed
//! segments on this host's disk, and a Kafka topic. A third is only read: a topic's export as a file.
//!
//! - [`Appender`] takes records and tells through a connection's [`Watermark`] which of them are
//!   durable. It never blocks; when its queue is full it says so. It copies no record, but
//!   librdkafka copies those of up to 2,600 bytes into its batch.
//! - [`Reader`] gives entries with their offsets. What can't be read is an entry too, with its place.
//! - [`OffsetLedger`] knows which offset may be committed: everything below it is finished.
//!
//! While Kafka is slow or gone, records go to a spill in front of it ([`SpillSettings`]).
//!
//! All `unsafe` of the workspace is in [`kafka::produce`](kafka), the produce call that does not copy.

mod append;
mod export;
mod file;
mod kafka;
mod ledger;
mod offset_file;
mod read;
mod spill;
mod stall;
mod url;
mod watermark;
mod whole_file;

pub use append::{AppendError, AppendSettings, Appender, Lane, Urgency};
pub use kafka::{KafkaProperties, WrongProperty};
pub use ledger::OffsetLedger;
pub use read::{BadRecord, Ends, Entry, ReadError, Reader, StartFrom, Taken};
pub use spill::{SpillSettings, SpillState};
pub use stall::Stall;
pub use url::{JournalUrl, UrlError};
pub use watermark::{NotDurable, Watermark};
