//! What an index holds above a sequence number, shard by shard.
//!
//! A sweep answers "what was written that the journal can't name?" without reading the index again each
//! time: it remembers how far each shard has been swept. The mark of a shard is its *global checkpoint*, taken
//! before the refresh: everything at or below it has been processed by all copies, so nothing below the mark
//! can appear later. (The highest number would not do: a lower one may still be on its way. Nor would the
//! primary's own checkpoint: what only it has processed is gone when it fails, and its numbers are given to
//! other operations.)

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    Cluster, ClusterError, Document, Request, Wanted, documents::RawHit, index::encode_segment,
};

/// How far each shard has been swept: everything at or below the number has been seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardProgress(BTreeMap<u32, i64>);

impl ShardProgress {
    /// `None` when nothing of the shard has been seen.
    pub fn of(&self, shard: u32) -> Option<i64> {
        self.0.get(&shard).copied()
    }

    /// Keeps the higher number of each shard.
    pub fn advance(&mut self, to: &Self) {
        for (&shard, &number) in &to.0 {
            let mark = self.0.entry(shard).or_insert(number);
            *mark = number.max(*mark);
        }
    }
}

/// One sweep of one index, page by page.
#[derive(Debug)]
pub struct Sweep {
    cluster: Cluster,
    index: String,
    page: usize,
    wanted: Wanted,
    /// Shards not yet swept, with the number above which to look (inclusive lower bound).
    left: VecDeque<(u32, i64)>,
    reached: ShardProgress,
}

impl Cluster {
    /// Begins a sweep of a concrete index of `shards` primary shards above `since`. `None` when the
    /// index isn't there. `page` documents are held at a time. A shard that no node has at the
    /// moment is waited for.
    pub async fn sweep(
        &self,
        index: &str,
        shards: u32,
        since: &ShardProgress,
        page: usize,
        wanted: Wanted,
    ) -> Result<Option<Sweep>, ClusterError> {
        let Some((written, reached)) = self.checkpoints(index, shards).await? else {
            return Ok(None);
        };
        if !self.refresh_if_there(index).await? {
            return Ok(None);
        }
        let from = |shard| (shard, since.of(shard).map_or(0, |number| number + 1));
        let left = written.into_iter().map(from).collect();
        let page = page.clamp(1, 10_000);
        Ok(Some(Sweep {
            cluster: self.clone(),
            index: index.to_owned(),
            page,
            wanted,
            left,
            reached,
        }))
    }

    /// Documents with these ids whatever their routing, as of a refresh just before. None of an
    /// index that isn't there.
    pub async fn find_ids(&self, index: &str, ids: &[&str]) -> Result<Vec<Document>, ClusterError> {
        if !self.refresh_if_there(index).await? {
            return Ok(Vec::new());
        }
        let path = format!("/{}/_search", encode_segment(index));
        let mut body = json!({
            "size": 10_000,
            "version": true,
            "query": {"ids": {"values": ids}},
        });
        self.ask_for_numbers(&mut body);
        let request = Request::json(Method::POST, path.clone(), body.to_string());
        let Some(reply) = self.find(request).await? else { return Ok(Vec::new()) };
        parse_hits(&reply.body, Wanted::Document).map_err(|e| self.answer_error(&path, e))
    }

    /// Has a search say the sequence numbers of what it finds, where the version knows how.
    pub(crate) fn ask_for_numbers(&self, search: &mut Value) {
        if self.info().reads_sequence_numbers() {
            search["seq_no_primary_term"] = json!(true);
        }
    }

    /// The shards that have seen a write, and the checkpoint of each. `None` when the index isn't
    /// there. Waits until every shard has a primary.
    async fn checkpoints(
        &self,
        index: &str,
        shards: u32,
    ) -> Result<Option<(Vec<u32>, ShardProgress)>, ClusterError> {
        let path =
            format!("/{}/_stats?level=shards&filter_path=indices.*.shards", encode_segment(index));
        let mut attempts = self.patience().begin();
        loop {
            let Some(reply) = self.find(Request::new(Method::GET, path.clone())).await? else {
                return Ok(None);
            };
            let primaries =
                parse_checkpoints(&reply.body).map_err(|e| self.answer_error(&path, e))?;
            if let Some(missing) = (0..shards).find(|shard| !primaries.contains_key(shard)) {
                if attempts.again().await {
                    continue;
                }
                let reason = format!("shard {missing} of {index} has no primary");
                return Err(self.unavailable(&path, reason));
            }
            let written = primaries.iter().filter(|(_, at)| at.local >= 0).map(|(n, _)| *n);
            let written = written.collect();
            let reached = primaries.into_iter().filter(|(_, at)| at.global >= 0);
            let reached = reached.map(|(number, at)| (number, at.global)).collect();
            return Ok(Some((written, ShardProgress(reached))));
        }
    }
}

