//! The source: shards that number their operations, and answers as Elasticsearch 7.10 writes them.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

use super::history::ALIAS;
use super::{Contents, SHARDS, one_in, shard_of};

/// What a client asks of one document.
#[derive(Clone, Debug)]
pub struct Action {
    pub verb: Verb,
    pub index: String,
    pub id: Option<String>,
    pub routing: Option<String>,
    pub pipeline: Option<&'static str>,
    pub body: String,
    /// The mapping refuses it.
    pub unfit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Index,
    Create,
    Delete,
    Update,
    /// A scripted update that deletes.
    UpdateDeletes,
    /// An update that finds nothing to change.
    UpdateNoop,
}

/// What the source says about one action.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub index: String,
    pub id: String,
    pub result: &'static str,
    pub version: i64,
    pub seq_no: i64,
    pub primary_term: i64,
    /// The error's type.
    pub error: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Stored {
    pub routing: Option<String>,
    pub body: String,
    pub version: i64,
    pub seq_no: i64,
    pub primary_term: i64,
}

#[derive(Debug)]
pub struct SourceIndex {
    pub uuid: u64,
    pub created: u64,
    pub shards: Vec<Shard>,
}

#[derive(Debug, Default)]
pub struct Shard {
    pub term: i64,
    pub next_seq_no: i64,
    pub documents: BTreeMap<String, Stored>,
}

#[derive(Debug, Default)]
pub struct Source {
    pub indices: BTreeMap<String, SourceIndex>,
    /// Where the alias leads.
    alias: Option<String>,
    made: u64,
    pub now: u64,
}

/// Whether the index has a default pipeline: it keeps it when it is made anew, as from a template.
pub fn has_pipeline(index: &str) -> bool {
    index == "piped"
}

impl Source {
    pub fn create(&mut self, index: &str) -> bool {
        if self.indices.contains_key(index) {
            return false;
        }
        self.made += 1;
        let shards = (0..SHARDS).map(|_| Shard { term: 1, ..Shard::default() }).collect();
        self.indices
            .insert(index.to_owned(), SourceIndex { uuid: self.made, created: self.now, shards });
        true
    }

    pub fn delete(&mut self, index: &str) -> bool {
        self.alias.take_if(|leads_to| leads_to == index);
        self.indices.remove(index).is_some()
    }

    pub fn lead_alias(&mut self, index: &str) -> bool {
        let there = self.indices.contains_key(index);
        if there {
            self.alias = Some(index.to_owned());
        }
        there
    }

    /// Deletes or changes about half of an index; how many, `None` without the index.
    pub fn by_query(&mut self, index: &str, deletes: bool, salt: usize) -> Option<i64> {
        let mut changed = 0;
        for shard in &mut self.indices.get_mut(index)?.shards {
            let found: Vec<String> = shard
                .documents
                .keys()
                .filter(|id| (id.len() + salt).is_multiple_of(2))
                .cloned()
                .collect();
            for id in found {
                let (seq_no, primary_term) = (shard.next_seq_no, shard.term);
                shard.next_seq_no += 1;
                changed += 1;
                if deletes {
                    shard.documents.remove(&id);
                } else if let Some(stored) = shard.documents.get_mut(&id) {
                    let body = format!("{{\"queried\":{}}}", stored.body);
                    let version = stored.version + 1;
                    let routing = stored.routing.clone();
                    *stored = Stored { routing, body, version, seq_no, primary_term };
                }
            }
        }
        Some(changed)
    }

    /// A primary fails over now and then.
    pub fn fail_over(&mut self, rng: &mut StdRng) {
        for index in self.indices.values_mut() {
            for shard in &mut index.shards {
                if one_in(rng, 2) {
                    shard.term += 1;
                }
            }
        }
    }

