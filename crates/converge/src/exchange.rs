//! One captured request with the source's answer to it.

use bytes::Bytes;

/// A request as the source received it, and what it answered.
///
/// Bodies are what is left after transfer and content encodings are taken off, in JSON if they can be.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: Method,
    /// The request target as sent: path and query, percent-encoded; an absolute form is understood.
    pub target: Bytes,
    pub headers: Vec<(Bytes, Bytes)>,
    pub body: Bytes,
    /// Whether `body` is all of it.
    pub body_state: BodyState,
    /// `None`: no complete answer was captured.
    pub answer: Option<Answer>,
}

/// The source's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(Bytes, Bytes)>,
    pub body: Bytes,
}

/// Whether a request's body could be taken whole from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyState {
    /// The whole body, decoded.
    Whole,
    /// The client went away: the body ends early. A recent Elasticsearch may have executed the part
    /// of a bulk that arrived.
    Cut,
    /// The encoding isn't known, or the body is broken or above the limit: `body` is empty.
    Unreadable,
}

/// A request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Other,
}

impl Method {
    /// Method names are case-sensitive; everything not listed is [`Method::Other`].
    pub fn parse(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }

    /// The name on the wire; `OTHER` for [`Method::Other`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Other => "OTHER",
        }
    }
}

impl Exchange {
    /// Whether the body is one that this crate reads: JSON or NDJSON, by what the `Content-Type`
    /// says and, as Elasticsearch before 6 did, by the first byte.
    ///
    /// What is still SMILE, CBOR or YAML here is not what it says it is: who can read it has made it JSON.
    pub(crate) fn body_is_json(&self) -> bool {
        if self.body_state == BodyState::Unreadable || names_binary_content(&self.headers) {
            return false;
        }
        match self.body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => true,
            Some(first) => *first == b'{' || *first == b'[',
        }
    }
}

impl Answer {
    /// Whether the body may be JSON.
    pub(crate) fn body_is_json(&self) -> bool {
        !names_binary_content(&self.headers)
    }
}

/// Whether a `Content-Type` names one of Elasticsearch's other content types, vendored or not
/// (`application/smile`, `application/vnd.elasticsearch+cbor; compatible-with=8`, `text/yaml`).
fn names_binary_content(headers: &[(Bytes, Bytes)]) -> bool {
    let Some((_, value)) =
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"))
    else {
        return false;
    };
    let value = value.to_ascii_lowercase();
    [&b"smile"[..], b"cbor", b"yaml"]
        .iter()
        .any(|name| value.windows(name.len()).any(|window| window == *name))
}
