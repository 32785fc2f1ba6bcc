//! A request as its rules see it, in the shape that scripts for other tools expect.
//!
//! ```text
//! {"transformerMessageVersion":1,"method":"POST","URI":"/i/_search?size=3","protocol":"HTTP/1.1",
//!  "headers":{"content-type":["application/json"]},"payload":{"inlinedJsonBody":{…}}}
//! ```
//! A body of several JSON texts, or of a bulk, is `inlinedJsonSequenceBodies`, a list; one that is no JSON
//! `inlinedTextBody`; one that is no text `inlinedBase64Body`. A request without a body has no `payload`.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use cluster::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The member that carries the body.
pub(super) const PAYLOAD: &str = "payload";

/// The message of a request, without its body.
pub(super) fn head(request: &Request) -> Vec<u8> {
    let mut headers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.as_str()).or_default().push(value);
    }
    let head = serde_json::json!({
        "transformerMessageVersion": 1,
        "method": request.method.as_str(),
        "URI": request.path,
        "protocol": "HTTP/1.1",
        "headers": headers,
    });
    head.to_string().into_bytes()
}

/// The message with the body.
pub(super) fn whole(mut head: Vec<u8>, request: &Request) -> Vec<u8> {
    head.pop(); // the brace
    head.extend_from_slice(br#","payload":{"#);
    let mut text = |name: &str, value: &str| {
        head.extend_from_slice(format!("\"{name}\":").as_bytes());
        head.extend_from_slice(value.as_bytes());
    };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match (documents(&request.body), std::str::from_utf8(&request.body)) {
        (Some(documents), _) => match documents.as_slice() {
            [one] if !is_sequence(request) => text("inlinedJsonBody", one.get()),
            many => {
                let many: Vec<&str> = many.iter().map(|one| one.get()).collect();
                text("inlinedJsonSequenceBodies", &format!("[{}]", many.join(",")));
            }
        },
        (None, Ok(body)) => text("inlinedTextBody", &quoted(body)),
        (None, Err(_)) => text("inlinedBase64Body", &quoted(&STANDARD.encode(&request.body))),
    }
    head.extend_from_slice(b"}}");
    head
}

/// The JSON texts that a body is made of, if it is made of nothing else.
fn documents(body: &[u8]) -> Option<Vec<&RawValue>> {
    let documents: Result<Vec<&RawValue>, _> =
        serde_json::Deserializer::from_slice(body).into_iter().collect();
    documents.ok().filter(|documents| !documents.is_empty())
}

/// Bodies of these are lines, also where there is only one.
fn is_sequence(request: &Request) -> bool {
    let bare = request.path.split('?').next().unwrap_or_default();
    let last = bare.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let kind = request.headers.get("content-type").map(HeaderValue::as_bytes);
    matches!(last, "_bulk" | "_msearch")
        || kind.is_some_and(|kind| kind.windows(6).any(|part| part == b"ndjson"))
}

/// What a rule gave.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'m> {
    method: String,
    #[serde(rename = "URI")]
    uri: String,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    #[serde(borrow, default)]
    payload: Option<Payload<'m>>,
    /// Members of the original that stay, whatever was made of them.
    #[serde(default)]
    preserve: Vec<String>,
    #[serde(rename = "protocol")]
    _protocol: Option<IgnoredAny>,
    #[serde(rename = "transformerMessageVersion")]
    _version: Option<IgnoredAny>,
}

/// Of one header.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Payload<'m> {
    #[serde(borrow)]
    inlined_json_body: Option<&'m RawValue>,
    #[serde(borrow)]
    inlined_json_sequence_bodies: Option<Vec<&'m RawValue>>,
    inlined_text_body: Option<String>,
    inlined_base64_body: Option<String>,
}

impl<'m> Message<'m> {
    pub(super) fn read(message: &'m [u8]) -> Result<Self, String> {
        serde_json::from_slice(message).map_err(|error| error.to_string())
    }

    /// The request that it says, in place of `original`. `seen`: the rules had its body.
    pub(super) fn request(&self, original: &Request, seen: bool) -> Result<Request, String> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| format!("`{}` is no method", self.method))?;
        if !self.uri.starts_with('/') || self.uri.contains(|c: char| c.is_whitespace()) {
            return Err(format!("URI `{}` is no path", self.uri));
        }
        let keeps = |name: &str| self.preserve.iter().any(|kept| kept == name);
        let mut request = Request::new(method, self.uri.clone());
        request.headers = match keeps("headers") {
            true => original.headers.clone(),
            false => headers(&self.headers)?,
        };
        request.body = match &self.payload {
            Some(payload) if !keeps(PAYLOAD) => payload.body()?,
            None if seen && !keeps(PAYLOAD) => Bytes::new(),
            _ => original.body.clone(),
        };
        Ok(request)
    }
}

fn headers(made: &BTreeMap<String, Values>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, values) in made {
        let values = match values {
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values.as_slice(),
        };
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{name}` is no header's name"))?;
        for value in values {
            let value = HeaderValue::from_str(value)
                .map_err(|_| format!("header {name} has a value that can't be sent"))?;
            headers.append(key.clone(), value);
        }
    }
    Ok(headers)
}

impl Payload<'_> {
    fn body(&self) -> Result<Bytes, String> {
        let given = [
            self.inlined_json_body.is_some(),
            self.inlined_json_sequence_bodies.is_some(),
            self.inlined_text_body.is_some(),
            self.inlined_base64_body.is_some(),
        ];
        if given.iter().filter(|given| **given).count() > 1 {
            return Err("payload has several bodies".into());
        }
        if let Some(one) = self.inlined_json_body {
            return Ok(Bytes::copy_from_slice(one.get().as_bytes()));
        }
        if let Some(many) = &self.inlined_json_sequence_bodies {
            let mut lines = Vec::with_capacity(many.iter().map(|line| line.get().len() + 1).sum());
            for line in many {
                lines.extend_from_slice(line.get().as_bytes());
                lines.push(b'\n');
            }
            return Ok(lines.into());
        }
        if let Some(encoded) = &self.inlined_base64_body {
            let bytes = STANDARD.decode(encoded);
            return bytes.map(Bytes::from).map_err(|error| format!("inlinedBase64Body: {error}"));
        }
        Ok(self.inlined_text_body.clone().unwrap_or_default().into())
    }
}
