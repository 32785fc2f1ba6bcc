//! Requests for the target.

use bytes::{Bytes, BytesMut};
use cluster::{HeaderMap, HeaderName, HeaderValue, Method, Reply, Request};
use converge::Exchange;
use transform::{Target, Version};

use crate::captured::Captured;

/// Headers of a captured request that don't go to the target: they are about the connection, the encoding
/// or the source's credentials.
const LEFT_OUT: &[&str] = &[
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "accept-encoding",
    "authorization",
    "proxy-authorization",
    "es-secondary-authorization",
    "cookie",
    "x-api-key",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
];

/// What a client said of its request and what is kept of a rendered one.
const KEPT_ALWAYS: &[&str] = &["x-opaque-id", "traceparent", "user-agent"];

/// In place of a secret, as in the journal.
const BLANK: &str = "*****";

/// A captured request as it was, but for what is the connection's or secret.
pub(crate) fn plainly(method: &[u8], exchange: &Exchange) -> Request {
    let path = String::from_utf8_lossy(&exchange.target).into_owned();
    let mut request = Request::new(Method::from_bytes(method).unwrap_or(Method::GET), path);
    request.body = exchange.body.clone();
    for (name, value) in &exchange.headers {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        else {
            continue;
        };
        if !LEFT_OUT.contains(&name.as_str()) {
            request.headers.append(name, value);
        }
    }
    request
}

/// What requests are brought from and to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Between {
    /// What captured requests were written for, where that is known.
    pub(crate) source: Option<Version>,
    pub(crate) target: Target,
}

/// A captured request as it was, through the transforms; `path` and `body` may have been changed.
pub(crate) fn as_captured(
    between: Between,
    method: &[u8],
    exchange: &Exchange,
    path: &str,
    body: Bytes,
) -> Request {
    let method = Method::from_bytes(method).unwrap_or(Method::GET);
    // By the path as it was: in a typed one is what its parameters are about.
    let reshaped = transform::request(between.source, method.as_str(), path, &body);
    let (mut path, mut body) = (reshaped.path, reshaped.body.map_or(body, Bytes::from));
    if let Some(typeless) = transform::request_path(method.as_str(), &path) {
        path = typeless.path;
    }
    if let Some(moved) = transform::moved(between.target, method.as_str(), &path, &body) {
        (path, body) = (moved.path, moved.body.map_or(body, Bytes::from));
    }
    let mut request = Request::new(method, path);
    request.body = body;
    for (name, value) in &exchange.headers {
        let (Ok(name), Ok(text)) = (HeaderName::from_bytes(name), std::str::from_utf8(value))
        else {
            continue;
        };
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let text = match name.as_str() {
            "content-type" | "accept" => transform::media_type(text),
            _ => text.into(),
        };
        if let Ok(value) = HeaderValue::from_str(&text) {
            request.headers.append(name, value);
        }
    }
    request
}

/// A rendered write. `exchange` gives the headers that say whose request it was.
pub(crate) fn rendered(rendered: &converge::Request, exchange: Option<&Exchange>) -> Request {
    let method = Method::from_bytes(rendered.method.as_str().as_bytes()).unwrap_or(Method::POST);
    let mut request = Request::new(method, rendered.target.clone());
    request.body = match rendered.body.as_slice() {
        [] => Bytes::new(),
        [only] => only.clone(),
        // The target's client sends one piece; this is the copy that a bulk costs.
        parts => {
            let mut body = BytesMut::with_capacity(rendered.body_length());
            parts.iter().for_each(|part| body.extend_from_slice(part));
            body.freeze()
        }
    };
    if let Some(kind) = rendered.content_type {
        request.headers.insert("content-type", HeaderValue::from_static(kind));
    }
    for (name, value) in exchange.map(|e| e.headers.as_slice()).unwrap_or_default() {
        let known = KEPT_ALWAYS.iter().find(|kept| name.eq_ignore_ascii_case(kept.as_bytes()));
        if let (Some(name), Ok(value)) = (known, HeaderValue::from_bytes(value)) {
            request.headers.insert(*name, value);
        }
    }
    request
}

