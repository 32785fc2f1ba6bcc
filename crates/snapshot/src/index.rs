//! An index of a snapshot, and the way to its shards.

use tokio::sync::OnceCell;

use crate::{
    FormatError, IndexMetadata, Shard, ShardFiles, ShardPaths, Snapshot, SnapshotError, document,
    document::Wrapping, shape::Node,
};

const SHALLOW: &str = "a shallow snapshot: its files are in OpenSearch's remote store, not in this repository; \
    make a full snapshot (`remote_store_index_shallow_copy: false` in the repository's settings)";

/// An open index of a snapshot.
#[derive(Debug)]
pub struct Index {
    pub metadata: IndexMetadata,
    snapshot: Snapshot,
    /// Under `indices/`.
    directory: String,
    paths: ShardPaths,
    /// The directories of the shards, if they are hashed.
    table: OnceCell<Vec<String>>,
}

impl Index {
    pub(crate) fn new(
        snapshot: Snapshot,
        metadata: IndexMetadata,
        directory: String,
        paths: ShardPaths,
    ) -> Self {
        Self { metadata, snapshot, directory, paths, table: OnceCell::new() }
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The name of its directory, which is its id in the repository.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Why its documents are not in the repository, if they aren't.
    pub fn unsupported(&self) -> Option<&'static str> {
        let shallow = self.snapshot.info().is_shallow && self.metadata.is_remote_store();
        self.metadata.unsupported().or(shallow.then_some(SHALLOW))
    }

    /// Opens a shard: reads the list of its files.
    pub async fn shard(&self, shard: u32) -> Result<Shard, SnapshotError> {
        let mut place = self.snapshot.place(Some(&self.metadata.name));
        place.shard = Some(shard);
        let shards = self.metadata.number_of_shards;
        if shard >= shards {
            return Err(SnapshotError::NoShard { place: place.into(), shards });
        }
        if let Some(reason) = self.unsupported() {
            return Err(SnapshotError::Unsupported { place: place.into(), reason });
        }
        let failures = &self.snapshot.info().failures;
        let is_this = |index: &str, number| index == self.metadata.name && number == shard;
        if let Some(failed) = failures.iter().find(|failed| is_this(&failed.index, failed.shard)) {
            let reason = failed.reason.clone();
            return Err(SnapshotError::ShardFailed { place: place.into(), reason });
        }
        let directory = self.shard_directory(shard).await?;
        let inner = &self.snapshot.inner;
        let limits = inner.settings.limits;
        let (name, wrapping) = self.snapshot.shard_list();
        let list = format!("{directory}/{name}");
        let parse = |bytes: &bytes::Bytes| {
            ShardFiles::parse(bytes, wrapping, limits.expanded, limits.inline)
        };
        match inner.metadata(&place, &list, parse).await {
            Ok(files) => Ok(Shard::new(inner, place, directory, files)),
            Err(error) if error.may_be_missing() && wrapping != Wrapping::Bare => {
                let shallow = format!("{directory}/shallow-{name}");
                match inner.blobs.get(&place, &shallow, limits.blob).await {
                    Ok(_) | Err(SnapshotError::TooLong { .. }) => {
                        Err(SnapshotError::Unsupported { place: place.into(), reason: SHALLOW })
                    }
                    Err(other) if other.may_be_missing() => Err(error),
                    Err(other) => Err(other),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn shard_directory(&self, shard: u32) -> Result<String, SnapshotError> {
        if self.paths == ShardPaths::Fixed {
            return Ok(format!("indices/{}/{shard}", self.directory));
        }
        let table = self.table.get_or_try_init(|| self.read_table()).await?;
        // `parse_table` has checked that there is one for each shard
        Ok(table.get(shard as usize).cloned().unwrap_or_default())
    }

    /// Reads the hashed directories of the shards from the blob that lists them.
    async fn read_table(&self) -> Result<Vec<String>, SnapshotError> {
        const DIRECTORY: &str = "snapshot_shard_paths";
        let inner = &self.snapshot.inner;
        let place = self.snapshot.place(Some(&self.metadata.name));
        let shards = self.metadata.number_of_shards;
        let limit = inner.settings.limits.expanded;
        let parse = |bytes: &bytes::Bytes| parse_table(bytes, &self.directory, shards, limit);
        let (id, name, kind) = (&self.directory, &self.metadata.name, self.paths.code());
        let stem = format!("{id}.{name}.{shards}.{kind}.");
        // 2.17 wrote it without the prefix; the algorithm is 1 unless told otherwise
        for candidate in [format!("snapshot_path_{stem}1"), format!("{stem}1")] {
            let found = inner.metadata(&place, &format!("{DIRECTORY}/{candidate}"), parse).await;
            if !found.as_ref().is_err_and(SnapshotError::may_be_missing) {
                return found;
            }
        }
        let names = inner.blobs.list(&place, DIRECTORY).await?;
        let Some(blob) = names.iter().find(|name| name.contains(&stem)) else {
            let blob = format!("{DIRECTORY}/snapshot_path_{stem}*");
            return Err(SnapshotError::Missing { place: place.into(), blob });
        };
        inner.metadata(&place, &format!("{DIRECTORY}/{blob}"), parse).await
    }
}

/// Parses the table of the hashed directories of an index's shards: one for each, and each of this index.
pub fn parse_table(
    bytes: &[u8],
    directory: &str,
    shards: u32,
    limit: usize,
) -> Result<Vec<String>, FormatError> {
    let value = document::parse(bytes, Wrapping::Bare, limit)?;
    let root = Node::root(&value);
    let list = root.need("paths")?;
    let mut paths = Vec::new();
    for (shard, item) in list.items()?.enumerate() {
        let path = item.text()?.trim_matches('/');
        let sound = path.split('/').all(crate::shape::is_segment);
        if !sound || !path.ends_with(&format!("{directory}/{shard}")) {
            let problem = format!("{path:?} is no directory of shard {shard} of `{directory}`");
            return Err(item.error(problem));
        }
        paths.push(path.to_owned());
    }
    match paths.len() == shards as usize {
        true => Ok(paths),
        false => Err(list.error(format!("{} paths for {shards} shards", paths.len()))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(paths: &serde_json::Value) -> Result<Vec<String>, FormatError> {
        let table = json!({"indexId": "ID", "paths": paths}).to_string();
        parse_table(table.as_bytes(), "ID", 2, 1 << 20)
    }

    #[test]
    fn a_table_has_a_path_of_this_index_for_each_shard() {
        let prefix = parse(&json!(["Xa/indices/ID/0/", "Yb/indices/ID/1/"])).unwrap();
        assert_eq!(prefix, ["Xa/indices/ID/0", "Yb/indices/ID/1"]);
        assert!(parse(&json!(["indices/Xa/ID/0", "indices/Yb/ID/1"])).is_ok());
        for bad in [
            json!(["indices/Xa/ID/0"]),
            json!(["indices/Xa/ID/1", "indices/Yb/ID/0"]),
            json!(["../ID/0", "x/ID/1"]),
            json!(["x//ID/0", "x/ID/1"]),
            json!([1, 2]),
            json!({}),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
