//! Requests with their answers, out of the records of the journal.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use codec::http1::{
    Assembled, DEFAULT_HEAD_LIMIT, Finished, Method, RequestAssembler, RequestMessage,
    ResponseAssembler, ResponseMessage,
};
use codec::record::{Kind, Nanos, Record};
use converge::Exchange;
use traffic_replayer::exchange_of;

/// Longest body that is looked into.
const BODY_LIMIT: usize = 256 << 20;

/// An exchange, and when it was.
#[derive(Debug)]
pub struct Seen {
    /// The first byte of the request.
    pub began: Nanos,
    /// The last byte of the answer; `None`: there was none.
    pub ended: Option<Nanos>,
    pub exchange: Exchange,
}

/// What can't be told of a connection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Unknown {
    /// Connections, or rests of them, without boundaries.
    pub opaque: u64,
}

/// Rebuilds exchanges, connection by connection.
#[derive(Debug, Default)]
pub struct Rebuilder {
    connections: HashMap<String, Connection>,
    pub unknown: Unknown,
}

#[derive(Debug)]
struct Connection {
    requests: RequestAssembler,
    responses: ResponseAssembler,
    open: VecDeque<Open>,
    began: Option<Nanos>,
    opaque: bool,
}

#[derive(Debug)]
struct Open {
    began: Nanos,
    request: RequestMessage,
}

impl Default for Connection {
    fn default() -> Connection {
        Connection {
            requests: RequestAssembler::new(DEFAULT_HEAD_LIMIT, BODY_LIMIT),
            responses: ResponseAssembler::new(DEFAULT_HEAD_LIMIT, BODY_LIMIT),
            open: VecDeque::new(),
            began: None,
            opaque: false,
        }
    }
}

impl Rebuilder {
    /// Takes a connection's next record; `seen` is told of each exchange that it ends.
    pub fn take(&mut self, record: Record, mut seen: impl FnMut(Seen)) {
        let connection = self.connections.entry(record.connection.clone()).or_default();
        for observation in record.observations {
            if connection.opaque {
                break;
            }
            let sound = match observation.kind {
                Kind::Read(bytes) | Kind::ReadSegment(bytes) => {
                    connection.read(observation.at, bytes)
                }
                Kind::Write(bytes) | Kind::WriteSegment(bytes) => {
                    connection.write(observation.at, bytes, &mut seen)
                }
                _ => true,
            };
            if !sound {
                connection.opaque = true;
                self.unknown.opaque += 1;
            }
        }
        if record.last
            && let Some(connection) = self.connections.remove(&record.connection)
        {
            connection.close(&mut seen);
        }
    }

    /// Records of a connection are missing: nothing after them can be understood.
    pub fn lose(&mut self, connection: &str) {
        let connection = self.connections.entry(connection.to_owned()).or_default();
        if !connection.opaque {
            connection.opaque = true;
            self.unknown.opaque += 1;
        }
    }

    /// No more records come: what is open has no answer.
    pub fn finish(mut self, mut seen: impl FnMut(Seen)) -> Unknown {
        for (_, connection) in self.connections.drain() {
            connection.close(&mut seen);
        }
        self.unknown
    }
}

impl Connection {
    /// `false`: there are no boundaries any more.
    fn read(&mut self, at: Nanos, mut bytes: Bytes) -> bool {
        while !bytes.is_empty() {
            let began = *self.began.get_or_insert(at);
            match self.requests.next(&mut bytes) {
                None => return true,
                Some(Assembled::Opaque(_)) => return false,
                Some(Assembled::Message(request)) => {
                    self.began = None;
                    self.open.push_back(Open { began, request });
                }
            }
        }
        true
    }

    fn write(&mut self, at: Nanos, mut bytes: Bytes, seen: &mut impl FnMut(Seen)) -> bool {
        while !bytes.is_empty() {
            let method = self.open.front().map_or(Method::Other, |open| open.request.method);
            match self.responses.next(&mut bytes, method) {
                None => return true,
                Some(Assembled::Opaque(_)) => return false,
                Some(Assembled::Message(response)) if response.interim => {}
                Some(Assembled::Message(response)) => {
                    let upgraded = response.status == 101;
                    match self.open.pop_front() {
                        Some(open) => seen(open.over(Some((at, response)))),
                        // Answered before its last byte: refused, and the connection is closed after that.
                        None => return false,
                    }
                    if upgraded {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn close(mut self, seen: &mut impl FnMut(Seen)) {
        if let Some(began) = self.began
            && let Finished::Message(request) = self.requests.finish()
        {
            self.open.push_back(Open { began, request });
        }
        for open in self.open {
            seen(open.over(None));
        }
    }
}

impl Open {
    fn over(self, answer: Option<(Nanos, ResponseMessage)>) -> Seen {
        let Open { began, request } = self;
        let (ended, response) = answer.unzip();
        let exchange = exchange_of(&request, response.as_ref(), BODY_LIMIT);
        Seen { began, ended, exchange }
    }
}
