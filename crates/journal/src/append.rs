//! Appending: one interface over both kinds of journal.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::file::FileAppender;
use crate::kafka::KafkaAppender;
use crate::{JournalUrl, Watermark};

/// The bounds of an appender.
#[derive(Debug, Clone)]
pub struct AppendSettings {
    /// Bytes of records that may wait for durability at once.
    pub queue_bytes: usize,
    /// How long records that nobody waits for may gather before they are written.
    pub linger: Duration,
    /// File journals: the size at which a new segment begins.
    pub segment_bytes: u64,
    /// File journals: the size of all segments together at which appends are refused.
    pub limit_bytes: u64,
    /// File journals: segments whose last record is older are deleted; `None` keeps all.
    pub retention: Option<Duration>,
    /// Kafka: any property of librdkafka; wins over ours.
    pub kafka_properties: Vec<(String, String)>,
    /// Kafka: partitions of a topic that has to be created.
    pub partitions: i32,
}

impl Default for AppendSettings {
    fn default() -> AppendSettings {
        AppendSettings {
            queue_bytes: 64 << 20,
            linger: Duration::from_millis(10),
            segment_bytes: 64 << 20,
            limit_bytes: 16 << 30,
            retention: None,
            kafka_properties: Vec::new(),
            partitions: 4,
        }
    }
}

/// Why a record was not taken. It is not in the journal and will not get there.
#[derive(Debug, Error)]
pub enum AppendError {
    /// Comes with the record, so that it can be tried again when there is room.
    #[error("the journal's queue is full")]
    Full(Bytes),
    #[error(
        "the journal has reached its limit of {limit} bytes; raise --journal-limit or free space"
    )]
    Limit { limit: u64 },
    #[error("a record of {length} bytes is more than the journal takes ({most})")]
    TooLarge { length: usize, most: usize },
    #[error("journal {url}: {reason}")]
    Failed { url: String, reason: String },
}

/// Whether someone waits for this record's durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A request is held until the record is durable.
    Held,
    /// Nobody waits; the record may linger with others.
    Follows,
}

/// One connection's way into the journal: its key, its partition, how far it is durable. Cheap to
/// clone: every record on its way has one.
#[derive(Debug, Clone)]
pub struct Lane(Arc<Way>);

#[derive(Debug)]
struct Way {
    key: Box<[u8]>,
    partition: i32,
    durable: Watermark,
}

impl Lane {
    /// How far this connection's records are durable.
    pub fn durable(&self) -> &Watermark {
        &self.0.durable
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.0.key
    }

    pub(crate) fn partition(&self) -> i32 {
        self.0.partition
    }

    /// Says that a record of this connection was not appended, so that none after it counts.
    pub fn give_up(&self) {
        if let Some(waker) = self.durable().lose() {
            waker.wake();
        }
    }
}

/// Takes records. Cheap to clone; all clones are one journal.
#[derive(Debug, Clone)]
pub struct Appender(Kind);

#[derive(Debug, Clone)]
enum Kind {
    File(Arc<FileAppender>),
    Kafka(Arc<KafkaAppender>),
}

impl Appender {
    /// Opens the journal for appending. A file journal is recovered first: what is torn at its end
    /// is cut off. Blocks while it talks to the disk or the broker: call it before serving.
    ///
    /// # Errors
    /// [`AppendError::Failed`] when the folder is in use by another proxy or can't be written, or
    /// no broker answers.
    pub fn open(url: &JournalUrl, settings: &AppendSettings) -> Result<Appender, AppendError> {
        let failed = |reason: String| AppendError::Failed { url: url.to_string(), reason };
        Ok(Appender(match url {
            JournalUrl::File(folder) => {
                let appender = FileAppender::open(folder, settings);
                Kind::File(appender.map_err(|error| failed(error.to_string()))?)
            }
            JournalUrl::Export(_) => {
                let reason =
                    "an export is only read; write to file:// or kafka://, and export that";
                return Err(failed(reason.into()));
            }
            JournalUrl::Kafka { brokers, topic } => {
                let appender = KafkaAppender::open(brokers, topic, settings);
                Kind::Kafka(appender.map_err(failed)?)
            }
        }))
    }

    /// How many partitions there are, numbered from 0.
    pub fn partitions(&self) -> i32 {
        match &self.0 {
            Kind::File(_) => 1,
            Kind::Kafka(kafka) => kafka.partitions(),
        }
    }

    /// A connection's lane: its key is the connection id, its partition follows from it.
    pub fn lane(&self, connection: &str) -> Lane {
        let hash = crc32fast::hash(connection.as_bytes());
        self.lane_in((hash % self.partitions().max(1) as u32) as i32, connection)
    }

    /// A lane in a partition of one's choice: heartbeats go into every one.
    pub fn lane_in(&self, partition: i32, key: &str) -> Lane {
        let (key, durable) = (key.as_bytes().into(), Watermark::default());
        Lane(Arc::new(Way { key, partition, durable }))
    }

    /// Takes `record` as number `number` of its connection; returns at once. Numbers of a lane
    /// only grow. [`Lane::durable`] tells when it is durable.
    ///
    /// # Errors
    /// [`AppendError`]; with [`AppendError::Full`] the record comes back.
    pub fn append(
        &self,
        lane: &Lane,
        number: u64,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<(), AppendError> {
        match &self.0 {
            Kind::File(file) => file.append(lane, number, record, urgency),
            Kind::Kafka(kafka) => kafka.append(lane, number, record, urgency),
        }
    }

    /// Bytes of records that wait for durability.
    pub fn waiting_bytes(&self) -> usize {
        match &self.0 {
            Kind::File(file) => file.waiting_bytes(),
            Kind::Kafka(kafka) => kafka.waiting_bytes(),
        }
    }

    /// Delivery reports whose record lay at another address than the one handed over: 0 unless
    /// something copied it. File journals hand over nothing.
    pub fn moved(&self) -> usize {
        match &self.0 {
            Kind::File(_) => 0,
            Kind::Kafka(kafka) => kafka.moved(),
        }
    }

    /// Waits until the queue has room again after [`AppendError::Full`].
    pub async fn room(&self) {
        match &self.0 {
            Kind::File(file) => file.room().await,
            Kind::Kafka(kafka) => kafka.room().await,
        }
    }

    /// Records that were taken and did not get there, so far.
    pub fn lost(&self) -> usize {
        match &self.0 {
            Kind::File(file) => file.lost(),
            Kind::Kafka(kafka) => kafka.lost(),
        }
    }

    /// Makes everything that was taken durable, or gives up after `patience`. Returns how many
    /// records did not get there, now or before. Nothing may be appended any more. Blocks.
    pub fn close(&self, patience: Duration) -> usize {
        match &self.0 {
            Kind::File(file) => file.close(patience),
            Kind::Kafka(kafka) => kafka.close(patience),
        }
    }
}
