//! What an index holds above a sequence number, shard by shard.
//!
//! A sweep answers "what was written that the journal can't name?" without reading the index again each
//! time: it remembers how far each shard has been swept. The mark of a shard is its *local checkpoint*, taken
//! before the refresh: everything at or below it has been processed, so nothing below the mark can appear
//! later. (The highest number would not do: a lower one may still be on its way.)

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{Cluster, ClusterError, Document, Request, documents::RawHit, index::encode_segment};

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
    /// Shards not yet swept, with the number above which to look (inclusive lower bound).
    left: VecDeque<(u32, i64)>,
    reached: ShardProgress,
}

impl Cluster {
    /// Begins a sweep of a concrete index above `since`. `None` when the index isn't there.
    /// `page` documents are held at a time.
    pub async fn sweep(
        &self,
        index: &str,
        since: &ShardProgress,
        page: usize,
    ) -> Result<Option<Sweep>, ClusterError> {
        let Some(reached) = self.checkpoints(index).await? else { return Ok(None) };
        self.refresh(index).await?;
        let left =
            reached.0.keys().map(|&shard| (shard, since.of(shard).map_or(0, |n| n + 1))).collect();
        let page = page.clamp(1, 10_000);
        Ok(Some(Sweep { cluster: self.clone(), index: index.to_owned(), page, left, reached }))
    }

    /// Documents with these ids whatever their routing, as of a refresh just before.
    pub async fn find_ids(&self, index: &str, ids: &[&str]) -> Result<Vec<Document>, ClusterError> {
        self.refresh(index).await?;
        let path = format!("/{}/_search", encode_segment(index));
        let body = json!({
            "size": 10_000,
            "seq_no_primary_term": true,
            "version": true,
            "query": {"ids": {"values": ids}},
        });
        let reply = self.call(Request::json(Method::POST, path.clone(), body.to_string())).await?;
        parse_hits(&reply.body).map_err(|e| self.answer_error(&path, e))
    }

    /// The local checkpoint of every primary that has seen a write. `None` when the index isn't there.
    async fn checkpoints(&self, index: &str) -> Result<Option<ShardProgress>, ClusterError> {
        let path =
            format!("/{}/_stats?level=shards&filter_path=indices.*.shards", encode_segment(index));
        let Some(reply) = self.find(Request::new(Method::GET, path.clone())).await? else {
            return Ok(None);
        };
        parse_checkpoints(&reply.body).map(Some).map_err(|e| self.answer_error(&path, e))
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
                "query": {"range": {"_seq_no": {"gte": from}}},
                "sort": [{"_seq_no": "asc"}],
            });
            let request = Request::json(Method::POST, path.clone(), body.to_string());
            let Some(reply) = self.cluster.find(request).await? else { return Ok(None) };
            let page = parse_hits(&reply.body).map_err(|e| self.cluster.answer_error(&path, e))?;
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
pub(crate) fn parse_hits(body: &Bytes) -> Result<Vec<Document>, String> {
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
    answer.hits.hits.into_iter().map(|raw| RawHit::parse(raw)?.document(body)).collect()
}

fn parse_checkpoints(body: &[u8]) -> Result<ShardProgress, String> {
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
        seq_no: Option<SeqNo>,
    }
    #[derive(Deserialize)]
    struct Routing {
        primary: bool,
    }
    #[derive(Deserialize)]
    struct SeqNo {
        local_checkpoint: i64,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let mut progress = ShardProgress::default();
    for (number, copies) in answer.indices.into_values().flat_map(|i| i.shards) {
        let shard: u32 = number.parse().map_err(|_| format!("shard `{number}`"))?;
        let primary = copies.into_iter().find(|c| c.routing.primary);
        let seq_no =
            primary.and_then(|c| c.seq_no).ok_or_else(|| format!("no primary of shard {shard}"))?;
        // -1: nothing has ever been written to it.
        if seq_no.local_checkpoint >= 0 {
            progress.0.insert(shard, seq_no.local_checkpoint);
        }
    }
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_the_primaries() {
        let body = br#"{"indices":{"i":{"shards":{
            "0":[{"routing":{"primary":false},"seq_no":{"local_checkpoint":3}},
                 {"routing":{"primary":true},"seq_no":{"local_checkpoint":5}}],
            "1":[{"routing":{"primary":true},"seq_no":{"local_checkpoint":-1}}]}}}}"#;
        let read = parse_checkpoints(body).unwrap();
        assert_eq!((read.of(0), read.of(1)), (Some(5), None));
        let mut mark = ShardProgress([(0, 9)].into());
        mark.advance(&read);
        assert_eq!(mark.of(0), Some(9));
    }

    #[test]
    fn an_incomplete_search_is_an_error() {
        let body = Bytes::from_static(br#"{"_shards":{"failed":1},"hits":{"hits":[]}}"#);
        assert!(parse_hits(&body).is_err());
        let body = Bytes::from_static(
            br#"{"_shards":{"failed":0},"hits":{"hits":[{"_id":"1","_seq_no":4,"_primary_term":1,"_source":{}}]}}"#,
        );
        assert_eq!(parse_hits(&body).unwrap()[0].seq_no, 4);
    }
}
