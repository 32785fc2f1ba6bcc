//! What an answer means, for a request and for each item of it.

use cluster::{BulkItem, Reply};
use serde::{Deserialize, Serialize};

/// Why a document wasn't written: a fixed set, for counters and for choosing what to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It doesn't fit the target's mapping.
    Mapping,
    /// The target can't parse it.
    Malformed,
    /// Larger than the target takes, alone in a request.
    TooLarge,
    Forbidden,
    IndexClosed,
    IndexMissing,
    /// It couldn't be read from the snapshot.
    Unreadable,
    /// A rule that the user wrote failed on it, or gives what can't be written.
    Rule,
    Other,
}

impl Class {
    pub const ALL: [Self; 9] = [
        Self::Mapping,
        Self::Malformed,
        Self::TooLarge,
        Self::Forbidden,
        Self::IndexClosed,
        Self::IndexMissing,
        Self::Unreadable,
        Self::Rule,
        Self::Other,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Forbidden => "forbidden",
            Self::IndexClosed => "index_closed",
            Self::IndexMissing => "index_missing",
            Self::Unreadable => "unreadable",
            Self::Rule => "rule",
            Self::Other => "other",
        }
    }

    /// It was sent, so it can be sent again; any other has to be read from the snapshot again.
    pub const fn was_sent(self) -> bool {
        match self {
            Self::Mapping
            | Self::Malformed
            | Self::TooLarge
            | Self::Forbidden
            | Self::IndexClosed
            | Self::IndexMissing
            | Self::Other => true,
            Self::Unreadable | Self::Rule => false,
        }
    }
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemVerdict {
    Written,
    /// The target holds it, or something newer.
    Superseded,
    /// Send it again.
    Busy,
    /// The index takes no writes at the moment; send it again.
    Blocked,
    /// A failure of the server, not said to pass: a few more times.
    Broken,
    Failed(Class),
    /// Not about this document: nobody is let in.
    Credentials,
    IndexMissing,
}

pub(super) fn judge_item(item: &BulkItem) -> ItemVerdict {
    let kind = item.error.as_deref().unwrap_or_default();
    match (item.status, kind) {
        (200..=299, _) => ItemVerdict::Written,
        (_, "cluster_block_exception") => ItemVerdict::Blocked,
        (409, "version_conflict_engine_exception") => ItemVerdict::Superseded,
        (_, "index_not_found_exception") => ItemVerdict::IndexMissing,
        (_, "index_closed_exception") => ItemVerdict::Failed(Class::IndexClosed),
        (401, _) | (403, "security_exception") => ItemVerdict::Credentials,
        (403, _) => ItemVerdict::Failed(Class::Forbidden),
        (413, _) => ItemVerdict::Failed(Class::TooLarge),
        _ if item.is_transient() || is_busy(kind) => ItemVerdict::Busy,
        (500..=599, _) => ItemVerdict::Broken,
        _ if is_malformed(item) => ItemVerdict::Failed(Class::Malformed),
        _ if item.is_mapping_error() => ItemVerdict::Failed(Class::Mapping),
        _ => ItemVerdict::Failed(Class::Other),
    }
}

/// Overload and shards on the move, whatever the status.
fn is_busy(kind: &str) -> bool {
    matches!(
        kind,
        "es_rejected_execution_exception"
            | "opensearch_rejected_execution_exception"
            | "rejected_execution_exception"
            | "circuit_breaking_exception"
            | "unavailable_shards_exception"
            | "no_shard_available_action_exception"
            | "node_closed_exception"
            | "node_disconnected_exception"
            | "node_not_connected_exception"
            | "process_cluster_event_timeout_exception"
            | "primary_missing_action_exception"
    )
}

/// Not JSON (each generation of the servers' parser has other names for it), where the mapping errors say that it is JSON of the wrong kind.
fn is_malformed(item: &BulkItem) -> bool {
    let cause = item.cause.as_ref().map_or("", |cause| cause.error.as_str());
    [item.error.as_deref().unwrap_or_default(), cause].into_iter().any(|kind| {
        matches!(
            kind,
            "json_parse_exception"
                | "json_e_o_f_exception"
                | "stream_read_exception"
                | "unexpected_end_of_input_exception"
                | "stream_constraints_exception"
                | "x_content_parse_exception"
                | "x_content_e_o_f_exception"
                | "not_x_content_exception"
                | "parse_exception"
                | "parsing_exception"
                | "input_coercion_exception"
        )
    })
}

/// What a request's status means when it isn't a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not now.
    Busy,
    Blocked,
    TooLarge,
    /// The whole is refused for one of its documents, or for all.
    Malformed,
    Credentials,
    IndexMissing,
    /// A failure of the server, not said to pass.
    Broken,
    /// Nothing that a `_bulk` answers.
    Unexpected,
}

/// An error as clusters say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: String,
    pub(super) reason: String,
}

