//! A store whose next answers go wrong as a test asks.

use std::{collections::VecDeque, fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    memory::InMemory, path::Path,
};
use parking_lot::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503, slow down.
    Throttled,
    /// No answer, ever.
    Stalled,
    /// Half of the body, then nothing, ever.
    StalledMidway,
    /// Half of the body, then an error.
    Reset,
    /// Half of the body, and an end as if that were all.
    Short,
    /// More than was asked for.
    Long,
    /// A range that was not asked for.
    WrongRange,
    /// 403.
    Denied,
}

/// What becomes of the next requests; after the last one everything is well.
pub(crate) type Faults = Arc<Mutex<VecDeque<Option<Fault>>>>;

#[derive(Debug)]
pub(crate) struct Misbehaving {
    store: InMemory,
    faults: Faults,
    requests: Arc<Mutex<u32>>,
}

impl Misbehaving {
    pub(crate) fn new(store: InMemory) -> Self {
        Self { store, faults: Faults::default(), requests: Arc::default() }
    }

    pub(crate) fn faults(&self) -> Faults {
        Arc::clone(&self.faults)
    }

    pub(crate) fn requests(&self) -> Arc<Mutex<u32>> {
        Arc::clone(&self.requests)
    }
}

impl fmt::Display for Misbehaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that misbehaves")
    }
}

fn error(text: &'static str) -> Error {
    Error::Generic { store: "test", source: text.into() }
}

fn answer(found: GetResult, chunks: Vec<Result<Bytes>>, then_stall: bool) -> GetResult {
    let rest = match then_stall {
        true => stream::pending().boxed(),
        false => stream::empty().boxed(),
    };
    let payload = GetResultPayload::Stream(stream::iter(chunks).chain(rest).boxed());
    GetResult { payload, ..found }
}

fn shifted(range: &Range<u64>) -> Range<u64> {
    range.start + 1..range.end + 1
}

#[async_trait]
impl ObjectStore for Misbehaving {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        *self.requests.lock() += 1;
        if options.head {
            // A look at a blob's length is always answered well.
            return self.store.get_opts(location, options).await;
        }
        let fault = self.faults.lock().pop_front().flatten();
        if fault == Some(Fault::Denied) {
            let (path, source) = (location.to_string(), "403 Forbidden".into());
            return Err(Error::PermissionDenied { path, source });
        }
        let found = self.store.get_opts(location, options).await?;
        let Some(fault) = fault else { return Ok(found) };
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let (attributes, extensions) = (found.attributes.clone(), found.extensions.clone());
        let whole = found.bytes().await?;
        let half = whole.slice(..whole.len() / 2);
        let payload = GetResultPayload::Stream(stream::empty().boxed());
        let mut found = GetResult { payload, meta, range, attributes, extensions };
        Ok(match fault {
            Fault::Throttled | Fault::Denied => return Err(error("503 Slow Down")),
            Fault::Stalled => std::future::pending().await,
            Fault::StalledMidway => answer(found, vec![Ok(half)], true),
            Fault::Reset => answer(found, vec![Ok(half), Err(error("connection reset"))], false),
            Fault::Short => answer(found, vec![Ok(half)], false),
            Fault::Long => answer(found, vec![Ok(half), Ok(whole.clone()), Ok(whole)], false),
            Fault::WrongRange => {
                found.range = shifted(&found.range);
                answer(found, vec![Ok(whole)], false)
            }
        })
    }

    async fn put_opts(&self, at: &Path, payload: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.store.put_opts(at, payload, how).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(at, how).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
