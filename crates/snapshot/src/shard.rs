//! A shard of a snapshot: its files and their bytes.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};

use crate::{
    Blocks, Content, File, FormatError, Place, ShardFiles, SnapshotError, envelope,
    repository::Inner,
};

/// An open shard. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shard {
    inner: Arc<Inner>,
    place: Arc<Place>,
    directory: Arc<str>,
    files: Arc<ShardFiles>,
}

impl Shard {
    pub(crate) fn new(
        inner: &Arc<Inner>,
        place: Place,
        directory: String,
        files: ShardFiles,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            place: Arc::new(place),
            directory: directory.into(),
            files: Arc::new(files),
        }
    }

    pub fn files(&self) -> &ShardFiles {
        &self.files
    }

    /// Repository, snapshot, index and shard, for errors and reports.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The file `segments_N`, with which reading the shard begins.
    pub fn commit(&self) -> Result<&File, SnapshotError> {
        self.files.commit().ok_or_else(|| SnapshotError::Damaged {
            place: Box::new(self.place.as_ref().clone()),
            problem: "the file list must name exactly one `segments_N`".to_owned(),
        })
    }

    /// A file by Lucene's name of it; one that isn't listed is an error.
    pub fn file(&self, physical_name: &str) -> Result<&File, SnapshotError> {
        self.files.get(physical_name).ok_or_else(|| SnapshotError::Damaged {
            place: Box::new(self.place.as_ref().clone()),
            problem: format!("the file list does not name `{physical_name}`"),
        })
    }

    /// A whole file of at most `limit` bytes, its checksum verified if it was written by Lucene 4.8 or newer.
    pub async fn read(&self, file: &File, limit: usize) -> Result<Bytes, SnapshotError> {
        if file.length > limit as u64 {
            let blob = match &file.content {
                Content::Inline(_) => file.physical_name.clone(),
                Content::Blob { name, .. } => format!("{}/{name}", self.directory),
            };
            let place = self.file_place(file).into();
            return Err(SnapshotError::TooLong { place, blob, limit: limit as u64 });
        }
        let bytes = self.read_range(file, 0..file.length).await?;
        verify(file, &bytes).map_err(|source| SnapshotError::Malformed {
            place: self.file_place(file).into(),
            blob: match &file.content {
                Content::Inline(_) => "(in the file list)".to_owned(),
                Content::Blob { name, .. } => format!("{}/{name}", self.directory),
            },
            source,
        })?;
        Ok(bytes)
    }

    /// A range of a file, which the caller bounds. It must lie in the file. No checksum is verified.
    pub async fn read_range(&self, file: &File, range: Range<u64>) -> Result<Bytes, SnapshotError> {
        let Range { start, end } = range;
        if start > end || end > file.length {
            let (place, length) = (self.file_place(file).into(), file.length);
            return Err(SnapshotError::Range { place, start, end, length });
        }
        if let Content::Inline(bytes) = &file.content {
            let at = |offset| usize::try_from(offset).ok();
            let slice = at(start).zip(at(end)).filter(|(_, end)| *end <= bytes.len());
            return slice.map(|(start, end)| bytes.slice(start..end)).ok_or_else(|| {
                let (place, length) = (self.file_place(file).into(), bytes.len() as u64);
                SnapshotError::Range { place, start, end, length }
            });
        }
        let mut pieces = file.pieces(range).into_iter();
        let Some(first) = pieces.next().filter(|_| start < end) else { return Ok(Bytes::new()) };
        let first = self.piece(file, first).await?;
        if pieces.len() == 0 {
            return Ok(first);
        }
        let mut whole = BytesMut::from(first);
        for piece in pieces {
            whole.extend_from_slice(&self.piece(file, piece).await?);
        }
        Ok(whole.freeze())
    }

    async fn piece(&self, file: &File, piece: crate::files::Piece) -> Result<Bytes, SnapshotError> {
        let blob = format!("{}/{}", self.directory, piece.blob);
        let place = self.file_place(file);
        self.inner.blobs.get_range(&place, &blob, piece.range, piece.blob_length).await
    }

    /// The bytes of a file from an offset to its end, block after block, read ahead. No checksum is verified.
    pub fn stream(&self, file: &File, from: u64) -> Result<Blocks, SnapshotError> {
        self.stream_range(file, from..file.length)
    }

    /// The bytes of a range of a file, block after block, read ahead.
    pub fn stream_range(&self, file: &File, range: Range<u64>) -> Result<Blocks, SnapshotError> {
        let Range { start, end } = range;
        if start > end || end > file.length {
            let (place, length) = (self.file_place(file).into(), file.length);
            return Err(SnapshotError::Range { place, start, end, length });
        }
        Ok(Blocks::new(self.clone(), file.clone(), range, self.inner.settings.reading))
    }

    fn file_place(&self, file: &File) -> Place {
        Place { file: Some(file.physical_name.clone()), ..self.place.as_ref().clone() }
    }
}

/// Checks a whole file against its footer and the list, if it has a footer.
fn verify(file: &File, bytes: &[u8]) -> Result<(), FormatError> {
    if !file.has_footer() {
        return Ok(());
    }
    let stored = envelope::footer_checksum(bytes)?;
    let computed = u64::from(crc32fast::hash(&bytes[..bytes.len() - 8])); // a footer has 16 bytes
    if stored != computed {
        return Err(FormatError::Checksum { stored, computed });
    }
    match file.footer_checksum() {
        Some(listed) if listed != stored => Err(FormatError::Shape {
            path: "checksum".to_owned(),
            problem: format!("the file list says {listed:08x}, the file {stored:08x}"),
        }),
        _ => Ok(()),
    }
}