impl Said {
    /// Reads `{"error":{"type","reason"}}`; what isn't that is the reason as it is.
    pub(super) fn read(reply: &Reply) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Error,
        }
        #[derive(Deserialize)]
        struct Error {
            #[serde(rename = "type")]
            kind: String,
            #[serde(default)]
            reason: Option<String>,
        }
        match serde_json::from_slice(&reply.body) {
            Ok(Body { error }) => {
                Self { kind: error.kind, reason: error.reason.unwrap_or_default() }
            }
            Err(_) => Self { kind: String::new(), reason: reply.excerpt() },
        }
    }

    pub(super) fn of(item: &BulkItem) -> Self {
        let reason = item.reason.clone().unwrap_or_default();
        let reason = match &item.cause {
            Some(cause) => format!("{reason}; {}: {}", cause.error, cause.reason),
            None => reason,
        };
        Self { kind: item.error.clone().unwrap_or_default(), reason }
    }
}

pub(super) fn judge_refusal(status: u16, said: &Said) -> Refusal {
    match (status, said.kind.as_str()) {
        (_, "cluster_block_exception") => Refusal::Blocked,
        (_, "index_not_found_exception") => Refusal::IndexMissing,
        (429 | 502 | 503 | 504, _) => Refusal::Busy,
        (_, kind) if is_busy(kind) => Refusal::Busy,
        (413, _) => Refusal::TooLarge,
        (400, _) => Refusal::Malformed,
        (401 | 403, _) => Refusal::Credentials,
        (500..=599, _) => Refusal::Broken,
        _ => Refusal::Unexpected,
    }
}

/// Does a rejection say that this request alone is more than the node ever has room for?
///
/// ```text
/// rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0,
/// coordinating_operation_bytes=62914628, max_coordinating_and_primary_bytes=53687091]
/// ```
pub(super) fn never_fits(reason: &str) -> bool {
    let number = |after: &str| -> Option<u64> {
        let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
        after[..digits].parse().ok()
    };
    let operation = reason.split_once("operation_bytes=").and_then(|(_, after)| number(after));
    let most = reason.rsplit_once("bytes=").and_then(|(_, after)| number(after));
    matches!((operation, most), (Some(operation), Some(most)) if operation > most)
}

#[cfg(test)]
mod tests {
    use cluster::BulkCause;

    use super::*;

    fn item(status: u16, kind: &str, cause: &str) -> ItemVerdict {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let cause = some(cause).map(|error| BulkCause { error, reason: String::new() });
        judge_item(&BulkItem { status, error: some(kind), reason: None, cause })
    }

    #[test]
    fn each_item_has_one_verdict() {
        use ItemVerdict::{Blocked, Broken, Busy, Credentials, Failed, Superseded, Written};
        assert_eq!(item(201, "", ""), Written);
        assert_eq!(item(409, "version_conflict_engine_exception", ""), Superseded);
        assert_eq!(item(409, "resource_already_exists_exception", ""), Failed(Class::Other));
        assert_eq!(item(429, "es_rejected_execution_exception", ""), Busy);
        assert_eq!(item(429, "cluster_block_exception", ""), Blocked);
        assert_eq!(item(403, "cluster_block_exception", ""), Blocked);
        assert_eq!(item(403, "security_exception", ""), Credentials);
        assert_eq!(item(403, "some_plugin_exception", ""), Failed(Class::Forbidden));
        assert_eq!(item(500, "node_closed_exception", ""), Busy);
        assert_eq!(item(500, "translog_exception", ""), Broken);
        assert_eq!(item(400, "index_closed_exception", ""), Failed(Class::IndexClosed));
        assert_eq!(item(400, "illegal_argument_exception", ""), Failed(Class::Mapping));
        let kind = "mapper_parsing_exception";
        assert_eq!(item(400, kind, "number_format_exception"), Failed(Class::Mapping));
        assert_eq!(item(400, kind, "json_e_o_f_exception"), Failed(Class::Malformed));
        assert_eq!(item(404, "index_not_found_exception", ""), ItemVerdict::IndexMissing);
        assert_eq!(item(400, "routing_missing_exception", ""), Failed(Class::Other));
    }

    #[test]
    fn each_refusal_has_one_meaning() {
        let judge = |status, kind: &str| {
            judge_refusal(status, &Said { kind: kind.into(), ..Said::default() })
        };
        assert_eq!(judge(413, ""), Refusal::TooLarge);
        assert_eq!(judge(400, "illegal_argument_exception"), Refusal::Malformed);
        assert_eq!(judge(403, "cluster_block_exception"), Refusal::Blocked);
        assert_eq!(judge(403, ""), Refusal::Credentials);
        assert_eq!(judge(429, "circuit_breaking_exception"), Refusal::Busy);
        assert_eq!(judge(500, ""), Refusal::Broken);
        assert_eq!(judge(302, ""), Refusal::Unexpected);
        assert_eq!(judge(404, "index_not_found_exception"), Refusal::IndexMissing);
    }

    #[test]
    fn what_never_fits_is_known_by_its_numbers() {
        let said = |operation, most| {
            format!(
                "rejected execution of coordinating operation [coordinating_and_primary_bytes=9, \
                 coordinating_operation_bytes={operation}, max_coordinating_and_primary_bytes={most}]"
            )
        };
        assert!(never_fits(&said(11, 10)));
        assert!(!never_fits(&said(10, 10)));
        assert!(!never_fits("operation_bytes=11"));
        assert!(!never_fits("queue capacity = 10000"));
    }

    #[test]
    fn names_are_what_is_written() {
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
