//! Appending to a topic.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::access::Access;
use super::anew::{Broken, Recipe, Retry};
use super::produce::{Message, Producer, Reports, SendError};
use super::token::Tokens;
use super::topic::{self, Limits, Remembered};
use crate::{AppendError, AppendSettings, Lane, Urgency};

/// Gathered records, and bytes of them, that are handed over without waiting longer. The bytes fit
/// a processor's cache: librdkafka's thread reads them again for their checksum and to send them.
const GATHER: usize = 1024;
const GATHER_BYTES: usize = 256 << 10;
/// How long brokers have to answer before a journal is called unreachable.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same where a spill can take their place: clients wait for it at the proxy's start.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// How long a poller looks at a broken producer alone at a time: it may be closed meanwhile.
const SLICE: Duration = Duration::from_millis(50);

/// The writing end of a Kafka journal.
pub(crate) struct KafkaAppender {
    url: String,
    topic: String,
    access: Access,
    partitions: i32,
    limits: Limits,
    most: usize,
    core: Arc<Core>,
    poller: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for KafkaAppender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let KafkaAppender { url, access, partitions, core, .. } = self;
        let mut shown = f.debug_struct("KafkaAppender");
        shown.field("url", url).field("access", access).field("partitions", partitions);
        shown.field("core", core).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) recipe: Recipe,
    pub(super) reports: Arc<Reports>,
    /// Records gather here, so that librdkafka gets them together: a hand-over of its own for each
    /// costs its thread a wake-up. Those that nobody waits for gather for a few milliseconds; a held
    /// one takes all of them along, at once when nothing is on its way, otherwise with the next
    /// report: before that it would not be sent either.
    pub(super) gathered: Mutex<Gathered>,
    room: Notify,
    closed: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) producer: Arc<Producer>,
    pub(super) messages: VecDeque<Message>,
    pub(super) bytes: usize,
    /// When the first of them came.
    pub(super) since: Option<Instant>,
    /// Whether somebody waits for one of them.
    pub(super) held: bool,
    /// Records that come before these are on their way back from another producer.
    pub(super) halted: bool,
    /// Records that were taken so far, all together and by partition.
    taken: u64,
    taken_by_partition: Box<[u64]>,
}

impl Gathered {
    fn put(&mut self, lane: Lane, number: u64, record: Bytes) {
        self.bytes += record.len();
        self.taken += 1;
        let partition = usize::try_from(lane.partition()).ok();
        if let Some(taken) =
            partition.and_then(|partition| self.taken_by_partition.get_mut(partition))
        {
            *taken += 1;
        }
        self.messages.push_back(Message { lane, number, record, order: self.taken });
        self.since.get_or_insert_with(Instant::now);
    }

    fn is_enough(&self) -> bool {
        self.messages.len() >= GATHER || self.bytes >= GATHER_BYTES
    }
}

impl Core {
    /// Hands over what has gathered, in order; what does not fit stays for the next time.
    pub(super) fn hand_over(&self, gathered: &mut Gathered) {
        if gathered.halted {
            return;
        }
        while let Some(message) = gathered.messages.pop_front() {
            let length = message.record.len();
            match gathered.producer.send(message) {
                Ok(()) => {}
                Err(SendError::Later(message)) => return gathered.messages.push_front(message),
                Err(SendError::Refused(reason)) => {
                    tracing::error!(reason, "librdkafka refused a record");
                }
            }
            gathered.bytes -= length;
        }
        (gathered.since, gathered.held) = (None, false);
    }

    /// The poller thread: hands over what has gathered for long enough, serves delivery reports, and
    /// wakes who waits for them; and shows brokers new tokens.
    fn poll(&self, linger: Duration, mut tokens: Option<Tokens>) {
        let idle = linger * 10;
        let mut patience = idle;
        let mut retry = Retry::default();
        while !self.closed.load(Ordering::Acquire) {
            let producer = Arc::clone(&self.gathered.lock().producer);
            if let Some(token) = tokens.as_mut().and_then(Tokens::newer) {
                producer.show(&token);
            }
            producer.poll(patience);
            // A spill takes what there is from a broken one, and begins anew itself.
            let broken = producer.broken().filter(|_| !self.reports.spills);
            drop(producer);
            // Closing begins anew itself, within its own patience.
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            let waits = broken.and_then(|broken| retry.begin_anew(self, broken));
            // What came since waits for the next one, too; without hope for one it is handed over, and refused.
            if let (Some(Broken::Disagrees), Some(wait)) = (broken, waits) {
                patience = wait.min(SLICE);
                continue;
            }
            let mut gathered = self.gathered.lock();
            // Reports come with every answer of the broker; to hand over as often what nobody waits
            // for would be to send a handful of records each time.
            patience = match gathered.since.map(|since| since.elapsed()) {
                None => idle,
                Some(age) if age < linger && !gathered.held => linger - age,
                Some(_) => {
                    self.hand_over(&mut gathered);
                    linger
                }
            };
            drop(gathered);
            self.room.notify_waiters();
        }
    }
}

