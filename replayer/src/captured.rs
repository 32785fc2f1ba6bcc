//! One request of the source with its answer, rebuilt from the journal.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use codec::{
    body,
    http1::{BodyBytes, Headers, RequestMessage, ResponseMessage, Version},
    record::Nanos,
};
use converge::{Answer, BodyState, Exchange, Method, order::ExchangeKey};

use crate::{formats, offsets::Claims, settings::Mutations};

/// A request and, if one was captured whole, its answer.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) key: ExchangeKey,
    pub(crate) connection: Arc<str>,
    /// The request's number on its connection, from 0; the same in every run.
    pub(crate) number: u64,
    pub(crate) request: RequestMessage,
    pub(crate) response: Option<ResponseMessage>,
    /// First and last byte of the request.
    pub(crate) began: Nanos,
    pub(crate) sent: Nanos,
    /// First byte of the answer.
    pub(crate) answer_began: Option<Nanos>,
    /// Last byte of the answer, or the time by which the source has surely finished with the request.
    pub(crate) ended: Nanos,
    /// The journal's records it was rebuilt from.
    pub(crate) claims: Claims,
    /// It has no answer yet, but may get one: the next run has to read it again.
    pub(crate) awaited: bool,
    /// It came into the journal after what was captured later had been replayed.
    pub(crate) late: bool,
    /// Captured bytes that it holds.
    pub(crate) weight: usize,
}

impl Captured {
    /// The exchange as `converge` looks at it: with bodies in JSON. One that is mirrored keeps the client's format.
    pub(crate) fn exchange(&self, mutations: Mutations, limit: usize) -> Exchange {
        let exchange = exchange_of(&self.request, self.response.as_ref(), limit);
        match mutations {
            Mutations::Converge => formats::in_json(exchange, limit),
            Mutations::Mirror => exchange,
        }
    }

    /// From the last byte of the request to the first of the answer.
    pub(crate) fn response_time(&self) -> Option<Duration> {
        self.answer_began.map(|at| Duration::from_nanos(at.saturating_sub(self.sent)))
    }

    /// Names the exchange in ledgers and logs: `connection:number`.
    pub(crate) fn id(&self) -> String {
        name(&self.connection, self.number)
    }
}

/// A captured request with its answer as `converge` looks at them: bodies without content encoding, of `limit` bytes at
/// most.
pub fn exchange_of(
    request: &RequestMessage,
    response: Option<&ResponseMessage>,
    limit: usize,
) -> Exchange {
    let (body, body_state) = match content(&request.headers, &request.body, limit) {
        Some(body) if request.complete => (body, BodyState::Whole),
        Some(body) => (body, BodyState::Cut),
        // A cut-off gzip can't be read to its cut.
        None if !request.complete => (Bytes::new(), BodyState::Cut),
        None => (Bytes::new(), BodyState::Unreadable),
    };
    let answer = response.filter(|response| response.complete).map(|response| Answer {
        status: response.status,
        headers: pairs(&response.headers),
        // An answer that can't be read proves nothing, and an empty one says so.
        body: content(&response.headers, &response.body, limit).unwrap_or_default(),
    });
    Exchange {
        method: Method::parse(&request.method_bytes),
        target: request.target.clone(),
        headers: pairs(&request.headers),
        body,
        body_state,
        answer,
    }
}

/// What an exchange is called, in every run and by every replayer.
pub(crate) fn name(connection: &str, number: u64) -> String {
    format!("{connection}:{number}")
}

/// `HTTP/1.0` or `HTTP/1.1`.
pub(crate) fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

pub(crate) fn pairs(headers: &Headers) -> Vec<(Bytes, Bytes)> {
    headers.iter().cloned().collect()
}

/// A body without its content encoding; `None` when it can't be decoded within `limit`.
fn content(headers: &Headers, bytes: &BodyBytes, limit: usize) -> Option<Bytes> {
    if bytes.truncated {
        return None;
    }
    match headers.get("content-encoding") {
        Some(encoding) => body::decode(encoding, &bytes.to_bytes(), limit).ok(),
        None => Some(bytes.to_bytes()),
    }
}
