//! Blobs of a repository: whole or in ranges, each request retried, counted and checked for its length.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt, path::Path,
};
use tokio::time::{sleep, timeout};

use crate::{Place, Retry, Settings, SnapshotError};

/// A store, the prefix of the repository in it, and how patiently it is asked.
#[derive(Debug)]
pub(crate) struct Blobs {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    retry: Retry,
    stall: Duration,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes: AtomicU64,
}

/// What reading has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    pub requests: u64,
    /// Requests made again because the one before failed, stalled or brought too few bytes.
    pub retries: u64,
    /// Bytes of bodies that were whole.
    pub bytes: u64,
}

/// Why one request brought nothing that can be used.
enum Failure {
    /// Another attempt may do better.
    Transient(String),
    Final(SnapshotError),
}

/// The attempt after whose failure a blob's length is looked at.
const LOOK: u32 = 2;

/// What is asked for.
struct Request<'a> {
    place: &'a Place,
    blob: &'a str,
    path: Path,
    range: Option<Range<u64>>,
    /// How long the whole blob must be, if that is known.
    length: Option<u64>,
    limit: u64,
}

impl Blobs {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, settings: &Settings) -> Self {
        Self {
            store,
            prefix: settings.location.prefix.clone(),
            retry: settings.retry,
            stall: settings.reading.stall,
            counters: Counters::default(),
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.counters.requests.load(Relaxed),
            retries: self.counters.retries.load(Relaxed),
            bytes: self.counters.bytes.load(Relaxed),
        }
    }

    /// A whole blob of at most `limit` bytes.
    pub(crate) async fn get(
        &self,
        place: &Place,
        blob: &str,
        limit: usize,
    ) -> Result<Bytes, SnapshotError> {
        let path = self.path(place, blob)?;
        let limit = limit as u64;
        self.retried(&Request { place, blob, path, range: None, length: None, limit }).await
    }

    /// A range of a blob that has `length` bytes.
    pub(crate) async fn get_range(
        &self,
        place: &Place,
        blob: &str,
        range: Range<u64>,
        length: u64,
    ) -> Result<Bytes, SnapshotError> {
        let path = self.path(place, blob)?;
        let limit = range.end - range.start;
        let range = Some(range);
        self.retried(&Request { place, blob, path, range, length: Some(length), limit }).await
    }

    /// The names of the blobs right under the repository's root, or under one of its directories.
    pub(crate) async fn list(
        &self,
        place: &Place,
        directory: &str,
    ) -> Result<Vec<String>, SnapshotError> {
        let path = self.path(place, directory)?;
        let mut attempt = 1;
        loop {
            self.counters.requests.fetch_add(1, Relaxed);
            let listing = self.store.list_with_delimiter(Some(&path)); // several requests, if there is much
            let failure = match timeout(self.stall * 4, listing).await {
                Ok(Ok(found)) => {
                    let names = found.objects.iter().filter_map(|of| of.location.filename());
                    return Ok(names.map(str::to_owned).collect());
                }
                Ok(Err(error)) => explain(place, &format!("{directory}/*"), &error),
                Err(_) => Failure::Transient("the listing stalled".to_owned()),
            };
            self.again(place, directory, attempt, failure).await?;
            attempt += 1;
        }
    }

    fn path(&self, place: &Place, blob: &str) -> Result<Path, SnapshotError> {
        let whole = match (self.prefix.as_ref(), blob) {
            ("", _) => blob.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, _) => format!("{prefix}/{blob}"),
        };
        Path::parse(&whole).map_err(|error| SnapshotError::Damaged {
            place: Box::new(place.clone()),
            problem: format!("`{blob}` cannot be the name of a blob: {error}"),
        })
    }

    async fn retried(&self, request: &Request<'_>) -> Result<Bytes, SnapshotError> {
        let mut attempt = 1;
        loop {
            self.counters.requests.fetch_add(1, Relaxed);
            match self.fetch(request).await {
                Ok(bytes) => {
                    self.counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
                    return Ok(bytes);
                }
                Err(failure) => {
                    if attempt == LOOK {
                        self.check_length(request).await?;
                    }
                    self.again(request.place, request.blob, attempt, failure).await?;
                }
            }
            attempt += 1;
        }
    }

    /// A range that begins behind the end of a blob that is too short fails without saying how long the blob is,
    /// and would fail for ever.
    async fn check_length(&self, request: &Request<'_>) -> Result<(), SnapshotError> {
        let Some(expected) = request.length else { return Ok(()) };
        self.counters.requests.fetch_add(1, Relaxed);
        match self.in_time(self.store.head(&request.path)).await {
            Ok(Ok(found)) if found.size != expected => {
                let (place, blob) = (Box::new(request.place.clone()), request.blob.to_owned());
                Err(SnapshotError::Length { place, blob, expected, found: found.size })
            }
            _ => Ok(()),
        }
    }

    /// Waits before the next attempt, or says why there is none.
    async fn again(
        &self,
        place: &Place,
        blob: &str,
        attempt: u32,
        failure: Failure,
    ) -> Result<(), SnapshotError> {
        let reason = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Transient(reason) => reason,
        };
        if attempt >= self.retry.attempts {
            let place = Box::new(place.clone());
            let blob = blob.to_owned();
            return Err(SnapshotError::Unreadable { place, blob, attempts: attempt, reason });
        }
        self.counters.retries.fetch_add(1, Relaxed);
        sleep(self.retry.wait(attempt, rand::random())).await;
        Ok(())
    }

    async fn fetch(&self, request: &Request<'_>) -> Result<Bytes, Failure> {
        let options = GetOptions {
            range: request.range.clone().map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let found = self.in_time(self.store.get_opts(&request.path, options)).await?;
        let found = found.map_err(|error| explain(request.place, request.blob, &error))?;
        let place = || Box::new(request.place.clone());
        let blob = || request.blob.to_owned();
        if let Some(expected) = request.length
            && found.meta.size != expected
        {
            let found = found.meta.size;
            let error = SnapshotError::Length { place: place(), blob: blob(), expected, found };
            return Err(Failure::Final(error));
        }
        let wanted = request.range.clone().unwrap_or(0..found.meta.size);
        let length = wanted.end - wanted.start;
        if length > request.limit {
            let limit = request.limit;
            let error = SnapshotError::TooLong { place: place(), blob: blob(), limit };
            return Err(Failure::Final(error));
        }
        if found.range != wanted {
            let reason = format!("asked for bytes {wanted:?}, was given {:?}", found.range);
            return Err(Failure::Transient(reason));
        }
        let bytes = self.body(request, found, length).await?;
        if bytes.len() as u64 != length {
            let reason = format!("the body has {} bytes instead of {length}", bytes.len());
            return Err(Failure::Transient(reason));
        }
        Ok(bytes)
    }

    /// The body, at most one chunk longer than `length`.
    async fn body(
        &self,
        request: &Request<'_>,
        found: GetResult,
        length: u64,
    ) -> Result<Bytes, Failure> {
        let failed = |error| explain(request.place, request.blob, &error);
        let mut chunks = match found.payload {
            GetResultPayload::File(..) => {
                return self.in_time(found.bytes()).await?.map_err(failed);
            }
            GetResultPayload::Stream(chunks) => chunks,
        };
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.in_time(chunks.next()).await? {
            let chunk = chunk.map_err(failed)?;
            if whole.is_empty() {
                if chunk.len() as u64 == length {
                    return Ok(chunk);
                }
                whole.reserve(usize::try_from(length).unwrap_or(0));
            }
            whole.extend_from_slice(&chunk);
            if whole.len() as u64 > length {
                break;
            }
        }
        Ok(whole.freeze())
    }

    async fn in_time<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let stalled = |_| Failure::Transient(format!("nothing came for {:?}", self.stall));
        timeout(self.stall, future).await.map_err(stalled)
    }
}

/// Whether another attempt may help after an error of the store.
fn explain(place: &Place, blob: &str, error: &object_store::Error) -> Failure {
    use object_store::Error;
    let (place, blob) = (Box::new(place.clone()), blob.to_owned());
    match error {
        Error::NotFound { .. } => Failure::Final(SnapshotError::Missing { place, blob }),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            let reason = with_causes(error);
            Failure::Final(SnapshotError::Denied { place, blob, reason })
        }
        Error::InvalidPath { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::Precondition { .. }
        | Error::UnknownConfigurationKey { .. } => {
            let reason = with_causes(error);
            Failure::Final(SnapshotError::Unreadable { place, blob, attempts: 1, reason })
        }
        _ => Failure::Transient(with_causes(error)),
    }
}

/// An error and what its texts leave out of its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
