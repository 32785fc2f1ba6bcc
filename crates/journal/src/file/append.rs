//! Appending to segments: a queue, and one thread that writes groups and makes them durable.

use std::fs::{self, File};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::format::{self, FRAME_HEADER, MAX_BODY, SEGMENT_HEADER};
use super::segment::{self, Segment};
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
    most: usize,
    limit: u64,
    folder: PathBuf,
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
}

#[derive(Debug)]
struct Pending {
    lane: Lane,
    record: Bytes,
    number: u64,
}

impl FileAppender {
    pub(crate) fn open(folder: &Path, settings: &AppendSettings) -> io::Result<Arc<FileAppender>> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("writer.lock"))?;
        lock.try_lock().map_err(|_| {
            let message = format!("{} is in use by another writer", folder.display());
            io::Error::new(io::ErrorKind::AddrInUse, message)
        })?;
        let log = Log::open(folder, settings)?;
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { size: log.size(), ..Queue::default() }),
            came: Condvar::new(),
            room: Notify::new(),
            waiting: AtomicUsize::new(0),
            most: settings.queue_bytes,
            limit: settings.limit_bytes,
            folder: folder.to_owned(),
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
        let length = lane.key().len() + record.len();
        if length > MAX_BODY || lane.key().len() > usize::from(u16::MAX) {
            return Err(AppendError::TooLarge { length, most: MAX_BODY });
        }
        let shared = &*self.shared;
        let mut queue = shared.queue.lock();
        if queue.failed.is_some() || queue.closed {
            let reason = queue.failed.clone().unwrap_or_else(|| "it is closed".into());
            let url = format!("file://{}", shared.folder.display());
            return Err(AppendError::Failed { url, reason });
        }
        if queue.size + length as u64 > shared.limit {
            return Err(AppendError::Limit { limit: shared.limit });
        }
        let waiting = shared.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + length > shared.most {
            return Err(AppendError::Full(record));
        }
        shared.waiting.fetch_add(length, Ordering::Relaxed);
        queue.size += (FRAME_HEADER + length) as u64;
        let idle = queue.pending.is_empty();
        let hurry = urgency == Urgency::Held && !queue.held;
        queue.held |= hurry;
        queue.pending.push(Pending { lane: lane.clone(), record, number });
        drop(queue);
        if idle || hurry {
            shared.came.notify_one();
        }
        Ok(())
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
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
        self.waiting_bytes()
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
            while queue.pending.is_empty() && !queue.closed {
                shared.came.wait(&mut queue);
            }
            if queue.pending.is_empty() {
                return;
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
        log.expire(shared);
    }
}

/// Tells the connections of a group what became of their records; each is woken once.
fn settle(shared: &Shared, group: &mut Vec<Pending>, durable: bool) {
    let mut wakers = Vec::new();
    let mut bytes = 0;
    for pending in group.drain(..) {
        bytes += pending.lane.key().len() + pending.record.len();
        wakers.extend(match durable {
            true => pending.lane.durable().raise(pending.number),
            false => pending.lane.durable().lose(),
        });
    }
    shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
    shared.room.notify_waiters();
    wakers.into_iter().for_each(std::task::Waker::wake);
}

impl Pending {
    fn frame(&self) -> usize {
        FRAME_HEADER + self.lane.key().len() + self.record.len()
    }
}

/// The open segment and the ones before it.
struct Log {
    folder: PathBuf,
    closed: Vec<Segment>,
    base: u64,
    length: u64,
    file: File,
    segment_bytes: u64,
    retention: Option<Duration>,
    /// After a failed `fdatasync` nobody knows what is on disk.
    in_doubt: bool,
}

impl Log {
    fn open(folder: &Path, settings: &AppendSettings) -> io::Result<Log> {
        let mut closed = segment::list(folder)?;
        let mut base = 0;
        if let Some(last) = closed.last() {
            let recovered = segment::recover(last)?;
            if recovered.torn > 0 {
                let (bytes, path) = (recovered.torn, last.path.display());
                tracing::warn!(bytes, %path, "cut off a torn end of the journal");
            }
            base = last.base + recovered.whole;
            if recovered.whole == SEGMENT_HEADER as u64 {
                // Nothing in it: begin it anew instead of leaving an empty one behind.
                base = last.base;
                closed.pop();
            }
        }
        Ok(Log {
            folder: folder.to_owned(),
            closed,
            base,
            length: SEGMENT_HEADER as u64,
            file: segment::create(folder, base)?,
            segment_bytes: settings.segment_bytes,
            retention: settings.retention,
            in_doubt: false,
        })
    }

    fn size(&self) -> u64 {
        let first = self.closed.first().map_or(self.base, |segment| segment.base);
        self.base + self.length - first
    }

    fn append(&mut self, group: &[Pending]) -> io::Result<()> {
        if self.length >= self.segment_bytes {
            self.roll()?;
        }
        let headers: Vec<[u8; FRAME_HEADER]> =
            group.iter().map(|p| format::frame_header(p.lane.key(), &p.record)).collect();
        let mut slices = Vec::with_capacity(group.len() * 3);
        for (pending, header) in group.iter().zip(&headers) {
            slices.push(IoSlice::new(header));
            slices.push(IoSlice::new(pending.lane.key()));
            slices.push(IoSlice::new(&pending.record));
        }
        let written = write_all(&mut self.file, &mut slices);
        if written.is_err() {
            // A group that is half there must not be followed by another: take it back.
            self.rewind().inspect_err(|_| self.in_doubt = true)?;
            return written;
        }
        self.file.sync_data().inspect_err(|_| self.in_doubt = true)?;
        self.length += group.iter().map(|pending| pending.frame() as u64).sum::<u64>();
        Ok(())
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length)).map(|_| ())
    }

    fn roll(&mut self) -> io::Result<()> {
        let next = self.base + self.length;
        let file = segment::create(&self.folder, next)?;
        let path = self.folder.join(format!("{:020}.seg", self.base));
        self.closed.push(Segment { base: self.base, path });
        (self.base, self.length, self.file) = (next, SEGMENT_HEADER as u64, file);
        Ok(())
    }

    /// Deletes closed segments that were last written before the retention time.
    fn expire(&mut self, shared: &Shared) {
        let Some(retention) = self.retention else { return };
        while let Some(oldest) = self.closed.first() {
            let written = fs::metadata(&oldest.path).and_then(|meta| meta.modified());
            let age = written.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if age.is_none_or(|age| age < retention) {
                return;
            }
            if let Err(error) = fs::remove_file(&oldest.path) {
                tracing::warn!(%error, path = %oldest.path.display(), "could not delete a segment");
                return;
            }
            self.closed.remove(0);
            shared.queue.lock().size = self.size();
        }
    }
}

/// Slices that one call may take (`IOV_MAX` is 1024 on Linux).
const SLICES: usize = 1024;

fn write_all(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        let take = slices.len().min(SLICES);
        match file.write_vectored(&slices[..take]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
