//! A document as its rules see it, in the shape that scripts for other tools expect.
//!
//! ```text
//! {"schema":"rfs-opensearch-bulk-v1","operation_type":"index",
//!  "operation":{"_index":"i","_type":"t","_id":"7","routing":"r"},"include_document":true,
//!  "source_metadata":{"_version":"1","_seq_no":"3","_primary_term":"1"},"document":{…}}
//! ```
//! `_index` and `_type` are the source's. What there isn't is left out. Of what comes back, `operation` and
//! `document` count.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Candidate, Place};
use crate::action::append_string;

/// As long as Elasticsearch and OpenSearch take one.
const LONGEST_ID: usize = 512;

/// A document as a rule left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) index: String,
    pub(crate) id: String,
    pub(crate) routing: Option<String>,
    /// What a script asks for that was written for a data stream.
    pub(crate) op_type: Option<String>,
    /// One line, an object.
    pub(crate) source: Bytes,
}

/// The message of a document, whose source is JSON.
pub(super) fn of(place: &Place, document: &Candidate, source: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len() + 300);
    out.extend_from_slice(
        br#"{"schema":"rfs-opensearch-bulk-v1","operation_type":"index","operation":{"_index":"#,
    );
    append_string(&place.index, &mut out);
    if let Some(doc_type) = document.doc_type.as_deref().or(place.doc_type.as_deref()) {
        out.extend_from_slice(br#","_type":"#);
        append_string(doc_type, &mut out);
    }
    out.extend_from_slice(br#","_id":"#);
    append_string(&document.id, &mut out);
    if let Some(routing) = &document.routing {
        out.extend_from_slice(br#","routing":"#);
        append_string(routing, &mut out);
    }
    out.extend_from_slice(br#"},"include_document":true,"source_metadata":{"#);
    // As strings: they may be more than a double holds.
    let (seq_no, primary_term) = document.sequence.unzip();
    let numbers =
        [("_version", document.version), ("_seq_no", seq_no), ("_primary_term", primary_term)];
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, number?)));
    for (at, (name, number)) in numbers.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        out.extend_from_slice(format!("{comma}\"{name}\":\"{number}\"").as_bytes());
    }
    out.extend_from_slice(br#"},"document":"#);
    out.extend_from_slice(source);
    out.push(b'}');
    out
}

#[derive(Deserialize)]
struct Message<'m> {
    operation_type: Option<String>,
    operation: Operation,
    #[serde(borrow)]
    document: &'m RawValue,
}

#[derive(Deserialize)]
struct Operation {
    _index: String,
    _id: String,
    routing: Option<String>,
    op_type: Option<String>,
    #[serde(rename = "_type")]
    _doc_type: Option<IgnoredAny>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

impl Rewritten {
    /// Reads what a rule gave.
    pub(super) fn read(message: &[u8]) -> Result<Self, String> {
        let message: Message<'_> = serde_json::from_slice(message)
            .map_err(|error| format!("the rules gave no document: {error}"))?;
        let Operation { _index: index, _id: id, routing, op_type, others, .. } = message.operation;
        let document = message.document.get();
        let refuse = |why: &str| Err(format!("the rules gave no document: {why}"));
        match message.operation_type.as_deref() {
            None | Some("index") => {}
            Some("delete") => return refuse("a rule can't delete one; it drops it by giving null"),
            Some(_) => return refuse("operation_type can only be index"),
        }
        if let Some(name) = others.keys().next() {
            return refuse(&format!(
                "a rule can't set `{name}` of an operation (versions are what --versioning says)"
            ));
        }
        if !document.starts_with('{') {
            return refuse("`document` is no object");
        }
        if id.is_empty() || id.len() > LONGEST_ID {
            return refuse("`_id` must have 1 to 512 bytes");
        }
        let routing = routing.filter(|routing| !routing.is_empty());
        Ok(Self {
            index,
            id,
            routing,
            op_type,
            source: Bytes::copy_from_slice(document.as_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_what_a_document_has() {
        let mut document = Candidate {
            number: 3,
            id: "a\"b".into(),
            doc_type: None,
            routing: None,
            version: None,
            sequence: None,
            source: Vec::new(),
        };
        let mut place = Place { index: "i".into(), doc_type: None };
        let text = |place: &Place, document: &Candidate| {
            String::from_utf8(of(place, document, br#"{"n":1.0}"#)).unwrap()
        };
        assert_eq!(
            text(&place, &document),
            r#"{"schema":"rfs-opensearch-bulk-v1","operation_type":"index","operation":{"_index":"i","_id":"a\"b"},"include_document":true,"source_metadata":{},"document":{"n":1.0}}"#
        );
        place.doc_type = Some("t".into());
        (document.routing, document.version) = (Some("r".into()), Some(i64::MAX));
        document.sequence = Some((4, 1));
        let message = text(&place, &document);
        assert!(message.contains(r#""_type":"t","_id":"a\"b","routing":"r"}"#), "{message}");
        let numbers = r#"{"_version":"9223372036854775807","_seq_no":"4","_primary_term":"1"}"#;
        assert!(message.contains(numbers), "{message}");
        let rewritten = Rewritten::read(message.as_bytes()).unwrap();
        assert_eq!(
            rewritten,
            Rewritten {
                index: "i".into(),
                id: "a\"b".into(),
                routing: Some("r".into()),
                op_type: None,
                source: Bytes::from_static(br#"{"n":1.0}"#)
            }
        );
    }

    #[test]
    fn what_backfill_can_not_write_is_refused() {
        let long = format!(
            r#"{{"operation":{{"_index":"i","_id":"{}"}},"document":{{}}}}"#,
            "x".repeat(513)
        );
        for (message, expected) in [
            ("{}", "missing field `operation`"),
            (r#"{"operation":{"_index":"i","_id":"1"}}"#, "missing field `document`"),
            (r#"{"operation":{"_index":"i","_id":"1"},"document":7}"#, "no object"),
            (r#"{"operation":{"_index":"i","_id":1},"document":{}}"#, "expected a string"),
            (r#"{"operation":{"_index":"i","_id":""},"document":{}}"#, "1 to 512"),
            (&long, "1 to 512"),
            (
                r#"{"operation":{"_index":"i","_id":"1","version":3},"document":{}}"#,
                "can't set `version`",
            ),
            (
                r#"{"operation_type":"delete","operation":{"_index":"i","_id":"1"},"document":{}}"#,
                "drops it",
            ),
        ] {
            let why = Rewritten::read(message.as_bytes()).unwrap_err();
            assert!(why.contains(expected), "{message}: {why}");
        }
    }
}
