//! `_bulk`, and what it answers item by item.

use bytes::Bytes;
use memchr::memmem;
use reqwest::Method;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{Cluster, ClusterError, Repeat, Reply, Request, Retry};

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkItem {
    pub status: u16,
    /// The error's `type`, e.g. `version_conflict_engine_exception`.
    pub error: Option<String>,
    pub reason: Option<String>,
    /// What lies at the bottom of it (the innermost `caused_by`), where that says more.
    pub cause: Option<BulkCause>,
}

/// The innermost `caused_by` of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkCause {
    pub error: String,
    pub reason: String,
}

impl BulkItem {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// 429, 502, 503, 504: only this item needs to be sent again.
    pub fn is_transient(&self) -> bool {
        crate::retry::is_transient(self.status)
    }

    pub fn is_version_conflict(&self) -> bool {
        self.status == 409
    }

    /// The document didn't fit the mapping; bringing the mapping up to the source's may help.
    pub fn is_mapping_error(&self) -> bool {
        self.error.as_deref().is_some_and(is_mapping_error)
    }
}

/// True for the error types that a newer mapping may cure.
fn is_mapping_error(kind: &str) -> bool {
    matches!(
        kind,
        "mapper_parsing_exception"
            | "strict_dynamic_mapping_exception"
            | "document_parsing_exception"
            | "illegal_argument_exception"
            | "mapper_exception"
    )
}

/// A bulk answer: one [`BulkItem`] per action, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkReply {
    pub items: Vec<BulkItem>,
}

