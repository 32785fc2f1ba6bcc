//! Requests for the target.

use bytes::{Bytes, BytesMut};
use cluster::{HeaderMap, HeaderName, HeaderValue, Method, Reply, Request};
use converge::Exchange;

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
];

/// What a client said of its request and what is kept of a rendered one.
const KEPT_ALWAYS: &[&str] = &["x-opaque-id", "traceparent", "user-agent"];

/// A captured request as it was, through the transforms; `path` and `body` may have been changed.
pub(crate) fn as_captured(method: &[u8], exchange: &Exchange, path: &str, body: Bytes) -> Request {
    let method = Method::from_bytes(method).unwrap_or(Method::GET);
    let path = transform::request_path(method.as_str(), path).map_or(path.to_owned(), |r| r.path);
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
            (name, Bytes::copy_from_slice(value.as_bytes()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use converge::{BodyState, Method};

    use super::*;

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
        let request = as_captured(b"POST", &exchange, "/i/doc/_search?q=1", exchange.body.clone());
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/i/_search?q=1"));
        let names: Vec<_> =
            request.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(names, [("content-type", "application/json"), ("x-opaque-id", "7")]);
    }
}
