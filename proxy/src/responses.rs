//! The way of answers: read, send on, frame, record.
//!
//! Answers go to the client as they come. With `--hold exchange` the read that ends the answer to a
//! write waits for its record. Of an answer that ends with the connection each byte may be the last: it goes on
//! less its last byte, which waits with the end until all records are durable. Without framing each read waits.

use std::io;

use buffer::{ReadSize, Slab};
use codec::http1::{Eof, Event, Framing, Method, Reason, ResponseFramer};
use codec::record::{Direction, Nanos};
use codec::redact::{Secret, Secrets, behind, shifted};
use journal::Urgency;
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::bodies::Bodies;
use crate::connection::Connection;
use crate::last_answer::{self, CLOSE};
use crate::opaque_search::OpaqueSearch;
use crate::pass::{LEAST_READ, Memory, Passing, SMALL, read, send, send_both, send_parts};
use crate::unfinished::Unfinished;
use crate::{Durability, Hold, WhenFull};

/// The answer direction of a connection.
pub(crate) struct ResponseSide {
    framer: ResponseFramer,
    /// Whether answers to writes wait for their records.
    holds: bool,
    /// Of the answer in progress, if it is to wait and ends with the connection: its bytes so far.
    until_close: Option<u64>,
    in_body: bool,
    /// Whether the answer in progress is recorded.
    recorded: bool,
    /// Where the last read is to say that the connection ends with it.
    close_at: Option<usize>,
    /// When the last read came, and whether an answer ends in it.
    at: Nanos,
    ended: bool,
    /// Sent on, not recorded yet.
    unfinished: Unfinished,
    bodies: Bodies,
    search: OpaqueSearch,
}

/// A part of one read, from the one before it on.
struct Stretch {
    to: usize,
    recorded: bool,
}

type Stretches = SmallVec<[Stretch; 2]>;

/// What follows the last stretch, up to `to`, is recorded or not.
fn stretch(stretches: &mut Stretches, to: usize, recorded: bool) {
    match stretches.last_mut() {
        Some(last) if last.to == to => {}
        Some(last) if last.recorded == recorded => last.to = to,
        None if to == 0 => {}
        _ => stretches.push(Stretch { to, recorded }),
    }
}

/// What one read of the source comes to.
struct Taken {
    data: Passing,
    /// The record that has to be durable first; 0 when none has.
    after: u64,
}

/// Forwards answers until the source closes, or the client is gone and nothing is awaited.
pub(crate) async fn forward(
    connection: &Connection<'_>,
    source: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let settings = connection.settings;
    let mut size = ReadSize::between(LEAST_READ, settings.read_size);
    let holds = settings.hold == Hold::Exchange && settings.durability == Durability::Journal;
    let mut side = ResponseSide::new(settings.head_limit, holds);
    let memory = Memory::Goes(connection.budget);
    let mut client_is_there = true;
    let mut passage = connection.metrics.flows.answers.passage();
    // The last byte of an answer that ends with the connection.
    let mut last = None;
    let mut broke = None;
    loop {
        if connection.tape.has_backlog() {
            connection.tape.drained(settings.journal_patience).await;
        }
        let slab = match read(source, &mut size, memory).await {
            Ok(Some(slab)) => slab,
            Ok(None) => break,
            Err(error) => {
                broke = Some(error);
                break;
            }
        };
        passage.read(slab.len());
        connection.sends(true);
        let taken = side.take(slab, connection);
        connection.answering(!side.is_idle());
        let length = taken.data.bytes().len() as u64;
        wait_for_journal(connection, taken.after, length).await?;
        if side.ended && connection.tape.records() {
            connection.metrics.flows.answers.goes_on(side.at, taken.after > 0);
        }
        if client_is_there {
            let (mut data, before) = (taken.data.bytes(), last.take());
            if side.until_close.is_some()
                && let Some((kept, rest)) = data.split_last()
            {
                (last, data) = (Some(*kept), rest);
                connection.looks_whole(true);
            }
            let sent = match side.close_at {
                None => send_both(client, before.as_slice(), data).await,
                Some(at) => send_parts(client, [&data[..at], CLOSE, &data[at..]]).await,
            };
            match sent {
                Ok(()) => passage.sent(before.as_slice().len() + data.len()),
                Err(_) => client_is_there = false,
            }
        }
        connection.sends(false);
        taken.data.passed();
        if !client_is_there && !connection.awaits_answers() {
            return Ok(());
        }
    }
    connection.sends(true);
    side.finish(connection);
    if let Some(length) = side.until_close {
        wait_for_journal(connection, connection.tape.last(), length).await?;
    }
    if client_is_there && let Some(last) = last {
        send(client, &[last]).await?;
        passage.sent(1);
    }
    connection.looks_whole(false);
    if let Some(error) = broke {
        connection.sends(false);
        return Err(error);
    }
    if client_is_there {
        client.shutdown().await?;
    }
    connection.sends(false);
    Ok(())
}

