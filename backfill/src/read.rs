//! `backfill read`: every live document as one JSON line, ordered by index, shard and position.

use std::{
    fmt,
    io::{self, Write},
    sync::Arc,
};

use converge::Selection;
use snapshot::{Flavour, Index, IndexMetadata, Repository, Snapshot, State};
use telemetry::Shutdown;
use thiserror::Error;

use crate::{
    document::Entry,
    line::LinePlace,
    rewrite::{Candidate, RewriteError, Rewriter, Verdict},
    segment::Segment,
    settings::ReadSettings,
    shard::{ReadError, Shard},
};

/// Lines are handed on when there are so many bytes of them.
const OUTPUT: usize = 256 << 10;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSummary {
    pub documents: u64,
    /// Documents that are there and couldn't be read, or that the rules fail on.
    pub failed: u64,
    /// Documents that the rules leave out.
    pub dropped: u64,
    /// Indices, shards and segments that couldn't be read, or not to their end: each with the reason.
    pub unread: Vec<String>,
    /// Asked to stop before the end.
    pub stopped: bool,
}

impl ReadSummary {
    /// Everything that is there was read.
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.unread.is_empty() && !self.stopped
    }
}

impl fmt::Display for ReadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for unread in &self.unread {
            writeln!(f, "not read: {unread}")?;
        }
        write!(
            f,
            "documents={} failed={} unread={}",
            self.documents,
            self.failed,
            self.unread.len()
        )?;
        if self.dropped > 0 {
            write!(f, " dropped={}", self.dropped)?;
        }
        if self.stopped {
            write!(f, " (stopped before the end)")?;
        }
        Ok(())
    }
}

/// Why nothing could be read at all, or nothing more.
#[derive(Debug, Error)]
pub enum PrintError {
    #[error(transparent)]
    Snapshot(#[from] snapshot::SnapshotError),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Rules(#[from] RewriteError),
}

/// `--index` names something that can't be taken.
#[derive(Debug, Error)]
#[error("--index {expression}: {why}")]
pub struct SelectionError {
    expression: String,
    why: String,
}

/// Prints the documents of a snapshot to `out`.
///
/// # Errors
/// [`PrintError`] when the snapshot can't be opened, the repository stops to answer or the output can't be written.
/// What is damaged or missing is in the summary; everything else is read.
pub async fn read(
    settings: &ReadSettings,
    out: &mut impl Write,
    shutdown: &Shutdown,
) -> Result<ReadSummary, PrintError> {
    let repository = Repository::open(settings.repository.clone()).await?;
    let snapshot = repository.snapshot(&settings.snapshot).await?;
    let names = select(&snapshot, &settings.indices)?;
    let mut reader = Reader {
        settings,
        snapshot: &snapshot,
        out,
        lines: Vec::with_capacity(2 * OUTPUT),
        summary: ReadSummary::default(),
        shutdown,
    };
    reader.state();
    for name in names {
        reader.index(&name).await?;
    }
    reader.flush()?;
    Ok(reader.summary)
}

/// The indices of a snapshot that are asked for, in order.
pub(crate) fn select(
    snapshot: &Snapshot,
    patterns: &[String],
) -> Result<Vec<String>, SelectionError> {
    let expression = patterns.join(",");
    let Some(selection) = Selection::of_expression(&expression) else {
        let why = "date math means another index every day".to_owned();
        return Err(SelectionError { expression, why });
    };
    let all = snapshot.indices();
    let names: Vec<String> =
        all.iter().filter(|name| selection.contains(name)).map(|name| name.to_string()).collect();
    let missing = selection
        .names()
        .find(|name| !name.contains('*') && !all.iter().any(|index| index == name));
    if let Some(name) = missing {
        let why = format!("snapshot {} has no such index", snapshot.name());
        return Err(SelectionError { expression: name.to_owned(), why });
    }
    Ok(names)
}

struct Reader<'r, W> {
    settings: &'r ReadSettings,
    snapshot: &'r Snapshot,
    out: &'r mut W,
    lines: Vec<u8>,
    summary: ReadSummary,
    shutdown: &'r Shutdown,
}

