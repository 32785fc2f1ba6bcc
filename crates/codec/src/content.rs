//! Bodies of the content types that servers take beside JSON → JSON.
//!
//! ```text
//! application/smile   one document, or documents each with its header and FF behind it (a bulk, an `_msearch`)
//! application/cbor    one document
//! application/yaml    one document; text/yaml too
//! ```
//!
//! Vendored names (`application/vnd.elasticsearch+cbor; compatible-with=8`) are the same. Of a stream of documents,
//! servers take the next FF for the end of one, wherever it is: so does this.

use bytes::Bytes;

use crate::source::{Format, Limits, Problem, SourceError, append_as};

const SMILE_HEADER: &[u8] = b":)\n";
const SMILE_END: u8 = 0xFF;

/// A content type that isn't JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Smile,
    Cbor,
    Yaml,
}

impl Content {
    /// What the value of a `Content-Type` or `Accept` names; `None`: none of these.
    pub fn named_by(value: &[u8]) -> Option<Self> {
        let value = value.to_ascii_lowercase();
        let has = |name: &[u8]| value.windows(name.len()).any(|window| window == name);
        [(&b"smile"[..], Self::Smile), (b"cbor", Self::Cbor), (b"yaml", Self::Yaml)]
            .into_iter()
            .find_map(|(name, content)| has(name).then_some(content))
    }
}

/// A body as JSON of `limits.output` bytes at most: the same names, order and values. Documents of a stream are lines.
/// A body of nothing stays one. Top-level arrays and scalars are refused, as a request has none.
pub fn to_json(content: Content, body: &Bytes, limits: &Limits) -> Result<Bytes, SourceError> {
    if body.is_empty() {
        return Ok(body.clone());
    }
    let mut json = Vec::new();
    match content {
        Content::Smile => smile(body, limits, &mut json)?,
        Content::Cbor => append_as(Format::Cbor, body, limits, &mut json)?,
        Content::Yaml => append_as(Format::Yaml, body, limits, &mut json)?,
    }
    Ok(json.into())
}

fn smile(body: &[u8], limits: &Limits, json: &mut Vec<u8>) -> Result<(), SourceError> {
    // The header of an `_msearch` may be empty.
    if body.first() == Some(&SMILE_END) {
        return smile_stream(body, limits, json);
    }
    // A single document may hold an FF, in a value of raw bytes.
    match one(body, limits, json) {
        Err(SourceError { problem: Problem::Trailing { .. }, .. }) => {
            json.clear();
            smile_stream(body, limits, json)
        }
        read => {
            if body.last() == Some(&SMILE_END) {
                json.push(b'\n');
            }
            read
        }
    }
}

fn smile_stream(body: &[u8], limits: &Limits, json: &mut Vec<u8>) -> Result<(), SourceError> {
    let mut offset = 0;
    let mut parts = body.split(|byte| *byte == SMILE_END).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if !part.is_empty() {
            let at = |error: SourceError| SourceError { offset: offset + error.offset, ..error };
            one(part, limits, json).map_err(at)?;
        }
        if !is_last {
            json.push(b'\n');
        }
        if json.len() > limits.output {
            let problem = Problem::TooLong { limit: limits.output };
            return Err(SourceError { format: Some(Format::Smile), offset, problem });
        }
        offset += part.len() + 1;
    }
    Ok(())
}

fn one(document: &[u8], limits: &Limits, json: &mut Vec<u8>) -> Result<(), SourceError> {
    if !document.starts_with(SMILE_HEADER) {
        let found = document.get(..document.len().min(4)).unwrap_or_default().to_vec();
        let problem = Problem::UnknownFormat { found };
        return Err(SourceError { format: Some(Format::Smile), offset: 0, problem });
    }
    append_as(Format::Smile, document, limits, json)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn smile_of(value: &Value) -> Vec<u8> {
        serde_smile::to_vec(value).unwrap()
    }

    fn read(content: Content, body: Vec<u8>) -> Result<String, String> {
        let read = to_json(content, &body.into(), &Limits::default());
        read.map(|json| String::from_utf8(json.to_vec()).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn types_are_known_by_their_names() {
        let named = |text: &str| Content::named_by(text.as_bytes());
        assert_eq!(named("application/smile"), Some(Content::Smile));
        assert_eq!(named("Application/CBOR; charset=x"), Some(Content::Cbor));
        assert_eq!(
            named("application/vnd.elasticsearch+yaml;compatible-with=8"),
            Some(Content::Yaml)
        );
        assert_eq!(named("application/json"), None);
        assert_eq!(named(""), None);
    }

    #[test]
    fn one_document_of_each() {
        let document = json!({"a": [1, -2.5, null, true, "ü"], "b": {"c": {}}});
        let expected = r#"{"a":[1,-2.5,null,true,"ü"],"b":{"c":{}}}"#;
        assert_eq!(read(Content::Smile, smile_of(&document)).unwrap(), expected);
        let mut cbor = Vec::new();
        ciborium::into_writer(&document, &mut cbor).unwrap();
        assert_eq!(read(Content::Cbor, cbor).unwrap(), expected);
        let yaml = "a:\n- 1\n- -2.5\n- null\n- true\n- ü\nb:\n  c: {}\n";
        assert_eq!(read(Content::Yaml, yaml.into()).unwrap(), expected);
        assert_eq!(read(Content::Yaml, Vec::new()).unwrap(), "");
    }

    #[test]
    fn documents_of_a_stream_are_lines() {
        let lines = [json!({"index": {"_id": "1"}}), json!({"x": 1}), json!({"delete": {}})];
        let mut body = Vec::new();
        for line in &lines {
            body.extend(smile_of(line));
            body.push(0xFF);
        }
        let expected = "{\"index\":{\"_id\":\"1\"}}\n{\"x\":1}\n{\"delete\":{}}\n";
        assert_eq!(read(Content::Smile, body).unwrap(), expected);
        let body = [&[0xFF][..], &smile_of(&json!({"size": 1})), &[0xFF]].concat();
        assert_eq!(read(Content::Smile, body).unwrap(), "\n{\"size\":1}\n");
        let single = [&smile_of(&json!({"delete": {}}))[..], &[0xFF]].concat();
        assert_eq!(read(Content::Smile, single).unwrap(), "{\"delete\":{}}\n");
    }

    #[test]
    fn what_is_none_says_where() {
        let error = read(Content::Smile, b"{}".to_vec()).unwrap_err();
        assert!(error.starts_with("SMILE _source, byte 0"), "{error}");
        let mut cut = smile_of(&json!({"a": 1}));
        cut.push(0xFF);
        let second = cut.len();
        cut.extend(b":)\n\x01\xFA\x80");
        let error = to_json(Content::Smile, &cut.into(), &Limits::default()).unwrap_err();
        assert_eq!((error.offset, error.problem), (second + 6, Problem::Truncated));
        let long = smile_of(&json!({"a": "x".repeat(50)}));
        let body: Vec<u8> = [long.clone(), vec![0xFF], long, vec![0xFF]].concat();
        let limits = Limits { output: 100, ..Limits::default() };
        let error = to_json(Content::Smile, &body.into(), &limits).unwrap_err();
        assert_eq!(error.problem, Problem::TooLong { limit: 100 });
        read(Content::Cbor, b"{}".to_vec()).unwrap_err();
    }
}
