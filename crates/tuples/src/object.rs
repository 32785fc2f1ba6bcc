//! Files of tuples in memory, for a store that takes whole objects.

use std::{
    io::{self, Write},
    time::Instant,
};

use crate::{Tuple, TupleError, WriterSettings, compression::Encoder, writer};

/// Collects tuples to objects, each with the name that its file would have. Nothing is durable before an object is
/// where it belongs.
#[derive(Debug)]
pub struct Objects {
    settings: WriterSettings,
    open: Option<Open>,
    /// Begun so far.
    count: u64,
    line: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    name: String,
    encoder: Encoder<Vec<u8>>,
    bytes: u64,
    since: Instant,
}

/// A whole object.
#[derive(Debug)]
pub struct Object {
    /// Below the store's prefix.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Objects {
    /// The settings' directory means nothing here.
    pub fn new(settings: WriterSettings) -> Self {
        Self { settings, open: None, count: 0, line: Vec::new() }
    }

    /// Appends one tuple.
    ///
    /// # Errors
    /// When it can't be compressed.
    pub fn append(&mut self, tuple: &Tuple) -> Result<(), TupleError> {
        let mut line = std::mem::take(&mut self.line);
        writer::line(&self.settings, tuple, &mut line);
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let open = self.open.insert(open);
        let written = open.encoder.write_all(&line);
        written.map_err(|source| TupleError::Write { path: (&open.name).into(), source })?;
        open.bytes = open.bytes.saturating_add(line.len() as u64);
        self.line = line;
        Ok(())
    }

    /// Whether the object is as large or as old as one may be.
    pub fn is_due(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.bytes >= self.settings.file_bytes || open.since.elapsed() >= self.settings.file_age
        })
    }

    /// Ends the object, if there is one.
    ///
    /// # Errors
    /// When it can't be compressed.
    pub fn take(&mut self) -> Result<Option<Object>, TupleError> {
        let Some(Open { name, encoder, .. }) = self.open.take() else { return Ok(None) };
        match encoder.finish() {
            Ok(bytes) => Ok(Some(Object { name, bytes })),
            Err(source) => Err(TupleError::Write { path: name.into(), source }),
        }
    }

    fn begin(&mut self) -> Result<Open, TupleError> {
        let name = writer::name(&self.settings, self.count);
        self.count += 1;
        let fail = |source: io::Error| TupleError::Write { path: (&name).into(), source };
        let encoder = Encoder::new(self.settings.compression, Vec::new()).map_err(fail)?;
        Ok(Open { name, encoder, bytes: 0, since: Instant::now() })
    }
}
