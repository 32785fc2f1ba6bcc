//! Appending to segments: a queue, and one thread that writes groups and makes them durable.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::format::{FRAME_HEADER, MAX_BODY};
use super::log::Log;
use crate::{AppendError, AppendSettings, Lane, Urgency};

/// The writing end of a file journal.
#[derive(Debug)]
pub(crate) struct FileAppender {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _lock: File,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    came: Condvar,
    room: Notify,
    waiting: AtomicUsize,
    /// Records that were taken, and of them those that are done with.
    taken: AtomicU64,
    settled: AtomicU64,
    /// Records that were taken and did not get to the disk.
    lost: AtomicUsize,
    most: usize,
    limit: u64,
    folder: PathBuf,
    named: Named,
}

/// What records are stored under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// Their lane's key.
    ByKey,
    /// The partition in front of it: they are on their way to a topic.
    ByPartitionAndKey,
}

#[derive(Debug, Default)]
struct Queue {
    pending: Vec<Pending>,
    held: bool,
    closed: bool,
    /// Set when the disk failed in a way that leaves open what is durable: nothing is taken after.
    failed: Option<String>,
    /// Bytes of the log from its first segment to its end.
    size: u64,
    /// Segments that end below this offset are needed no more.
    discard: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub lane: Lane,
    pub record: Bytes,
    pub number: u64,
    pub named: Named,
}

