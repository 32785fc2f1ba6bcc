//! A repository: its root list, and the snapshots in it.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use object_store::ObjectStore;

use crate::{
    FormatError, Info, Listed, Place, Root, Settings, Snapshot, SnapshotError, Traffic,
    blobs::Blobs, root, store,
};

/// Snapshots whose descriptions are read at the same time for a listing.
const LISTED_AT_ONCE: usize = 8;

/// An open repository. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) blobs: Blobs,
    pub(crate) settings: Settings,
    pub(crate) root: Root,
    /// The url, for errors.
    pub(crate) name: String,
}

impl Repository {
    /// Connects and reads the root list.
    pub async fn open(settings: Settings) -> Result<Self, SnapshotError> {
        let store = store::connect(&settings)?;
        Self::open_in(store, settings).await
    }

    /// Reads the root list from a store that is open already. The location's prefix counts in it, its bucket doesn't.
    pub async fn open_in(
        store: Arc<dyn ObjectStore>,
        settings: Settings,
    ) -> Result<Self, SnapshotError> {
        settings.check()?;
        let name = settings.location.to_string();
        let blobs = Blobs::new(store, &settings);
        let place = Place { repository: name.clone(), ..Place::default() };
        let (blob, bytes) = root_list(&blobs, &place, settings.limits.blob).await?;
        let root = Root::parse(&bytes, settings.limits.expanded)
            .map_err(|source| SnapshotError::Malformed { place: place.into(), blob, source })?;
        Ok(Self { inner: Arc::new(Inner { blobs, settings, root, name }) })
    }

    /// The url.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub fn root(&self) -> &Root {
        &self.inner.root
    }

    /// Every snapshot in the root list, with its own description or why that can't be read.
    pub async fn snapshots(&self) -> Vec<(Listed, Result<Info, SnapshotError>)> {
        let listed = self.inner.root.snapshots.iter().cloned();
        let described = listed.map(|listed| async {
            let snapshot = Snapshot::open(&self.inner, &listed).await;
            (listed, snapshot.map(|snapshot| snapshot.info().clone()))
        });
        stream::iter(described).buffered(LISTED_AT_ONCE).collect().await
    }

    /// Opens a snapshot by its name. One that is not complete is opened too: see its state.
    pub async fn snapshot(&self, name: &str) -> Result<Snapshot, SnapshotError> {
        let root = &self.inner.root;
        let Some(listed) = root.snapshots.iter().find(|listed| listed.name == name) else {
            let known = root.snapshots.iter().map(|listed| listed.name.clone()).collect();
            let (repository, name) = (self.inner.name.clone(), name.to_owned());
            return Err(SnapshotError::NoSnapshot { repository, name, known });
        };
        Snapshot::open(&self.inner, listed).await
    }

    /// What reading has cost so far, with everything opened from here.
    pub fn traffic(&self) -> Traffic {
        self.inner.blobs.traffic()
    }
}

impl Inner {
    /// Reads a metadata blob and parses it.
    pub(crate) async fn metadata<T>(
        &self,
        place: &Place,
        blob: &str,
        parse: impl FnOnce(&Bytes) -> Result<T, FormatError>,
    ) -> Result<T, SnapshotError> {
        let bytes = self.blobs.get(place, blob, self.settings.limits.blob).await?;
        parse(&bytes).map_err(|source| {
            let (place, blob) = (Box::new(place.clone()), blob.to_owned());
            SnapshotError::Malformed { place, blob, source }
        })
    }
}

/// The newest root list: `index-N` by `index.latest`, else by a listing; else `index`, from before Elasticsearch 5.
async fn root_list(
    blobs: &Blobs,
    place: &Place,
    limit: usize,
) -> Result<(String, Bytes), SnapshotError> {
    let read = async |blob: String| {
        let bytes = blobs.get(place, &blob, limit).await;
        bytes.map(|bytes| (blob, bytes))
    };
    let latest = blobs.get(place, "index.latest", limit).await;
    if let Err(error) = &latest
        && !error.is_missing()
    {
        return latest.map(|bytes| (String::new(), bytes));
    }
    if let Some(latest) = latest.ok().and_then(|bytes| root::parse_latest(&bytes)) {
        // a server writes `index-N` before it writes `index.latest`: a newer one counts
        let newer = read(format!("index-{}", latest.saturating_add(1))).await;
        if !newer.as_ref().is_err_and(SnapshotError::may_be_missing) {
            return newer;
        }
        let found = read(format!("index-{latest}")).await;
        if !found.as_ref().is_err_and(SnapshotError::is_missing) {
            return found;
        }
    }
    let listing = blobs.list(place, "").await;
    let names = listing.as_ref().map(Vec::as_slice).unwrap_or_default();
    if let Some(newest) = names.iter().filter_map(|name| root::generation(name)).max() {
        return read(format!("index-{newest}")).await;
    }
    let old = read("index".to_owned()).await;
    if old.as_ref().is_err_and(SnapshotError::is_missing) {
        let hint = match listing {
            Ok(_) => "; the url must lead to the directory or prefix that holds them".to_owned(),
            Err(error) => format!(" (and the listing failed: {error})"),
        };
        return Err(SnapshotError::NoRepository { place: place.clone().into(), hint });
    }
    old
}
