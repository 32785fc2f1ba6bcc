//! A spill: where a topic's records go while Kafka is slow or gone.
//!
//! ```text
//!            ┌── Kafka ── KafkaAppender ──────────────▶ topic
//! append ────┤                     ▲ taken back            ▲
//!            └── Spill ── FileAppender ── segments ── drain ┘
//! ```
//!
//! - It goes over to the spill when a record has waited for its acknowledgement for [`SpillSettings::after`], when the
//!   queue is full, or when Kafka refuses a record for good. Everything that isn't acknowledged is taken back and goes
//!   into the spill first, in the order in which it was taken: so the spill continues where the topic ends, and whatever
//!   speaks of records before it, as heartbeats do, still comes behind them.
//! - Whatever is in the spill is durable on this host's disk, and its connections are told so.
//! - It is drained in order, a batch at a time, each acknowledged before the next. Caught up with its end, appends are
//!   given back as full for a moment, the rest is sent, and the topic takes records directly again.
//! - What the broker had taken when it was taken back comes twice. Readers know (a record's number).
//! - A spill that holds something is drained by the next proxy that is started with it.
//!
//! ```text
//! FOLDER/topic          `NAME PARTITIONS`: with it a proxy may start while Kafka is gone
//! FOLDER/*.seg          a file journal, whose keys have the partition in front
//! FOLDER/groups/drain   how far it is drained
//! ```

mod drain;
mod topic;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::file::{self, FileAppender, FileReader, Named};
use crate::kafka::KafkaAppender;
use crate::{AppendError, AppendSettings, Lane, StartFrom, Urgency};

/// Where a spill is, and when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillSettings {
    pub folder: PathBuf,
    /// Size of all its segments at which appends are refused.
    pub limit_bytes: u64,
    /// How long a record may wait for Kafka's acknowledgement.
    pub after: Duration,
}

/// What a spill holds and has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpillState {
    /// Records go to the spill, not to Kafka.
    pub spilling: bool,
    /// Bytes of its segments on disk, drained ones of the last segment included.
    pub bytes: u64,
    pub limit_bytes: u64,
    /// Records that went into it, and out of it into the topic, since the start.
    pub spilled: u64,
    pub drained: u64,
    /// Places of it that could not be read; what was there is lost.
    pub unreadable: u64,
    /// How often it was gone over to, by reason.
    pub slow: u64,
    pub full: u64,
    pub refused: u64,
}

/// The group that drains.
const GROUP: &str = "drain";

/// Appends to a topic, or to the spill in front of it.
#[derive(Debug)]
pub(crate) struct SpillingAppender {
    shared: Arc<Shared>,
    tender: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    kafka: Arc<KafkaAppender>,
    spill: Arc<FileAppender>,
    settings: SpillSettings,
    /// Held for reading while a record is appended: when it has been written, nothing is half on its way.
    route: RwLock<Route>,
    /// The queue is full, or the journal is to be closed.
    called: Notify,
    queue_is_full: AtomicBool,
    /// Until when everything is to be somewhere durable, once the journal is to be closed.
    closing: OnceLock<Instant>,
    /// Appends are taken again.
    opened: Notify,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Kafka,
    /// From one to the other: nothing is taken for a moment.
    Switching,
    Spill,
}

#[derive(Debug, Default)]
struct Counts {
    spilled: AtomicU64,
    drained: AtomicU64,
    unreadable: AtomicU64,
    lost: AtomicU64,
    slow: AtomicU64,
    full: AtomicU64,
    refused: AtomicU64,
}

/// Reads on where the spill is drained, and whether nothing is left there.
fn undrained(spill: &SpillSettings) -> Result<(FileReader, bool), String> {
    let reader = FileReader::open(&spill.folder, GROUP, StartFrom::Group);
    let mut reader = reader.map_err(|error| error.reason)?;
    let position = reader.position();
    let is_empty = reader.try_next().map_err(|error| error.reason)?.is_none();
    reader.go_back(position);
    Ok((reader, is_empty))
}

impl SpillingAppender {
    /// Opens the spill, and the topic; that may be out of reach when a proxy has found it before.
    pub(crate) fn open(
        (brokers, topic): (&str, &str),
        settings: &AppendSettings,
        spill: &SpillSettings,
    ) -> Result<Arc<SpillingAppender>, String> {
        let at = |error: std::io::Error| format!("spill {}: {error}", spill.folder.display());
        let segments =
            AppendSettings { limit_bytes: spill.limit_bytes, retention: None, ..settings.clone() };
        let writer = FileAppender::open(&spill.folder, &segments, Named::ByPartitionAndKey);
        let writer = writer.map_err(at)?;
        let (reader, is_empty) = undrained(spill)?;
        let known = topic::read(&spill.folder, topic, is_empty)?;
        let (kafka, away) = KafkaAppender::open_known(brokers, topic, settings, known)?;
        if let Some(error) = &away {
            tracing::warn!(error, "Kafka can't be reached: records go to the spill");
        }
        let route = if is_empty && away.is_none() { Route::Kafka } else { Route::Spill };
        topic::write(&spill.folder, topic, kafka.remembered()).map_err(at)?;
        let shared = Arc::new(Shared {
            kafka,
            spill: writer,
            settings: spill.clone(),
            route: RwLock::new(route),
            called: Notify::new(),
            queue_is_full: AtomicBool::new(false),
            closing: OnceLock::new(),
            opened: Notify::new(),
            counts: Counts::default(),
        });
        let tender = std::thread::Builder::new().name("spill".into()).spawn({
            let shared = Arc::clone(&shared);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.map_err(at)?;
            move || runtime.block_on(drain::tend(&shared, reader))
        });
        let tender = Mutex::new(Some(tender.map_err(at)?));
        Ok(Arc::new(SpillingAppender { shared, tender }))
    }

