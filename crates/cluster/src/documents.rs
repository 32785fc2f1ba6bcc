//! Documents with the numbers that order them.

use std::borrow::Cow;

use bytes::Bytes;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Cluster, ClusterError, Request};

/// Names one document of one index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DocumentId {
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<String>,
    /// Its mapping type, which only a source before Elasticsearch 7 is told ([`Cluster::multi_get_typed`]).
    #[serde(skip)]
    pub doc_type: Option<String>,
}

/// A live document of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    pub routing: Option<String>,
    /// Its mapping type; `None` of one that isn't told apart, `_doc`.
    pub doc_type: Option<String>,
    pub seq_no: i64,
    pub primary_term: i64,
    pub version: i64,
    /// As the cluster stored it. JSON without raw line ends, so that it is one line of a bulk body.
    pub source: Bytes,
}

/// What the cluster has under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Live(Document),
    /// The index is there, the document isn't.
    Gone,
    /// The index isn't there.
    NoIndex,
    /// It can't be read under this id, and waiting won't help; why.
    Unreadable(String),
}

impl Cluster {
    /// Reads documents by id, realtime, in the order asked for.
    pub async fn multi_get(
        &self,
        index: &str,
        ids: &[DocumentId],
    ) -> Result<Vec<Found>, ClusterError> {
        self.read_each(index, ids, serde_json::json!({ "docs": ids }), Wanted::Document).await
    }

    /// As [`Cluster::multi_get`], of documents of these types, for a cluster that has types.
    pub async fn multi_get_typed(
        &self,
        index: &str,
        ids: &[DocumentId],
        wanted: Wanted,
    ) -> Result<Vec<Found>, ClusterError> {
        #[derive(Serialize)]
        struct Asked<'a> {
            #[serde(flatten)]
            id: &'a DocumentId,
            #[serde(skip_serializing_if = "Option::is_none")]
            _type: Option<&'a str>,
            _source: bool,
        }
        let _source = wanted == Wanted::Document;
        let docs: Vec<_> =
            ids.iter().map(|id| Asked { id, _type: id.doc_type.as_deref(), _source }).collect();
        self.read_each(index, ids, serde_json::json!({ "docs": docs }), wanted).await
    }

    /// The `_version` of a document, realtime; `None` when it or its index isn't there.
    pub async fn versions(
        &self,
        index: &str,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<i64>>, ClusterError> {
        #[derive(Serialize)]
        struct Asked<'a> {
            #[serde(flatten)]
            id: &'a DocumentId,
            _source: bool,
        }
        let docs: Vec<_> = ids.iter().map(|id| Asked { id, _source: false }).collect();
        let found = self
            .read_each(index, ids, serde_json::json!({ "docs": docs }), Wanted::Numbers)
            .await?;
        let version = |found: Found| match found {
            Found::Live(document) => Ok(Some(document.version)),
            Found::Gone | Found::NoIndex => Ok(None),
            Found::Unreadable(why) => Err(self.answer_error(index, why)),
        };
        found.into_iter().map(version).collect()
    }

    /// One `_mget`. An item of a shard that no node has at the moment is not a document that isn't
    /// there: then everything is asked again, as long as patience says.
    async fn read_each(
        &self,
        index: &str,
        ids: &[DocumentId],
        body: serde_json::Value,
        wanted: Wanted,
    ) -> Result<Vec<Found>, ClusterError> {
        if ids.is_empty() {
            // Which is refused.
            return Ok(Vec::new());
        }
        let path = format!("/{}/_mget?realtime=true", crate::index::encode_segment(index));
        let body = Bytes::from(body.to_string());
        let mut attempts = self.patience().begin();
        loop {
            let request = Request::json(Method::POST, path.clone(), body.clone());
            let Some(reply) = self.find(request).await? else {
                return Ok(vec![Found::NoIndex; ids.len()]);
            };
            let parsed =
                parse_multi_get(&reply.body, wanted).map_err(|e| self.answer_error(&path, e))?;
            match parsed {
                Parsed::All(found) if found.len() == ids.len() => return Ok(found),
                Parsed::All(found) => {
                    let reason = format!("{} documents for {} ids", found.len(), ids.len());
                    return Err(self.answer_error(&path, reason));
                }
                Parsed::NotNow(_) if attempts.again().await => {}
                Parsed::NotNow(why) => return Err(self.unavailable(&path, why)),
            }
        }
    }
}

