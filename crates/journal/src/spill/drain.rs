//! The thread of a spill: it watches Kafka, goes over to the spill, and drains it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Route, Shared, Why};
use crate::file::FileReader;
use crate::{Entry, Lane, ReadError, Stall, Urgency};

/// How often Kafka is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What is sent to Kafka before its acknowledgements are waited for.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_RECORDS: usize = 4096;
/// How long the last records of a spill may take while appends are given back.
const LAST: Duration = Duration::from_secs(1);
/// Before what Kafka refused, or the disk didn't give, is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a batch may take once the journal is to be closed, at most.
const CLOSING: Duration = Duration::from_secs(2);

/// What came of a batch.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    All,
    /// Kafka refused some of it.
    Refused,
    /// There was no answer in time.
    Waiting,
}

/// Watches and drains until the journal is closed.
pub(super) async fn tend(shared: &Shared, mut reader: FileReader) {
    loop {
        let route = *shared.route.read();
        let ended = match route {
            Route::Kafka => watch(shared).await,
            Route::Switching | Route::Spill => drain(shared, &mut reader).await,
        };
        if ended {
            return;
        }
    }
}

/// Until Kafka is to be left; `true`: the journal is closed, and Kafka has everything.
async fn watch(shared: &Shared) -> bool {
    let mut stall = Stall::new(&shared.kafka.progress(), Instant::now());
    loop {
        let _ = tokio::time::timeout(LOOK, shared.called.notified()).await;
        let progress = shared.kafka.progress();
        let age = stall.age(&progress, Instant::now());
        let is_done = progress.iter().all(|(taken, settled)| taken == settled);
        let why = match () {
            () if shared.kafka.has_kept() => Why::Refused,
            () if shared.is_closing() && is_done => return true,
            () if age > shared.settings.after || shared.is_late() => Why::Slow,
            () if shared.queue_is_full.swap(false, Ordering::AcqRel) => Why::Full,
            () => continue,
        };
        if shared.spill.is_failed() {
            tracing::error!("Kafka takes no records, and the spill's disk has failed");
            return shared.is_closing();
        }
        shared.switch(why);
        return false;
    }
}

