//! Where tuples go: a folder, or a store of objects.

use std::{sync::Arc, time::Duration};

use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use tokio::time::{Instant, sleep};
use tuples::{Object, Objects, Tuple, TupleError, Writer, WriterSettings};

/// The longest wait between two attempts to put an object.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// A store of objects, and how patiently it is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    /// `s3://bucket/prefix`, for messages.
    pub(crate) url: String,
    pub(crate) patience: Duration,
}

/// Where tuples go.
#[derive(Debug)]
pub(crate) enum Place {
    Nowhere,
    Folder(WriterSettings),
    Store(WriterSettings, Store),
}

/// What takes tuples.
#[derive(Debug)]
pub(super) enum Sink {
    Nowhere,
    Files(Writer),
    Objects(Objects, Store),
}

/// Tuples can't be written any more.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Files(#[from] TupleError),
    #[error("tuples can't be put to {url}: {reason}; check that it can be reached and written to")]
    Store { url: String, reason: String },
}

impl Sink {
    pub(super) fn open(place: Place) -> Result<Self, TupleError> {
        Ok(match place {
            Place::Nowhere => Self::Nowhere,
            Place::Store(settings, store) => Self::Objects(Objects::new(settings), store),
            Place::Folder(settings) => Self::Files(Writer::create(settings)?),
        })
    }

    /// Appends tuples. With `durable`, or when an object is complete, everything so far is durable then: the last
    /// value says so.
    pub(super) async fn take(
        self,
        tuples: Vec<Tuple>,
        durable: bool,
        ended: bool,
    ) -> Result<(Self, bool), RecordError> {
        match self {
            Self::Nowhere => Ok((self, true)),
            Self::Files(writer) => {
                let write = move |writer: &mut Writer| {
                    tuples.iter().try_for_each(|tuple| writer.append(tuple))?;
                    if durable {
                        writer.flush()?;
                    }
                    if ended { writer.finish() } else { Ok(()) }
                };
                Ok((Self::Files(blocking(writer, write).await?), durable))
            }
            Self::Objects(mut objects, store) => {
                let collect = move |objects: &mut Objects| {
                    tuples.iter().try_for_each(|tuple| objects.append(tuple))
                };
                objects = blocking(objects, collect).await?;
                if !(ended || objects.is_due()) {
                    return Ok((Self::Objects(objects, store), false));
                }
                if let Some(object) = objects.take()? {
                    store.put(object).await?;
                }
                Ok((Self::Objects(objects, store), true))
            }
        }
    }
}

impl Store {
    /// Puts an object, again and again until the patience is over.
    async fn put(&self, object: Object) -> Result<(), RecordError> {
        let place: Path = self.prefix.parts().chain(Path::from(object.name).parts()).collect();
        let bytes = bytes::Bytes::from(object.bytes);
        let began = Instant::now();
        let mut wait = Duration::from_millis(100);
        loop {
            let Err(error) = self.store.put(&place, bytes.clone().into()).await else {
                return Ok(());
            };
            if began.elapsed() > self.patience {
                return Err(RecordError::Store {
                    url: self.url.clone(),
                    reason: error.to_string(),
                });
            }
            tracing::warn!(%error, object = %place, "tuples can't be put away: trying again");
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Writes away from the tasks.
async fn blocking<W: Send + 'static>(
    mut writer: W,
    write: impl FnOnce(&mut W) -> Result<(), TupleError> + Send + 'static,
) -> Result<W, TupleError> {
    let joined = tokio::task::spawn_blocking(move || write(&mut writer).map(|()| writer)).await;
    match joined {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
