//! What answers to writes say.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use crate::ledger::{State, Version, fingerprint};

/// The answer to a single write, or one item of a bulk's.
#[derive(Debug, Default, Deserialize)]
pub struct WriteAnswer {
    #[serde(rename = "_id")]
    pub id: Option<String>,
    #[serde(rename = "_seq_no")]
    seq_no: Option<u64>,
    #[serde(rename = "_primary_term")]
    primary_term: Option<u64>,
    pub result: Option<String>,
    /// Only in a bulk's items, and only when `filter_path` left it.
    pub status: Option<u16>,
    pub error: Option<Value>,
    get: Option<Told>,
}

/// What an update asked with `_source=true` tells: the document that it made.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(rename = "_source")]
    source: Option<Value>,
}

impl WriteAnswer {
    /// The write's place in the shard's history, where the answer tells it.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        Some(Version { primary_term: self.primary_term?, seq_no: self.seq_no? })
    }

    /// The state that an update left behind; `None` when it changed nothing. The answer doesn't tell
    /// the routing: it is the request's.
    #[must_use]
    pub fn updated(&self, routing: Option<&str>) -> Option<State> {
        match self.result.as_deref() {
            Some("noop") => None,
            Some("deleted") => Some(State::Absent),
            _ => Some(match &self.get {
                Some(Told { source: Some(source) }) => {
                    State::Document(fingerprint(source, routing))
                }
                _ => State::Anything,
            }),
        }
    }
}

/// A bulk's answer.
#[derive(Debug, Deserialize)]
pub struct BulkAnswer {
    /// Missing only when `filter_path` says so.
    #[serde(default)]
    pub errors: bool,
    #[serde(default)]
    items: Vec<serde_json::Map<String, Value>>,
}

impl BulkAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it isn't a bulk's.
    pub fn parse(body: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(body).with_context(|| {
            format!(
                "not a bulk's answer: {}",
                String::from_utf8_lossy(&body[..body.len().min(500)])
            )
        })
    }

    /// The items in the order of the request, or `None` when `filter_path` took so much that they
    /// can't be told apart.
    ///
    /// # Errors
    /// When an item isn't one.
    pub fn into_items(self, expected: usize) -> anyhow::Result<Option<Vec<WriteAnswer>>> {
        if self.items.len() != expected {
            return Ok(None);
        }
        let item = |fields: serde_json::Map<String, Value>| {
            let (_, outcome) = fields.into_iter().next().context("an item without an action")?;
            Ok(serde_json::from_value(outcome)?)
        };
        self.items.into_iter().map(item).collect::<anyhow::Result<Vec<_>>>().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_update_tells_what_it_left() {
        let answer = |body: Value| serde_json::from_value::<WriteAnswer>(body).unwrap();
        assert_eq!(answer(json!({"result": "noop"})).updated(None), None);
        assert_eq!(answer(json!({"result": "deleted"})).updated(None), Some(State::Absent));
        assert_eq!(answer(json!({"result": "updated"})).updated(None), Some(State::Anything));
        let told = json!({"result": "updated", "get": {"_source": {"a": 1}, "found": true}});
        let expected = State::Document(fingerprint(&json!({"a": 1}), None));
        assert_eq!(answer(told).updated(None), Some(expected));
    }

    #[test]
    fn a_filtered_bulk_without_its_items_has_none() {
        let answer = BulkAnswer::parse(br#"{"took":3,"errors":false}"#).unwrap();
        assert!(!answer.errors && answer.into_items(2).unwrap().is_none());
        let body = br#"{"errors":true,"items":[{"create":{"status":409,"error":{}}}]}"#;
        let items = BulkAnswer::parse(body).unwrap().into_items(1).unwrap().unwrap();
        assert_eq!(items[0].status, Some(409));
    }
}
