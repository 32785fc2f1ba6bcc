//! A file of `key|base64` lines, gzip or plain, as the reference implementation exports a topic: read only.
//!
//! An offset is the number of a line, from 0. A group's offset is kept beside the file. Lines come in any order of
//! time (an export of several partitions is written one after the other, or mixed), so the file is gone through once
//! before: then it is known of each line that nothing older follows it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use codec::export;
use codec::record::{self, Nanos};
use flate2::bufread::MultiGzDecoder;

use crate::read::{entry, unread};
use crate::{BadRecord, Ends, Entry, ReadError, StartFrom, offset_file};

/// The longest line: a record of 48 MiB. The reference implementation's have up to 1 MiB.
const LONGEST: u64 = 64 << 20;
/// Bytes that are read from the disk at once.
const BUFFER: usize = 1 << 18;

/// The reading end, for one group.
pub(crate) struct ExportReader {
    path: PathBuf,
    group: PathBuf,
    lines: Lines,
    /// The number of the next line.
    position: u64,
    /// Of each line: the oldest time in it or in any that follows.
    oldest_left: Vec<Nanos>,
}

impl std::fmt::Debug for ExportReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ExportReader { path, position, .. } = self;
        f.debug_struct("ExportReader").field("path", path).field("position", position).finish()
    }
}

impl ExportReader {
    pub(crate) fn open(
        path: &Path,
        group: &str,
        start: StartFrom,
    ) -> Result<ExportReader, ReadError> {
        let fail = |error: io::Error| ReadError { url: url(path), reason: error.to_string() };
        offset_file::check_name(group).map_err(fail)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let group = path.with_file_name(format!("{name}.{group}.offset"));
        let times = Lines::open(path).map_err(fail)?.times();
        let position = match start {
            StartFrom::Beginning => 0,
            StartFrom::Offset(offset) => offset,
            // Everything that is older lies before this line.
            StartFrom::Time(at) => times.iter().position(|time| *time >= at).unwrap_or(0) as u64,
            StartFrom::Group => offset_file::read(&group).map_err(fail)?.unwrap_or(0),
        };
        let mut lines = Lines::open(path).map_err(fail)?;
        for _ in 0..position.min(times.len() as u64) {
            lines.next();
        }
        let (path, oldest_left) = (path.to_owned(), suffix_minimum(times));
        Ok(ExportReader { path, group, lines, position, oldest_left })
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn end(&self) -> Ends {
        Ends(vec![(0, self.oldest_left.len() as u64)])
    }

    /// Nothing that was captured before follows.
    pub(crate) fn low_water(&self) -> Nanos {
        let next = usize::try_from(self.position).unwrap_or(usize::MAX);
        self.oldest_left.get(next).copied().unwrap_or(Nanos::MAX)
    }

    pub(crate) async fn next(&mut self) -> Entry {
        let Some(line) = self.lines.next() else { return std::future::pending().await };
        let offset = self.position;
        self.position += 1;
        taken(offset, line)
    }

    pub(crate) async fn commit(&self, offset: u64) -> Result<(), ReadError> {
        offset_file::write_aside(&self.group, offset).await.map_err(|error| {
            let reason =
                format!("{}: {error}; offsets are kept beside the file", self.group.display());
            ReadError { url: url(&self.path), reason }
        })
    }
}

fn url(path: &Path) -> String {
    format!("export://{}", path.display())
}

/// A line as an entry.
fn taken(offset: u64, line: Result<Vec<u8>, Bad>) -> Entry {
    let bad = |length: usize, reason: String| {
        let bad = BadRecord { partition: 0, offset, length: length as u64, reason };
        unread(bad, offset + 1)
    };
    match line {
        Err(Bad { length, reason }) => bad(length, reason),
        Ok(line) => match export::parse(&line) {
            Ok(export::Line { key, value }) => entry(0, offset, offset + 1, key, value),
            Err(error) => bad(line.len(), error.to_string()),
        },
    }
}

/// What replaces each time by the least of it and all that follow.
fn suffix_minimum(mut times: Vec<Nanos>) -> Vec<Nanos> {
    let mut least = Nanos::MAX;
    for time in times.iter_mut().rev() {
        least = least.min(*time);
        *time = least;
    }
    times
}

/// A line that can't be read.
struct Bad {
    length: usize,
    reason: String,
}

/// The lines of a file that have something in them.
struct Lines {
    bytes: Box<dyn BufRead + Send + Sync>,
    /// The rest can't be read, or there is none.
    over: bool,
}

impl Lines {
    fn open(path: &Path) -> io::Result<Lines> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
        let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let bytes: Box<dyn BufRead + Send + Sync> = match is_gzip {
            true => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file))),
            false => Box::new(file),
        };
        Ok(Lines { bytes, over: false })
    }

    /// The oldest time of each line; of one without any, the time of the one before.
    fn times(self) -> Vec<Nanos> {
        let mut last = 0;
        let time = |line| {
            if let Ok(record) = taken(0, line).record {
                last = oldest(&record).unwrap_or(last);
            }
            last
        };
        self.map(time).collect()
    }
}

fn oldest(record: &record::Record) -> Option<Nanos> {
    let seen = record.observations.iter().map(|observation| observation.at);
    seen.min().or(record.heartbeat.as_ref().map(|beat| beat.oldest_unjournaled))
}

impl Iterator for Lines {
    type Item = Result<Vec<u8>, Bad>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            let mut line = Vec::new();
            let read = (&mut self.bytes).take(LONGEST).read_until(b'\n', &mut line);
            let length = line.len();
            let whole = line.last() == Some(&b'\n');
            match read {
                Err(error) => {
                    self.over = true;
                    let reason = format!("{error}; nothing behind it can be read");
                    return Some(Err(Bad { length, reason }));
                }
                Ok(0) => self.over = true,
                Ok(_) if !whole && length as u64 == LONGEST => {
                    // Without its end it isn't known where the next begins.
                    self.over = self.bytes.skip_until(b'\n').is_err();
                    let reason = format!("a line of more than {LONGEST} bytes");
                    return Some(Err(Bad { length, reason }));
                }
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(line)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
