//! Where parts are kept: a directory or an object store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use url::Url;

use super::{FailedDocument, FailedError, FailedWriter};

/// The failed documents of all runs below one place.
#[derive(Clone, Debug)]
pub struct FailedStore {
    store: Arc<dyn ObjectStore>,
    base: Path,
}

/// A part is at most this long: the writer's bound, and room for one more document of the largest size.
const LONGEST_PART: u64 = 2 << 30;

impl FailedStore {
    /// Opens a directory (a path or `file:///…`), which is made when it isn't there, or a place in an
    /// object store (`s3://…`, `gs://…`, `az://…`) with credentials from the environment.
    ///
    /// # Errors
    /// When the url isn't one, or the directory can't be made.
    pub fn open(url: &str) -> Result<Self, FailedError> {
        let refuse = |reason: String| FailedError::Url { url: url.to_owned(), reason };
        let directory = match Url::parse(url) {
            Ok(parsed) if parsed.scheme() == "file" => {
                parsed.to_file_path().map_err(|()| refuse("it names no directory".into()))?
            }
            Ok(parsed) => {
                let (store, base) = object_store::parse_url_opts(&parsed, std::env::vars())
                    .map_err(|error| refuse(error.to_string()))?;
                return Ok(Self { store: store.into(), base });
            }
            Err(_) if !url.contains("://") && !url.is_empty() => url.into(),
            Err(error) => return Err(refuse(error.to_string())),
        };
        std::fs::create_dir_all(&directory).map_err(|error| refuse(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&directory)
            .map_err(|error| refuse(error.to_string()))?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), base: Path::default() })
    }

    /// Over a store that is open already.
    pub fn over(store: Arc<dyn ObjectStore>, base: Path) -> Self {
        Self { store, base }
    }

    /// A writer of its own for one unit of work. It holds up to `part_bytes`, and one document, in memory.
    pub fn writer(&self, run: &str, unit: &str, worker: &str, part_bytes: usize) -> FailedWriter {
        FailedWriter::new(self.clone(), run, unit, worker, part_bytes)
    }

    /// The parts of a run, oldest generation replaced by the newest, in the order of their names.
    ///
    /// # Errors
    /// When the place can't be listed or holds something that isn't a part.
    pub async fn parts(&self, run: &str) -> Result<Vec<PartName>, FailedError> {
        let folder = self.base.clone().join(plain(run));
        let listed = self.store.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let listed = match listed {
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            listed => listed.map_err(|e| store_error("list", &folder, e))?,
        };
        let mut newest = BTreeMap::new();
        for object in listed {
            let name = PartName::parse(&folder, &object.location)?;
            let generation = newest.entry(name.stem.clone()).or_insert(name.generation);
            *generation = name.generation.max(*generation);
        }
        let named = |(stem, generation)| PartName { folder: folder.clone(), stem, generation };
        Ok(newest.into_iter().map(named).collect())
    }

    /// Reads a whole part.
    ///
    /// # Errors
    /// When it can't be read, or a line of it isn't a document: nothing is skipped.
    pub async fn read(&self, name: PartName) -> Result<Part, FailedError> {
        let path = name.path();
        let object = self.store.get(&path).await.map_err(|e| store_error("read", &path, e))?;
        if object.meta.size > LONGEST_PART {
            let (part, bytes) = (path.to_string(), object.meta.size);
            return Err(FailedError::TooLarge { part, bytes, limit: LONGEST_PART });
        }
        let bytes = object.bytes().await.map_err(|e| store_error("read", &path, e))?;
        let documents = parse(&bytes).map_err(|(line, reason)| FailedError::Line {
            part: path.to_string(),
            line,
            reason,
        })?;
        Ok(Part { name, documents })
    }

    /// After a retry of all documents of a part: keeps those that failed again, as its next generation,
    /// and forgets the others. May be repeated.
    ///
    /// # Errors
    /// When the store can't be written to; then the part is as it was, or both generations are there and
    /// the newer one counts.
    pub async fn replace(
        &self,
        part: PartName,
        still_failed: &[FailedDocument],
    ) -> Result<(), FailedError> {
        let next = PartName { generation: part.generation + 1, ..part.clone() };
        if !still_failed.is_empty() {
            let mut lines = Vec::new();
            still_failed.iter().for_each(|document| document.write(&mut lines));
            self.put(&next, lines.into()).await?;
        }
        self.delete_up_to(&part).await
    }

    /// Deletes a generation and those before it that a crash left behind. Oldest first: without the
    /// newest an older one would count again.
    async fn delete_up_to(&self, last: &PartName) -> Result<(), FailedError> {
        for generation in 0..=last.generation {
            let path = PartName { generation, ..last.clone() }.path();
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(store_error("delete", &path, error)),
            }
        }
        Ok(())
    }

    /// Writes a part; it is durable when this returns.
    pub(super) async fn put(&self, name: &PartName, lines: Bytes) -> Result<(), FailedError> {
        let path = name.path();
        let put = self.store.put(&path, PutPayload::from(lines)).await;
        put.map(|_| ()).map_err(|e| store_error("write", &path, e))
    }

    pub(super) fn first_generation(&self, run: &str, stem: String) -> PartName {
        PartName { folder: self.base.clone().join(plain(run)), stem, generation: 0 }
    }
}

fn store_error(what: &'static str, path: &Path, source: object_store::Error) -> FailedError {
    FailedError::Store { what, part: path.to_string(), source }
}

fn parse(bytes: &[u8]) -> Result<Vec<FailedDocument>, (usize, String)> {
    if !bytes.ends_with(b"\n") {
        return Err((bytes.split(|&b| b == b'\n').count(), "it is torn".into()));
    }
    let lines = bytes[..bytes.len() - 1].split(|&byte| byte == b'\n').enumerate();
    lines.map(|(at, line)| FailedDocument::read(line).map_err(|reason| (at + 1, reason))).collect()
}

/// What a name may hold: letters, digits, `-` and `_`, not too long for any file system.
pub(super) fn plain(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    name.chars().map(|letter| if fits(letter) { letter } else { '_' }).take(80).collect()
}

/// The name of one generation of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    folder: Path,
    stem: String,
    generation: u32,
}

impl PartName {
    fn path(&self) -> Path {
        self.folder.clone().join(format!("{}.{}.ndjson", self.stem, self.generation))
    }

    fn parse(folder: &Path, path: &Path) -> Result<Self, FailedError> {
        let parsed = path.filename().and_then(|name| {
            let (stem, generation) = name.strip_suffix(".ndjson")?.rsplit_once('.')?;
            Some((stem.to_owned(), generation.parse().ok()?))
        });
        let Some((stem, generation)) = parsed else {
            return Err(FailedError::Name { name: path.to_string() });
        };
        Ok(Self { folder: folder.clone(), stem, generation })
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().fmt(f)
    }
}

/// A part that was read.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: PartName,
    pub documents: Vec<FailedDocument>,
}