/// A topic, and how it is reached.
struct Found {
    access: Access,
    /// How many partitions it has, and what it takes.
    takes: (i32, Limits),
    /// Why the brokers couldn't be asked, if they couldn't.
    away: Option<String>,
}

fn find(
    (brokers, topic): (&str, &str),
    settings: &AppendSettings,
    known: Option<Remembered>,
) -> Result<Found, String> {
    let access = Access::new(brokers, &settings.kafka_properties)?;
    let patience = known.map_or(PATIENCE, |_| SHORT_PATIENCE);
    let ensured = topic::ensure(&access, topic, settings.partitions, patience);
    let (takes, away) = match (ensured, known) {
        (Ok(there), _) => ((there.partitions, topic::limits(&access, topic, there)?), None),
        (Err(error), Some(Remembered { partitions, batch })) => {
            ((partitions, Limits::unasked(&access, batch)), Some(error))
        }
        (Err(error), None) => return Err(error),
    };
    Ok(Found { access, takes, away })
}

impl KafkaAppender {
    pub(crate) fn open(
        brokers: &str,
        topic: &str,
        settings: &AppendSettings,
    ) -> Result<Arc<KafkaAppender>, String> {
        Self::open_known(brokers, topic, settings, None).map(|(appender, _)| appender)
    }

    /// The same for a topic that was there before: brokers aren't waited for long. With it comes why they couldn't be
    /// asked, if they couldn't.
    pub(crate) fn open_known(
        brokers: &str,
        topic: &str,
        settings: &AppendSettings,
        known: Option<Remembered>,
    ) -> Result<(Arc<KafkaAppender>, Option<String>), String> {
        let Found { access, takes, away } = find((brokers, topic), settings, known)?;
        let appender = Self::begin((brokers, topic), access, settings, takes)?;
        Ok((appender, away))
    }

    /// Whether [`KafkaAppender::open_known`] would succeed now. A topic that is not there is made.
    pub(crate) fn check(
        brokers: &str,
        topic: &str,
        settings: &AppendSettings,
        known: Option<Remembered>,
    ) -> Result<(), String> {
        let Found { access, takes: (partitions, limits), .. } =
            find((brokers, topic), settings, known)?;
        let reports = Arc::new(Reports::new(partitions, settings.spill.is_some()));
        Recipe::new(&access, topic, settings, limits).make(&reports).map(drop)
    }

    /// Begins to write to a topic that has so many partitions and takes so much.
    pub(super) fn begin(
        (brokers, topic): (&str, &str),
        access: Access,
        settings: &AppendSettings,
        (partitions, limits): (i32, Limits),
    ) -> Result<Arc<KafkaAppender>, String> {
        let recipe = Recipe::new(&access, topic, settings, limits);
        let reports = Arc::new(Reports::new(partitions, settings.spill.is_some()));
        let core = Arc::new(Core {
            gathered: Mutex::new(Gathered {
                producer: Arc::new(recipe.make(&reports)?),
                messages: VecDeque::new(),
                bytes: 0,
                since: None,
                held: false,
                halted: false,
                taken: 0,
                taken_by_partition: (0..partitions).map(|_| 0).collect(),
            }),
            recipe,
            reports,
            room: Notify::new(),
            closed: AtomicBool::new(false),
        });
        let poller = std::thread::Builder::new().name("journal".into()).spawn({
            let (core, linger, tokens) = (core.clone(), settings.linger, access.tokens().cloned());
            move || core.poll(linger, tokens)
        });
        let appender = KafkaAppender {
            url: format!("kafka://{brokers}/{topic}"),
            topic: topic.to_owned(),
            access,
            partitions,
            limits,
            most: settings.queue_bytes,
            core,
            poller: Mutex::new(Some(poller.map_err(|error| error.to_string())?)),
        };
        Ok(Arc::new(appender))
    }

    pub(crate) fn partitions(&self) -> i32 {
        self.partitions
    }