/// Until the spill is empty and Kafka takes records again; `true`: the journal is closed.
async fn drain(shared: &Shared, reader: &mut FileReader) -> bool {
    loop {
        let (batch, at_end) = match read(shared, reader) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the spill can't be read");
                tokio::time::sleep(PAUSE).await;
                if shared.is_closing() {
                    return true;
                }
                continue;
            }
        };
        // What takes longer than closing may is the next start's to drain: it is durable where it is.
        let is_late = shared.is_late();
        if is_late && batch.is_empty() {
            return true;
        }
        if !batch.is_empty() && (is_late || !deliver(shared, &batch).await) {
            let bytes = shared.spill.size();
            tracing::warn!(
                bytes,
                "Kafka has not taken all that is in the spill: start the proxy again with the same --spill and --journal, and \
                 it will be drained"
            );
            return true;
        }
        done(shared, reader, batch.len() as u64);
        if at_end && finish(shared, reader).await {
            return false;
        }
        if at_end {
            // The disk takes its time: who waits for it shall not wait for this too, again and again.
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How long a batch may take now, once the journal is to be closed.
fn closing(shared: &Shared) -> Option<Duration> {
    let until = shared.closing.get()?;
    Some(until.saturating_duration_since(Instant::now()).min(CLOSING))
}

/// Until Kafka has all of it; `false`: the journal is to be closed before that.
async fn deliver(shared: &Shared, batch: &[Entry]) -> bool {
    for attempt in 0_u64.. {
        match send(shared, batch, closing(shared)).await {
            Sent::All => return true,
            Sent::Waiting => return false,
            Sent::Refused if attempt % 60 == 0 => tracing::error!(
                "Kafka refuses records of the spill: is the topic there, its max.message.bytes large enough, and writing \
                 allowed? They are tried again"
            ),
            Sent::Refused => {}
        }
        tokio::time::sleep(PAUSE).await;
        if shared.is_closing() {
            return false;
        }
        // A producer that has met what it can't go on from takes nothing ever again; a topic that was deleted is made
        // again. What was sent is still in the spill.
        let anew = shared.kafka.take_back().map(drop);
        if let Err(error) = anew.and_then(|()| shared.kafka.ensure_topic()) {
            tracing::warn!(error, "Kafka or the topic can't be had");
        }
    }
    false
}

/// From the spill to Kafka, once the rest of it is there. `false`: that takes too long, or the disk does.
async fn finish(shared: &Shared, reader: &mut FileReader) -> bool {
    *shared.route.write() = Route::Switching;
    let is_through = last_of(shared, reader).await;
    let route = if is_through { Route::Kafka } else { Route::Spill };
    *shared.route.write() = route;
    shared.opened.notify_waiters();
    if is_through {
        tracing::info!("the spill is drained: records go to Kafka again");
    }
    is_through
}

/// Sends what is left; nothing comes to it meanwhile.
async fn last_of(shared: &Shared, reader: &mut FileReader) -> bool {
    let until = Instant::now() + LAST;
    while shared.spill.waiting_bytes() > 0 {
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    loop {
        let position = reader.position();
        let Ok((batch, at_end)) = read(shared, reader) else { return false };
        let left = until.saturating_duration_since(Instant::now());
        if !batch.is_empty() && send(shared, &batch, Some(left)).await != Sent::All {
            reader.go_back(position);
            return false;
        }
        done(shared, reader, batch.len() as u64);
        if at_end {
            return true;
        }
    }
}

/// The next records of the spill, and whether they were the last that are there. What can't be read is passed over,
/// counted, and named.
fn read(shared: &Shared, reader: &mut FileReader) -> Result<(Vec<Entry>, bool), ReadError> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH_BYTES && batch.len() < BATCH_RECORDS {
        let Some(entry) = reader.try_next()? else { return Ok((batch, true)) };
        if entry.value.is_empty() {
            let reason = entry.record.err().map(|bad| bad.to_string());
            tracing::error!(reason, "a place of the spill can't be read: what was there is lost");
            shared.counts.unreadable.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        bytes += entry.value.len();
        batch.push(entry);
    }
    Ok((batch, false))
}

/// Sends records to Kafka and waits until each is there, for `patience` if any, and until the journal is closed.
async fn send(shared: &Shared, batch: &[Entry], patience: Option<Duration>) -> Sent {
    let mut lanes = Vec::with_capacity(batch.len());
    for entry in batch {
        let Some(lane) = Lane::out_of_spill(&entry.key) else { continue };
        if shared.kafka.append(&lane, 1, entry.value.clone(), Urgency::Follows).is_err() {
            return Sent::Refused;
        }
        lanes.push(lane);
    }
    let all = async {
        for lane in &lanes {
            if lane.durable().reached(1).await.is_err() {
                return Sent::Refused;
            }
        }
        Sent::All
    };
    tokio::pin!(all);
    if let Some(patience) = patience {
        return tokio::time::timeout(patience, all).await.unwrap_or(Sent::Waiting);
    }
    loop {
        tokio::select! {
            sent = &mut all => return sent,
            () = shared.called.notified() => {
                if let Some(patience) = closing(shared) {
                    let sent = tokio::time::timeout(patience, all).await;
                    return sent.unwrap_or(Sent::Waiting);
                }
            }
        }
    }
}

/// So many records more are in the topic: everything that was read is.
fn done(shared: &Shared, reader: &mut FileReader, records: u64) {
    shared.counts.drained.fetch_add(records, Ordering::Relaxed);
    let position = reader.position();
    match reader.commit_here(position) {
        Ok(()) => shared.spill.discard(position),
        // They are sent again by the next start.
        Err(error) => tracing::warn!(%error, "how far the spill is drained could not be noted"),
    }
}