/// Waits until record `after` is durable, if any is to be waited for; `length` bytes go on then, or, as asked for, without
/// a record.
async fn wait_for_journal(connection: &Connection<'_>, after: u64, length: u64) -> io::Result<()> {
    if after == 0 {
        return Ok(());
    }
    let (settings, tape) = (connection.settings, connection.tape);
    if tape.has_backlog() {
        // Nobody else sees to it: the client sends nothing until it has this answer.
        tape.drained(settings.journal_patience).await;
    }
    match (tape.lane().durable().reached(after).await, settings.when_full) {
        (Ok(()), _) => Ok(()),
        // The answer can't be vouched for: the client sees a connection that broke.
        (Err(_), WhenFull::Reject) => {
            connection.looks_whole(true);
            Err(io::Error::other("the answer did not reach the journal"))
        }
        (Err(_), WhenFull::Forward) => {
            connection.metrics.uncaptured.inc_by(length);
            Ok(())
        }
    }
}

impl ResponseSide {
    fn new(head_limit: usize, holds: bool) -> ResponseSide {
        let framer = ResponseFramer::new(head_limit);
        ResponseSide {
            framer,
            holds,
            until_close: None,
            in_body: false,
            recorded: true,
            close_at: None,
            at: 0,
            ended: false,
            unfinished: Unfinished::new(Direction::Write),
            bodies: Bodies::default(),
            search: OpaqueSearch::default(),
        }
    }

    /// Whether no answer is in progress, as far as is known.
    fn is_idle(&self) -> bool {
        !self.in_body && self.unfinished.is_empty() && self.framer.opaque().is_none()
    }

    fn take(&mut self, slab: Slab, connection: &Connection<'_>) -> Taken {
        let at = connection.tape.time();
        (self.close_at, self.at, self.ended) = (None, at, false);
        let mut secrets = Secrets::new();
        let before = self.unfinished.len();
        let tape = connection.tape;
        let (stretches, waits) = self.frame(slab.data(), before, connection, &mut secrets);
        let urgency = if self.holds && waits { Urgency::Held } else { Urgency::Follows };
        if let Some(length) = &mut self.until_close {
            *length += slab.len() as u64;
        }
        let waits = |number| if urgency == Urgency::Held { number } else { 0 };
        if self.unfinished.is_empty()
            && let [Stretch { to, recorded }] = stretches[..]
            && to == slab.len()
        {
            if !recorded {
                return Taken { data: Passing::Slab(slab), after: 0 };
            }
            if slab.len() <= SMALL {
                let (data, direction) = (slab.data(), Direction::Write);
                let number = tape.copy(data, &secrets, direction, at, None, urgency);
                return Taken { data: Passing::Slab(slab), after: waits(number) };
            }
            if secrets.is_empty() {
                let (data, number) = tape.seal(slab, &[], Direction::Write, at, None, urgency);
                return Taken { data: Passing::Shared(data), after: waits(number) };
            }
        }
        let data = slab.into_data();
        match stretches.first() {
            Some(Stretch { recorded: true, .. }) => self.record_unfinished(connection, &secrets),
            Some(Stretch { recorded: false, .. }) => self.unfinished.pass(tape, drop),
            None => {}
        }
        let (mut start, mut number) = (0, 0);
        for Stretch { to, recorded } in stretches {
            if recorded {
                let covered = shifted(&secrets, before + start);
                let piece = &data[start..to];
                number = tape.copy(piece, &covered, Direction::Write, at, None, urgency);
            }
            start = to;
        }
        if start < data.len() {
            self.unfinished.keep_back(data.slice(start..), at, tape);
        }
        Taken { data: Passing::Shared(data), after: waits(number) }
    }