    pub fn execute(&mut self, action: &Action, rng: &mut StdRng) -> Reply {
        let id = match &action.id {
            Some(id) => id.clone(),
            None => {
                self.made += 1;
                format!("made/{:x}-{}", rng.random::<u16>(), self.made)
            }
        };
        let index = match (action.index == ALIAS, &self.alias) {
            (false, _) => action.index.clone(),
            (true, Some(leads_to)) => leads_to.clone(),
            (true, None) => ALIAS.to_owned(),
        };
        let mut reply = Reply {
            status: 200,
            index: index.clone(),
            id,
            result: "",
            version: 1,
            seq_no: 0,
            primary_term: 0,
            error: None,
        };
        let refuse = |mut reply: Reply, status, kind| {
            reply.status = status;
            reply.error = Some(kind);
            reply
        };
        if action.unfit {
            return refuse(reply, 400, "mapper_parsing_exception");
        }
        // Nothing makes an index of the alias's name.
        let makes = !matches!(action.verb, Verb::Delete | Verb::UpdateDeletes | Verb::UpdateNoop);
        if !self.indices.contains_key(&index) && (!makes || index == ALIAS) {
            return refuse(reply, 404, "index_not_found_exception");
        }
        self.create(&index);
        let pipeline = action.pipeline.or(has_pipeline(&index).then_some("default"));
        let pipeline = pipeline.filter(|name| *name != "_none");
        let index = self.indices.get_mut(&index).expect("just made");
        let shard = &mut index.shards[shard_of(&reply.id, action.routing.as_deref())];
        let before = shard.documents.get(&reply.id).cloned();
        let body = match (action.verb, &before) {
            (Verb::Create, Some(_)) => {
                return refuse(reply, 409, "version_conflict_engine_exception");
            }
            (Verb::UpdateDeletes | Verb::UpdateNoop, None) => {
                return refuse(reply, 404, "document_missing_exception");
            }
            (Verb::UpdateNoop, Some(before)) => {
                reply.result = "noop";
                (reply.version, reply.seq_no, reply.primary_term) =
                    (before.version, before.seq_no, before.primary_term);
                return reply;
            }
            (Verb::Delete | Verb::UpdateDeletes, _) => None,
            (Verb::Update, Some(before)) => {
                Some(format!("{{\"before\":{},\"with\":{}}}", before.body, action.body))
            }
            (Verb::Update, None) => Some(action.body.clone()),
            (Verb::Index | Verb::Create, _) => match pipeline {
                Some("drops") => {
                    reply.result = "noop";
                    reply.version = -3;
                    reply.seq_no = -2;
                    return reply;
                }
                Some(name) => Some(format!("{{\"{name}\":{}}}", action.body)),
                None => Some(action.body.clone()),
            },
        };
        let (seq_no, primary_term) = (shard.next_seq_no, shard.term);
        shard.next_seq_no += 1;
        let version = before.as_ref().map_or(1, |before| before.version + 1);
        (reply.seq_no, reply.primary_term, reply.version) = (seq_no, primary_term, version);
        (reply.status, reply.result) = match (&body, &before) {
            (Some(_), None) => (201, "created"),
            (Some(_), Some(_)) => (200, "updated"),
            (None, Some(_)) => (200, "deleted"),
            (None, None) => (404, "not_found"),
        };
        match body {
            Some(body) => {
                // An update keeps the document's routing, which chose this shard.
                let kept = before.and_then(|before| before.routing);
                let routing = match action.verb {
                    Verb::Update => kept.or(action.routing.clone()),
                    _ => action.routing.clone(),
                };
                let stored = Stored { routing, body, version, seq_no, primary_term };
                shard.documents.insert(reply.id.clone(), stored);
            }
            None => {
                shard.documents.remove(&reply.id);
            }
        }
        reply
    }

    pub fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for (name, index) in &self.indices {
            for (number, shard) in index.shards.iter().enumerate() {
                for (id, stored) in &shard.documents {
                    let key = (name.clone(), number, id.clone());
                    contents.insert(key, (stored.routing.clone(), stored.body.clone()));
                }
            }
        }
        contents
    }
}

impl Reply {
    /// What the client sees of it: an answer's body, or an item's content.
    pub fn fields(&self, in_bulk: bool) -> Vec<(&'static str, String)> {
        if let Some(kind) = self.error {
            let error = format!("{{\"type\":\"{kind}\",\"reason\":\"[{}]: no\"}}", self.id);
            let mut fields = vec![("error", error), ("status", self.status.to_string())];
            if in_bulk {
                fields.push(("_index", format!("\"{}\"", self.index)));
                fields.push(("_id", format!("\"{}\"", self.id)));
            }
            return fields;
        }
        let mut fields = vec![
            ("_index", format!("\"{}\"", self.index)),
            ("_type", "\"_doc\"".to_owned()),
            ("_id", format!("\"{}\"", self.id)),
            ("_version", self.version.to_string()),
            ("result", format!("\"{}\"", self.result)),
            ("_shards", "{\"total\":2,\"successful\":1,\"failed\":0}".to_owned()),
            ("_seq_no", self.seq_no.to_string()),
            ("_primary_term", self.primary_term.to_string()),
        ];
        if in_bulk {
            fields.push(("status", self.status.to_string()));
        }
        fields
    }
}
