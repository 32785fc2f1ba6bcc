//! Reading segments, also while another process appends to them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};

use super::format::{self, FRAME_HEADER, FrameHeader, Front, SEGMENT_HEADER};
use super::segment::{self, Segment};
use crate::read::{self, entry};
use crate::{BadRecord, Ends, Entry, ReadError, StartFrom, offset_file};

/// Bytes that one read takes; a frame that is longer is read whole. What is left of a read is copied in front of the
/// next, and what is held of one keeps all of it.
const WINDOW: usize = 256 << 10;
/// How often the end of the log is looked at for more.
const LOOK: Duration = Duration::from_millis(20);

/// The reading end of a file journal, for one group.
#[derive(Debug)]
pub(crate) struct FileReader {
    folder: PathBuf,
    group: PathBuf,
    open: Option<Open>,
    position: u64,
    window: Bytes,
}

#[derive(Debug)]
struct Open {
    segment: Segment,
    file: File,
}

impl FileReader {
    pub(crate) fn open(
        folder: &Path,
        group: &str,
        start: StartFrom,
    ) -> Result<FileReader, ReadError> {
        let fail = |error: io::Error| ReadError {
            url: format!("file://{}", folder.display()),
            reason: format!("{error}; is this the folder that capture-proxy writes to?"),
        };
        offset_file::check_name(group).map_err(fail)?;
        let segments = segment::list(folder).map_err(fail)?;
        let first = segments.first().map_or(0, |segment| segment.base);
        let group = folder.join("groups").join(group);
        let position = match start {
            StartFrom::Beginning => first,
            StartFrom::Offset(offset) => offset,
            StartFrom::Time(at) => begin_at(&segments, at).unwrap_or(first),
            StartFrom::Group => offset_file::read(&group).map_err(fail)?.unwrap_or(first),
        };
        let folder = folder.to_owned();
        Ok(FileReader { folder, group, open: None, position, window: Bytes::new() })
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) async fn next(&mut self) -> Result<Entry, ReadError> {
        loop {
            match self.step().map_err(|error| self.failed(&error))? {
                Some(entry) => return Ok(entry),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// The next entry, if there is one now.
    pub(crate) fn try_next(&mut self) -> Result<Option<Entry>, ReadError> {
        self.step().map_err(|error| self.failed(&error))
    }

    /// What is read next begins at this offset, which was a position.
    pub(crate) fn go_back(&mut self, position: u64) {
        (self.open, self.position, self.window) = (None, position, Bytes::new());
    }

    pub(crate) fn ends(&self) -> Result<Ends, ReadError> {
        let segments = segment::list(&self.folder).map_err(|error| self.failed(&error))?;
        let Some(last) = segments.last() else { return Ok(Ends(vec![(0, self.position)])) };
        let length = fs::metadata(&last.path).map_err(|error| self.failed(&error))?.len();
        // What is torn at the very end is not there yet, and may never be.
        let mut probe = FileReader {
            folder: self.folder.clone(),
            group: PathBuf::new(),
            open: None,
            position: self.position.max(last.base),
            window: Bytes::new(),
        };
        let end = last.base + length.max(SEGMENT_HEADER as u64);
        while probe.position < end {
            match probe.step().map_err(|error| self.failed(&error))? {
                Some(_) => {}
                None => break,
            }
        }
        Ok(Ends(vec![(0, probe.position)]))
    }

    pub(crate) async fn commit(&self, offset: u64) -> Result<(), ReadError> {
        let written = offset_file::write_aside(&self.group, offset).await;
        written.map_err(|error| self.failed(&error))
    }

    /// The same on a thread that has nothing else to do.
    pub(crate) fn commit_here(&self, offset: u64) -> Result<(), ReadError> {
        offset_file::write(&self.group, offset).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> ReadError {
        let url = format!("file://{}", self.folder.display());
        ReadError { url, reason: format!("{error} (at offset {})", self.position) }
    }

    /// One entry, or the news that there is none yet.
    fn step(&mut self) -> io::Result<Option<Entry>> {
        if self.open.is_none() {
            if let Some(entry) = self.deleted()? {
                return Ok(Some(entry));
            }
            if !self.open_segment()? {
                return Ok(None);
            }
        }
        loop {
            let offset = self.position;
            let (length, reason) = match format::front(&self.window) {
                Front::Frame(header) => return Ok(Some(self.take(header))),
                Front::BadBody(header) => (header.frame(), "its checksum does not hold"),
                Front::Short(_) | Front::Empty | Front::NoHeader if self.refill()? => continue,
                Front::Empty if self.window.is_empty() && self.has_next()? => {
                    self.open = None;
                    return self.step();
                }
                front => match self.damaged(&front)? {
                    Some(length) => (length, "no frame begins here"),
                    None => return Ok(None),
                },
            };
            let length = length.min(self.window.len());
            self.advance(length);
            let bad =
                BadRecord { partition: 0, offset, length: length as u64, reason: reason.into() };
            let next = self.position;
            return Ok(Some(read::unread(bad, next)));
        }
    }

    /// Length of the damage at the front, when it is damage and not an end that is being written.
    fn damaged(&mut self, front: &Front) -> io::Result<Option<usize>> {
        if let Some(length) = format::next_header(&self.window) {
            return Ok(Some(length));
        }
        if self.window.is_empty() {
            return Ok(None);
        }
        // Behind the last sound header of a segment that has a successor, nothing more will come.
        if self.has_next()? {
            return Ok(Some(self.window.len()).filter(|length| *length > 0));
        }
        if matches!(front, Front::NoHeader) && self.window.len() > WINDOW {
            return Ok(Some(self.window.len() - FRAME_HEADER));
        }
        Ok(None)
    }

    fn take(&mut self, header: FrameHeader) -> Entry {
        let offset = self.position;
        let key = self.window.slice(FRAME_HEADER..FRAME_HEADER + header.key);
        let record = self.window.slice(FRAME_HEADER + header.key..header.frame());
        self.advance(header.frame());
        entry(0, offset, self.position, key, record)
    }

    fn advance(&mut self, length: usize) {
        let _ = self.window.split_to(length);
        self.position += length as u64;
    }

    /// Reads more behind the window; whether there was more.
    fn refill(&mut self) -> io::Result<bool> {
        let Some(open) = &self.open else { return Ok(false) };
        let want = match format::front(&self.window) {
            Front::Short(header) => header.frame().max(WINDOW),
            Front::NoHeader => self.window.len() + WINDOW,
            _ => WINDOW,
        };
        if self.window.len() >= want {
            return Ok(false);
        }
        let mut bytes = BytesMut::zeroed(want);
        let kept = self.window.len();
        bytes[..kept].copy_from_slice(&self.window);
        let mut filled = kept;
        while filled < want {
            let at = self.position - open.segment.base + filled as u64;
            match open.file.read_at(&mut bytes[filled..], at)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        self.window = bytes.freeze();
        Ok(filled > kept)
    }

    /// What should come next and is deleted, as one entry.
    fn deleted(&mut self) -> io::Result<Option<Entry>> {
        let segments = segment::list(&self.folder)?;
        let first = segments.first().map_or(0, |segment| segment.base);
        let offset = self.position;
        if first <= offset {
            return Ok(None);
        }
        self.position = first;
        Ok(Some(read::deleted(0, offset, first, first - offset)))
    }

    /// Opens the segment that holds the position; `false` when it is not there yet.
    fn open_segment(&mut self) -> io::Result<bool> {
        let segments = segment::list(&self.folder)?;
        let held = segments.iter().rev().find(|segment| segment.base <= self.position);
        let Some(segment) = held else { return Ok(false) };
        let file = match File::open(&segment.path) {
            // It was deleted just now: the next look says so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        let mut header = [0; SEGMENT_HEADER];
        match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if !format::is_segment_header(&header, segment.base) {
            let message = format!("{} does not begin as a segment", segment.path.display());
            tracing::warn!(message);
        }
        self.position = self.position.max(segment.base + SEGMENT_HEADER as u64);
        self.window = Bytes::new();
        self.open = Some(Open { segment: segment.clone(), file });
        Ok(true)
    }

    /// Whether another segment begins behind this one, so that nothing more will come here.
    fn has_next(&mut self) -> io::Result<bool> {
        let Some(open) = &self.open else { return Ok(false) };
        let base = open.segment.base;
        let later = segment::list(&self.folder)?.into_iter().find(|segment| segment.base > base);
        let Some(later) = later else { return Ok(false) };
        // The writer closed this one before it made the next: look once more for its last bytes.
        if self.refill()? {
            return Ok(false);
        }
        // It takes back what it could not write whole: that is no damage.
        if let Some(open) = &self.open {
            let end = base + open.file.metadata()?.len();
            self.window.truncate(end.saturating_sub(self.position) as usize);
        }
        // Segments go oldest first: while this one is there, the later one is the next.
        if self.window.is_empty()
            && self.open.as_ref().is_some_and(|open| open.segment.path.exists())
        {
            self.position = later.base;
        }
        Ok(true)
    }
}

/// The base of the last segment that was begun before `at`.
fn begin_at(segments: &[Segment], at: u64) -> Option<u64> {
    let written = |segment: &Segment| {
        let modified = fs::metadata(&segment.path).and_then(|meta| meta.modified()).ok()?;
        Some(modified.duration_since(UNIX_EPOCH).ok()?.as_nanos() as u64)
    };
    segments.iter().find(|segment| written(segment).is_none_or(|last| last >= at)).map(|s| s.base)
}
