//! `traffic-replayer export`: a journal as the file that the reference implementation exports a topic to.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;
use flate2::{Compression, write::GzEncoder};
use journal::{JournalUrl, Reader, StartFrom};
use settings::{BadSettings, refuse};

use crate::settings::{from, properties};

/// The group that reads; it commits nothing.
const GROUP: &str = "export";
/// Bytes of lines that are compressed together.
const BUFFER: usize = 1 << 20;

/// What `export` can be told.
#[derive(Clone, Debug, Default, Args)]
pub struct ExportFlags {
    /// Journal to read: file:///FOLDER or kafka://HOST:PORT[,HOST:PORT]/TOPIC
    #[arg(long, value_name = "URL")]
    pub journal: String,
    /// Where to begin: `beginning` (default), an offset, or a time such as 2026-11-23T10:00:00Z
    #[arg(long, value_name = "WHERE")]
    pub from: Option<String>,
    /// Kafka client property, NAME=VALUE; may be given again
    #[arg(long, visible_alias = "kafka-property", value_name = "NAME=VALUE")]
    pub kafka: Vec<String>,
    /// File to write; what there is of that name is replaced when all is written
    pub file: PathBuf,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error(transparent)]
    Journal(#[from] journal::ReadError),
    #[error("cannot write {file}: {source}")]
    Write { file: PathBuf, source: io::Error },
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub records: u64,
    /// Records whose bytes are no record to us; they are exported as they are.
    pub unknown: u64,
    /// Places in the journal whose bytes can't be read: they are not in the export.
    pub lost: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, unknown, lost } = self;
        write!(
            f,
            "exported: {records} records, {unknown} of them not understood; {lost} not readable"
        )
    }
}

/// Writes the journal, up to its end as it is now, as `key|base64` lines in gzip.
///
/// # Errors
/// [`ExportError`] when the journal can't be read at all, or the file not be written.
pub async fn export(flags: &ExportFlags) -> Result<Exported, ExportError> {
    let journal: JournalUrl =
        flags.journal.parse().map_err(|error| refuse("journal", &flags.journal, error))?;
    let start = flags.from.as_deref().map_or(Ok(StartFrom::Beginning), from)?;
    let kafka = properties(&flags.kafka)?;
    let mut reader = Reader::open(&journal, GROUP, start, &kafka).await?;
    let ends = reader.ends().await?;
    let fail = |source| ExportError::Write { file: flags.file.clone(), source };
    let part = flags.file.with_added_extension("part");
    let file = fs::File::create(&part).map_err(fail)?;
    let mut out = GzEncoder::new(file, Compression::default());
    let (mut lines, mut exported) = (Vec::new(), Exported::default());
    while !reader.has_reached(&ends) {
        let entry = reader.next().await?;
        if let Err(bad) = &entry.record {
            tracing::error!(%bad, "a record can't be read");
        }
        if entry.value.is_empty() {
            exported.lost += 1;
            continue;
        }
        exported.records += 1;
        exported.unknown += u64::from(entry.record.is_err());
        codec::export::write(&entry.key, &entry.value, &mut lines);
        if lines.len() >= BUFFER {
            out.write_all(&lines).map_err(fail)?;
            lines.clear();
        }
    }
    out.write_all(&lines).map_err(fail)?;
    out.finish().and_then(|file| file.sync_all()).map_err(fail)?;
    fs::rename(&part, &flags.file).map_err(fail)?;
    Ok(exported)
}
