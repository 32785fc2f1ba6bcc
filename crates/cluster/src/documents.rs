//! Documents with the numbers that order them.

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
}

/// A live document of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    pub routing: Option<String>,
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
}

impl Cluster {
    /// Reads documents by id, realtime, in the order asked for.
    pub async fn multi_get(
        &self,
        index: &str,
        ids: &[DocumentId],
    ) -> Result<Vec<Found>, ClusterError> {
        #[derive(Serialize)]
        struct Body<'a> {
            docs: &'a [DocumentId],
        }
        let path = format!("/{}/_mget?realtime=true", crate::index::encode_segment(index));
        let body =
            serde_json::to_vec(&Body { docs: ids }).map_err(|e| self.answer_error(&path, e))?;
        let reply = self.find(Request::json(Method::POST, path.clone(), body)).await?;
        let Some(reply) = reply else { return Ok(vec![Found::NoIndex; ids.len()]) };
        let found = parse_multi_get(&reply.body).map_err(|e| self.answer_error(&path, e))?;
        if found.len() != ids.len() {
            let reason = format!("{} documents for {} ids", found.len(), ids.len());
            return Err(self.answer_error(&path, reason));
        }
        Ok(found)
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
        #[derive(Deserialize)]
        struct Answer {
            docs: Vec<Version>,
        }
        #[derive(Deserialize)]
        struct Version {
            #[serde(default)]
            found: bool,
            _version: Option<i64>,
        }
        let path = format!("/{}/_mget?realtime=true", crate::index::encode_segment(index));
        let docs: Vec<_> = ids.iter().map(|id| Asked { id, _source: false }).collect();
        let body = serde_json::to_vec(&serde_json::json!({ "docs": docs }))
            .map_err(|e| self.answer_error(&path, e))?;
        let reply = self.find(Request::json(Method::POST, path.clone(), body)).await?;
        let Some(reply) = reply else { return Ok(vec![None; ids.len()]) };
        let answer: Answer =
            serde_json::from_slice(&reply.body).map_err(|e| self.answer_error(&path, e))?;
        if answer.docs.len() != ids.len() {
            return Err(self.answer_error(&path, "another number of documents than ids"));
        }
        Ok(answer.docs.into_iter().map(|d| d._version.filter(|_| d.found)).collect())
    }
}

fn parse_multi_get(body: &Bytes) -> Result<Vec<Found>, String> {
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
    let read = |raw: &RawValue| {
        let status: Status = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
        match status {
            Status { error: Some(error), .. } => match error.kind.as_deref() {
                Some("index_not_found_exception") => Ok(Found::NoIndex),
                _ => Err(error.reason.or(error.kind).unwrap_or_else(|| "unnamed error".into())),
            },
            Status { found: false, .. } => Ok(Found::Gone),
            Status { .. } => RawHit::parse(raw)?.document(body).map(Found::Live),
        }
    };
    answer.docs.into_iter().map(read).collect()
}

/// A document as `_mget` and `_search` print it.
#[derive(Deserialize)]
pub(crate) struct RawHit<'a> {
    _id: String,
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
    pub(crate) fn document(self, body: &Bytes) -> Result<Document, String> {
        let source = self._source.ok_or_else(|| {
            format!("document `{}` has no _source; its index cannot be read", self._id)
        })?;
        Ok(Document {
            source: one_line(body, source),
            id: self._id,
            routing: self._routing,
            seq_no: self._seq_no.unwrap_or(0),
            primary_term: self._primary_term.unwrap_or(0),
            version: self._version.unwrap_or(0),
        })
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
    fn documents_gone_and_missing_indices_are_told_apart() {
        let body = Bytes::from_static(
            br#"{"docs":[
            {"_index":"i","_type":"_doc","_id":"1","_version":3,"_seq_no":7,"_primary_term":2,
             "_routing":"r","found":true,"_source":{"a" :
 1}},
            {"_index":"i","_id":"2","found":false},
            {"_index":"j","_id":"3","error":{"type":"index_not_found_exception","reason":"no"}}]}"#,
        );
        let found = parse_multi_get(&body).unwrap();
        let [Found::Live(document), rest @ ..] = &found[..] else { unreachable!("live first") };
        assert_eq!((document.seq_no, document.primary_term, document.version), (7, 2, 3));
        assert_eq!(document.routing.as_deref(), Some("r"));
        assert_eq!(&document.source[..], br#"{"a" :  1}"#);
        assert_eq!(*rest, [Found::Gone, Found::NoIndex]);
    }

    #[test]
    fn an_unknown_item_error_is_an_error() {
        let body = Bytes::from_static(br#"{"docs":[{"error":{"type":"boom","reason":"why"}}]}"#);
        assert_eq!(parse_multi_get(&body), Err("why".into()));
    }
}