/// Both sides of an exchange as a tuple.
pub(crate) fn tuple(
    captured: &Captured,
    exchange: &Exchange,
    sent: Option<&Request>,
    replies: &[Reply],
    error: Option<String>,
    godwit: serde_json::Value,
) -> tuples::Tuple {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    tuples::Tuple {
        connection: captured.connection.to_string(),
        request: captured.number,
        source_request: tuples::Request {
            method: text(&captured.request.method_bytes),
            uri: text(&captured.request.target),
            version: crate::captured::version(captured.request.version),
            headers: exchange.headers.clone(),
            body: exchange.body.clone(),
        },
        source_response: captured.response.as_ref().zip(exchange.answer.as_ref()).map(
            |(response, answer)| tuples::Response {
                status: response.status,
                reason: text(&response.reason),
                version: crate::captured::version(response.version),
                headers: answer.headers.clone(),
                body: answer.body.clone(),
                response_time: captured.response_time().unwrap_or_default(),
            },
        ),
        target_request: sent.map(|request| tuples::Request {
            method: request.method.to_string(),
            uri: request.path.clone(),
            version: "HTTP/1.1",
            headers: headers(&request.headers),
            body: request.body.clone(),
        }),
        attempts: replies.len(),
        target_responses: replies.iter().map(response).collect(),
        error,
        godwit,
    }
}

fn response(reply: &Reply) -> tuples::Response {
    tuples::Response {
        status: reply.status,
        reason: reply.reason().to_owned(),
        version: "HTTP/1.1",
        headers: headers(&reply.headers),
        body: reply.body.clone(),
        response_time: reply.waited,
    }
}

fn headers(map: &HeaderMap) -> Vec<(Bytes, Bytes)> {
    map.iter()
        .map(|(name, value)| {
            let name = Bytes::copy_from_slice(name.as_str().as_bytes());
            let value = redacted(&name, value.as_bytes());
            (name, value)
        })
        .collect()
}

/// A header's value without the secrets that the proxy keeps out of the journal too.
fn redacted(name: &[u8], value: &[u8]) -> Bytes {
    let line = [name, b":", value].concat();
    let mut kept = BytesMut::with_capacity(value.len());
    let mut from = name.len() + 1;
    for secret in codec::http1::secret_ranges(&line) {
        kept.extend_from_slice(line.get(from..secret.start).unwrap_or_default());
        kept.extend_from_slice(BLANK.as_bytes());
        from = secret.end;
    }
    kept.extend_from_slice(line.get(from..).unwrap_or_default());
    kept.freeze()
}

#[cfg(test)]
mod tests {
    use converge::{BodyState, Method};

    use super::*;

    #[test]
    fn secrets_are_no_part_of_tuples() {
        let mut made = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Basic YTpi"),
            ("x-api-key", "k"),
            ("set-cookie", "sid=1; Path=/"),
            ("x-other", "stays"),
        ] {
            made.insert(name, HeaderValue::from_static(value));
        }
        let shown = headers(&made);
        let of = |name: &str| &shown.iter().find(|(key, _)| key == name).unwrap().1[..];
        assert_eq!(of("authorization"), b"Basic *****");
        assert_eq!((of("x-api-key"), of("set-cookie")), (&b"*****"[..], &b"*****"[..]));
        assert_eq!(of("x-other"), b"stays");
    }

    #[test]
    fn captured_requests_go_through_the_transforms() {
        let header = |name: &'static str, value: &'static str| {
            (Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes()))
        };
        let exchange = Exchange {
            method: Method::Post,
            target: Bytes::from_static(b"/i/doc/_search?q=1"),
            headers: vec![
                header("Host", "old"),
                header("Authorization", "Basic x"),
                header("Content-Type", "application/vnd.elasticsearch+json; compatible-with=8"),
                header("X-Opaque-Id", "7"),
            ],
            body: Bytes::from_static(b"{}"),
            body_state: BodyState::Whole,
            answer: None,
        };
        let path = "/i/doc/_search?q=1";
        let between = Between::default();
        let request = as_captured(between, b"POST", &exchange, path, exchange.body.clone());
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/i/_search?q=1"));
        let names: Vec<_> =
            request.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(names, [("content-type", "application/json"), ("x-opaque-id", "7")]);
    }
}
