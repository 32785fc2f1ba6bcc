//! The segments that a writer appends to: the open one, and the ones before it.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::append::Pending;
use super::format::{self, FRAME_HEADER, SEGMENT_HEADER};
use super::segment::{self, Segment};
use crate::AppendSettings;

/// The open segment and the ones before it.
pub(super) struct Log {
    folder: PathBuf,
    /// With their lengths: there are gaps between offsets.
    closed: Vec<(u64, Segment)>,
    base: u64,
    length: u64,
    file: File,
    /// Bytes behind `length` that were written, or may have been, and taken back.
    spoiled: u64,
    segment_bytes: u64,
    retention: Option<Duration>,
    /// After a failed `fdatasync` nobody knows what is on disk.
    pub in_doubt: bool,
    /// When segments were last looked through for old ones.
    looked: Option<Instant>,
}

impl Log {
    pub(super) fn open(folder: &Path, settings: &AppendSettings) -> io::Result<Log> {
        let mut segments = segment::list(folder)?;
        let (mut base, mut empty) = (segment::committed(folder)?, None);
        if let Some(last) = segments.last() {
            let recovered = segment::recover(last)?;
            if recovered.torn > 0 {
                let (bytes, path) = (recovered.torn, last.path.display());
                tracing::warn!(bytes, %path, "cut off a torn end of the journal");
            }
            // What is cut off, or was lost with the power, may have been read: its offsets are
            // never given to other records.
            base = base.max(last.base + recovered.whole + recovered.torn);
            if recovered.whole == SEGMENT_HEADER as u64 {
                // Nothing in it: begin it anew instead of leaving an empty one behind.
                if base == last.base + recovered.whole {
                    base = last.base;
                }
                empty = segments.pop();
            }
        }
        let file = segment::create(folder, base)?;
        if let Some(empty) = empty.filter(|empty| empty.base != base) {
            fs::remove_file(empty.path)?;
        }
        let mut closed = Vec::with_capacity(segments.len());
        for segment in segments {
            closed.push((fs::metadata(&segment.path)?.len(), segment));
        }
        Ok(Log {
            folder: folder.to_owned(),
            closed,
            base,
            length: SEGMENT_HEADER as u64,
            file,
            spoiled: 0,
            segment_bytes: settings.segment_bytes,
            retention: settings.retention,
            in_doubt: false,
            looked: None,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.length + self.closed.iter().map(|(length, _)| length).sum::<u64>()
    }

    pub(super) fn append(&mut self, group: &[Pending]) -> io::Result<()> {
        if self.in_doubt {
            return Err(io::Error::other("the disk failed before, and what it kept is not known"));
        }
        if self.spoiled > 0 || self.length >= self.segment_bytes {
            self.roll()?;
        }
        let headers: Vec<[u8; FRAME_HEADER]> =
            group.iter().map(|p| format::frame_header(p.name(), &p.record)).collect();
        let mut slices = Vec::with_capacity(group.len() * 3);
        for (pending, header) in group.iter().zip(&headers) {
            slices.push(IoSlice::new(header));
            slices.push(IoSlice::new(pending.name()));
            slices.push(IoSlice::new(&pending.record));
        }
        let bytes = group.iter().map(|pending| pending.frame() as u64).sum::<u64>();
        let written = write_all(&mut self.file, &mut slices);
        if written.is_err() {
            // A group that is half there must not be followed by another: take it back. A reader
            // may have seen a part of it, so what comes next gets other offsets.
            self.spoiled = bytes;
            self.file.set_len(self.length).inspect_err(|_| self.in_doubt = true)?;
            return written;
        }
        self.file.sync_data().inspect_err(|_| self.in_doubt = true)?;
        self.length += bytes;
        Ok(())
    }

    /// Begins the next segment, behind every byte that was ever written to this one.
    fn roll(&mut self) -> io::Result<()> {
        let next = self.base + self.length + self.spoiled;
        let file = segment::create(&self.folder, next)?;
        let path = self.folder.join(format!("{:020}.seg", self.base));
        // A full disk would leave an empty one behind for each group that it refuses.
        if self.length > SEGMENT_HEADER as u64 || fs::remove_file(&path).is_err() {
            self.closed.push((self.length, Segment { base: self.base, path }));
        }
        (self.base, self.length, self.file) = (next, SEGMENT_HEADER as u64, file);
        self.spoiled = 0;
        Ok(())
    }

    /// Deletes segments that end at or below `offset`; whether it deleted any. The open one is closed first when all of
    /// it lies there.
    pub(super) fn discard(&mut self, offset: u64) -> bool {
        if self.in_doubt {
            return false;
        }
        if self.length > SEGMENT_HEADER as u64
            && offset >= self.base + self.length
            && let Err(error) = self.roll()
        {
            tracing::warn!(%error, "could not begin a segment in place of one that is done with");
        }
        let mut deleted = false;
        while let Some((length, oldest)) = self.closed.first()
            && oldest.base + length <= offset
            && self.delete_oldest()
        {
            deleted = true;
        }
        deleted
    }

    /// Deletes the oldest closed segment; `false` when it could not.
    fn delete_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.closed.first() else { return false };
        if let Err(error) = fs::remove_file(&oldest.path) {
            tracing::warn!(%error, path = %oldest.path.display(), "could not delete a segment");
            return false;
        }
        self.closed.remove(0);
        true
    }

    /// How often old segments are looked for; `None` when all are kept.
    pub(super) fn expires_every(&self) -> Option<Duration> {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(1));
        self.retention.map(|retention| (retention / 10).clamp(least, most))
    }

    /// Deletes segments that were last written before the retention time, if it is time to look;
    /// whether it deleted any. The open one is closed first when it is that old: with a limit below
    /// a segment's size there is no other.
    pub(super) fn expire(&mut self) -> bool {
        let (Some(retention), Some(every)) = (self.retention, self.expires_every()) else {
            return false;
        };
        if self.in_doubt || self.looked.is_some_and(|looked| looked.elapsed() < every) {
            return false;
        }
        self.looked = Some(Instant::now());
        let is_old = |written: io::Result<fs::Metadata>| {
            let age = written.and_then(|meta| meta.modified()).ok();
            let age = age.and_then(|at| SystemTime::now().duration_since(at).ok());
            age.is_some_and(|age| age >= retention)
        };
        if self.length > SEGMENT_HEADER as u64
            && is_old(self.file.metadata())
            && let Err(error) = self.roll()
        {
            tracing::warn!(%error, "could not begin a segment in place of an old one");
        }
        let mut deleted = false;
        while let Some((_, oldest)) = self.closed.first()
            && is_old(fs::metadata(&oldest.path))
            && self.delete_oldest()
        {
            deleted = true;
        }
        deleted
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
