//! One connection's bytes become exchanges.
//!
//! Requests are framed from what was read, answers from what was written, and paired in order. End-of-message
//! marks aren't used: pipelined requests share them.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use codec::{
    http1::{
        Assembled, DEFAULT_HEAD_LIMIT, Finished, Method, Reason, RequestAssembler, RequestMessage,
        ResponseAssembler, ResponseMessage,
    },
    record::Nanos,
};
use converge::{BodyState, Exchange, Scope, order::ExchangeKey};

use crate::{
    captured::{self, Captured},
    connections::Gap,
    offsets::{Claims, Offsets, Place},
};

/// After a connection ended without an answer, the source may go on for so long with what it was sent.
pub(crate) const GRACE: Nanos = 5_000_000_000;

/// What an exchange costs in memory beside its bytes: heads taken apart, its meaning, its place in the order.
pub(crate) const OVERHEAD: usize = 2048;

/// What became known of a connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first byte of a request.
    Began { key: ExchangeKey, at: Nanos },
    /// A request is complete that deletes indices if it succeeds.
    Deletes { key: ExchangeKey, name: String, began: Nanos, scope: Scope },
    /// The exchange is over.
    Closed(Box<Captured>),
    /// What began is no request after all, or was left out by the proxy on purpose.
    Cancelled { key: ExchangeKey, claims: Claims, weight: usize },
    /// The rest of the connection has no boundaries: what it did is not known.
    Opaque { connection: Arc<str>, reason: Reason, at: Nanos, place: Place },
    /// Records of the connection never came; the one at `place` is the first behind them.
    Gap { gap: Gap, at: Nanos, place: Place },
}

/// The bytes of one connection, both directions.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Arc<str>,
    requests: RequestAssembler,
    responses: ResponseAssembler,
    body_limit: usize,
    state: State,
    /// Requests without a complete answer, oldest first. Only the last may be incomplete.
    open: VecDeque<Box<Open>>,
    /// The answer to the next request may be another's.
    distrusts: bool,
    /// Records before the first were lost.
    behind_gap: bool,
    /// A request came before the one before it had its answer.
    pipelines: bool,
    next_number: u64,
    /// Bytes that came after a request which may be answered 101.
    held: Vec<(Nanos, Bytes, Place)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// We came in the middle of a request: its rest is passed over, up to the next sign of its end.
    InsideUnknown,
    Live,
    Opaque,
}

#[derive(Debug)]
struct Open {
    key: ExchangeKey,
    number: u64,
    began: Nanos,
    last: Nanos,
    request: Option<RequestMessage>,
    answer_began: Option<Nanos>,
    answered: Option<(Nanos, ResponseMessage)>,
    /// The answer may be another's: it is read, and proves nothing.
    distrusted: bool,
    claims: Claims,
    weight: usize,
}

/// Where in a connection its first record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Between two requests.
    Between,
    /// In the midst of one.
    Inside,
    /// Between two requests, but records before were lost: the next answer may be that of a lost request.
    BehindGap,
}

/// What a stream needs from outside.
pub(crate) struct Outside<'a> {
    pub(crate) offsets: &'a Offsets,
    /// Gives each exchange its key.
    pub(crate) next_key: &'a mut u64,
    pub(crate) events: &'a mut Vec<Event>,
    /// Bytes that exchanges have taken; each comes back as part of an exchange's weight.
    pub(crate) taken: &'a mut u64,
}

impl Outside<'_> {
    fn key(&mut self) -> ExchangeKey {
        *self.next_key += 1;
        ExchangeKey(*self.next_key)
    }
}

impl Stream {
    /// A stream that begins with a record before which `prior_requests` requests had ended.
    pub(crate) fn new(
        connection: Arc<str>,
        prior_requests: u64,
        start: Start,
        body_limit: usize,
    ) -> Self {
        let inside = start == Start::Inside;
        Self {
            connection,
            requests: RequestAssembler::new(DEFAULT_HEAD_LIMIT, body_limit),
            responses: ResponseAssembler::new(DEFAULT_HEAD_LIMIT, body_limit),
            body_limit,
            state: if inside { State::InsideUnknown } else { State::Live },
            open: VecDeque::new(),
            distrusts: start == Start::BehindGap,
            behind_gap: false,
            pipelines: false,
            next_number: prior_requests.saturating_add(u64::from(inside)),
            held: Vec::new(),
        }
    }

    /// Records were lost before the first. Who sends requests one by one has had the answers to all that are lost; of a client
    /// that `pipelines` nobody knows how many are still to come, so none is taken for the answer to anything.
    pub(crate) fn is_behind_gap(&mut self, pipelines: bool) {
        self.behind_gap = true;
        self.pipelines = pipelines;
    }

    /// Whether a request came before the one before it had its answer.
    pub(crate) fn pipelines(&self) -> bool {
        self.pipelines
    }

