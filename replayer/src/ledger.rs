//! Control requests, once: what was meant and what came of it, kept in an index on the target.
//!
//! The intent is noted before a control request is sent, with the UUIDs of the target's indices that it is about,
//! and the result after. After a crash a control request with a result isn't sent again; one with only an
//! intent is judged by what the target looks like.

use std::collections::{BTreeMap, HashMap};

use cluster::{Cluster, ClusterError, Method, Request, encode_segment};
use converge::Selection;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Hidden, so that no pattern of a client's request finds it.
pub(crate) const INDEX: &str = ".godwit-ledger";

/// One control request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Method and path as captured.
    pub(crate) request: String,
    /// When the source had answered it, nanoseconds since 1970.
    pub(crate) answered: u64,
    /// The target's indices that it is about, with their UUIDs before it was sent.
    #[serde(default)]
    pub(crate) indices: BTreeMap<String, String>,
    /// The index expressions that it deletes.
    #[serde(default)]
    pub(crate) deletes: Vec<String>,
    /// The target's status; `None` before it was answered.
    pub(crate) status: Option<u16>,
}

/// What is known of a control request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    New,
    /// Perhaps sent.
    Intended(Note),
    Done,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    target: Cluster,
    notes: Mutex<HashMap<String, Note>>,
    /// Other replayers note here too.
    shared: bool,
}

impl Ledger {
    /// Of a run that sends requests as they were: nothing is noted, and the target gets no index of ours.
    pub(crate) fn unopened(target: Cluster) -> Self {
        Self { target, notes: Mutex::default(), shared: false }
    }

    /// Makes the index if it isn't there, and reads what it holds.
    pub(crate) async fn open(target: Cluster, shared: bool) -> Result<Self, ClusterError> {
        let mut notes = HashMap::new();
        target.make_index(INDEX, &serde_json::json!({"dynamic": false})).await?;
        let mut scan = target.scan(INDEX, 1000).await?;
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                break;
            }
            for document in page {
                if let Ok(note) = serde_json::from_slice(&document.source) {
                    notes.insert(document.id, note);
                }
            }
        }
        Ok(Self { target, notes: Mutex::new(notes), shared })
    }

    pub(crate) fn target(&self) -> Cluster {
        self.target.clone()
    }

    /// Another replayer's notes, too, where there are others.
    pub(crate) async fn state(&self, id: &str) -> Result<State, ClusterError> {
        let known = self.notes.lock().get(id).is_some_and(|note| note.status.is_some());
        if self.shared && !known {
            #[derive(Deserialize)]
            struct Found {
                #[serde(rename = "_source")]
                note: Note,
            }
            let path = format!("/{INDEX}/_doc/{}", encode_segment(id));
            let found = self.target.find(Request::new(Method::GET, path.clone())).await?;
            if let Some(reply) = found {
                let found: Found = serde_json::from_slice(&reply.body)
                    .map_err(|error| self.target.answer_error(&path, error))?;
                self.notes.lock().insert(id.to_owned(), found.note);
            }
        }
        Ok(self.noted(id))
    }

    fn noted(&self, id: &str) -> State {
        match self.notes.lock().get(id) {
            None => State::New,
            Some(Note { status: Some(_), .. }) => State::Done,
            Some(note) => State::Intended(note.clone()),
        }
    }

    /// What was deleted, and when the source had answered that: everything before it is moot.
    pub(crate) fn deletions(&self) -> Vec<(Selection, u64)> {
        let notes = self.notes.lock();
        let done = notes.values().filter(|note| note.status.is_some());
        // What only the source could tell is never noted.
        let named = |note: &Note| {
            let named = note.deletes.iter().filter_map(|text| Selection::of_expression(text));
            named.map(|named| (named, note.answered)).collect::<Vec<_>>()
        };
        done.flat_map(named).collect()
    }

    /// Notes an intent, or its result; durable when it returns.
    pub(crate) async fn note(&self, id: &str, note: Note) -> Result<(), ClusterError> {
        let path = format!("/{INDEX}/_doc/{}", encode_segment(id));
        let body = serde_json::to_vec(&note).unwrap_or_default();
        self.target.call(Request::json(Method::PUT, path, body)).await?;
        self.notes.lock().insert(id.to_owned(), note);
        Ok(())
    }
}
