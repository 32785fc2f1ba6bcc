//! The way of answers: read, send on, frame, record.
//!
//! Answers go to the client as they come. With `--hold exchange` the read that ends the answer to a
//! write waits for its record.

use std::io;

use buffer::{ReadSize, Slab};
use codec::http1::{Eof, Event, Method, Reason, ResponseFramer, secret_ranges};
use codec::record::Direction;
use journal::Urgency;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::connection::Connection;
use crate::opaque_search::OpaqueSearch;
use crate::partial_head::PartialHead;
use crate::pass::{LEAST_READ, Passing, SMALL, read, send};
use crate::tape::{Secrets, now, shifted};
use crate::{Durability, Hold, WhenFull};

/// The answer direction of a connection.
pub(crate) struct ResponseSide {
    framer: ResponseFramer,
    in_body: bool,
    /// Sent on, not recorded yet.
    partial: PartialHead,
    search: OpaqueSearch,
}

/// What one read of the source comes to.
struct Taken {
    data: Passing,
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
            if settings.when_full == WhenFull::Reject {
                // The answer can't be vouched for: the client sees a connection that broke.
                return Err(io::Error::other("the answer did not reach the journal"));
            }
            connection.metrics.uncaptured.inc_by(taken.data.bytes().len() as u64);
        }
        if client_is_there && send(client, taken.data.bytes()).await.is_err() {
            client_is_there = false;
        }
        taken.data.passed();
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
        ResponseSide {
            framer,
            in_body: false,
            partial: PartialHead::new(Direction::Write),
            search: OpaqueSearch::default(),
        }
    }

    /// Whether no answer is in progress, as far as is known.
    fn is_idle(&self) -> bool {
        !self.in_body && self.partial.is_empty() && self.framer.opaque().is_none()
    }

    fn take(&mut self, slab: Slab, connection: &Connection<'_>, holds: bool) -> Taken {
        let at = now();
        let mut secrets = Secrets::new();
        let before = self.partial.len();
        let tape = connection.tape;
        let (start, ends_write) = self.frame(slab.data(), before, connection, &mut secrets);
        let urgency = if holds && ends_write { Urgency::Held } else { Urgency::Follows };
        let waits = |number| if urgency == Urgency::Held { number } else { 0 };
        if self.partial.is_empty() && start == slab.len() {
            if slab.len() <= SMALL {
                let (data, direction) = (slab.data(), Direction::Write);
                let number = tape.copy(data, &secrets, direction, at, None, urgency);
                return Taken { data: Passing::Slab(slab), ends_write: waits(number) };
            }
            if secrets.is_empty() {
                let (data, number) = tape.seal(slab, &[], Direction::Write, at, None, urgency);
                return Taken { data: Passing::Shared(data), ends_write: waits(number) };
            }
        }
        let data = slab.into_data();
        let mut number = 0;
        if start > 0 {
            self.record_partial(connection, &secrets);
            let blanks = shifted(&secrets, before);
            number = tape.copy(&data[..start], &blanks, Direction::Write, at, None, urgency);
        }
        if start < data.len() {
            self.partial.keep_back(data.slice(start..), at, tape);
        }
        let data = Passing::Shared(data);
        Taken { data, ends_write: if number > 0 { waits(number) } else { 0 } }
    }

    /// Follows the framing of one read. Returns where an incomplete head at its end begins (its
    /// length when there is none), and whether the answer to a write ends in it.
    fn frame(
        &mut self,
        data: &[u8],
        before: usize,
        connection: &Connection<'_>,
        secrets: &mut Secrets,
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
                    if head.may_hold_secrets {
                        let from = (before + position).saturating_sub(head.bytes.len());
                        let found = secret_ranges(head.bytes);
                        secrets.extend(found.into_iter().map(|r| from + r.start..from + r.end));
                    }
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
        if self.framer.opaque().is_some() {
            secrets.extend(self.search.find(&self.partial, before, data, start));
            start = data.len();
        } else if self.in_body {
            start = data.len();
        }
        (start, ends_write)
    }

    /// The source has closed.
    fn finish(&mut self, connection: &Connection<'_>) {
        let secrets = self.partial.secrets();
        self.record_partial(connection, &secrets);
        if self.framer.finish() == Eof::End {
            connection.answered();
        }
    }

    fn record_partial(&mut self, connection: &Connection<'_>, secrets: &Secrets) {
        let urgency = Urgency::Follows;
        self.partial.record(connection.tape, secrets, urgency, |_, _| {});
    }
}