    /// Whether nothing is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Bytes of requests.
    pub(crate) fn read(
        &mut self,
        at: Nanos,
        bytes: Bytes,
        place: Place,
        outside: &mut Outside<'_>,
    ) {
        if self.state != State::Live || bytes.is_empty() {
            return;
        }
        let undecided =
            self.open.back().and_then(|o| o.request.as_ref()).is_some_and(|r| r.upgrade);
        if undecided {
            if let Some(open) = self.open.back_mut() {
                outside.offsets.claim(&mut open.claims, place);
            }
            self.held.push((at, bytes, place));
            return;
        }
        self.frame_requests(at, bytes, place, outside);
    }

    fn frame_requests(
        &mut self,
        at: Nanos,
        mut bytes: Bytes,
        place: Place,
        outside: &mut Outside<'_>,
    ) {
        while !bytes.is_empty() {
            let before = bytes.len();
            if self.open.back().is_none_or(|open| open.request.is_some()) {
                self.begin(at, place, outside);
            }
            let found = self.requests.next(&mut bytes);
            let Some(open) = self.open.back_mut() else { return };
            outside.offsets.claim(&mut open.claims, place);
            open.take(before - bytes.len(), outside);
            open.last = at;
            match found {
                None => return,
                Some(Assembled::Opaque(reason)) => {
                    return self.turn_opaque(reason, at, place, outside);
                }
                Some(Assembled::Message(request)) => {
                    let upgrade = request.upgrade;
                    if let Some(scope) = unsettles(&request) {
                        let (key, began) = (open.key, open.began);
                        let name = captured::name(&self.connection, open.number);
                        outside.events.push(Event::Deletes { key, name, began, scope });
                    }
                    open.request = Some(request);
                    self.close_answered(outside);
                    if upgrade && !bytes.is_empty() {
                        self.held.push((at, bytes, place));
                        return;
                    }
                }
            }
        }
    }

    fn begin(&mut self, at: Nanos, place: Place, outside: &mut Outside<'_>) {
        let key = outside.key();
        let mut claims = Claims::default();
        self.pipelines |= self.open.iter().any(|open| open.answered.is_none());
        if self.behind_gap && self.pipelines {
            self.open.iter_mut().for_each(|open| open.distrusted = true);
            self.distrusts = true;
        }
        // Behind a request that has no answer yet: whoever reads this one again must read that one too,
        // or would take its answer for this one's.
        if let Some(anchor) = self.open.front().and_then(|oldest| oldest.claims.first()) {
            outside.offsets.claim(&mut claims, anchor);
        }
        outside.offsets.claim(&mut claims, place);
        self.open.push_back(Box::new(Open {
            key,
            number: self.next_number,
            began: at,
            last: at,
            request: None,
            answer_began: None,
            answered: None,
            distrusted: std::mem::take(&mut self.distrusts),
            claims,
            weight: 0,
        }));
        self.next_number += 1;
        if let Some(open) = self.open.back_mut() {
            open.take(OVERHEAD, outside);
        }
        outside.events.push(Event::Began { key, at });
    }

    /// Bytes of answers.
    pub(crate) fn write(
        &mut self,
        at: Nanos,
        mut bytes: Bytes,
        place: Place,
        outside: &mut Outside<'_>,
    ) {
        if self.state == State::InsideUnknown {
            // The request is answered, so it has ended: the next byte read begins another.
            self.state = State::Live;
        }
        if self.state != State::Live {
            return;
        }
        if self.open.is_empty() {
            // The lost request's own.
            self.distrusts = false;
        }
        while !bytes.is_empty() {
            let before = bytes.len();
            // An answer to a request that we haven't seen is passed over.
            let Some(index) = self.open.iter().position(|open| open.answered.is_none()) else {
                return;
            };
            let Some(open) = self.open.get_mut(index) else { return };
            let method = open.request.as_ref().map_or(Method::Other, |request| request.method);
            let was_idle = self.responses.is_idle();
            let found = self.responses.next(&mut bytes, method);
            outside.offsets.claim(&mut open.claims, place);
            open.take(before - bytes.len(), outside);
            if was_idle {
                open.answer_began = Some(at);
            }
            match found {
                None => return,
                Some(Assembled::Opaque(reason)) => {
                    return self.turn_opaque(reason, at, place, outside);
                }
                Some(Assembled::Message(response)) if response.interim => open.answer_began = None,
                Some(Assembled::Message(response)) => {
                    let upgraded = response.status == 101;
                    open.answered = Some((at, response));
                    self.close_answered(outside);
                    if upgraded {
                        return self.turn_opaque(Reason::Upgraded, at, place, outside);
                    }
                    for (at, bytes, place) in std::mem::take(&mut self.held) {
                        self.read(at, bytes, place, outside);
                    }
                }
            }
        }
    }

