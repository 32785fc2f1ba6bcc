//! Captured traffic as it is wished for: exchanges at given times, written to a journal as a proxy would have.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use codec::record::{Direction, EndOfMessage, Envelope, Heartbeat, close, heartbeat};
use journal::{AppendSettings, Appender, JournalUrl, Lane, Urgency};

/// The name of the proxy that never was.
const NODE: &str = "made";

/// A journal that is being filled.
#[derive(Debug)]
pub struct Traffic {
    appender: Appender,
    connections: HashMap<String, Connection>,
    newest: u64,
    beats: u64,
}

#[derive(Debug)]
struct Connection {
    lane: Lane,
    envelope: Envelope,
    number: u64,
    requests: u64,
}

impl Traffic {
    /// Begins a journal, `file:///FOLDER` or a topic that is there.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(url: &JournalUrl) -> anyhow::Result<Self> {
        let appender = Appender::open(url, &AppendSettings::default())?;
        Ok(Self { appender, connections: HashMap::new(), newest: 0, beats: 0 })
    }

    /// A whole exchange on `connection`; it began `at` (nanoseconds since 1970) and took so long.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub async fn exchange(
        &mut self,
        connection: &str,
        at: u64,
        took: Duration,
        request: &[u8],
        answer: &[u8],
    ) -> anyhow::Result<()> {
        self.half(connection, Direction::Read, at, request).await?;
        let answered = at + u64::try_from(took.as_nanos())?;
        self.half(connection, Direction::Write, answered, answer).await
    }

    /// A message in one direction.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub async fn half(
        &mut self,
        connection: &str,
        direction: Direction,
        at: u64,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        self.newest = self.newest.max(at);
        let appender = &self.appender;
        let made = self.connections.entry(connection.to_owned()).or_insert_with(|| Connection {
            lane: appender.lane(connection),
            envelope: Envelope::new(connection, NODE),
            number: 0,
            requests: 0,
        });
        made.number += 1;
        let ended = made.requests;
        let end = match direction {
            Direction::Read => {
                made.requests += 1;
                Some(EndOfMessage { at, first_line: 0, head: 0 })
            }
            Direction::Write => None,
        };
        let mut record = BytesMut::with_capacity(bytes.len() + 256);
        record.extend_from_slice(&made.envelope.prefix(ended, false, direction, at, bytes.len()));
        record.extend_from_slice(bytes);
        record.extend_from_slice(&Envelope::suffix(end, made.number, false));
        append(appender, &made.lane, made.number, record.freeze()).await
    }

    /// The proxy says that everything up to `at` is in the journal.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub async fn heartbeat(&mut self, at: u64) -> anyhow::Result<()> {
        self.beats += 1;
        let beat = Heartbeat { clock: at, oldest_unjournaled: at, ..Heartbeat::default() };
        let record = Bytes::copy_from_slice(&heartbeat(NODE, &beat));
        for partition in 0..self.appender.partitions() {
            let lane = self.appender.lane_in(partition, NODE);
            append(&self.appender, &lane, self.beats, record.clone()).await?;
        }
        Ok(())
    }

    /// Ends every connection, and the journal.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub async fn end(mut self) -> anyhow::Result<()> {
        for made in self.connections.values_mut() {
            made.number += 1;
            let record = close(&made.envelope, made.requests, false, self.newest, made.number);
            let record = Bytes::copy_from_slice(&record);
            append(&self.appender, &made.lane, made.number, record).await?;
        }
        self.leave()
    }

    /// Ends the journal and leaves the connections open.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub fn leave(self) -> anyhow::Result<()> {
        match self.appender.close(Duration::from_secs(60)) {
            0 => Ok(()),
            lost => bail!("{lost} records did not get into the journal"),
        }
    }
}

/// Waits for room.
async fn append(
    appender: &Appender,
    lane: &Lane,
    number: u64,
    record: Bytes,
) -> anyhow::Result<()> {
    let appended = appender.append_with_room(lane, number, record, Urgency::Follows);
    appended.await.context("made traffic")
}