/// An `_mget` answer.
#[derive(Debug, PartialEq)]
enum Parsed {
    All(Vec<Found>),
    /// One of the items says that its shard can't answer now.
    NotNow(String),
}

/// Errors of an item that go away by themselves: a shard that is being started or moved, a node that
/// is overloaded or leaving.
const NOT_NOW: [&str; 10] = [
    "no_shard_available_action_exception",
    "unavailable_shards_exception",
    "illegal_index_shard_state_exception",
    "shard_not_found_exception",
    "node_not_connected_exception",
    "node_disconnected_exception",
    "receive_timeout_transport_exception",
    "es_rejected_execution_exception",
    // OpenSearch's name of the same.
    "rejected_execution_exception",
    "circuit_breaking_exception",
];

/// What is asked for of each document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Document,
    /// All but its source, which stays empty.
    Numbers,
}

fn parse_multi_get(body: &Bytes, wanted: Wanted) -> Result<Parsed, String> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        docs: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct ItemError {
        #[serde(rename = "type")]
        kind: Option<String>,
        reason: Option<String>,
    }
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        found: bool,
        error: Option<ItemError>,
    }
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let mut found = Vec::with_capacity(answer.docs.len());
    for raw in answer.docs {
        let status: Status = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
        found.push(match status {
            Status { error: Some(ItemError { kind, reason }), .. } => {
                let kind = kind.unwrap_or_default();
                if NOT_NOW.contains(&kind.as_str()) {
                    return Ok(Parsed::NotNow(format!("{kind}: {}", reason.unwrap_or_default())));
                }
                match kind.as_str() {
                    "index_not_found_exception" => Found::NoIndex,
                    _ => Found::Unreadable(format!("{kind}: {}", reason.unwrap_or_default())),
                }
            }
            Status { found: false, .. } => Found::Gone,
            Status { .. } => {
                let hit = RawHit::parse(raw)?;
                match wanted {
                    Wanted::Document => {
                        hit.document(body).map_or_else(Found::Unreadable, Found::Live)
                    }
                    Wanted::Numbers => Found::Live(hit.numbers()),
                }
            }
        });
    }
    Ok(Parsed::All(found))
}

/// A document as `_mget` and `_search` print it.
#[derive(Deserialize)]
pub(crate) struct RawHit<'a> {
    _id: String,
    #[serde(borrow)]
    _type: Option<Cow<'a, str>>,
    _routing: Option<String>,
    _seq_no: Option<i64>,
    _primary_term: Option<i64>,
    _version: Option<i64>,
    #[serde(borrow)]
    _source: Option<&'a RawValue>,
}

impl<'a> RawHit<'a> {
    pub(crate) fn parse(raw: &'a RawValue) -> Result<Self, String> {
        serde_json::from_str(raw.get()).map_err(|e| e.to_string())
    }

    /// `body` is the whole answer, of which the document's source becomes a slice.
    fn document(self, body: &Bytes) -> Result<Document, String> {
        let source = self._source.ok_or_else(|| {
            format!("document `{}` has no _source; its index cannot be read", self._id)
        })?;
        let source = one_line(body, source);
        Ok(Document { source, ..self.numbers() })
    }

    /// As wanted; `body` is the whole answer.
    pub(crate) fn wanted(self, wanted: Wanted, body: &Bytes) -> Result<Document, String> {
        match wanted {
            Wanted::Document => self.document(body),
            Wanted::Numbers => Ok(self.numbers()),
        }
    }