    /// Gives what is open, with its weight, and forgets it.
    pub(crate) fn forget(&mut self) -> Vec<(ExchangeKey, usize)> {
        self.open.drain(..).map(|open| (open.key, open.weight)).collect()
    }

    /// The proxy marks the end of a request.
    pub(crate) fn end_of_message(&mut self) {
        if self.state == State::InsideUnknown {
            self.state = State::Live;
        }
    }

    /// The proxy left the rest of the last request out on purpose.
    pub(crate) fn dropped(&mut self, outside: &mut Outside<'_>) {
        let Some(open) = self.open.pop_back() else { return };
        outside.events.push(Event::Cancelled {
            key: open.key,
            claims: open.claims,
            weight: open.weight,
        });
        self.reset();
        for (at, bytes, place) in std::mem::take(&mut self.held) {
            self.read(at, bytes, place, outside);
        }
    }

    /// No more bytes come at or after `at`: what is open is over.
    pub(crate) fn close(&mut self, at: Nanos, outside: &mut Outside<'_>) {
        for (at, bytes, place) in std::mem::take(&mut self.held) {
            self.frame_requests(at, bytes, place, outside);
        }
        if let Finished::Message(response) = self.responses.finish()
            && response.complete
            && let Some(open) = self.open.iter_mut().find(|open| open.answered.is_none())
        {
            open.answered = Some((at, response));
        }
        if let Some(open) = self.open.back_mut().filter(|open| open.request.is_none()) {
            match self.requests.finish() {
                Finished::Message(request) => open.request = Some(request),
                Finished::PartialHead | Finished::Nothing => {}
            }
        }
        self.close_answered(outside);
        for open in std::mem::take(&mut self.open) {
            outside.events.push(open.over(&self.connection, at.saturating_add(GRACE)));
        }
        self.reset();
    }

    fn close_answered(&mut self, outside: &mut Outside<'_>) {
        while let Some(open) = self.open.pop_front() {
            if open.request.is_none() || open.answered.is_none() {
                self.open.push_front(open);
                return;
            }
            outside.events.push(open.over(&self.connection, 0));
        }
    }

    fn turn_opaque(&mut self, reason: Reason, at: Nanos, place: Place, outside: &mut Outside<'_>) {
        let last = self.open.back().map_or(0, |open| open.last);
        self.close(last, outside);
        self.state = State::Opaque;
        let connection = Arc::clone(&self.connection);
        outside.events.push(Event::Opaque { connection, reason, at, place });
    }

    /// Fresh assemblers: what came before has nothing to do with what comes now.
    fn reset(&mut self) {
        self.requests = RequestAssembler::new(DEFAULT_HEAD_LIMIT, self.body_limit);
        if self.open.is_empty() {
            self.responses = ResponseAssembler::new(DEFAULT_HEAD_LIMIT, self.body_limit);
        }
    }
}

/// The indices whose writes a request puts in doubt where they overlap. Only a few shapes can.
fn unsettles(request: &RequestMessage) -> Option<Scope> {
    let names = |part: &[u8]| request.target.windows(part.len()).any(|window| window == part);
    let creates =
        request.method == Method::Put && !request.target.iter().skip(1).any(|byte| *byte == b'/');
    let may = request.method == Method::Delete
        || creates
        || [&b"_aliases"[..], b"_settings", b"_template"].iter().any(|part| names(part));
    if !may {
        return None;
    }
    let encoded = request.headers.get("content-encoding").is_some();
    converge::unsettles(&Exchange {
        method: converge::Method::parse(&request.method_bytes),
        target: request.target.clone(),
        headers: Vec::new(),
        body: request.body.to_bytes(),
        body_state: if encoded { BodyState::Unreadable } else { BodyState::Whole },
        answer: None,
    })
}

impl Open {
    fn take(&mut self, bytes: usize, outside: &mut Outside<'_>) {
        self.weight += bytes;
        *outside.taken += bytes as u64;
    }

    /// `end`: when it ended if it has no answer.
    fn over(self, connection: &Arc<str>, end: Nanos) -> Event {
        let Some(request) = self.request else {
            let Self { key, claims, weight, .. } = self;
            return Event::Cancelled { key, claims, weight };
        };
        let (ended, response) = match self.answered {
            Some((at, _)) if self.distrusted => (at, None),
            Some((at, response)) => (at, Some(response)),
            None => (end, None),
        };
        Event::Closed(Box::new(Captured {
            key: self.key,
            connection: Arc::clone(connection),
            number: self.number,
            request,
            answer_began: self.answer_began.filter(|_| response.is_some()),
            response,
            began: self.began,
            sent: self.last,
            ended,
            claims: self.claims,
            awaited: false,
            late: false,
            weight: self.weight,
        }))
    }
}

#[cfg(test)]
mod tests;
