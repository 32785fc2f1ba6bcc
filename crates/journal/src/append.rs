//! Appending: one interface over both kinds of journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::file::{self, FileAppender, Named};
use crate::kafka::{KafkaAppender, KafkaProperties};
use crate::spill::{SpillSettings, SpillState, SpillingAppender};
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
    pub kafka_properties: KafkaProperties,
    /// Kafka: partitions of a topic that has to be created.
    pub partitions: i32,
    /// Kafka: where records go while it is slow or gone.
    pub spill: Option<SpillSettings>,
}

impl Default for AppendSettings {
    fn default() -> AppendSettings {
        AppendSettings {
            queue_bytes: 64 << 20,
            linger: Duration::from_millis(10),
            segment_bytes: 64 << 20,
            limit_bytes: 16 << 30,
            retention: None,
            kafka_properties: KafkaProperties::default(),
            partitions: 4,
            spill: None,
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
    #[error(
        "Kafka takes no records, and the spill has reached its limit of {limit} bytes; bring Kafka back, or raise --spill-limit"
    )]
    SpillFull { limit: u64 },
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
    /// The partition, big-endian, and the key: what a spill stores it under.
    name: Box<[u8]>,
    partition: i32,
    /// Its records come out of a spill: when Kafka does not take them they are still there.
    drains: bool,
    /// Kafka did not take a record of it, which is to go to the spill: so does all that came after.
    kept: AtomicBool,
    durable: Watermark,
}

/// Length of the partition in front of a key.
const PARTITION: usize = 4;

impl Default for Lane {
    /// The lane of a connection that isn't recorded: nothing is appended to it.
    fn default() -> Lane {
        Lane::new(0, b"", false)
    }
}

impl Lane {
    /// How far this connection's records are durable.
    pub fn durable(&self) -> &Watermark {
        &self.0.durable
    }

    pub(crate) fn new(partition: i32, key: &[u8], drains: bool) -> Lane {
        let name = [&partition.to_be_bytes()[..], key].concat().into();
        let (kept, durable) = (AtomicBool::new(false), Watermark::default());
        Lane(Arc::new(Way { name, partition, drains, kept, durable }))
    }

    /// The lane of a record that a spill holds under this name; `None`: it is none that a spill gives.
    pub(crate) fn out_of_spill(name: &[u8]) -> Option<Lane> {
        let (partition, key) = name.split_first_chunk::<PARTITION>()?;
        Some(Lane::new(i32::from_be_bytes(*partition), key, true))
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.0.name[PARTITION..]
    }

    /// Partition and key in one.
    pub(crate) fn name(&self) -> &[u8] {
        &self.0.name
    }

    pub(crate) fn drains(&self) -> bool {
        self.0.drains
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.kept.load(Ordering::Acquire)
    }

