//! Where parts are kept: a directory or an object store.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use url::Url;

use super::{FailedDocument, FailedError, FailedWriter};
use crate::work::fnv;

/// The failed documents of all runs below one place.
#[derive(Clone, Debug)]
pub struct FailedStore {
    store: Arc<dyn ObjectStore>,
    base: Path,
}

/// What stands for the worker in the parts of a retry.
const RETRY: &str = "retry";
const UNSETTLED: &str = "unsettled";

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

    /// The writer of a retry; its parts count when the unit's document names its token.
    pub fn retrying(&self, run: &str, unit: &str, part_bytes: usize) -> FailedWriter {
        self.writer(run, unit, RETRY, part_bytes)
    }

    /// The writer of a retry that has no accounts to settle; its parts count as those of workers do.
    pub fn unsettled(&self, run: &str, unit: &str, part_bytes: usize) -> FailedWriter {
        self.writer(run, unit, UNSETTLED, part_bytes)
    }

    /// The parts of a run, in the order of their names.
    ///
    /// # Errors
    /// When the place can't be listed or holds something that isn't a part.
    pub async fn parts(&self, run: &str) -> Result<Vec<PartName>, FailedError> {
        let folder = self.folder(run);
        let listed = self.store.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let listed = match listed {
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            listed => listed.map_err(|e| store_error("list", &folder, e))?,
        };
        let names = listed.iter().map(|object| PartName::parse(&folder, &object.location));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort();
        Ok(names)
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

    /// Forgets the documents of a part; one that isn't there any more is forgotten already.
    ///
    /// # Errors
    /// When the store can't be written to.
    pub async fn delete(&self, part: &PartName) -> Result<(), FailedError> {
        let path = part.path();
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(store_error("delete", &path, error)),
        }
    }

    /// Writes a part; it is durable when this returns.
    pub(super) async fn put(&self, name: &PartName, lines: Bytes) -> Result<(), FailedError> {
        let path = name.path();
        let put = self.store.put(&path, PutPayload::from(lines)).await;
        put.map(|_| ()).map_err(|e| store_error("write", &path, e))
    }

    pub(super) fn folder(&self, run: &str) -> Path {
        self.base.clone().join(plain_name(run))
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

/// A name as it is within that of a part: of letters, digits, `-` and `_`, not too long for any file system, and
/// another one for every name.
pub fn plain_name(name: &str) -> String {
    const LONGEST: usize = 63;
    let plain = plain(name, LONGEST);
    if plain == name {
        return plain;
    }
    let hash = fnv(name.as_bytes());
    format!("{plain}-{hash:016x}")
}

pub(super) fn plain(name: &str, longest: usize) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let plain = name.chars().map(|letter| if fits(letter) { letter } else { '_' });
    plain.take(longest).collect()
}

/// The name of a part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartName {
    pub(super) folder: Path,
    pub(super) unit: String,
    pub(super) worker: String,
    pub(super) token: String,
    pub(super) number: u64,
}

impl PartName {
    /// The unit whose documents it holds, as [`plain_name`] has it.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// What tells the parts of its writer from all others.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether its documents are those that the unit's accounts count as failed, when its document says that they
    /// were `settled` by the retry of that token; `None`: by none.
    pub fn counts(&self, settled: Option<&str>) -> bool {
        match settled {
            None => self.worker != RETRY,
            Some(token) => self.token == token || self.worker == UNSETTLED,
        }
    }

    fn path(&self) -> Path {
        let Self { folder, unit, worker, token, number } = self;
        folder.clone().join(format!("{unit}.{worker}.{token}.{number:06}.ndjson"))
    }

    fn parse(folder: &Path, path: &Path) -> Result<Self, FailedError> {
        let words = path.filename().and_then(|name| {
            let words: Vec<&str> = name.strip_suffix(".ndjson")?.split('.').collect();
            <[&str; 4]>::try_from(words).ok()
        });
        let wrong = || FailedError::Name { name: path.to_string() };
        let [unit, worker, token, number] = words.ok_or_else(wrong)?;
        Ok(Self {
            folder: folder.clone(),
            unit: unit.to_owned(),
            worker: worker.to_owned(),
            token: token.to_owned(),
            number: number.parse().map_err(|_| wrong())?,
        })
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
