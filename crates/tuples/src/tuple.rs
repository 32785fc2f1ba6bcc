//! The shape of one tuple.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::payload::Payload;

/// One exchange, both sides.
#[derive(Clone, Debug)]
pub struct Tuple {
    /// The connection of the source, as captured.
    pub connection: String,
    /// The request's number on its connection, from 0.
    pub request: u64,
    pub source_request: Request,
    /// `None`: no answer was captured.
    pub source_response: Option<Response>,
    /// `None`: nothing was sent.
    pub target_request: Option<Request>,
    /// One per attempt; of very many, the first and the last.
    pub target_responses: Vec<Response>,
    /// How many there were.
    pub attempts: usize,
    pub error: Option<String>,
    /// What is ours: meaning, operations, how doubt was resolved.
    pub godwit: serde_json::Value,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// As sent: path and query.
    pub uri: String,
    /// `HTTP/1.1`
    pub version: &'static str,
    /// In order, repeated names allowed.
    pub headers: Vec<(Bytes, Bytes)>,
    /// Without transfer and content encoding.
    pub body: Bytes,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub version: &'static str,
    pub headers: Vec<(Bytes, Bytes)>,
    pub body: Bytes,
    /// From the last byte of the request to the first of the response.
    pub response_time: Duration,
}

impl Tuple {
    /// What is the reference implementation's too.
    pub(crate) fn public<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("sourceRequest", &self.source_request)?;
        if let Some(response) = &self.source_response {
            map.serialize_entry("sourceResponse", response)?;
        }
        if let Some(request) = &self.target_request {
            map.serialize_entry("targetRequest", request)?;
        }
        if !self.target_responses.is_empty() {
            map.serialize_entry("targetResponses", &self.target_responses)?;
        }
        map.serialize_entry("connectionId", &format_args!("{}.{}", self.connection, self.request))?;
        map.serialize_entry("numRequests", &self.attempts.max(self.target_responses.len()))?;
        let errors = self.target_responses.iter().filter(|r| r.status >= 300).count();
        map.serialize_entry("numErrors", &errors)?;
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        Ok(())
    }
}

impl Serialize for Tuple {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.public(&mut map)?;
        map.serialize_entry("godwit", &self.godwit)?;
        map.end()
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        headers(&mut map, &self.headers)?;
        map.serialize_entry("Request-URI", &self.uri)?;
        map.serialize_entry("Method", &self.method)?;
        map.serialize_entry("HTTP-Version", self.version)?;
        if !self.body.is_empty() {
            map.serialize_entry("payload", &Payload(&self.body))?;
        }
        map.end()
    }
}

impl Serialize for Response {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        headers(&mut map, &self.headers)?;
        map.serialize_entry("HTTP-Version", self.version)?;
        map.serialize_entry("Status-Code", &self.status)?;
        map.serialize_entry("Reason-Phrase", &self.reason)?;
        let millis = u64::try_from(self.response_time.as_millis()).unwrap_or(u64::MAX);
        map.serialize_entry("response_time_ms", &millis)?;
        if !self.body.is_empty() {
            map.serialize_entry("payload", &Payload(&self.body))?;
        }
        map.end()
    }
}

/// Names that the format takes for itself: a header of that name can't be written beside it.
const RESERVED: &[&str] = &[
    "Request-URI",
    "Method",
    "HTTP-Version",
    "Status-Code",
    "Reason-Phrase",
    "response_time_ms",
    "payload",
];

/// Each name once, with the values of all its occurrences.
fn headers<M: SerializeMap>(map: &mut M, headers: &[(Bytes, Bytes)]) -> Result<(), M::Error> {
    let same = |a: &Bytes, b: &Bytes| a.eq_ignore_ascii_case(b);
    for (at, (name, _)) in headers.iter().enumerate() {
        let seen = headers.iter().take(at).any(|(before, _)| same(before, name));
        if seen || RESERVED.iter().any(|r| r.as_bytes() == &name[..]) {
            continue;
        }
        let values: Vec<Cow<'_, str>> = headers
            .iter()
            .skip(at)
            .filter(|(other, _)| same(other, name))
            .map(|(_, value)| String::from_utf8_lossy(value))
            .collect();
        map.serialize_entry(&String::from_utf8_lossy(name), &values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_tuple_has_the_public_shape() {
        let tuple = Tuple {
            connection: "c".into(),
            request: 4,
            source_request: Request {
                method: "PUT".into(),
                uri: "/i/_doc/1".into(),
                version: "HTTP/1.1",
                headers: vec![
                    (bytes("X-A"), bytes("1")),
                    (bytes("Method"), bytes("no")),
                    (bytes("x-a"), bytes("2")),
                ],
                body: bytes(r#"{"a":1}"#),
            },
            source_response: Some(Response {
                status: 201,
                reason: "Created".into(),
                version: "HTTP/1.1",
                headers: vec![],
                body: Bytes::new(),
                response_time: Duration::from_micros(2500),
            }),
            target_request: None,
            target_responses: vec![],
            attempts: 0,
            error: None,
            godwit: json!({"meaning": "nothing"}),
        };
        assert_eq!(
            serde_json::to_value(&tuple).unwrap(),
            json!({
                "sourceRequest": {
                    "X-A": ["1", "2"], "Request-URI": "/i/_doc/1", "Method": "PUT",
                    "HTTP-Version": "HTTP/1.1", "payload": {"inlinedJsonBody": {"a": 1}},
                },
                "sourceResponse": {
                    "HTTP-Version": "HTTP/1.1", "Status-Code": 201, "Reason-Phrase": "Created",
                    "response_time_ms": 2,
                },
                "connectionId": "c.4", "numRequests": 0, "numErrors": 0,
                "godwit": {"meaning": "nothing"},
            })
        );
    }
}
