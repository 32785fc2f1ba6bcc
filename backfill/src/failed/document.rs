//! One line of the stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::send::{Class, FailedItem};

/// A document that was not written, where it lies in the snapshot, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedDocument {
    pub run: String,
    /// The source's index, and the shard, segment and document within it.
    pub index: String,
    pub shard: u32,
    pub segment: String,
    pub document: u32,
    /// `None` when it could not be read.
    pub id: Option<String>,
    pub routing: Option<String>,
    pub version: Option<u64>,
    pub class: Class,
    /// The target's; 0 when there was none.
    pub status: u16,
    pub kind: String,
    pub reason: String,
    /// Requests that held it.
    pub attempts: u32,
    /// When it failed.
    pub at: jiff::Timestamp,
    /// The line of the bulk request, JSON, naming its index; `None` for a document that was never sent.
    pub action: Option<String>,
    pub source: Option<Source>,
}

/// The bytes of a `_source` as they were sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Source(pub bytes::Bytes);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({} bytes)", self.0.len())
    }
}

impl FailedDocument {
    /// Takes over what the target said.
    pub fn blame(&mut self, failed: &FailedItem, at: jiff::Timestamp) {
        self.class = failed.class;
        self.status = failed.status;
        self.kind.clone_from(&failed.kind);
        self.reason.clone_from(&failed.reason);
        self.attempts = self.attempts.saturating_add(failed.attempts);
        self.at = at;
    }

    /// The lines that were sent, without their newlines; `None` for a document that never was.
    pub(super) fn lines(&self) -> Option<(&str, &[u8])> {
        let (action, source) = (self.action.as_deref()?, self.source.as_ref()?);
        // Nobody's hand may make three lines of two.
        let one_line = !action.contains('\n') && !source.0.contains(&b'\n');
        one_line.then_some((action, &source.0))
    }

    /// Appends its line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let source = self.source.as_ref().map(|source| Kept::of(&source.0));
        let line = Line {
            run: &self.run,
            index: &self.index,
            shard: self.shard,
            segment: &self.segment,
            document: self.document,
            id: self.id.as_deref(),
            routing: self.routing.as_deref(),
            version: self.version,
            class: self.class,
            status: self.status,
            error: Error { kind: &self.kind, reason: &self.reason },
            attempts: self.attempts,
            at: self.at.to_string(),
            action: self.action.as_deref().map(Kept::of_text),
            source,
        };
        let begin = out.len();
        serde_json::to_writer(&mut *out, &line).expect("names and numbers are always JSON");
        debug_assert!(!out[begin..].contains(&b'\n'));
        out.push(b'\n');
    }

    /// Reads a line back.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        let line: ReadLine<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let at = line.at.parse().map_err(|error| format!("at: {error}"))?;
        let kept = |kept: Option<ReadKept<'_>>| kept.map(ReadKept::bytes).transpose();
        let action = kept(line.action)?.map(|bytes| String::from_utf8(bytes.to_vec()));
        Ok(Self {
            run: line.run,
            index: line.index,
            shard: line.shard,
            segment: line.segment,
            document: line.document,
            id: line.id,
            routing: line.routing,
            version: line.version,
            class: line.class,
            status: line.status,
            kind: line.error.kind,
            reason: line.error.reason,
            attempts: line.attempts,
            at,
            action: action.transpose().map_err(|error| format!("action: {error}"))?,
            source: kept(line.source)?.map(Source),
        })
    }
}

#[derive(Serialize)]
struct Line<'a> {
    run: &'a str,
    index: &'a str,
    shard: u32,
    segment: &'a str,
    document: u32,
    id: Option<&'a str>,
    routing: Option<&'a str>,
    version: Option<u64>,
    class: Class,
    status: u16,
    error: Error<&'a str>,
    attempts: u32,
    at: String,
    action: Option<Kept<'a>>,
    source: Option<Kept<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Error<T> {
    #[serde(rename = "type")]
    kind: T,
    reason: T,
}