impl BulkReply {
    /// How many items an answer has of which none failed; `None` when one did, or when the answer
    /// doesn't begin as clusters begin it. Reads a megabyte in a fraction of a millisecond.
    pub fn all_succeeded(body: &[u8]) -> Option<usize> {
        const HEAD: usize = 128;
        let head = body.get(..HEAD).unwrap_or(body);
        memmem::find(head, br#""errors":false"#)?;
        if !body.trim_ascii_end().ends_with(b"]}") {
            return None;
        }
        // Within a string of the answer, an id for one, the quotes would be escaped: only a key looks
        // like this, and each item has it once.
        Some(memmem::find_iter(body, br#""status":"#).count())
    }

    /// Reads the body of a successful `_bulk` answer.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let raw: Raw = serde_json::from_slice(body)?;
        let items = raw.items.into_iter().map(|RawItem { outcome }| outcome.into()).collect();
        Ok(Self { items })
    }
}

impl Cluster {
    /// Sends JSON lines to `_bulk` (`path` may name an index and parameters).
    pub async fn bulk(
        &self,
        path: &str,
        lines: Bytes,
        retry: Retry,
    ) -> Result<(Reply, BulkReply), ClusterError> {
        let request = Request::ndjson(Method::POST, path, lines);
        let reply = self.send_retrying(request, Repeat::Safe, retry).await?;
        if !reply.is_success() {
            return Err(ClusterError::Status {
                url: self.url().to_owned(),
                method: "POST".into(),
                path: path.to_owned(),
                status: reply.status,
                body: reply.excerpt(),
            });
        }
        let items = BulkReply::parse(&reply.body).map_err(|e| self.answer_error(path, e))?;
        Ok((reply, items))
    }

    /// Sends JSON lines of `count` items until `is_done` says so of each; tries again what may pass, for as long as
    /// the cluster is waited for. Items are sent again together, so that must be harmless.
    ///
    /// # Errors
    /// When an item is refused for good, or for longer than that.
    pub async fn bulk_all(
        &self,
        path: &str,
        lines: Bytes,
        count: usize,
        is_done: impl Fn(&BulkItem) -> bool,
    ) -> Result<(), ClusterError> {
        let patience = self.patience();
        let until = Instant::now() + patience.give_up_after;
        for attempt in 0_u32.. {
            let (_, reply) = self.bulk(path, lines.clone(), patience).await?;
            let (why, may_pass) = match reply.items.iter().find(|item| !is_done(item)) {
                None if reply.items.len() == count => return Ok(()),
                None => (format!("{} items answered of {count}", reply.items.len()), false),
                Some(item) => (format!("{item:?}"), item.is_transient()),
            };
            let wait = patience.wait(attempt);
            if !may_pass || Instant::now() + wait > until {
                return Err(self.answer_error(path, why));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Raw {
    items: Vec<RawItem>,
}

/// `{"index": {…}}`: the action's name is the only key.
struct RawItem {
    outcome: RawOutcome,
}

impl<'de> Deserialize<'de> for RawItem {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Named {
            Index(RawOutcome),
            Create(RawOutcome),
            Update(RawOutcome),
            Delete(RawOutcome),
        }
        let (Named::Index(outcome)
        | Named::Create(outcome)
        | Named::Update(outcome)
        | Named::Delete(outcome)) = Named::deserialize(deserializer)?;
        Ok(Self { outcome })
    }
}

#[derive(Deserialize)]
struct RawOutcome {
    status: u16,
    error: Option<RawError>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawError {
    Object {
        #[serde(rename = "type")]
        kind: Option<String>,
        reason: Option<String>,
        caused_by: Option<RawCause>,
    },
    /// Before Elasticsearch 5.
    Text(String),
}

#[derive(Deserialize)]
struct RawCause {
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
    caused_by: Option<Box<RawCause>>,
}

impl RawCause {
    fn innermost(self) -> BulkCause {
        let mut cause = self;
        while let Some(inner) = cause.caused_by.take() {
            cause = *inner;
        }
        let (error, reason) = (cause.kind, cause.reason);
        BulkCause { error: error.unwrap_or_default(), reason: reason.unwrap_or_default() }
    }
}

impl From<RawOutcome> for BulkItem {
    fn from(raw: RawOutcome) -> Self {
        let (error, reason, cause) = match raw.error {
            Some(RawError::Object { kind, reason, caused_by }) => {
                (kind, reason, caused_by.map(RawCause::innermost))
            }
            Some(RawError::Text(text)) => (Some(text.clone()), Some(text), None),
            None => (None, None, None),
        };
        Self { status: raw.status, error, reason, cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_in_order() {
        let body = br#"{"took":3,"errors":true,"items":[
            {"index":{"_index":"i","_id":"1","status":201}},
            {"delete":{"_id":"2","status":404,"result":"not_found"}},
            {"index":{"_id":"3","status":409,"error":{"type":"version_conflict_engine_exception","reason":"r"}}},
            {"create":{"_id":"4","status":400,"error":{"type":"mapper_parsing_exception","reason":"no"}}},
            {"update":{"_id":"5","status":429,"error":"rejected"}}]}"#;
        let reply = BulkReply::parse(body).unwrap();
        let statuses: Vec<_> = reply.items.iter().map(|i| i.status).collect();
        assert_eq!(statuses, [201, 404, 409, 400, 429]);
        assert!(reply.items[0].is_success() && !reply.items[1].is_success());
        assert!(reply.items[2].is_version_conflict());
        assert!(reply.items[3].is_mapping_error());
        assert!(reply.items[4].is_transient());
        assert!(BulkReply::parse(br#"{"items":[{"boo":{"status":200}}]}"#).is_err());
    }

    #[test]
    fn the_innermost_cause_is_kept() {
        let body = br#"{"errors":true,"items":[{"index":{"status":400,"error":{"type":"mapper_parsing_exception",
            "reason":"failed to parse","caused_by":{"type":"a","reason":"b","caused_by":{"type":"c","reason":"d"}}}}}]}"#;
        let reply = BulkReply::parse(body).unwrap();
        let cause = BulkCause { error: "c".into(), reason: "d".into() };
        assert_eq!(reply.items[0].cause, Some(cause));
        assert_eq!(BulkReply::all_succeeded(body), None);
    }

    #[test]
    fn an_answer_without_errors_is_only_counted() {
        let whole = r#"{"took":3,"errors":false,"items":[{"index":{"_id":"\"status\":","status":201}},{"index":{"status":200}}]}"#;
        assert_eq!(BulkReply::all_succeeded(whole.as_bytes()), Some(2));
        let mut spaced = whole.as_bytes().to_vec();
        spaced.extend_from_slice(b" \r\n");
        assert_eq!(BulkReply::all_succeeded(&spaced), Some(2));
        for end in 0..whole.len() {
            let torn = BulkReply::all_succeeded(&whole.as_bytes()[..end]);
            assert_eq!(torn, None, "{end}");
        }
        assert_eq!(BulkReply::all_succeeded(br#"{"errors":true,"items":[]}"#), None);
        assert_eq!(BulkReply::all_succeeded(b"<html>"), None);
    }
}
