//! The run's index: reading, creating and compare-and-set, with answers that get lost.

use std::{collections::BTreeMap, time::Duration};

use cluster::{Cluster, ClusterError, DocumentId, Found, Method, Request, encode_segment};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{
    CoordinatorError, State,
    documents::{Stored, UnitDocument, Version},
};
use crate::work::RunName;

/// In the index's `_meta`; another number is another program's.
const FORMAT: u64 = 1;

#[derive(Debug)]
pub(super) struct Store {
    cluster: Cluster,
    index: String,
    /// How long one answer is waited for before the write is tried again.
    answer: Duration,
}

/// What came of a compare-and-set.
#[derive(Debug)]
pub(super) enum Replaced {
    /// The document is as we wrote it, at this version.
    Ours(Version),
    /// Somebody else has written; what is there now, `None` when it is gone.
    Theirs(Option<Box<Stored>>),
}

/// What a search saw.
#[derive(Debug)]
pub(super) struct View {
    pub(super) counts: BTreeMap<State, u64>,
    pub(super) hits: Vec<Stored>,
}

impl View {
    pub(super) fn count(&self, state: State) -> u64 {
        self.counts.get(&state).copied().unwrap_or(0)
    }
}

impl Store {
    pub(super) fn new(cluster: Cluster, run: &RunName, answer: Duration) -> Self {
        Self { cluster, index: format!(".godwit-backfill-{run}"), answer }
    }

    pub(super) fn index(&self) -> &str {
        &self.index
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes the index unless it is there, and makes sure that it is one of ours: with a mapping that was made
    /// up from documents, nothing here could be found.
    pub(super) async fn ensure_index(&self) -> Result<(), CoordinatorError> {
        let body = json!({
            "settings": {
                "index.number_of_shards": 1,
                "index.auto_expand_replicas": "0-1",
                "index.hidden": true,
                "index.refresh_interval": "1s",
            },
            "mappings": {
                "_meta": {"godwit_backfill": FORMAT},
                "dynamic": false,
                "properties": {
                    "state": {"type": "keyword"},
                    "size": {"type": "integer"},
                    "spread": {"type": "integer"},
                },
            },
        });
        let mut definitions = self.cluster.index_definitions(&self.index).await?;
        if definitions.is_empty() {
            let reply = self.cluster.create_index(&self.index, &body).await?;
            // 400: another worker was faster, or it was us and the answer was lost.
            if !reply.is_success() && reply.status != 400 {
                return Err(self.status("PUT", String::new(), &reply).into());
            }
            definitions = self.cluster.index_definitions(&self.index).await?;
            if definitions.is_empty() {
                return Err(self.status("PUT", String::new(), &reply).into());
            }
        }
        let format = |meta: &Value| meta["godwit_backfill"].as_u64();
        let ours = definitions
            .values()
            .all(|definition| definition.mappings.get("_meta").and_then(format) == Some(FORMAT));
        match ours && definitions.len() == 1 {
            true => Ok(()),
            false => Err(CoordinatorError::NotARun { index: self.index.clone() }),
        }
    }

    /// A document as it is now, not as searches see it.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        id: &str,
    ) -> Result<Option<(T, Version)>, CoordinatorError> {
        let ids = [DocumentId { id: id.to_owned(), routing: None, doc_type: None }];
        let found = self.cluster.multi_get(&self.index, &ids).await?.pop();
        match found {
            None | Some(Found::Gone | Found::NoIndex) => Ok(None),
            Some(Found::Unreadable(reason)) => Err(self.damaged(id, reason)),
            Some(Found::Live(found)) => {
                let version = Version { seq_no: found.seq_no, primary_term: found.primary_term };
                let read = serde_json::from_slice(&found.source);
                Ok(Some((read.map_err(|e| self.damaged(id, e))?, version)))
            }
        }
    }

