//! Tuples on their way to where they are kept, and what may be forgotten once they are there.

mod sink;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
    time,
};
use tuples::{Tuple, TupleError};

use crate::offsets::{self, Claims, Lowest, Offsets};

pub use sink::RecordError;
use sink::Sink;
pub(crate) use sink::{Place, Store};

/// Tuples that may wait to be written.
const WAITING: usize = 4096;
/// How long a tuple may stay in memory.
const FLUSH: Duration = Duration::from_secs(1);

/// Gives the claims of an exchange back when all that it left behind is settled: its tuple is durable, each of
/// its doubts is resolved. What is never settled keeps its claims.
#[derive(Clone, Debug)]
pub(crate) struct Receipt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    offsets: Offsets,
    claims: Mutex<Option<Claims>>,
    parts: AtomicUsize,
}

impl Receipt {
    /// `parts`: how often [`Receipt::settle`] has to be called.
    pub(crate) fn new(offsets: Offsets, claims: Claims, parts: usize) -> Self {
        let parts = AtomicUsize::new(parts);
        Self(Arc::new(Inner { offsets, claims: Mutex::new(Some(claims)), parts }))
    }

    /// Whether this replayer still reads the partition.
    pub(crate) fn is_current(&self) -> bool {
        let first = self.0.claims.lock().as_ref().and_then(Claims::first);
        first.is_none_or(|place| self.0.offsets.is_current(place))
    }

    /// The first of its records; `None`: it is settled, or has none.
    pub(crate) fn first(&self) -> Option<offsets::Place> {
        self.0.claims.lock().as_ref().and_then(Claims::first)
    }

    /// Has it settled when that which holds the lowest record of each partition is.
    pub(crate) fn join(&self, lowest: &mut Lowest) {
        if let Some(claims) = self.0.claims.lock().take() {
            claims.places().iter().for_each(|place| lowest.hold(&self.0.offsets, *place));
            self.0.offsets.release(claims);
        }
    }

    /// One part is done.
    pub(crate) fn settle(&self) {
        if self.0.parts.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        if let Some(claims) = self.0.claims.lock().take() {
            self.0.offsets.release(claims);
        }
    }
}

/// Takes tuples.
#[derive(Debug)]
pub(crate) struct Recorder {
    messages: mpsc::Sender<Message>,
    /// Tuples go nowhere.
    is_off: bool,
}

#[derive(Debug)]
enum Message {
    Tuple(Box<Tuple>, Receipt),
    /// Everything has been handed over.
    End,
}

impl Recorder {
    /// Begins to write, to a folder or to a store. The task ends with an error when that does.
    pub(crate) fn start(
        place: Place,
    ) -> Result<(Self, JoinHandle<Result<(), RecordError>>), TupleError> {
        let is_off = matches!(place, Place::Nowhere);
        let sink = Sink::open(place)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        Ok((Self { messages: sender, is_off }, tokio::spawn(record(sink, receiver))))
    }

    /// Whether nobody wants tuples, so that none need be made.
    pub(crate) fn is_off(&self) -> bool {
        self.is_off
    }

    /// Hands a tuple over; waits while too many are on their way.
    pub(crate) async fn record(&self, tuple: Box<Tuple>, receipt: Receipt) {
        // The error is that the writer has failed, and whoever waits for its task ends the run.
        let _ = self.messages.send(Message::Tuple(tuple, receipt)).await;
    }

    /// Waits until everything that was handed over is durable and the last file is complete.
    pub(crate) async fn end(
        &self,
        task: JoinHandle<Result<(), RecordError>>,
    ) -> Result<(), RecordError> {
        let _ = self.messages.send(Message::End).await;
        ended(task.await)
    }
}

/// How the task ended.
pub(crate) fn ended(joined: Result<Result<(), RecordError>, JoinError>) -> Result<(), RecordError> {
    match joined {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

async fn record(mut sink: Sink, mut messages: mpsc::Receiver<Message>) -> Result<(), RecordError> {
    let mut flush = time::interval(FLUSH);
    flush.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut written: Vec<Receipt> = Vec::new();
    loop {
        let mut batch = Vec::new();
        let mut durable = false;
        let mut ended = tokio::select! {
            taken = messages.recv_many(&mut batch, WAITING) => taken == 0,
            _ = flush.tick() => { durable = true; false }
        };
        let mut appended = Vec::with_capacity(batch.len());
        for message in batch {
            match message {
                Message::Tuple(tuple, receipt) => {
                    appended.push(*tuple);
                    written.push(receipt);
                }
                Message::End => ended = true,
            }
        }
        let is_durable;
        (sink, is_durable) = sink.take(appended, durable || ended, ended).await?;
        if is_durable {
            written.drain(..).for_each(|receipt| receipt.settle());
        }
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets;

    #[test]
    fn claims_are_given_back_when_every_part_is_settled() {
        let offsets = Offsets::default();
        let mut claims = Claims::default();
        offsets.claim(&mut claims, offsets::Place { partition: 0, offset: 0, next: 9, epoch: 0 });
        let receipt = Receipt::new(offsets.clone(), claims, 2);
        receipt.settle();
        assert_eq!(offsets.take_committable(), [(0, 0)]);
        receipt.clone().settle();
        assert_eq!(offsets.take_committable(), [(0, 9)]);
    }
}
