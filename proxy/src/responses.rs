//! The way of answers: read, send on, frame, record.
//!
//! Answers go to the client as they come. With `--hold exchange` the read that ends the answer to a
//! write waits for its record.

use std::io;

use buffer::{ReadSize, Slab};
use bytes::Bytes;
use codec::http1::{Eof, Event, Method, Reason, ResponseFramer, secret_ranges};
use codec::record::{Direction, Nanos};
use journal::Urgency;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::connection::Connection;
use crate::pass::{LEAST_READ, read, send};
use crate::tape::{now, shifted};
use crate::{Durability, Hold};

/// The answer direction of a connection.
pub(crate) struct ResponseSide {
    framer: ResponseFramer,
    in_body: bool,
    /// The beginning of a head whose end has not come: sent on, not recorded yet.
    partial: Vec<(Bytes, Nanos)>,
}

/// What one read of the source comes to.
struct Taken {
    data: Bytes,
    /// The record that ends the answer to a write; 0 when none does.
    ends_write: u64,
}

/// Forwards answers until the source closes, or the client is gone and nothing is awaited.
pub(crate) async fn forward(
    connection: &Connection<'_>,
    source: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let settings = connection.settings;
    let mut size = ReadSize::between(LEAST_READ, settings.read_size);
    let mut side = ResponseSide::new(settings.head_limit);
    let mut client_is_there = true;
    let holds = settings.hold == Hold::Exchange && settings.durability == Durability::Journal;
    loop {
        if connection.tape.has_backlog() {
            connection.tape.drained(settings.journal_patience).await;
        }
        let slab = match read(source, &mut size).await {
            Ok(Some(slab)) => slab,
            Ok(None) => break,
            Err(error) => {
                side.finish(connection);
                return Err(error);
            }
        };
        connection.metrics.response_bytes.inc_by(slab.len() as u64);
        let taken = side.take(slab, connection, holds);
        connection.answering(!side.is_idle());
        if taken.ends_write > 0
            && connection.tape.lane().durable().reached(taken.ends_write).await.is_err()
        {
            // The answer can't be vouched for: the client sees a connection that broke.
            return Err(io::Error::other("the answer did not reach the journal"));
        }
        if client_is_there && send(client, &taken.data).await.is_err() {
            client_is_there = false;
        }
        if !client_is_there && !connection.awaits_answers() {
            return Ok(());
        }
    }
    side.finish(connection);
    if client_is_there {
        client.shutdown().await?;
    }
    Ok(())
}

impl ResponseSide {
    fn new(head_limit: usize) -> ResponseSide {
        let framer = ResponseFramer::new(head_limit);
        ResponseSide { framer, in_body: false, partial: Vec::new() }
    }

    /// Whether no answer is in progress, as far as is known.
    fn is_idle(&self) -> bool {
        !self.in_body && self.partial.is_empty() && self.framer.opaque().is_none()
    }

    fn take(&mut self, slab: Slab, connection: &Connection<'_>, holds: bool) -> Taken {
        let at = now();
        let mut secrets: Vec<std::ops::Range<usize>> = Vec::new();
        let before = self.partial.iter().map(|(data, _)| data.len()).sum::<usize>();
        let (start, ends_write) = self.frame(slab.data(), before, connection, &mut secrets);
        let urgency = if holds && ends_write { Urgency::Held } else { Urgency::Follows };
        let waits = |number| if urgency == Urgency::Held { number } else { 0 };
        if self.partial.is_empty() && secrets.is_empty() && start == slab.len() {
            let (data, number) = connection.tape.seal(slab, Direction::Write, at, None, urgency);
            return Taken { data, ends_write: waits(number) };
        }
        let data = slab.into_data();
        let mut number = 0;
        if start > 0 {
            self.record_partial(connection, &secrets);
            let blanks = shifted(&secrets, before);
            let (tape, piece) = (connection.tape, &data[..start]);
            number = tape.copy(piece, &blanks, Direction::Write, at, None, urgency);
        }
        if start < data.len() {
            connection.tape.seat().keep_back(at);
            self.partial.push((data.slice(start..), at));
        }
        Taken { data, ends_write: if number > 0 { waits(number) } else { 0 } }
    }

    /// Follows the framing of one read. Returns where an incomplete head at its end begins (its
    /// length when there is none), and whether the answer to a write ends in it.
    fn frame(
        &mut self,
        data: &[u8],
        before: usize,
        connection: &Connection<'_>,
        secrets: &mut Vec<std::ops::Range<usize>>,
    ) -> (usize, bool) {
        let (mut position, mut start, mut ends_write) = (0, 0, false);
        if connection.opaque().is_some() {
            self.framer.make_opaque(Reason::OtherDirection);
        }
        while self.framer.opaque().is_none() {
            let method = connection.awaited().unwrap_or(Method::Other);
            let (step, event) = self.framer.advance(&data[position..], method);
            position += step;
            match event {
                Some(Event::Head(head)) => {
                    let from = (before + position).saturating_sub(head.bytes.len());
                    let found = secret_ranges(head.bytes);
                    secrets.extend(found.into_iter().map(|r| from + r.start..from + r.end));
                    self.in_body = !head.interim;
                    if head.upgrade {
                        connection.turned_opaque(Reason::Upgraded);
                        break;
                    }
                    if head.interim {
                        start = position;
                    } else {
                        connection.stays();
                    }
                }
                Some(Event::End) => {
                    self.in_body = false;
                    start = position;
                    ends_write |= connection.answered();
                }
                Some(Event::Opaque(reason)) => {
                    connection.turned_opaque(reason);
                    break;
                }
                None => break,
            }
        }
        if self.in_body || self.framer.opaque().is_some() {
            start = data.len();
        }
        (start, ends_write)
    }

    /// The source has closed.
    fn finish(&mut self, connection: &Connection<'_>) {
        let secrets = self.partial_secrets();
        self.record_partial(connection, &secrets);
        if self.framer.finish() == Eof::End {
            connection.answered();
        }
    }

    fn partial_secrets(&self) -> Vec<std::ops::Range<usize>> {
        let head: Vec<u8> =
            self.partial.iter().flat_map(|(data, _)| data.iter().copied()).collect();
        secret_ranges(&head).into_vec()
    }

    fn record_partial(&mut self, connection: &Connection<'_>, secrets: &[std::ops::Range<usize>]) {
        let mut start = 0;
        for (piece, at) in self.partial.drain(..) {
            let blanks = shifted(secrets, start);
            start += piece.len();
            let tape = connection.tape;
            tape.copy(&piece, &blanks, Direction::Write, at, None, Urgency::Follows);
        }
        if start > 0 {
            connection.tape.seat().release();
        }
    }
}
