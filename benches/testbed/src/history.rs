//! A snapshot of documents that are hard to read, and what a client saw of them when it was made.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::server::Server;

mod dialect;
mod documents;
mod found;
mod indices;
mod odd;
mod session;

use dialect::Dialect;
use session::{Item, Session};

/// Indices of a server with a past (deletes, updates, many segments and one, types, parents,
/// awkward ids and sources) in a snapshot:
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// use testbed::{History, Testbed};
/// let server = Testbed::elasticsearch("2.4").await?;
/// let history = History::make(&server, 42).await?;
/// let (folder, name) = (history.repository(), history.snapshot());
/// # Ok(()) }
/// ```
///
/// The same seed makes the same documents in the same indices on the same version. Names and counts
/// of segments and blobs may differ.
#[derive(Debug)]
pub struct History {
    /// What it was made of.
    pub seed: u64,
    /// Every live document, by index, type and id.
    pub expected: Vec<ExpectedDocument>,
    /// Every index of the snapshot, those without documents too.
    pub indices: Vec<String>,
    /// What the server refused of the sources that not all versions take: what it was, and why not.
    pub refused: Vec<(String, String)>,
    repository: PathBuf,
}

/// A document as a search shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedDocument {
    pub index: String,
    pub id: String,
    /// Of Elasticsearch before 7.
    pub doc_type: Option<String>,
    pub routing: Option<String>,
    /// The id of its parent, where the mapping has `_parent` (Elasticsearch before 6).
    pub parent: Option<String>,
    /// Since Elasticsearch 6, as the next.
    pub seq_no: Option<u64>,
    pub primary_term: Option<u64>,
    pub version: u64,
    pub source: Value,
}

impl History {
    /// Makes indices on an empty server, checks that they hold what was sent, and makes two snapshots
    /// in one repository, `snap0` half way and `snap1` at the end. The seed goes to stderr.
    ///
    /// # Errors
    /// When the server refuses what its version should take, shows other documents than were sent,
    /// or the snapshot isn't complete.
    pub async fn make(server: &Server, seed: u64) -> anyhow::Result<Self> {
        eprintln!("testbed: a history on {} {}, seed {seed}", server.name(), server.version());
        let mut maker = Maker::new(server, seed)?;
        maker.make().await.with_context(|| format!("on {}, seed {seed}", server.name()))?;
        let mut expected = Vec::new();
        for index in &maker.indices {
            expected.extend(maker.session.found(index).await?);
        }
        maker.session.check(&expected)?;
        maker.session.snapshot("snap1", &maker.indices).await?;
        Ok(Self {
            seed,
            expected,
            indices: maker.indices.iter().map(ToString::to_string).collect(),
            refused: maker.session.refused,
            repository: maker.repository,
        })
    }

    /// The folder of the fs repository. It goes away with the server's folder.
    #[must_use]
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// The name of the snapshot that holds what is expected.
    #[must_use]
    pub fn snapshot(&self) -> &'static str {
        "snap1"
    }
}

struct Maker {
    random: StdRng,
    session: Session,
    dialect: Dialect,
    indices: Vec<&'static str>,
    repository: PathBuf,
}

impl Maker {
    fn new(server: &Server, seed: u64) -> anyhow::Result<Self> {
        let dialect = Dialect::of(server)?;
        Ok(Self {
            random: StdRng::seed_from_u64(seed),
            session: Session::new(server.url(), dialect),
            dialect,
            indices: Vec::new(),
            repository: server.folder().join("repo"),
        })
    }

    async fn make(&mut self) -> anyhow::Result<()> {
        for (name, definition) in indices::all(self.dialect, &mut self.random) {
            self.session.create(name, &definition).await?;
            self.indices.push(name);
        }
        self.register().await?;
        for half in 0..2 {
            for round in 0..2 {
                self.write(half * 2 + round).await?;
            }
            if half == 0 {
                self.session.snapshot("snap0", &self.indices).await?;
            }
        }
        for (what, id, body) in odd::bodies(&mut self.random) {
            self.session.offer(&what, "odd", &id, body).await?;
        }
        for (id, text) in documents::texts(&mut self.random) {
            self.session.put_text("values", &id, text).await?;
        }
        let emptied: Vec<Item> = self.session.live("emptied").map(Item::delete).collect();
        self.session.bulk(emptied).await?;
        self.session.force_merge("merged").await?;
        self.session.refresh().await
    }

    /// One round of writes into every index, which end in segments of their own.
    async fn write(&mut self, round: usize) -> anyhow::Result<()> {
        let random = &mut self.random;
        let mut items = Vec::new();
        for index in ["logs", "merged", "compressed", "emptied"] {
            items.extend(documents::logs(index, round, random));
        }
        items.extend(documents::nested(round, random));
        items.extend(documents::ids(round, random));
        if self.indices.contains(&"types") {
            items.extend(documents::types(round, random));
        }
        if self.dialect.has_parents() {
            items.extend(documents::children(round, random));
        } else if self.indices.contains(&"family") {
            items.extend(documents::joined(round, random));
        }
        items.shuffle(random);
        self.session.bulk(items).await?;
        // A shard whose documents were only buffered would have no segment of its own.
        if round.is_multiple_of(2) {
            self.session.flush().await?
        } else {
            self.session.refresh().await?
        }
        if round > 0 {
            self.change(round).await?;
        }
        self.session.refresh().await
    }

    /// Deletes some of what is there, updates some, and brings some of the deleted back.
    async fn change(&mut self, round: usize) -> anyhow::Result<()> {
        let mut reborn = Vec::new();
        let mut items = Vec::new();
        for index in self.indices.clone() {
            let live: Vec<Item> = self.session.live(index).collect();
            let some: Vec<&Item> = live.choose_multiple(&mut self.random, live.len() / 8).collect();
            for (n, item) in some.into_iter().enumerate() {
                let counts = self.random.random_range(0..1_000_000);
                match n % 4 {
                    // Versions that a client chose can't be updated without one.
                    _ if item.version.is_some() => items.push(item.clone().delete()),
                    0 => items.push(item.clone().delete()),
                    1 => {
                        items.push(item.clone().delete());
                        let body = json!({"reborn": round, "size": counts});
                        reborn.push(item.clone().index(with_relation(item, body)));
                    }
                    2 => items.push(item.clone().update(json!({"updated": round}))),
                    _ => {
                        let body = json!({"replaced": round, "size": counts});
                        items.push(item.clone().index(with_relation(item, body)));
                    }
                }
            }
        }
        self.session.bulk(items).await?;
        self.session.refresh().await?;
        self.session.bulk(reborn).await
    }

    async fn register(&mut self) -> anyhow::Result<()> {
        let mut settings = json!({
            "location": self.repository,
            "compress": self.random.random_bool(0.5),
        });
        if self.random.random_bool(0.5) {
            // So small that files consist of several blobs.
            settings["chunk_size"] = json!("20kb");
        }
        ensure!(self.repository.is_dir(), "no folder {}", self.repository.display());
        self.session.register(&settings).await
    }
}

/// A document of a family keeps its place in it.
fn with_relation(item: &Item, mut body: Value) -> Value {
    if let Some(relation) = item.body.as_ref().and_then(|old| old.get("relation")) {
        body["relation"] = relation.clone();
    }
    body
}
