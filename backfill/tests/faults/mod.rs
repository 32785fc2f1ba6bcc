//! Snapshots made by servers of eleven versions, to be read, damaged and moved.
#![allow(unreachable_pub, dead_code)] // a module of tests that use parts of it

pub mod front;
pub mod stage;

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use backfill::{ReadSettings, ReadSummary, read};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;
use snapshot::{Content, Location, Repository, Settings};
use telemetry::Shutdown;

pub const SNAPSHOT: &str = "snap1";

/// Another seed each time; `GODWIT_SEED` repeats one.
pub fn random(what: &str) -> StdRng {
    let seed = std::env::var("GODWIT_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    eprintln!("{what}: GODWIT_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// A repository in a folder of its own, which may be damaged.
pub struct Damageable {
    pub version: &'static str,
    folder: tempfile::TempDir,
}

/// A file of a shard that is a blob.
#[derive(Clone, Debug)]
pub struct Blob {
    pub index: String,
    pub shard: u32,
    /// As Lucene calls it.
    pub file: String,
    pub path: PathBuf,
}

impl Damageable {
    pub fn unpack(version: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/repositories");
        let archive = format!("{archive}/{version}.tar.gz");
        let mut tar = Command::new("tar");
        let status = tar.arg("xzf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
        assert!(status.success(), "{archive}");
        Self { version, folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub fn settings(&self, indices: &[&str]) -> ReadSettings {
        let location = Location::parse(self.path().to_str().unwrap()).unwrap();
        let mut settings = ReadSettings::new(location, SNAPSHOT);
        settings.indices = indices.iter().map(|name| (*name).to_owned()).collect();
        settings
    }

    /// Every file of every shard that isn't in the list of files itself.
    pub async fn blobs(&self) -> Vec<Blob> {
        let location = Location::parse(self.path().to_str().unwrap()).unwrap();
        let repository = Repository::open(Settings::new(location)).await.unwrap();
        let snapshot = repository.snapshot(SNAPSHOT).await.unwrap();
        let mut blobs = Vec::new();
        for name in snapshot.indices() {
            let index = snapshot.index(name).await.unwrap();
            let directory = snapshot.directory(name).unwrap().0;
            for shard in 0..index.metadata.number_of_shards {
                for file in index.shard(shard).await.unwrap().files().iter() {
                    let Content::Blob { name: blob, .. } = &file.content else { continue };
                    let path = format!("indices/{directory}/{shard}/{blob}");
                    blobs.push(Blob {
                        index: name.to_owned(),
                        shard,
                        file: file.physical_name.clone(),
                        path: self.path().join(path),
                    });
                }
            }
        }
        blobs.sort_by(|a, b| (&a.index, a.shard, &a.file).cmp(&(&b.index, b.shard, &b.file)));
        blobs
    }
}

/// What `backfill read` prints and says.
pub async fn read_lines(settings: &ReadSettings) -> (Vec<String>, ReadSummary) {
    let mut lines = Vec::new();
    let summary = read(settings, &mut lines, &Shutdown::new()).await.unwrap();
    (split(&lines), summary)
}

pub fn split(lines: &[u8]) -> Vec<String> {
    String::from_utf8(lines.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// The documents of an index by id.
pub fn by_id(lines: &[String], index: &str) -> BTreeMap<String, Value> {
    let documents = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_index = documents.filter(|document| document["_index"] == index);
    of_index.map(|document| (document["_id"].as_str().unwrap().to_owned(), document)).collect()
}