impl FileAppender {
    pub(crate) fn open(
        folder: &Path,
        settings: &AppendSettings,
        named: Named,
    ) -> io::Result<Arc<FileAppender>> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("writer.lock"))?;
        lock.try_lock().map_err(|_| {
            let message = format!("{} is in use by another writer", folder.display());
            io::Error::new(io::ErrorKind::AddrInUse, message)
        })?;
        let mut log = Log::open(folder, settings)?;
        log.expire();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { size: log.size(), ..Queue::default() }),
            came: Condvar::new(),
            room: Notify::new(),
            waiting: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            lost: AtomicUsize::new(0),
            most: settings.queue_bytes,
            limit: settings.limit_bytes,
            folder: folder.to_owned(),
            named,
        });
        let writer = std::thread::Builder::new().name("journal".into()).spawn({
            let (shared, linger) = (shared.clone(), settings.linger);
            move || write_groups(&shared, log, linger)
        })?;
        Ok(Arc::new(FileAppender { shared, writer: Mutex::new(Some(writer)), _lock: lock }))
    }

    pub(crate) fn append(
        &self,
        lane: &Lane,
        number: u64,
        record: Bytes,
        urgency: Urgency,
    ) -> Result<(), AppendError> {
        let shared = &*self.shared;
        let pending = Pending { lane: lane.clone(), record, number, named: shared.named };
        let length = pending.body();
        if length > MAX_BODY || pending.name().len() > usize::from(u16::MAX) {
            return Err(AppendError::TooLarge { length, most: MAX_BODY });
        }
        let queue = shared.queue.lock();
        if let Some(reason) = queue.closed_or_failed() {
            let url = format!("file://{}", shared.folder.display());
            return Err(AppendError::Failed { url, reason });
        }
        if queue.size + length as u64 > shared.limit {
            return Err(AppendError::Limit { limit: shared.limit });
        }
        let waiting = shared.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + length > shared.most {
            return Err(AppendError::Full(pending.record));
        }
        shared.push(queue, pending, urgency);
        Ok(())
    }

    /// Takes a record that was taken before, elsewhere: there is always room for it. `false`: the disk has failed.
    pub(crate) fn append_taken(&self, lane: Lane, number: u64, record: Bytes) -> bool {
        let shared = &*self.shared;
        let queue = shared.queue.lock();
        if queue.closed_or_failed().is_some() {
            return false;
        }
        let pending = Pending { lane, record, number, named: shared.named };
        shared.push(queue, pending, Urgency::Held);
        true
    }

    /// Deletes what lies below `offset`, a whole segment at a time; soon.
    pub(crate) fn discard(&self, offset: u64) {
        self.shared.queue.lock().discard = Some(offset);
        self.shared.came.notify_one();
    }

    /// Whether the disk failed, so that nothing is taken any more.
    pub(crate) fn is_failed(&self) -> bool {
        self.shared.queue.lock().failed.is_some()
    }

    /// Bytes of all segments, and of what is on its way to them.
    pub(crate) fn size(&self) -> u64 {
        self.shared.queue.lock().size
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Records that were taken, and of them those that are done with.
    pub(crate) fn progress(&self) -> (u64, u64) {
        // In this order: none is done with before it is taken.
        let settled = self.shared.settled.load(Ordering::Acquire);
        (self.shared.taken.load(Ordering::Relaxed), settled)
    }

    pub(crate) async fn room(&self) {
        let freed = self.shared.room.notified();
        if self.waiting_bytes() < self.shared.most / 2 {
            return;
        }
        // Another may take the room first; a caller tries, and comes back when it is full again.
        let _ = tokio::time::timeout(Duration::from_millis(100), freed).await;
    }

    pub(crate) fn close(&self, _patience: Duration) -> usize {
        self.shared.queue.lock().closed = true;
        self.shared.came.notify_one();
        if let Some(writer) = self.writer.lock().take() {
            let _ = writer.join();
        }
        // The writer leaves nothing behind, unless it was killed by a bug.
        self.lost() + self.shared.queue.lock().pending.len()
    }

    pub(crate) fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Queue {
    fn closed_or_failed(&self) -> Option<String> {
        let closed = || self.closed.then(|| "it is closed".to_owned());
        self.failed.clone().or_else(closed)
    }
}

impl Shared {
    fn push(&self, mut queue: MutexGuard<'_, Queue>, pending: Pending, urgency: Urgency) {
        self.waiting.fetch_add(pending.body(), Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::Relaxed);
        queue.size += pending.frame() as u64;
        let idle = queue.pending.is_empty();
        let hurry = urgency == Urgency::Held && !queue.held;
        queue.held |= hurry;
        queue.pending.push(pending);
        drop(queue);
        if idle || hurry {
            self.came.notify_one();
        }
    }
}

impl Drop for FileAppender {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

/// The writer thread: takes everything that is pending, writes it, makes it durable, tells.
fn write_groups(shared: &Shared, mut log: Log, linger: Duration) {
    let mut group = Vec::new();
    loop {
        {
            let mut queue = shared.queue.lock();
            if queue.pending.is_empty() && queue.closed {
                return;
            }
            if let Some(offset) = queue.discard.take() {
                drop(queue);
                if log.discard(offset) {
                    shrink(shared, &log);
                }
                continue;
            }
            if queue.pending.is_empty() {
                let Some(every) = log.expires_every() else {
                    shared.came.wait(&mut queue);
                    continue;
                };
                // At its limit the journal takes nothing, so that nothing comes to wake this up:
                // it makes room by itself.
                if shared.came.wait_for(&mut queue, every).timed_out() {
                    drop(queue);
                    make_room(shared, &mut log);
                }
                continue;
            }
            // Nobody waits for these: let more gather, until someone does.
            let until = Instant::now() + linger;
            while !queue.held && !queue.closed {
                if shared.came.wait_until(&mut queue, until).timed_out() {
                    break;
                }
            }
            queue.held = false;
            std::mem::swap(&mut queue.pending, &mut group);
        }
        let outcome = log.append(&group);
        if let Err(error) = &outcome {
            let bytes: usize = group.iter().map(Pending::frame).sum();
            let mut queue = shared.queue.lock();
            queue.size = queue.size.saturating_sub(bytes as u64);
            if log.in_doubt {
                queue.failed = Some(error.to_string());
            }
            tracing::error!(%error, records = group.len(), "the journal could not be written");
        }
        settle(shared, &mut group, outcome.is_ok());
        make_room(shared, &mut log);
    }
}

/// Deletes what is older than the retention time.
fn make_room(shared: &Shared, log: &mut Log) {
    if log.expire() {
        shrink(shared, log);
    }
}

/// Segments were deleted.
fn shrink(shared: &Shared, log: &Log) {
    let mut queue = shared.queue.lock();
    let coming: usize = queue.pending.iter().map(Pending::frame).sum();
    queue.size = log.size() + coming as u64;
}

/// Tells the connections of a group what became of their records; each is woken once.
fn settle(shared: &Shared, group: &mut Vec<Pending>, durable: bool) {
    let mut wakers = Vec::new();
    let mut bytes = 0;
    let records = group.len() as u64;
    if !durable {
        shared.lost.fetch_add(group.len(), Ordering::Relaxed);
    }
    for pending in group.drain(..) {
        bytes += pending.body();
        wakers.extend(match durable {
            true => pending.lane.durable().raise(pending.number),
            false => pending.lane.durable().lose(),
        });
    }
    shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
    shared.settled.fetch_add(records, Ordering::Release);
    shared.room.notify_waiters();
    wakers.into_iter().for_each(std::task::Waker::wake);
}

impl Pending {
    /// What it is stored under.
    pub(super) fn name(&self) -> &[u8] {
        match self.named {
            Named::ByKey => self.lane.key(),
            Named::ByPartitionAndKey => self.lane.name(),
        }
    }

    fn body(&self) -> usize {
        self.name().len() + self.record.len()
    }

    /// Length of its frame.
    pub(super) fn frame(&self) -> usize {
        FRAME_HEADER + self.body()
    }
}
