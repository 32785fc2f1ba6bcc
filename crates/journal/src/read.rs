//! Reading: entries in order of each partition, with their offsets.

use bytes::Bytes;
use codec::record::{self, Nanos, Record};
use thiserror::Error;

use crate::JournalUrl;
use crate::export::ExportReader;
use crate::file::{self, FileReader};
use crate::kafka::KafkaReader;

/// One record, or the place where there should have been one.
#[derive(Debug)]
pub struct Entry {
    pub partition: i32,
    pub offset: u64,
    /// The offset that follows; committing it means that this entry is finished.
    pub next: u64,
    /// What it is stored under, and its bytes; both empty where there are none.
    pub key: Bytes,
    pub value: Bytes,
    /// When it came into the journal, in nanoseconds since 1970, where the journal tells: Kafka does, in milliseconds.
    pub stored_at: Option<Nanos>,
    pub record: Result<Record, BadRecord>,
}

impl Entry {
    /// Whether nothing was ever before it in its partition. File journals count the header of their first segment.
    pub fn is_at_beginning(&self) -> bool {
        self.offset == 0 || (self.offset == file::FIRST_RECORD && !self.is_counted())
    }

    /// Whether offsets are numbers of records, as everywhere but in file journals, where they are places of bytes.
    pub fn is_counted(&self) -> bool {
        self.next == self.offset + 1
    }

    /// Whether records of its connection may be in any partition, and so come in any order: its key says so.
    pub fn is_scattered(&self) -> bool {
        let of = |record: &Record| {
            codec::export::is_scattered(&self.key, &record.connection, record.number)
        };
        self.record.as_ref().is_ok_and(of)
    }
}

/// What a reader gives that shares a journal with others of its group.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // by far the most are entries
pub enum Taken {
    Entry(Entry),
    /// Partitions that this reader reads from now on, each from where the group has committed.
    Gained(Vec<i32>),
    /// Partitions that another reads from now on.
    Lost(Vec<i32>),
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
    Export(ExportReader),
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
            JournalUrl::Export(file) => Kind::Export(ExportReader::open(file, group, start)?),
            JournalUrl::Kafka { brokers, topic } => Kind::Kafka(
                KafkaReader::open(brokers, topic, group, start, kafka_properties).await?,
            ),
        }))
    }

    /// Opens a journal that several readers of the group share: each partition is read by one of them, and moves when
    /// one comes or goes. It begins without any; read it with [`Reader::take`].
    ///
    /// # Errors
    /// [`ReadError`] when no broker answers, or it isn't a topic.
    pub async fn open_shared(
        url: &JournalUrl,
        group: &str,
        kafka_properties: &[(String, String)],
    ) -> Result<Reader, ReadError> {
        let JournalUrl::Kafka { brokers, topic } = url else {
            let reason = "only a Kafka topic can be shared by several replayers".into();
            return Err(ReadError { url: url.to_string(), reason });
        };
        let reader = KafkaReader::open_shared(brokers, topic, group, kafka_properties).await?;
        Ok(Reader(Kind::Kafka(reader)))
    }

    /// How many partitions the journal has, whoever reads them.
    pub fn partition_count(&self) -> usize {
        match &self.0 {
            Kind::File(_) | Kind::Export(_) => 1,
            Kind::Kafka(kafka) => kafka.count(),
        }
    }

    /// The partitions that this reader reads.
    pub fn partitions(&self) -> Vec<i32> {
        match &self.0 {
            Kind::File(_) | Kind::Export(_) => vec![0],
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
            Kind::Export(export) => Ok(export.next().await),
        }
    }

    /// As [`Reader::next`], with the partitions that come and go. It has to be called again and again for as long as
    /// the reader is to be one of its group, with [`Reader::flow`] stopped where there is no room.
    ///
    /// # Errors
    /// [`ReadError`] when the journal can't be read at all.
    pub async fn take(&mut self) -> Result<Taken, ReadError> {
        match &mut self.0 {
            Kind::File(_) | Kind::Export(_) => Ok(Taken::Entry(self.next().await?)),
            Kind::Kafka(kafka) => kafka.take().await,
        }
    }

    /// Whether [`Reader::take`] gives entries, or only partitions that come and go. Kafka alone; others ignore it.
    ///
    /// # Errors
    /// [`ReadError`] when the client refuses.
    pub fn flow(&mut self, flows: bool) -> Result<(), ReadError> {
        match &mut self.0 {
            Kind::File(_) | Kind::Export(_) => Ok(()),
            Kind::Kafka(kafka) => kafka.flow(flows),
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
            Kind::Export(export) => Ok(export.end()),
        }
    }

    /// Whether everything below `ends` has been given out by [`Reader::next`], of the partitions that it reads.
    pub fn has_reached(&self, ends: &Ends) -> bool {
        match &self.0 {
            Kind::File(file) => ends.0.iter().all(|(_, end)| file.position() >= *end),
            Kind::Kafka(kafka) => kafka.has_reached(ends),
            Kind::Export(export) => ends.0.iter().all(|(_, end)| export.position() >= *end),
        }
    }

    /// Up to which time all that was captured has been given out, where the journal knows that by itself.
    pub fn low_water(&self) -> Option<Nanos> {
        match &self.0 {
            Kind::File(_) | Kind::Kafka(_) => None,
            Kind::Export(export) => Some(export.low_water()),
        }
    }

    /// Remembers for the group that everything below `offset` of `partition` is finished.
    ///
    /// # Errors
    /// [`ReadError`] when it could not be stored; what was committed before still holds.
    pub async fn commit(&mut self, partition: i32, offset: u64) -> Result<(), ReadError> {
        match &mut self.0 {
            Kind::File(file) => file.commit(offset).await,
            Kind::Kafka(kafka) => kafka.commit(partition, offset).await,
            Kind::Export(export) => export.commit(offset).await,
        }
    }
}

/// What should come next at `offset` and is deleted, up to `first`, as one entry of `length` bytes.
pub(crate) fn deleted(partition: i32, offset: u64, first: u64, length: u64) -> Entry {
    let reason = format!("deleted before it was read; offset {first} is the first left");
    let bad = BadRecord { partition, offset, length, reason };
    unread(bad, first)
}

/// An entry that can't be read.
pub(crate) fn unread(bad: BadRecord, next: u64) -> Entry {
    let BadRecord { partition, offset, .. } = bad;
    let key = Bytes::new();
    let value = Bytes::new();
    Entry { partition, offset, next, key, value, stored_at: None, record: Err(bad) }
}

/// An entry out of the bytes that were stored for it.
pub(crate) fn entry(partition: i32, offset: u64, next: u64, key: Bytes, value: Bytes) -> Entry {
    let record = record::decode(&value).map_err(|error| BadRecord {
        partition,
        offset,
        length: value.len() as u64,
        reason: error.to_string(),
    });
    Entry { partition, offset, next, key, value, stored_at: None, record }
}