impl Sweep {
    /// The next page of documents, `None` at the end. A shard's documents come in the order of their numbers.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Document>>, ClusterError> {
        while let Some((shard, from)) = self.left.pop_front() {
            let path =
                format!("/{}/_search?preference=_shards:{shard}", encode_segment(&self.index));
            let body = json!({
                "size": self.page,
                "seq_no_primary_term": true,
                "version": true,
                "track_total_hits": false,
                "_source": self.wanted == Wanted::Document,
                "query": {"range": {"_seq_no": {"gte": from}}},
                "sort": [{"_seq_no": "asc"}],
            });
            let request = Request::json(Method::POST, path.clone(), body.to_string());
            let Some(reply) = self.cluster.find(request).await? else { return Ok(None) };
            let page = parse_hits(&reply.body, self.wanted)
                .map_err(|e| self.cluster.answer_error(&path, e))?;
            let Some(last) = page.last() else { continue };
            if page.len() == self.page {
                self.left.push_front((shard, last.seq_no.saturating_add(1)));
            }
            return Ok(Some(page));
        }
        Ok(None)
    }

    /// What may be remembered as swept once every page has been dealt with.
    pub fn reached(&self) -> &ShardProgress {
        &self.reached
    }
}

/// Reads the documents of a `_search` answer; an answer that lacks shards is an error.
pub(crate) fn parse_hits(body: &Bytes, wanted: Wanted) -> Result<Vec<Document>, String> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(default)]
        timed_out: bool,
        _shards: Option<Shards>,
        #[serde(borrow)]
        hits: Hits<'a>,
    }
    #[derive(Deserialize)]
    struct Shards {
        #[serde(default)]
        failed: u32,
    }
    #[derive(Deserialize)]
    struct Hits<'a> {
        #[serde(borrow)]
        hits: Vec<&'a RawValue>,
    }
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let failed = answer._shards.map_or(0, |s| s.failed);
    if answer.timed_out || failed > 0 {
        return Err(format!("incomplete: timed out {}, failed shards {failed}", answer.timed_out));
    }
    answer.hits.hits.into_iter().map(|raw| RawHit::parse(raw)?.wanted(wanted, body)).collect()
}

/// Where the primary of a shard is; -1: nothing has ever been written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Checkpoints {
    #[serde(rename = "local_checkpoint")]
    local: i64,
    /// What all copies have. What is above may be taken back when the primary fails, and its number
    /// given to something else.
    #[serde(rename = "global_checkpoint")]
    global: i64,
}

fn parse_checkpoints(body: &[u8]) -> Result<BTreeMap<u32, Checkpoints>, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        indices: BTreeMap<String, Index>,
    }
    #[derive(Deserialize)]
    struct Index {
        shards: BTreeMap<String, Vec<Copy>>,
    }
    #[derive(Deserialize)]
    struct Copy {
        routing: Routing,
        seq_no: Option<Checkpoints>,
    }
    #[derive(Deserialize)]
    struct Routing {
        primary: bool,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let mut primaries = BTreeMap::new();
    for (number, copies) in answer.indices.into_values().flat_map(|i| i.shards) {
        let shard: u32 = number.parse().map_err(|_| format!("shard `{number}`"))?;
        // A primary without numbers is one that is being recovered.
        let primary = copies.into_iter().find(|copy| copy.routing.primary);
        if let Some(at) = primary.and_then(|copy| copy.seq_no) {
            primaries.insert(shard, at);
        }
    }
    Ok(primaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_the_primaries() {
        let body = br#"{"indices":{"i":{"shards":{
            "0":[{"routing":{"primary":false},"seq_no":{"local_checkpoint":3,"global_checkpoint":3}},
                 {"routing":{"primary":true},"seq_no":{"local_checkpoint":5,"global_checkpoint":4}}],
            "1":[{"routing":{"primary":true},"seq_no":{"local_checkpoint":-1,"global_checkpoint":-1}}],
            "2":[{"routing":{"primary":true}}]}}}}"#;
        let read = parse_checkpoints(body).unwrap();
        assert_eq!(read.get(&0), Some(&Checkpoints { local: 5, global: 4 }));
        assert_eq!(read.get(&1), Some(&Checkpoints { local: -1, global: -1 }));
        // No primary to ask: not to be taken for one that is empty.
        assert_eq!(read.get(&2), None);
        let mut mark = ShardProgress([(0, 9)].into());
        mark.advance(&ShardProgress([(0, 4)].into()));
        assert_eq!(mark.of(0), Some(9));
    }

    #[test]
    fn an_incomplete_search_is_an_error() {
        let body = Bytes::from_static(br#"{"_shards":{"failed":1},"hits":{"hits":[]}}"#);
        assert!(parse_hits(&body, Wanted::Document).is_err());
        let body = Bytes::from_static(
            br#"{"_shards":{"failed":0},"hits":{"hits":[{"_id":"1","_seq_no":4,"_primary_term":1,"_source":{}}]}}"#,
        );
        assert_eq!(parse_hits(&body, Wanted::Document).unwrap()[0].seq_no, 4);
    }
}