    /// Whether [`SpillingAppender::open`] can be expected to succeed once who writes to the spill now has ended.
    pub(crate) fn check(
        brokers: &str,
        topic: &str,
        settings: &AppendSettings,
        spill: &SpillSettings,
    ) -> Result<(), String> {
        file::check(&spill.folder)
            .map_err(|error| format!("spill {}: {error}", spill.folder.display()))?;
        let (_, is_empty) = undrained(spill)?;
        let known = topic::read(&spill.folder, topic, is_empty)?;
        KafkaAppender::check(brokers, topic, settings, known)
    }

    pub(crate) fn append(
        &self,
        lane: &Lane,
        number: u64,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<(), AppendError> {
        let shared = &*self.shared;
        let route = shared.route.read();
        match *route {
            Route::Kafka => {
                let appended = shared.kafka.append(lane, number, record, urgency);
                if let Err(AppendError::Full(_)) = appended {
                    shared.queue_is_full.store(true, Ordering::Release);
                    shared.called.notify_one();
                }
                appended
            }
            Route::Switching => Err(AppendError::Full(record)),
            Route::Spill if record.len() > shared.kafka.largest_record() => {
                let (length, most) = (record.len(), shared.kafka.largest_record());
                Err(AppendError::TooLarge { length, most })
            }
            Route::Spill => {
                shared.spill.append(lane, number, record, urgency).map_err(
                    |error| match error {
                        AppendError::Limit { limit } => AppendError::SpillFull { limit },
                        error => error,
                    },
                )?;
                shared.counts.spilled.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    pub(crate) fn partitions(&self) -> i32 {
        self.shared.kafka.partitions()
    }

    pub(crate) fn largest_record(&self) -> usize {
        self.shared.kafka.largest_record()
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.shared.kafka.waiting_bytes() + self.shared.spill.waiting_bytes()
    }

    pub(crate) async fn room(&self) {
        let shared = &*self.shared;
        let opened = shared.opened.notified();
        let route = *shared.route.read();
        match route {
            Route::Kafka => shared.kafka.room().await,
            Route::Spill => shared.spill.room().await,
            Route::Switching => {
                let _ = tokio::time::timeout(Duration::from_millis(100), opened).await;
            }
        }
    }

    pub(crate) fn moved(&self) -> usize {
        self.shared.kafka.moved()
    }

    /// Of the topic, and behind it of the spill.
    pub(crate) fn progress(&self) -> Vec<(u64, u64)> {
        let mut progress = self.shared.kafka.progress();
        progress.push(self.shared.spill.progress());
        progress
    }

    pub(crate) fn broken(&self) -> u64 {
        self.shared.kafka.broken()
    }

    pub(crate) fn lost(&self) -> usize {
        let unspilled = self.shared.counts.lost.load(Ordering::Relaxed) as usize;
        self.shared.kafka.lost() + self.shared.spill.lost() + unspilled
    }

    pub(crate) fn state(&self) -> SpillState {
        let shared = &*self.shared;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &shared.counts;
        SpillState {
            spilling: *shared.route.read() != Route::Kafka,
            bytes: shared.spill.size(),
            limit_bytes: shared.settings.limit_bytes,
            spilled: count(&counts.spilled),
            drained: count(&counts.drained),
            unreadable: count(&counts.unreadable),
            slow: count(&counts.slow),
            full: count(&counts.full),
            refused: count(&counts.refused),
        }
    }

    /// What is in the spill is durable: it is drained for as long as Kafka takes it, within `patience`, and what is left
    /// waits for the next start.
    pub(crate) fn close(&self, patience: Duration) -> usize {
        let shared = &*self.shared;
        shared.closing.get_or_init(|| Instant::now() + patience);
        shared.called.notify_one();
        if let Some(tender) = self.tender.lock().take() {
            let _ = tender.join();
        }
        // Neither has anything left, unless the spill's disk failed.
        let lost = shared.kafka.close(Duration::ZERO) + shared.spill.close(Duration::ZERO);
        lost + shared.counts.lost.load(Ordering::Relaxed) as usize
    }
}

impl Drop for SpillingAppender {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl Shared {
    /// From Kafka to the spill: what isn't acknowledged goes first.
    fn switch(&self, why: Why) {
        *self.route.write() = Route::Switching;
        let taken = match self.kafka.take_back() {
            Ok(taken) => taken,
            Err(error) => {
                tracing::error!(
                    error,
                    "no second producer can be made: records stay with the first"
                );
                *self.route.write() = Route::Kafka;
                self.opened.notify_waiters();
                return;
            }
        };
        let (count, reason) = match why {
            Why::Slow => (&self.counts.slow, "slow"),
            Why::Full => (&self.counts.full, "its queue is full"),
            Why::Refused => (&self.counts.refused, "it refused a record"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(reason, records = taken.len(), "Kafka is left: records go to the spill");
        for message in taken {
            let lane = message.lane.clone();
            match self.spill.append_taken(message.lane, message.number, message.record) {
                true => drop(self.counts.spilled.fetch_add(1, Ordering::Relaxed)),
                false => {
                    self.counts.lost.fetch_add(1, Ordering::Relaxed);
                    lane.give_up();
                }
            }
        }
        self.queue_is_full.store(false, Ordering::Release);
        *self.route.write() = Route::Spill;
        self.opened.notify_waiters();
    }

    fn is_closing(&self) -> bool {
        self.closing.get().is_some()
    }

    /// The time for closing is over.
    fn is_late(&self) -> bool {
        self.closing.get().is_some_and(|until| Instant::now() >= *until)
    }
}

/// Why Kafka is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Slow,
    Full,
    Refused,
}