    /// Without its source, which stays empty.
    fn numbers(self) -> Document {
        Document {
            source: Bytes::new(),
            id: self._id,
            routing: self._routing,
            doc_type: self._type.filter(|name| name != "_doc").map(Cow::into_owned),
            seq_no: self._seq_no.unwrap_or(0),
            primary_term: self._primary_term.unwrap_or(0),
            version: self._version.unwrap_or(0),
        }
    }
}

/// A raw line end can only stand between tokens, so a blank in its place changes nothing.
fn one_line(body: &Bytes, raw: &RawValue) -> Bytes {
    let text = raw.get().as_bytes();
    if text.iter().any(|b| matches!(b, b'\n' | b'\r')) {
        let blank = |b: &u8| if matches!(b, b'\n' | b'\r') { b' ' } else { *b };
        return text.iter().map(blank).collect::<Vec<u8>>().into();
    }
    body.slice_ref(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_never_sent_by_mistake() {
        let body = br#"{"docs":[{"_id":"1","_type":"t","found":true},{"_id":"1","_type":"_doc","found":true}]}"#;
        let read = parse_multi_get(&Bytes::from_static(body), Wanted::Numbers);
        let Ok(Parsed::All(read)) = read else { unreachable!("{read:?}") };
        let types = read.iter().map(|found| match found {
            Found::Live(document) => document.doc_type.as_deref(),
            _ => unreachable!("{found:?}"),
        });
        assert_eq!(types.collect::<Vec<_>>(), [Some("t"), None]);
        let id = DocumentId { id: "1".into(), routing: None, doc_type: Some("t".into()) };
        assert_eq!(serde_json::json!(id), serde_json::json!({"_id": "1"}));
    }

    #[test]
    fn documents_gone_and_missing_indices_are_told_apart() {
        let body = Bytes::from_static(
            br#"{"docs":[
            {"_index":"i","_type":"_doc","_id":"1","_version":3,"_seq_no":7,"_primary_term":2,
             "_routing":"r","found":true,"_source":{"a" :
 1}},
            {"_index":"i","_id":"2","found":false},
            {"_index":"j","_id":"3","error":{"type":"index_not_found_exception","reason":"no"}}]}"#,
        );
        let Parsed::All(found) = parse_multi_get(&body, Wanted::Document).unwrap() else {
            unreachable!("all")
        };
        let [Found::Live(document), rest @ ..] = &found[..] else { unreachable!("live first") };
        assert_eq!((document.seq_no, document.primary_term, document.version), (7, 2, 3));
        assert_eq!(document.routing.as_deref(), Some("r"));
        assert_eq!(&document.source[..], br#"{"a" :  1}"#);
        assert_eq!(*rest, [Found::Gone, Found::NoIndex]);
    }

    #[test]
    fn a_shard_that_is_away_is_not_a_document_that_is_gone() {
        let body = |kind: &str| {
            let item = serde_json::json!({"error": {"type": kind, "reason": "why"}});
            Bytes::from(serde_json::json!({"docs": [{"found": false}, item]}).to_string())
        };
        for kind in NOT_NOW {
            let parsed = parse_multi_get(&body(kind), Wanted::Document).unwrap();
            assert_eq!(parsed, Parsed::NotNow(format!("{kind}: why")));
        }
        let gone_and_unversioned = Bytes::from_static(
            br#"{"docs":[{"found":false},{"_id":"1","_version":4,"found":true}]}"#,
        );
        let read = parse_multi_get(&gone_and_unversioned, Wanted::Numbers);
        let Ok(Parsed::All(read)) = read else { unreachable!("{read:?}") };
        assert!(matches!(&read[..], [Found::Gone, Found::Live(Document { version: 4, .. })]));
        let found = vec![Found::Gone, Found::Unreadable("boom: why".into())];
        assert_eq!(parse_multi_get(&body("boom"), Wanted::Document), Ok(Parsed::All(found)));
    }
}
