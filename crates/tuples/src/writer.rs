//! Files of tuples, rotated by size and age.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};

use crate::{Tuple, TupleError};

/// Where files go and when a new one begins.
#[derive(Clone, Debug)]
pub struct WriterSettings {
    /// Made if it isn't there.
    pub directory: PathBuf,
    /// Part of each file's name; tells replayers apart.
    pub writer: String,
    /// Uncompressed bytes after which a new file begins.
    pub file_bytes: u64,
    /// Age after which a new file begins.
    pub file_age: Duration,
}

/// Appends tuples to files. Blocking: give it a thread of its own.
#[derive(Debug)]
pub struct Writer {
    settings: WriterSettings,
    open: Option<Open>,
    /// Files begun so far.
    files: u64,
    line: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    encoder: GzEncoder<BufWriter<File>>,
    bytes: u64,
    since: Instant,
    dirty: bool,
}

impl Writer {
    /// Makes the directory and checks that it can be written to.
    pub fn create(settings: WriterSettings) -> Result<Self, TupleError> {
        fs::create_dir_all(&settings.directory)
            .map_err(|source| TupleError::Write { path: settings.directory.clone(), source })?;
        Ok(Self { settings, open: None, files: 0, line: Vec::new() })
    }

    /// Appends one tuple. It is durable after the next [`Writer::flush`].
    pub fn append(&mut self, tuple: &Tuple) -> Result<(), TupleError> {
        self.line.clear();
        let made = serde_json::to_writer(&mut self.line, tuple).map_err(io::Error::from);
        self.line.push(b'\n');
        let line = std::mem::take(&mut self.line);
        let open = self.file()?;
        let written = made.and_then(|()| open.encoder.write_all(&line));
        written.map_err(|source| TupleError::Write { path: open.path.clone(), source })?;
        open.bytes = open.bytes.saturating_add(line.len() as u64);
        open.dirty = true;
        self.line = line;
        Ok(())
    }

    /// Makes everything appended so far durable.
    pub fn flush(&mut self) -> Result<(), TupleError> {
        let Some(open) = self.open.as_mut().filter(|o| o.dirty) else { return Ok(()) };
        let durable =
            open.encoder.flush().and_then(|()| open.encoder.get_ref().get_ref().sync_data());
        durable.map_err(|source| TupleError::Write { path: open.path.clone(), source })?;
        open.dirty = false;
        if open.bytes >= self.settings.file_bytes || open.since.elapsed() >= self.settings.file_age
        {
            self.finish()?;
        }
        Ok(())
    }

    /// Ends the current file.
    pub fn finish(&mut self) -> Result<(), TupleError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let ended = open
            .encoder
            .finish()
            .and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all());
        ended.map_err(|source| TupleError::Write { path: open.path, source })
    }

    /// The file to append to. Files only end at a flush, so that one durable flush covers one file.
    fn file(&mut self) -> Result<&mut Open, TupleError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        Ok(self.open.insert(open))
    }

    fn begin(&mut self) -> Result<Open, TupleError> {
        let directory = &self.settings.directory;
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let name = format!("tuples-{}-{time}-{:06}.log.gz", self.settings.writer, self.files);
        let path = directory.join(name);
        let fail = |source| TupleError::Write { path: path.clone(), source };
        let file = File::create_new(&path).map_err(fail)?;
        File::open(directory).and_then(|d| d.sync_all()).map_err(fail)?;
        self.files += 1;
        // The fastest level: tuples are written at the rate of the traffic.
        let encoder = GzEncoder::new(BufWriter::new(file), Compression::fast());
        Ok(Open { path, encoder, bytes: 0, since: Instant::now(), dirty: false })
    }
}