    /// Follows the framing of one read. Returns its stretches, up to an incomplete head at its end, and whether it is one that
    /// waits: the answer to a write ends in it, or may do so.
    fn frame(
        &mut self,
        data: &[u8],
        before: usize,
        connection: &Connection<'_>,
        secrets: &mut Secrets,
    ) -> (Stretches, bool) {
        let redaction = &connection.settings.redaction;
        let records = connection.tape.records();
        let (mut position, mut waits) = (0, false);
        let mut stretches = Stretches::new();
        if connection.opaque().is_some() {
            self.framer.make_opaque(Reason::OtherDirection);
        }
        while self.framer.opaque().is_none() {
            let awaited = connection.awaited();
            let method = awaited.map_or(Method::Other, |request| request.method);
            let (rest, at) = (&data[position..], before + position);
            let bodies = &mut self.bodies;
            let (step, event) = self.framer.advance_into(rest, method, &mut |part| {
                bodies.next(redaction, (rest, part), at, secrets);
            });
            position += step;
            match event {
                Some(Event::Head(head)) => {
                    if records && redaction.looks_into(head.may_hold_secrets) {
                        let from = (before + position).saturating_sub(head.bytes.len());
                        secrets.extend(behind(redaction.in_head(head.bytes), from));
                    }
                    self.in_body = !head.interim;
                    if connection.ends_with_this_answer() {
                        self.close_at = last_answer::place(&head, position);
                        if self.close_at.is_some() {
                            connection.told_last();
                        }
                    }
                    if head.upgrade {
                        let is_http2 = head.begins_http2();
                        if is_http2 {
                            connection.speaks_http2();
                        }
                        let reason = if is_http2 { Reason::Http2Upgrade } else { Reason::Upgraded };
                        connection.turned_opaque(reason);
                        self.recorded = records;
                        stretch(&mut stretches, position, records);
                        break;
                    }
                    if !head.interim {
                        connection.stays();
                        let waits = self.holds && awaited.is_some_and(|request| request.held);
                        let is_open = head.framing == Framing::UntilClose;
                        self.until_close = (waits && is_open).then_some(0);
                    }
                    self.recorded = awaited.is_none_or(|request| request.recorded);
                    self.bodies.begin(redaction, head.bytes, self.recorded && !head.interim);
                    stretch(&mut stretches, position, self.recorded);
                }
                Some(Event::End) => {
                    self.in_body = false;
                    // Of what is left out they may have gone on in earlier reads.
                    let trailers = if self.recorded { self.framer.trailers() } else { &[] };
                    self.bodies.end_with(redaction, trailers, before + position, secrets);
                    self.ended = true;
                    stretch(&mut stretches, position, self.recorded);
                    waits |= connection.answered();
                }
                Some(Event::Opaque(reason)) => {
                    connection.turned_opaque(reason);
                    break;
                }
                None => break,
            }
        }
        if self.framer.opaque().is_some() {
            self.bodies.end(secrets);
            let start = stretches.last().map_or(0, |stretch| stretch.to);
            if records {
                if connection.is_http2() {
                    self.search.expect_http2();
                }
                let found = self.search.find(redaction, &self.unfinished, (before, data), start);
                secrets.extend(found);
            }
            waits |= records;
            stretch(&mut stretches, data.len(), records);
        } else if self.in_body {
            let start = stretches.last().map_or(0, |stretch| stretch.to);
            let trailers = if self.recorded { self.framer.open_trailers() } else { 0 };
            let to = self.bodies.reach(before, data.len(), trailers).max(start);
            stretch(&mut stretches, to, self.recorded);
            if !stretches.is_empty() {
                self.bodies.recorded_to(before + to);
            }
        }
        (stretches, waits)
    }

    /// The source has closed.
    fn finish(&mut self, connection: &Connection<'_>) {
        let secrets = self.bodies.give_up(&connection.settings.redaction, &self.unfinished);
        self.record_unfinished(connection, &secrets);
        if self.framer.finish() == Eof::End {
            connection.answered();
        }
    }

    fn record_unfinished(&mut self, connection: &Connection<'_>, secrets: &[Secret]) {
        let urgency = Urgency::Follows;
        self.unfinished.record(connection.tape, secrets, urgency, |_, _| {});
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::connection::Outstanding;
    use crate::rig::Rig;

    /// Two records for one read, and room for one of them: the client sends nothing until it has the answer, so that the way of
    /// requests doesn't look after the other.
    #[tokio::test]
    async fn an_answer_whose_record_had_no_room_goes_on_when_there_is_some() {
        let rig = Rig::new(|settings| {
            settings.hold = Hold::Exchange;
            settings.append.queue_bytes = 1;
        });
        let connection = rig.connection();
        connection.begun(Outstanding {
            method: Method::Put,
            held: true,
            recorded: true,
            since: 1,
            expects: false,
            upgrade: false,
            ended: true,
        });
        let (mut source, mut from_source) = tokio::io::duplex(1 << 10);
        let (mut to_client, mut client) = tokio::io::duplex(1 << 10);
        let script = async {
            // The head is recorded when it is whole, in the two parts that it came in.
            for part in [&b"HTTP/1.1 200 OK\r\ncontent-"[..], b"length: 0\r\n\r\n"] {
                source.write_all(part).await.unwrap();
                let mut came = vec![0; part.len()];
                client.read_exact(&mut came).await.unwrap();
                assert_eq!(came, part);
            }
            drop(source);
        };
        let both =
            async { tokio::join!(forward(&connection, &mut from_source, &mut to_client), script) };
        let (forwarded, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        forwarded.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(rig.answers().await, answer);
    }
}