    pub(crate) fn keep(&self, kept: bool) {
        self.0.kept.store(kept, Ordering::Release);
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
    Spilling(Arc<SpillingAppender>),
}

const ONLY_READ: &str = "an export is only read; write to file:// or kafka://, and export that";

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
                let appender = FileAppender::open(folder, settings, Named::ByKey);
                Kind::File(appender.map_err(|error| failed(error.to_string()))?)
            }
            JournalUrl::Export(_) => return Err(failed(ONLY_READ.into())),
            JournalUrl::Kafka { brokers, topic } => match &settings.spill {
                None => {
                    let appender = KafkaAppender::open(brokers, topic, settings);
                    Kind::Kafka(appender.map_err(failed)?)
                }
                Some(spill) => {
                    let appender = SpillingAppender::open((brokers, topic), settings, spill);
                    Kind::Spilling(appender.map_err(failed)?)
                }
            },
        }))
    }

    /// Whether [`Appender::open`] can be expected to succeed once who writes to the journal now has ended: what can be found
    /// out without owning it. A folder or topic that is not there is made. Blocks while it talks to the disk or the broker.
    ///
    /// # Errors
    /// [`AppendError::Failed`] with what would fail.
    pub fn check(url: &JournalUrl, settings: &AppendSettings) -> Result<(), AppendError> {
        let checked = match (url, &settings.spill) {
            (JournalUrl::File(folder), _) => file::check(folder).map_err(|error| error.to_string()),
            (JournalUrl::Export(_), _) => Err(ONLY_READ.to_owned()),
            (JournalUrl::Kafka { brokers, topic }, None) => {
                KafkaAppender::check(brokers, topic, settings, None)
            }
            (JournalUrl::Kafka { brokers, topic }, Some(spill)) => {
                SpillingAppender::check(brokers, topic, settings, spill)
            }
        };
        checked.map_err(|reason| AppendError::Failed { url: url.to_string(), reason })
    }

    /// How many partitions there are, numbered from 0.
    pub fn partitions(&self) -> i32 {
        match &self.0 {
            Kind::File(_) => 1,
            Kind::Kafka(kafka) => kafka.partitions(),
            Kind::Spilling(spilling) => spilling.partitions(),
        }
    }

    /// The longest record that is taken.
    pub fn largest_record(&self) -> usize {
        match &self.0 {
            Kind::File(_) => file::LARGEST_RECORD,
            Kind::Kafka(kafka) => kafka.largest_record(),
            Kind::Spilling(spilling) => spilling.largest_record(),
        }
    }

    /// A connection's lane: its key is the connection id, its partition follows from it.
    pub fn lane(&self, connection: &str) -> Lane {
        let hash = crc32fast::hash(connection.as_bytes());
        self.lane_in((hash % self.partitions().max(1) as u32) as i32, connection)
    }

    /// A lane in a partition of one's choice: heartbeats go into every one.
    pub fn lane_in(&self, partition: i32, key: &str) -> Lane {
        Lane::new(partition, key.as_bytes(), false)
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
            Kind::Spilling(spilling) => spilling.append(lane, number, record, urgency),
        }
    }

    /// As [`Appender::append`], and waits for room where there is none.
    ///
    /// # Errors
    /// [`AppendError`], but never [`AppendError::Full`].
    pub async fn append_with_room(
        &self,
        lane: &Lane,
        number: u64,
        mut record: Bytes,
        urgency: Urgency,
    ) -> Result<(), AppendError> {
        loop {
            match self.append(lane, number, record, urgency) {
                Err(AppendError::Full(back)) => record = back,
                appended => return appended,
            }
            self.room().await;
        }
    }

    /// Bytes of records that wait for durability.
    pub fn waiting_bytes(&self) -> usize {
        match &self.0 {
            Kind::File(file) => file.waiting_bytes(),
            Kind::Kafka(kafka) => kafka.waiting_bytes(),
            Kind::Spilling(spilling) => spilling.waiting_bytes(),
        }
    }

    /// How many records were taken so far, and how many of them are done with, whatever came of them: by partition of the
    /// topic, by file. Of each, records are done with in the order in which they were taken.
    pub fn progress(&self) -> Vec<(u64, u64)> {
        match &self.0 {
            Kind::File(file) => vec![file.progress()],
            Kind::Kafka(kafka) => kafka.progress(),
            Kind::Spilling(spilling) => spilling.progress(),
        }
    }

    /// Delivery reports whose record lay at another address than the one handed over: 0 unless
    /// something copied it. File journals hand over nothing.
    pub fn moved(&self) -> usize {
        match &self.0 {
            Kind::File(_) => 0,
            Kind::Kafka(kafka) => kafka.moved(),
            Kind::Spilling(spilling) => spilling.moved(),
        }
    }

    /// Waits until the queue has room again after [`AppendError::Full`].
    pub async fn room(&self) {
        match &self.0 {
            Kind::File(file) => file.room().await,
            Kind::Kafka(kafka) => kafka.room().await,
            Kind::Spilling(spilling) => spilling.room().await,
        }
    }

    /// Records that were taken and did not get there, so far.
    pub fn lost(&self) -> usize {
        match &self.0 {
            Kind::File(file) => file.lost(),
            Kind::Kafka(kafka) => kafka.lost(),
            Kind::Spilling(spilling) => spilling.lost(),
        }
    }

    /// Kafka: producers that could not go on, each followed by another, so far.
    pub fn broken_producers(&self) -> u64 {
        match &self.0 {
            Kind::File(_) => 0,
            Kind::Kafka(kafka) => kafka.broken(),
            Kind::Spilling(spilling) => spilling.broken(),
        }
    }

    /// How much lies in the spill, and what it has seen; `None` without one.
    pub fn spill(&self) -> Option<SpillState> {
        match &self.0 {
            Kind::File(_) | Kind::Kafka(_) => None,
            Kind::Spilling(spilling) => Some(spilling.state()),
        }
    }

    /// Makes everything that was taken durable, or gives up after `patience`. Returns how many
    /// records did not get there, now or before. Nothing may be appended any more. Blocks.
    pub fn close(&self, patience: Duration) -> usize {
        match &self.0 {
            Kind::File(file) => file.close(patience),
            Kind::Kafka(kafka) => kafka.close(patience),
            Kind::Spilling(spilling) => spilling.close(patience),
        }
    }
}
