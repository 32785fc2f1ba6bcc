//! Operations as the target's requests.

use bytes::Bytes;
use memchr::memchr2;

use crate::exchange::Method;
use crate::meaning::{Change, Operation, Refresh, Shape, Write};

/// A request for the target. Transforms come after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// Path and query, percent-encoded.
    pub target: String,
    /// `None` without a body.
    pub content_type: Option<&'static str>,
    /// The body in pieces, to be sent one after the other; documents are slices of what was
    /// captured.
    pub body: Vec<Bytes>,
    /// What kind of answer to expect, see [`crate::outcomes`].
    pub shape: Shape,
    /// For each operation of the request its place among the write's items (or the documents
    /// given).
    pub places: Vec<usize>,
}

/// What the target's bulk understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rendering {
    /// Elasticsearch 7.13 and later: keep an action's `dynamic_templates`. OpenSearch refuses a
    /// bulk with an action that has it; there the mapping is brought up to the source's before the
    /// write, so that nothing is lost without it.
    pub dynamic_templates: bool,
}

impl Request {
    /// The body's length in bytes.
    pub fn body_length(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }
}

/// The target's request for a write: one captured request is one request. `None` when it has no
/// operation, so that nothing is to be sent.
///
/// Of the request's parameters only `refresh` is kept: conditions (`if_seq_no`, `op_type`, …) were
/// decided by the source, and pipelines ran there.
pub fn render(write: &Write, rendering: Rendering) -> Option<Request> {
    let operations: Vec<(usize, &Operation)> = write.operations().collect();
    match (write.shape, operations.as_slice()) {
        (_, []) => None,
        (Shape::Single, [(place, operation)]) if fits_a_path(&operation.address.id) => {
            Some(single(*place, operation, write.refresh))
        }
        (_, operations) => Some(bulk(operations, write.refresh, rendering)),
    }
}

/// One bulk request for documents that were read from the source. `None` for none. The caller
/// bounds its size.
pub fn render_documents(documents: &[Operation]) -> Option<Request> {
    let operations: Vec<(usize, &Operation)> = documents.iter().enumerate().collect();
    let rendering = Rendering::default();
    (!operations.is_empty()).then(|| bulk(&operations, Refresh::No, rendering))
}

fn single(place: usize, operation: &Operation, refresh: Refresh) -> Request {
    let address = &operation.address;
    let mut target = String::with_capacity(64 + address.index.len() + address.id.len());
    target.push('/');
    encode(&address.index, &mut target);
    target.push_str("/_doc/");
    encode(&address.id, &mut target);
    target.push_str("?version=");
    target.push_str(&operation.version.get().to_string());
    target.push_str("&version_type=external_gte");
    if let Some(routing) = &address.routing {
        target.push_str("&routing=");
        encode(routing, &mut target);
    }
    let (method, body) = match &operation.change {
        Change::Index { source, .. } => {
            target.push_str("&pipeline=_none");
            (Method::Put, vec![source.clone()])
        }
        // A delete doesn't know `pipeline`.
        Change::Delete => (Method::Delete, Vec::new()),
    };
    if let Some(refresh) = refresh_value(refresh) {
        target.push_str("&refresh=");
        target.push_str(refresh);
    }
    let content_type = (!body.is_empty()).then_some("application/json");
    Request { method, target, content_type, body, shape: Shape::Single, places: vec![place] }
}

fn bulk(operations: &[(usize, &Operation)], refresh: Refresh, rendering: Rendering) -> Request {
    let target = match refresh_value(refresh) {
        Some(refresh) => format!("/_bulk?refresh={refresh}"),
        None => "/_bulk".to_owned(),
    };
    let mut body = Vec::with_capacity(operations.len() * 2 + 1);
    // What comes between two documents is one piece.
    let mut between = Vec::with_capacity(160);
    for (_, operation) in operations {
        action_line(operation, rendering, &mut between);
        if let Change::Index { source, .. } = &operation.change {
            body.push(Bytes::from(std::mem::take(&mut between)));
            body.push(one_line(source));
            between.reserve(160);
            between.push(b'\n');
        }
    }
    body.push(Bytes::from(between));
    Request {
        method: Method::Post,
        target,
        content_type: Some("application/x-ndjson"),
        body,
        shape: Shape::Bulk,
        places: operations.iter().map(|(place, _)| *place).collect(),
    }
}

/// `{"index":{"_index":…,"_id":…,…}}` with a newline.
fn action_line(operation: &Operation, rendering: Rendering, line: &mut Vec<u8>) {
    let address = &operation.address;
    line.extend_from_slice(match operation.change {
        Change::Index { .. } => br#"{"index":{"_index":"#,
        Change::Delete => br#"{"delete":{"_index":"#,
    });
    json_string(&address.index, line);
    line.extend_from_slice(br#","_id":"#);
    json_string(&address.id, line);
    if let Some(routing) = &address.routing {
        line.extend_from_slice(br#","routing":"#);
        json_string(routing, line);
    }
    line.extend_from_slice(br#","version":"#);
    line.extend_from_slice(operation.version.get().to_string().as_bytes());
    line.extend_from_slice(br#","version_type":"external_gte""#);
    if let Change::Index { dynamic_templates, .. } = &operation.change {
        line.extend_from_slice(br#","pipeline":"_none""#);
        if let Some(templates) = dynamic_templates.as_ref().filter(|_| rendering.dynamic_templates)
        {
            line.extend_from_slice(br#","dynamic_templates":"#);
            line.extend_from_slice(&one_line(templates));
        }
    }
    line.extend_from_slice(b"}}\n");
}

/// The document on one line: newlines between tokens become blanks, those inside strings (not valid
/// JSON, but stored by a lenient source) are escaped. Without newlines, the same bytes.
fn one_line(source: &Bytes) -> Bytes {
    if memchr2(b'\n', b'\r', source).is_none() {
        return source.clone();
    }
    let mut line = Vec::with_capacity(source.len());
    let (mut in_string, mut escaped) = (false, false);
    for byte in source.iter().copied() {
        match byte {
            b'\n' if in_string => line.extend_from_slice(b"\\n"),
            b'\r' if in_string => line.extend_from_slice(b"\\r"),
            b'\n' | b'\r' => line.push(b' '),
            other => line.push(other),
        }
        if byte == b'"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && byte == b'\\' && !escaped;
    }
    Bytes::from(line)
}

/// Whether an id can be a path segment: URL parsers take `.` and `..` for steps, encoded or not.
fn fits_a_path(id: &str) -> bool {
    !matches!(id, "." | ".." | "")
}

fn refresh_value(refresh: Refresh) -> Option<&'static str> {
    match refresh {
        Refresh::No => None,
        Refresh::Now => Some("true"),
        Refresh::WaitFor => Some("wait_for"),
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(text: &str, encoded: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from(DIGITS[usize::from(digit)]));
            }
        }
    }
}

/// Writes a JSON string.
fn json_string(text: &str, json: &mut Vec<u8>) {
    let start = json.len();
    if serde_json::to_writer(&mut *json, text).is_err() {
        // Writing a string into memory doesn't fail; leave no half behind.
        json.truncate(start);
    }
}

#[cfg(test)]
mod tests;
