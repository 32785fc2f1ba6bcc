//! One snapshot: its description, the cluster's metadata, its indices.

use std::sync::Arc;

use crate::{
    GlobalMetadata, Index, IndexMetadata, Info, Listed, Place, ShardPaths, SnapshotError, Version,
    document::Wrapping, repository::Inner, root,
};

/// An open snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) inner: Arc<Inner>,
    pub(crate) listed: Arc<Listed>,
    info: Arc<Info>,
    naming: Naming,
}

/// How a snapshot's blobs are named and wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// `metadata-<name>`, `snapshot-<name>`, bare: Elasticsearch 1.
    Bare,
    /// `meta-<id>.dat`, `snap-<id>.dat`, in envelopes: everything newer. The id is the name before Elasticsearch 5.
    Enveloped,
}

impl Naming {
    /// The name of a `snap` blob: of the snapshot itself, or of a shard's files.
    fn snap(self, listed: &Listed) -> String {
        match self {
            Self::Bare => format!("snapshot-{}", listed.name),
            Self::Enveloped => format!("snap-{}.dat", listed.uuid),
        }
    }

    fn wrapping(self, codec: &'static str) -> Wrapping {
        match self {
            Self::Bare => Wrapping::Bare,
            Self::Enveloped => Wrapping::Envelope(codec),
        }
    }
}

impl Snapshot {
    pub(crate) async fn open(inner: &Arc<Inner>, listed: &Listed) -> Result<Self, SnapshotError> {
        let place = Place {
            repository: inner.name.clone(),
            snapshot: Some(listed.name.clone()),
            ..Place::default()
        };
        let limit = inner.settings.limits.expanded;
        let open = async |naming: Naming| {
            let wrapping = naming.wrapping("snapshot");
            let parse = |bytes: &bytes::Bytes| Info::parse(bytes, wrapping, limit);
            let info = inner.metadata(&place, &naming.snap(listed), parse).await;
            info.map(|info| (naming, info))
        };
        let mut found = open(Naming::Enveloped).await;
        if !listed.is_named_by_uuid() && found.as_ref().is_err_and(SnapshotError::may_be_missing) {
            let older = open(Naming::Bare).await;
            if !older.as_ref().is_err_and(SnapshotError::may_be_missing) {
                found = older;
            }
        }
        let (naming, mut info) = found?;
        if info.version.is_none() {
            info.version = listed.version.as_deref().and_then(root::version);
        }
        Ok(Self {
            inner: Arc::clone(inner),
            listed: Arc::new(listed.clone()),
            info: Arc::new(info),
            naming,
        })
    }

    pub fn name(&self) -> &str {
        &self.listed.name
    }

    /// The name, for a snapshot made before Elasticsearch 5.
    pub fn uuid(&self) -> &str {
        &self.listed.uuid
    }

    pub fn info(&self) -> &Info {
        &self.info
    }

    pub fn version(&self) -> Option<Version> {
        self.info.version
    }

    /// The names of its indices, sorted.
    pub fn indices(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.info.indices.iter().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The directory of an index under `indices/`, and how its shards' are named.
    pub fn directory(&self, index: &str) -> Result<(String, ShardPaths), SnapshotError> {
        let place = || Box::new(self.place(Some(index)));
        if !self.info.indices.iter().any(|name| name == index) {
            return Err(SnapshotError::NoIndex { place: place() });
        }
        match self.inner.root.indices.get(index) {
            Some(listed) => Ok((listed.id.clone(), listed.paths)),
            None if !self.listed.is_named_by_uuid() => Ok((index.to_owned(), ShardPaths::Fixed)),
            None => {
                let problem = "the root list does not say where this index is".to_owned();
                Err(SnapshotError::Damaged { place: place(), problem })
            }
        }
    }

    /// The cluster's templates, pipelines and settings.
    pub async fn global(&self) -> Result<GlobalMetadata, SnapshotError> {
        let blob = match self.naming {
            Naming::Bare => format!("metadata-{}", self.listed.name),
            Naming::Enveloped => format!("meta-{}.dat", self.listed.uuid),
        };
        let wrapping = self.naming.wrapping("metadata");
        let limit = self.inner.settings.limits.expanded;
        let parse = |bytes: &bytes::Bytes| GlobalMetadata::parse(bytes, wrapping, limit);
        self.inner.metadata(&self.place(None), &blob, parse).await
    }

    /// Opens an index: reads its definition.
    pub async fn index(&self, name: &str) -> Result<Index, SnapshotError> {
        let (directory, paths) = self.directory(name)?;
        let blob = match self.naming {
            Naming::Bare => format!("indices/{directory}/snapshot-{}", self.listed.name),
            Naming::Enveloped => {
                let id = self.inner.root.metadata_id(&self.listed, &directory);
                format!("indices/{directory}/meta-{id}.dat")
            }
        };
        let wrapping = self.naming.wrapping("index-metadata");
        let limit = self.inner.settings.limits.expanded;
        let place = self.place(Some(name));
        let parse = |bytes: &bytes::Bytes| IndexMetadata::parse(bytes, wrapping, limit);
        let metadata = self.inner.metadata(&place, &blob, parse).await?;
        if metadata.name != name {
            let problem = format!("the definition in `{blob}` is of index `{}`", metadata.name);
            return Err(SnapshotError::Damaged { place: place.into(), problem });
        }
        Ok(Index::new(self.clone(), metadata, directory, paths))
    }

    pub(crate) fn place(&self, index: Option<&str>) -> Place {
        Place {
            repository: self.inner.name.clone(),
            snapshot: Some(self.listed.name.clone()),
            index: index.map(str::to_owned),
            ..Place::default()
        }
    }

    /// The name of the blob with a shard's files in the shard's directory, and how it is wrapped.
    pub(crate) fn shard_list(&self) -> (String, Wrapping) {
        (self.naming.snap(&self.listed), self.naming.wrapping("snapshot"))
    }
}
