//! A document as one line of JSON, as `backfill read` prints it.
//!
//! ```text
//! {"_index":"i","_shard":0,"_id":"7","_type":"t","_routing":"r","_version":1,"_seq_no":3,"_primary_term":1,"_source":{…}}⏎
//! ```
//! What a document doesn't have is left out.

use codec::source::{self, SourceError};

use crate::{
    action::{append_number, append_string},
    document::Document,
    rewrite::Rewritten,
};

/// Where a document is from.
#[derive(Clone, Debug)]
pub(crate) struct LinePlace {
    /// `{"_index":"…","_shard":n,"_id":`, the same for all documents of a shard.
    begin: Vec<u8>,
    /// The type that the mapping has, for documents that have none stored.
    doc_type: Option<String>,
    /// The server that stored them took what isn't JSON (names without quotes), so each source is looked into.
    lenient: bool,
}

impl LinePlace {
    pub(crate) fn new(index: &str, shard: u32, doc_type: Option<String>, lenient: bool) -> Self {
        let mut begin = b"{\"_index\":".to_vec();
        append_string(index, &mut begin);
        begin.extend_from_slice(format!(",\"_shard\":{shard},\"_id\":").as_bytes());
        Self { begin, doc_type, lenient }
    }

    /// Appends the document's line. On an error nothing is appended.
    pub(crate) fn append(
        &self,
        document: &Document<'_>,
        limits: &source::Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), SourceError> {
        let start = out.len();
        out.extend_from_slice(&self.begin);
        append_string(document.id, out);
        self.append_facts(document, document.routing, out);
        out.extend_from_slice(b",\"_source\":");
        let begin = out.len();
        let mut appended = source::append(document.source, limits, out).map(drop);
        if self.lenient
            && appended.is_ok()
            && serde_json::from_slice::<serde::de::IgnoredAny>(&out[begin..]).is_err()
        {
            out.truncate(begin);
            appended = source::normalise(document.source, limits).map(|normal| {
                out.extend_from_slice(&normal.json);
            });
        }
        if let Err(error) = appended {
            out.truncate(start);
            return Err(error);
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    /// Appends the line of a document that rules have changed.
    pub(crate) fn append_rewritten(
        &self,
        shard: u32,
        document: &Document<'_>,
        rewritten: &Rewritten,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"{\"_index\":");
        append_string(&rewritten.index, out);
        out.extend_from_slice(format!(",\"_shard\":{shard},\"_id\":").as_bytes());
        append_string(&rewritten.id, out);
        self.append_facts(document, rewritten.routing.as_deref(), out);
        out.extend_from_slice(b",\"_source\":");
        out.extend_from_slice(&rewritten.source);
        out.extend_from_slice(b"}\n");
    }

    /// What there is between id and source.
    fn append_facts(&self, document: &Document<'_>, routing: Option<&str>, out: &mut Vec<u8>) {
        if let Some(doc_type) = document.doc_type.or(self.doc_type.as_deref()) {
            out.extend_from_slice(b",\"_type\":");
            append_string(doc_type, out);
        }
        if let Some(routing) = routing {
            out.extend_from_slice(b",\"_routing\":");
            append_string(routing, out);
        }
        let mut number = |name: &[u8], value: Option<i64>| {
            let Some(value) = value else { return };
            out.extend_from_slice(name);
            if value < 0 {
                out.push(b'-');
            }
            append_number(value.unsigned_abs(), out);
        };
        number(b",\"_version\":", document.version);
        number(b",\"_seq_no\":", document.sequence.map(|(seq_no, _)| seq_no));
        number(b",\"_primary_term\":", document.sequence.map(|(_, term)| term));
    }
}