    /// What to remember of its topic.
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered { partitions: self.partitions, batch: Some(self.limits.batch) }
    }

    pub(crate) fn append(
        &self,
        lane: &Lane,
        number: u64,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<(), AppendError> {
        if self.core.closed.load(Ordering::Acquire) {
            let (url, reason) = (self.url.clone(), "it is closed".into());
            return Err(AppendError::Failed { url, reason });
        }
        if record.len() > self.limits.record {
            return Err(AppendError::TooLarge { length: record.len(), most: self.limits.record });
        }
        let waiting = &self.core.reports.waiting_bytes;
        let before = waiting.load(Ordering::Relaxed);
        // What comes out of a spill is bounded by who drains it.
        if before > 0 && before + record.len() > self.most && !lane.drains() {
            return Err(AppendError::Full(record));
        }
        let mut gathered = self.core.gathered.lock();
        // Under the lock: what waits and hasn't gathered is on its way.
        let waiting = waiting.fetch_add(record.len(), Ordering::Relaxed) + record.len();
        gathered.put(lane.clone(), number, record);
        gathered.held |= urgency == Urgency::Held;
        let none_is_on_its_way = waiting == gathered.bytes;
        if gathered.held && none_is_on_its_way || gathered.is_enough() {
            self.core.hand_over(&mut gathered);
        }
        Ok(())
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.core.reports.waiting_bytes.load(Ordering::Relaxed)
    }

    pub(crate) async fn room(&self) {
        let freed = self.core.room.notified();
        if self.waiting_bytes() < self.most / 2 {
            return;
        }
        // Another may take the room first; a caller tries, and comes back when it is full again.
        let _ = tokio::time::timeout(Duration::from_millis(100), freed).await;
    }

    pub(crate) fn close(&self, patience: Duration) -> usize {
        self.core.closed.store(true, Ordering::Release);
        if let Some(poller) = self.poller.lock().take() {
            let _ = poller.join();
        }
        self.core.finish(patience);
        let lost = self.lost();
        if lost > 0 {
            tracing::error!(records = lost, url = %self.url, "records did not reach the journal");
        }
        lost
    }

    /// Everything that was taken and isn't delivered, in the order in which it was taken; begins anew with a producer
    /// that knows of none of it. Nothing may be appended meanwhile. What was on its way to a broker may get there all
    /// the same. Blocks.
    pub(crate) fn take_back(&self) -> Result<Vec<Message>, String> {
        let core = &self.core;
        let anew = core.recipe.make(&core.reports)?;
        let mut gathered = core.gathered.lock();
        let old = std::mem::replace(&mut gathered.producer, Arc::new(anew));
        let mut taken: Vec<Message> = gathered.messages.drain(..).collect();
        (gathered.bytes, gathered.since, gathered.held) = (0, None, false);
        drop(gathered);
        taken.iter().for_each(|message| core.reports.settle(message));
        old.take_back();
        taken.append(&mut core.reports.take_kept());
        taken.sort_unstable_by_key(|message| message.order);
        taken.iter().for_each(|message| message.lane.keep(false));
        Ok(taken)
    }

    /// Whether Kafka refused records for good, which are kept for the spill.
    pub(crate) fn has_kept(&self) -> bool {
        self.core.reports.has_kept()
    }

    /// Producers that could not go on, so far.
    pub(crate) fn broken(&self) -> u64 {
        self.core.reports.broken.load(Ordering::Relaxed)
    }

    /// By partition: records that were taken, and of them those that are done with, in order.
    pub(crate) fn progress(&self) -> Vec<(u64, u64)> {
        let gathered = self.core.gathered.lock();
        let settled = self.core.reports.settled.iter().map(|one| one.load(Ordering::Acquire));
        gathered.taken_by_partition.iter().copied().zip(settled).collect()
    }

    /// The longest record that the topic takes.
    pub(crate) fn largest_record(&self) -> usize {
        self.limits.record
    }

    /// Makes the topic, or what it lacks, if it isn't there (any more).
    pub(crate) fn ensure_topic(&self) -> Result<(), String> {
        topic::restore(&self.access, &self.topic, self.partitions, SHORT_PATIENCE)
    }

    pub(crate) fn lost(&self) -> usize {
        self.core.reports.lost.load(Ordering::Relaxed)
    }

    /// Delivery reports whose record was at another address than the one handed over: 0 unless
    /// something copies.
    pub(crate) fn moved(&self) -> usize {
        self.core.reports.moved.load(Ordering::Relaxed)
    }
}

impl Drop for KafkaAppender {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}