/// Bytes kept so that they can be read by people and come back to the byte: a JSON object as it is; other
/// text as a string; other bytes as `{"base64":"…"}` in an array, which no object can be taken for.
#[derive(Serialize)]
#[serde(untagged)]
enum Kept<'a> {
    Object(&'a RawValue),
    Text(&'a str),
    Bytes([Base64; 1]),
}

#[derive(Serialize, Deserialize)]
struct Base64 {
    base64: String,
}

impl<'a> Kept<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::of_text(text),
            Err(_) => Self::Bytes([Base64 { base64: BASE64.encode(bytes) }]),
        }
    }

    fn of_text(text: &'a str) -> Self {
        // With a newline it would be two lines; with white space around it wouldn't come back as it was.
        let plain = text.starts_with('{') && text.ends_with('}') && !text.contains(['\n', '\r']);
        match serde_json::from_str::<&RawValue>(text) {
            Ok(value) if plain => Self::Object(value),
            _ => Self::Text(text),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine<'a> {
    run: String,
    index: String,
    shard: u32,
    segment: String,
    document: u32,
    id: Option<String>,
    routing: Option<String>,
    version: Option<u64>,
    class: Class,
    status: u16,
    error: Error<String>,
    attempts: u32,
    at: String,
    #[serde(borrow)]
    action: Option<ReadKept<'a>>,
    #[serde(borrow)]
    source: Option<ReadKept<'a>>,
}

#[derive(Deserialize)]
struct ReadKept<'a>(#[serde(borrow)] &'a RawValue);

impl ReadKept<'_> {
    fn bytes(self) -> Result<bytes::Bytes, String> {
        let raw = self.0.get();
        let wrong = |error: serde_json::Error| format!("source or action: {error}");
        match raw.as_bytes().first() {
            Some(b'{') => Ok(bytes::Bytes::copy_from_slice(raw.as_bytes())),
            Some(b'"') => Ok(serde_json::from_str::<String>(raw).map_err(wrong)?.into()),
            _ => {
                let [Base64 { base64 }] = serde_json::from_str(raw).map_err(wrong)?;
                Ok(BASE64.decode(base64).map_err(|error| error.to_string())?.into())
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::failed) fn document(number: u32, source: &[u8]) -> FailedDocument {
        FailedDocument {
            run: "r".into(),
            index: "logs".into(),
            shard: 3,
            segment: "_7".into(),
            document: number,
            id: Some(format!("id-{number}")),
            routing: None,
            version: Some(9),
            class: Class::Mapping,
            status: 400,
            kind: "mapper_parsing_exception".into(),
            reason: "failed".into(),
            attempts: 1,
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            action: Some(format!(r#"{{"index":{{"_index":"logs","_id":"id-{number}"}}}}"#)),
            source: Some(Source(bytes::Bytes::copy_from_slice(source))),
        }
    }

    #[test]
    fn a_line_is_for_people_too() {
        let mut out = Vec::new();
        document(5, br#"{"a":[1, 2]}"#).write(&mut out);
        let line = r#"{"run":"r","index":"logs","shard":3,"segment":"_7","document":5,"id":"id-5","routing":null,"version":9,"class":"mapping","status":400,"error":{"type":"mapper_parsing_exception","reason":"failed"},"attempts":1,"at":"2026-01-02T03:04:05Z","action":{"index":{"_index":"logs","_id":"id-5"}},"source":{"a":[1, 2]}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
        assert!(FailedDocument::read(b"{}").is_err());
        assert!(FailedDocument::read(&line.as_bytes()[..200]).is_err());
    }

    fn comes_back(source: &[u8]) {
        let document = document(1, source);
        let mut line = Vec::new();
        document.write(&mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert!(!line.contains(&b'\n'));
        assert_eq!(FailedDocument::read(&line).unwrap(), document);
    }

    #[test]
    fn sources_come_back_to_the_byte() {
        let deep = "[".repeat(4000);
        for source in [
            "{}",
            "{\"a\":\n1}",
            " {} ",
            "\"text\"",
            "null",
            "7",
            "",
            "[]",
            "{\"a\":",
            &deep,
            "\u{0}",
        ] {
            comes_back(source.as_bytes());
        }
        comes_back(b"\xff\xfe{}");
        comes_back(br#"[{"base64":"AA=="}]"#);
        let unread = FailedDocument { id: None, action: None, source: None, ..document(1, b"") };
        let mut line = Vec::new();
        unread.write(&mut line);
        assert_eq!(FailedDocument::read(line.trim_ascii_end()).unwrap(), unread);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(source in any::<Vec<u8>>()) {
            comes_back(&source);
        }
    }
}
