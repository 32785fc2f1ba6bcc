//! Reading: entries in order of each partition, with their offsets.

use bytes::Bytes;
use codec::record::{self, Record};
use thiserror::Error;

use crate::JournalUrl;
use crate::file::FileReader;
use crate::kafka::KafkaReader;

/// One record, or the place where there should have been one.
#[derive(Debug)]
pub struct Entry {
    pub partition: i32,
    pub offset: u64,
    /// The offset that follows; committing it means that this entry is finished.
    pub next: u64,
    pub record: Result<Record, BadRecord>,
}

/// A place in the journal that can't be read. The rest can.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("partition {partition}, offset {offset}: {length} bytes can't be read: {reason}")]
pub struct BadRecord {
    pub partition: i32,
    pub offset: u64,
    pub length: u64,
    pub reason: String,
}

/// Why reading can't go on.
#[derive(Debug, Error)]
#[error("journal {url}: {reason}")]
pub struct ReadError {
    pub url: String,
    pub reason: String,
}

/// Where a reader starts in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// What the group has committed; the beginning where it has committed nothing.
    Group,
    /// The oldest record that is still there.
    Beginning,
    /// This offset (file journals, and Kafka topics with one partition).
    Offset(u64),
    /// The first record at or after this time, in nanoseconds. File journals know it only by
    /// segment and may start earlier.
    Time(u64),
}

/// The end of every partition at some moment: (partition, offset behind the last record).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends(pub Vec<(i32, u64)>);

/// Reads a journal for one group.
#[derive(Debug)]
pub struct Reader(Kind);

#[derive(Debug)]
enum Kind {
    File(FileReader),
    Kafka(KafkaReader),
}

impl Reader {
    /// Opens the journal for reading.
    ///
    /// # Errors
    /// [`ReadError`] when there is no such journal, or no broker answers.
    pub async fn open(
        url: &JournalUrl,
        group: &str,
        start: StartFrom,
        kafka_properties: &[(String, String)],
    ) -> Result<Reader, ReadError> {
        Ok(Reader(match url {
            JournalUrl::File(folder) => Kind::File(FileReader::open(folder, group, start)?),
            JournalUrl::Kafka { brokers, topic } => Kind::Kafka(
                KafkaReader::open(brokers, topic, group, start, kafka_properties).await?,
            ),
        }))
    }

    /// The partitions that this reader reads.
    pub fn partitions(&self) -> Vec<i32> {
        match &self.0 {
            Kind::File(_) => vec![0],
            Kind::Kafka(kafka) => kafka.partitions(),
        }
    }

    /// The next entry; waits for one to be written. Safe to drop while waiting.
    ///
    /// # Errors
    /// [`ReadError`] when the journal can't be read at all.
    pub async fn next(&mut self) -> Result<Entry, ReadError> {
        match &mut self.0 {
            Kind::File(file) => file.next().await,
            Kind::Kafka(kafka) => kafka.next().await,
        }
    }

    /// Where the journal ends now.
    ///
    /// # Errors
    /// [`ReadError`] when the journal can't be asked.
    pub async fn ends(&self) -> Result<Ends, ReadError> {
        match &self.0 {
            Kind::File(file) => file.ends(),
            Kind::Kafka(kafka) => kafka.ends().await,
        }
    }

    /// Whether everything below `ends` has been given out by [`Reader::next`].
    pub fn has_reached(&self, ends: &Ends) -> bool {
        match &self.0 {
            Kind::File(file) => ends.0.iter().all(|(_, end)| file.position() >= *end),
            Kind::Kafka(kafka) => ends.0.iter().all(|(p, end)| kafka.position(*p) >= *end),
        }
    }

    /// Remembers for the group that everything below `offset` of `partition` is finished.
    ///
    /// # Errors
    /// [`ReadError`] when it could not be stored; what was committed before still holds.
    pub async fn commit(&mut self, partition: i32, offset: u64) -> Result<(), ReadError> {
        match &mut self.0 {
            Kind::File(file) => file.commit(offset),
            Kind::Kafka(kafka) => kafka.commit(partition, offset).await,
        }
    }
}

/// What should come next at `offset` and is deleted, up to `first`, as one entry of `length` bytes.
pub(crate) fn deleted(partition: i32, offset: u64, first: u64, length: u64) -> Entry {
    let reason = format!("deleted before it was read; offset {first} is the first left");
    let bad = BadRecord { partition, offset, length, reason };
    Entry { partition, offset, next: first, record: Err(bad) }
}

/// An entry out of the bytes that were stored for it.
pub(crate) fn entry(partition: i32, offset: u64, next: u64, bytes: &Bytes) -> Entry {
    let record = record::decode(bytes).map_err(|error| BadRecord {
        partition,
        offset,
        length: bytes.len() as u64,
        reason: error.to_string(),
    });
    Entry { partition, offset, next, record }
}
