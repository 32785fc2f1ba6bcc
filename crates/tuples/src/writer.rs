//! Files of tuples, rotated by size and age.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Serialize as _, ser::SerializeMap as _, ser::Serializer as _};

use crate::{Compression, Tuple, TupleError, compression::Encoder};

/// What tuples and the names of their files look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `tuples-<writer>-<time>-<number>.log.gz`; tuples have `godwit`.
    #[default]
    Godwit,
    /// As the reference implementation's: `<writer>/<yyyy>/<MM>/<dd>/<HH>/tuples-<writer>-<time>-<number>.log.gz`,
    /// and nothing of ours in the tuples.
    Reference,
}

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
    pub compression: Compression,
    pub layout: Layout,
}

impl WriterSettings {
    /// The defaults for a directory.
    pub fn new(directory: impl Into<PathBuf>, writer: impl Into<String>) -> Self {
        Self {
            directory: directory.into(),
            writer: writer.into(),
            file_bytes: 256 << 20,
            file_age: Duration::from_secs(300),
            compression: Compression::default(),
            layout: Layout::default(),
        }
    }
}

/// The name of a file that is begun now.
pub(crate) fn name(settings: &WriterSettings, number: u64) -> String {
    let now = jiff::Timestamp::now();
    let (writer, time) = (&settings.writer, now.strftime("%Y%m%dT%H%M%SZ"));
    let name = format!("tuples-{writer}-{time}-{number:06}{}", settings.compression.extension());
    match settings.layout {
        Layout::Godwit => name,
        Layout::Reference => format!("{writer}/{}/{name}", now.strftime("%Y/%m/%d/%H")),
    }
}

/// A tuple as one line.
pub(crate) fn line(settings: &WriterSettings, tuple: &Tuple, line: &mut Vec<u8>) {
    line.clear();
    let mut into = serde_json::Serializer::new(&mut *line);
    let written = match settings.layout {
        Layout::Godwit => tuple.serialize(&mut into),
        Layout::Reference => into
            .serialize_map(None)
            .and_then(|mut map| tuple.public(&mut map).and_then(|()| map.end())),
    };
    written.expect("invariant: a tuple has string keys, and memory takes what is written");
    line.push(b'\n');
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
    encoder: Encoder<BufWriter<File>>,
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
        let mut line = std::mem::take(&mut self.line);
        self::line(&self.settings, tuple, &mut line);
        let open = self.file()?;
        let written = open.encoder.write_all(&line);
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
            open.encoder.flush().and_then(|()| open.encoder.inner().get_ref().sync_data());
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
        let path = self.settings.directory.join(name(&self.settings, self.files));
        let fail = |source| TupleError::Write { path: path.clone(), source };
        let directory = path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(directory).map_err(fail)?;
        let file = File::create_new(&path).map_err(fail)?;
        let within =
            directory.ancestors().take_while(|at| at.starts_with(&self.settings.directory));
        for directory in within {
            File::open(directory).and_then(|d| d.sync_all()).map_err(fail)?;
        }
        self.files += 1;
        let encoder =
            Encoder::new(self.settings.compression, BufWriter::new(file)).map_err(fail)?;
        Ok(Open { path, encoder, bytes: 0, since: Instant::now(), dirty: false })
    }
}
