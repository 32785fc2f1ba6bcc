//! Tuples on their way to disk, and what may be forgotten once they are there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle, time};
use tuples::{Tuple, TupleError, Writer, WriterSettings};

use crate::offsets::{Claims, Offsets};

/// Tuples that may wait for the disk.
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
pub(crate) struct Recorder(mpsc::Sender<Message>);

#[derive(Debug)]
enum Message {
    Tuple(Box<Tuple>, Receipt),
    /// Everything has been handed over.
    End,
}

impl Recorder {
    /// Begins to write. The task ends with an error when the disk does.
    pub(crate) fn start(
        settings: WriterSettings,
    ) -> Result<(Self, JoinHandle<Result<(), TupleError>>), TupleError> {
        let writer = Writer::create(settings)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        Ok((Self(sender), tokio::spawn(record(writer, receiver))))
    }

    /// Hands a tuple over; waits while too many are on their way.
    pub(crate) async fn record(&self, tuple: Box<Tuple>, receipt: Receipt) {
        // The error is that the writer has failed, and then its task says so.
        let _ = self.0.send(Message::Tuple(tuple, receipt)).await;
    }

    /// Waits until everything that was handed over is durable and the last file is complete.
    pub(crate) async fn end(
        &self,
        task: JoinHandle<Result<(), TupleError>>,
    ) -> Result<(), TupleError> {
        let _ = self.0.send(Message::End).await;
        match task.await {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

async fn record(
    mut writer: Writer,
    mut messages: mpsc::Receiver<Message>,
) -> Result<(), TupleError> {
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
                    appended.push(tuple);
                    written.push(receipt);
                }
                Message::End => ended = true,
            }
        }
        durable |= ended;
        writer = blocking(writer, move |writer| {
            appended.iter().try_for_each(|tuple| writer.append(tuple))?;
            if durable { writer.flush() } else { Ok(()) }
        })
        .await?;
        if durable {
            written.drain(..).for_each(|receipt| receipt.settle());
        }
        if ended {
            blocking(writer, Writer::finish).await?;
            return Ok(());
        }
    }
}

/// Writes to disk away from the tasks.
async fn blocking(
    mut writer: Writer,
    write: impl FnOnce(&mut Writer) -> Result<(), TupleError> + Send + 'static,
) -> Result<Writer, TupleError> {
    let joined = tokio::task::spawn_blocking(move || write(&mut writer).map(|()| writer)).await;
    match joined {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::Place;

    #[test]
    fn claims_are_given_back_when_every_part_is_settled() {
        let offsets = Offsets::default();
        let mut claims = Claims::default();
        offsets.claim(&mut claims, Place { partition: 0, offset: 0, next: 9 });
        let receipt = Receipt::new(offsets.clone(), claims, 2);
        receipt.settle();
        assert_eq!(offsets.take_committable(), [(0, 0)]);
        receipt.clone().settle();
        assert_eq!(offsets.take_committable(), [(0, 9)]);
    }
}