    /// Writes a document that isn't there; `false` when it is, by whomever.
    pub(super) async fn create(&self, id: &str, document: Vec<u8>) -> Result<bool, ClusterError> {
        let path = format!("/{}/_create/{}", self.index, encode_segment(id));
        match self.cluster.call(Request::json(Method::PUT, path, document)).await {
            Ok(_) => Ok(true),
            Err(e) if e.status() == Some(409) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Replaces any document if it is still at `base`; `None` when it isn't, which may be our own doing.
    pub(super) async fn replace_if(
        &self,
        id: &str,
        base: Version,
        document: Vec<u8>,
        until: Instant,
    ) -> Result<Option<Version>, ClusterError> {
        #[derive(Deserialize)]
        struct Answer {
            _seq_no: i64,
            _primary_term: i64,
        }
        let path = format!(
            "/{}/_doc/{}?if_seq_no={}&if_primary_term={}",
            self.index,
            encode_segment(id),
            base.seq_no,
            base.primary_term
        );
        let request = Request::json(Method::PUT, path.clone(), document);
        let mut attempt = 0;
        loop {
            let limit = until.min(Instant::now() + self.answer);
            let failure = match timeout_at(limit, self.cluster.send(request.clone())).await {
                Ok(Ok(reply)) if reply.is_success() => {
                    let answer: Answer = serde_json::from_slice(&reply.body)
                        .map_err(|e| self.cluster.answer_error(&path, e))?;
                    let (seq_no, primary_term) = (answer._seq_no, answer._primary_term);
                    return Ok(Some(Version { seq_no, primary_term }));
                }
                Ok(Ok(reply)) if reply.status == 409 => return Ok(None),
                Ok(Ok(reply)) => self.status("PUT", path.clone(), &reply),
                Ok(Err(error)) => error,
                Err(_) => self.no_answer(&path),
            };
            if !failure.is_transient() {
                return Err(failure);
            }
            let wait = self.cluster.patience().wait(attempt).min(self.answer);
            if Instant::now() + wait >= until {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Replaces a unit's document if it is still at `base`, trying until `until`. An answer that was lost is
    /// found again by the document's nonce.
    pub(super) async fn replace(
        &self,
        base: Version,
        document: &UnitDocument,
        until: Instant,
    ) -> Result<Replaced, CoordinatorError> {
        let id = &document.unit.id;
        let bytes = serde_json::to_vec(document).map_err(|e| self.damaged(id, e))?;
        if let Some(version) = self.replace_if(id, base, bytes, until).await? {
            return Ok(Replaced::Ours(version));
        }
        let mut attempt = 0;
        loop {
            let limit = until.min(Instant::now() + self.answer);
            let failure = match timeout_at(limit, self.get::<UnitDocument>(id)).await {
                Ok(Ok(None)) => return Ok(Replaced::Theirs(None)),
                Ok(Ok(Some((found, version)))) if found.nonce == document.nonce => {
                    return Ok(Replaced::Ours(version));
                }
                // The conflict proves that the primary is past `base`: a read that isn't came from a replica.
                Ok(Ok(Some((found, version)))) if version != base => {
                    let stored = Stored { document: found, version };
                    return Ok(Replaced::Theirs(Some(Box::new(stored))));
                }
                Ok(Err(error)) if !error.is_transient() => return Err(error),
                Ok(Err(error)) => error,
                Ok(Ok(Some(_))) | Err(_) => self.no_answer(id).into(),
            };
            let wait = self.cluster.patience().wait(attempt).min(self.answer);
            if Instant::now() + wait >= until {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Up to `size` units in `state`, the largest first, and how many there are in each. May be as old as
    /// the last refresh.
    pub(super) async fn search(&self, state: State, size: usize) -> Result<View, CoordinatorError> {
        let path = format!("/{}/_search?allow_partial_search_results=false", self.index);
        let body = json!({
            "size": size,
            "track_total_hits": false,
            "seq_no_primary_term": true,
            "query": {"exists": {"field": "state"}},
            "post_filter": {"term": {"state": state}},
            "sort": [{"size": "desc"}, {"spread": "asc"}],
            "aggs": {"states": {"terms": {"field": "state"}}},
        });
        let request = Request::json(Method::POST, path.clone(), body.to_string());
        let reply = self.cluster.find(request).await?;
        let reply = reply.ok_or_else(|| CoordinatorError::NoRun { index: self.index.clone() })?;
        Ok(parse(&reply.body).map_err(|e| self.cluster.answer_error(&path, e))?)
    }

    pub(super) async fn refresh(&self) -> Result<(), ClusterError> {
        self.cluster.refresh(&self.index).await
    }

    pub(super) fn damaged(&self, id: &str, reason: impl ToString) -> CoordinatorError {
        let (index, id) = (self.index.clone(), id.to_owned());
        CoordinatorError::Damaged { index, id, reason: reason.to_string() }
    }

    fn status(&self, method: &str, path: String, reply: &cluster::Reply) -> ClusterError {
        ClusterError::Status {
            url: self.cluster.url().to_owned(),
            method: method.to_owned(),
            path: if path.is_empty() { format!("/{}", self.index) } else { path },
            status: reply.status,
            body: reply.excerpt(),
        }
    }

    fn no_answer(&self, path: &str) -> ClusterError {
        ClusterError::NoAnswer {
            url: self.cluster.url().to_owned(),
            method: "PUT".into(),
            path: path.to_owned(),
            reason: "no answer in time".into(),
        }
    }
}

fn parse(body: &[u8]) -> Result<View, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        hits: Hits,
        aggregations: Aggregations,
    }
    #[derive(Deserialize)]
    struct Hits {
        hits: Vec<Hit>,
    }
    #[derive(Deserialize)]
    struct Hit {
        _seq_no: i64,
        _primary_term: i64,
        _source: UnitDocument,
    }
    #[derive(Deserialize)]
    struct Aggregations {
        states: States,
    }
    #[derive(Deserialize)]
    struct States {
        buckets: Vec<Bucket>,
    }
    #[derive(Deserialize)]
    struct Bucket {
        key: State,
        doc_count: u64,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let stored = |hit: Hit| Stored {
        document: hit._source,
        version: Version { seq_no: hit._seq_no, primary_term: hit._primary_term },
    };
    let buckets = answer.aggregations.states.buckets.into_iter();
    Ok(View {
        counts: buckets.map(|bucket| (bucket.key, bucket.doc_count)).collect(),
        hits: answer.hits.hits.into_iter().map(stored).collect(),
    })
}
