//! The target: external versions, tombstones that may be forgotten.

use std::collections::BTreeMap;

use converge::{Method, Request, Target};
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::{Contents, SHARDS, one_in, shard_of};

#[derive(Debug, Default)]
pub struct TargetCluster {
    pub indices: BTreeMap<String, TargetIndex>,
    /// Counts creations, so that work for an index that is gone is told from work for its
    /// successor.
    pub made: u64,
}

#[derive(Debug)]
pub struct TargetIndex {
    pub number: u64,
    shards: Vec<BTreeMap<String, Entry>>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub version: i64,
    /// `None` is a tombstone.
    pub document: Option<(Option<String>, String)>,
}

/// One write as the target reads it.
struct Write {
    index: String,
    id: String,
    routing: Option<String>,
    version: i64,
    /// `None` deletes.
    body: Option<String>,
}

impl TargetCluster {
    pub fn create(&mut self, index: &str) {
        if !self.indices.contains_key(index) {
            self.made += 1;
            let shards = vec![BTreeMap::new(); SHARDS];
            self.indices.insert(index.to_owned(), TargetIndex { number: self.made, shards });
        }
    }

    /// Answers a request; of a bulk only the first `limit` items are executed (then the connection
    /// breaks, and the answer is lost).
    pub fn answer(&mut self, request: &Request, limit: Option<usize>) -> (u16, Vec<u8>) {
        match request.method {
            Method::Post => {
                let writes = bulk(&request.body.concat());
                let limit = limit.unwrap_or(writes.len());
                let items: Vec<Value> =
                    writes.into_iter().take(limit).map(|write| self.item(write)).collect();
                (200, json!({ "took": 1, "items": items }).to_string().into_bytes())
            }
            _ => {
                let body = self.execute(single(request));
                let status = body["status"].as_u64().expect("a status");
                (u16::try_from(status).expect("a status"), body.to_string().into_bytes())
            }
        }
    }

    fn item(&mut self, write: Write) -> Value {
        let action = if write.body.is_some() { "index" } else { "delete" };
        json!({ action: self.execute(write) })
    }

    fn execute(&mut self, write: Write) -> Value {
        let Some(index) = self.indices.get_mut(&write.index) else {
            return refused(404, "index_not_found_exception");
        };
        let shard = &mut index.shards[shard_of(&write.id, write.routing.as_deref())];
        let before = shard.get(&write.id);
        if before.is_some_and(|before| before.version > write.version) {
            return refused(409, "version_conflict_engine_exception");
        }
        let was_there = before.is_some_and(|before| before.document.is_some());
        let result = match (&write.body, was_there) {
            (Some(_), false) => (201, "created"),
            (Some(_), true) => (200, "updated"),
            (None, true) => (200, "deleted"),
            (None, false) => (404, "not_found"),
        };
        let document = write.body.map(|body| (write.routing, body));
        shard.insert(write.id, Entry { version: write.version, document });
        json!({ "status": result.0, "result": result.1 })
    }

    pub fn forget_tombstones(&mut self, rng: &mut StdRng) {
        for index in self.indices.values_mut() {
            for shard in &mut index.shards {
                shard.retain(|_, entry| entry.document.is_some() || !one_in(rng, 2));
            }
        }
    }

    /// The live documents of an index: (shard, id, version, routing).
    pub fn documents(&self, index: &str) -> Vec<(usize, String, i64, Option<String>)> {
        let mut found = Vec::new();
        let shards =
            self.indices.get(index).into_iter().flat_map(|index| index.shards.iter().enumerate());
        for (number, shard) in shards {
            for (id, entry) in shard {
                if let Some((routing, _)) = &entry.document {
                    found.push((number, id.clone(), entry.version, routing.clone()));
                }
            }
        }
        found
    }

    pub fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for (name, index) in &self.indices {
            for (number, shard) in index.shards.iter().enumerate() {
                for (id, entry) in shard {
                    if let Some(document) = &entry.document {
                        contents.insert((name.clone(), number, id.clone()), document.clone());
                    }
                }
            }
        }
        contents
    }
}

fn refused(status: u16, kind: &str) -> Value {
    json!({ "status": status, "error": { "type": kind, "reason": "no" } })
}

fn single(request: &Request) -> Write {
    let target = Target::parse(request.target.as_bytes());
    let [index, doc, id] = target.segments.as_slice() else { unreachable!("{}", request.target) };
    assert_eq!(doc, "_doc");
    assert_eq!(target.parameter("version_type"), Some("external_gte"));
    let deletes = request.method == Method::Delete;
    assert_eq!(target.parameter("pipeline"), (!deletes).then_some("_none"));
    let body = String::from_utf8(request.body.concat()).expect("UTF-8");
    Write {
        index: index.clone(),
        id: id.clone(),
        routing: target.parameter("routing").map(str::to_owned),
        version: target.parameter("version").and_then(|text| text.parse().ok()).expect("a version"),
        body: (!deletes).then_some(body),
    }
}

fn bulk(body: &[u8]) -> Vec<Write> {
    assert_eq!(body.last(), Some(&b'\n'));
    let mut writes = Vec::new();
    let mut lines = body.split(|byte| *byte == b'\n');
    while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
        let action: Value = serde_json::from_slice(line).expect("an action");
        let (name, metadata) =
            action.as_object().and_then(|action| action.iter().next()).expect("an action");
        let text = |key: &str| metadata[key].as_str().map(str::to_owned);
        assert_eq!(text("version_type").as_deref(), Some("external_gte"));
        let body = (name == "index").then(|| {
            assert_eq!(text("pipeline").as_deref(), Some("_none"));
            String::from_utf8(lines.next().expect("a document").to_vec()).expect("UTF-8")
        });
        writes.push(Write {
            index: text("_index").expect("an index"),
            id: text("_id").expect("an id"),
            routing: text("routing"),
            version: metadata["version"].as_i64().expect("a version"),
            body,
        });
    }
    writes
}