impl<W: Write> Reader<'_, W> {
    /// What a snapshot that hasn't ended, or not well, has is read, and is never the whole of it.
    fn state(&mut self) {
        let info = self.snapshot.info();
        if matches!(info.state, State::Success | State::Partial) {
            return; // the shards that a partial one lacks say so themselves
        }
        let reason = info.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let name = self.snapshot.name();
        self.summary.unread.push(format!("snapshot {name} is {:?}{reason}", info.state));
    }

    /// Goes on without what is damaged; a repository that doesn't answer ends it all.
    fn skip(&mut self, error: ReadError) -> Result<(), PrintError> {
        match error {
            ReadError::Snapshot(error) if error.is_transient() => Err(error.into()),
            error => {
                self.summary.unread.push(error.to_string());
                Ok(())
            }
        }
    }

    fn is_stopped(&mut self) -> bool {
        self.summary.stopped |= self.shutdown.is_draining();
        self.summary.stopped
    }

    async fn index(&mut self, name: &str) -> Result<(), PrintError> {
        let index = match self.snapshot.index(name).await {
            Ok(index) => index,
            Err(error) => return self.skip(error.into()),
        };
        for number in 0..index.metadata.number_of_shards {
            if self.is_stopped() {
                break;
            }
            match Shard::open(&index, number, self.settings.limits).await {
                Ok(shard) => self.shard(&index, &shard).await?,
                Err(error) => self.skip(error)?,
            }
        }
        Ok(())
    }

    async fn shard(&mut self, index: &Index, shard: &Shard) -> Result<(), PrintError> {
        let place = LinePlace::new(
            shard.index(),
            shard.number(),
            doc_type(&index.metadata),
            is_lenient(&index.metadata),
        );
        let mut rewriter = self.settings.rules.as_ref().map(|rules| {
            let (doc_type, limits) = (doc_type(&index.metadata), self.settings.source.clone());
            Rewriter::new(Arc::clone(rules), shard.index(), doc_type, limits)
        });
        for ordinal in 0..shard.commit().segments.len() as u32 {
            if self.is_stopped() {
                break;
            }
            match self.segment(shard, ordinal, &place, rewriter.as_mut()).await {
                Ok(()) => {}
                Err(SegmentError::Read(error)) => self.skip(error)?,
                Err(SegmentError::Output(error)) => return Err(error.into()),
                Err(SegmentError::Rules(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn segment(
        &mut self,
        shard: &Shard,
        ordinal: u32,
        place: &LinePlace,
        mut rewriter: Option<&mut Rewriter>,
    ) -> Result<(), SegmentError> {
        let mut segment = Segment::open(shard, ordinal, None).await?;
        let limits = &self.settings.source;
        while segment.advance(shard).await? {
            let (lines, summary) = (&mut self.lines, &mut self.summary);
            let mut candidates = Vec::new();
            segment.each(|_, entry| {
                let (id, why) = match entry {
                    Entry::Deleted | Entry::Nested => return,
                    Entry::Document(document) if rewriter.is_some() => {
                        return candidates.push(Candidate::new(&document));
                    }
                    Entry::Document(document) => match place.append(&document, limits, lines) {
                        Ok(()) => {
                            summary.documents += 1;
                            return;
                        }
                        Err(error) => (Some(document.id), error.to_string()),
                    },
                    Entry::Unreadable { id, why, .. } => (id, why.to_string()),
                };
                summary.failed += 1;
                let (index, shard) = (shard.index(), shard.number());
                tracing::warn!(index, shard, ordinal, id, why, "a document can't be read");
            });
            if let Some(rewriter) = rewriter.as_mut() {
                self.rewritten(shard, place, rewriter, candidates).await?;
            }
            if self.lines.len() >= OUTPUT {
                self.flush()?;
            }
            if self.is_stopped() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Prints what the rules make of documents, as `backfill run` would send it.
    async fn rewritten(
        &mut self,
        shard: &Shard,
        place: &LinePlace,
        rewriter: &mut Rewriter,
        candidates: Vec<Candidate>,
    ) -> Result<(), RewriteError> {
        let candidates: Arc<[Candidate]> = candidates.into();
        let verdicts = rewriter.apply(Arc::clone(&candidates)).await?;
        for (candidate, verdict) in candidates.iter().zip(verdicts) {
            let document = candidate.document();
            let limits = &self.settings.source;
            let why = match verdict {
                Verdict::Untouched => match place.append(&document, limits, &mut self.lines) {
                    Ok(()) => None,
                    Err(error) => Some(error.to_string()),
                },
                Verdict::Changed(rewritten, _) => {
                    place.append_rewritten(shard.number(), &document, &rewritten, &mut self.lines);
                    None
                }
                Verdict::Dropped => {
                    self.summary.dropped += 1;
                    continue;
                }
                Verdict::Failed(why) | Verdict::Unreadable(why) => Some(why),
            };
            let Some(why) = why else {
                self.summary.documents += 1;
                continue;
            };
            self.summary.failed += 1;
            let (index, shard, id) = (shard.index(), shard.number(), document.id);
            tracing::warn!(
                index,
                shard,
                id,
                why,
                "a document can't be read, or not through the rules"
            );
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.lines)?;
        self.lines.clear();
        self.out.flush()
    }
}

/// The type of documents that have none stored: Elasticsearch 6 keeps it in the mapping alone.
pub(crate) fn doc_type(index: &IndexMetadata) -> Option<String> {
    let has_types =
        index.created.is_some_and(|by| by.flavour == Flavour::Elasticsearch && by.major < 7);
    match index.mappings.as_slice() {
        [(doc_type, _)] if has_types => Some(doc_type.clone()),
        _ => None,
    }
}

/// Elasticsearch before 5 took names without quotes.
fn is_lenient(index: &IndexMetadata) -> bool {
    index.created.is_none_or(|by| by.flavour == Flavour::Elasticsearch && by.major < 5)
}

enum SegmentError {
    Read(ReadError),
    Output(io::Error),
    Rules(RewriteError),
}

impl From<RewriteError> for SegmentError {
    fn from(error: RewriteError) -> Self {
        Self::Rules(error)
    }
}

impl From<ReadError> for SegmentError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
