//! Sending failed documents again (`backfill retry`).

use std::collections::{BTreeMap, HashMap, HashSet};

use telemetry::Shutdown;

use super::{FailedDocument, FailedError, FailedStore, FailedWriter, PartName};
use crate::send::{Batch, BatchBuilder, Class, Place, SendError, Sender};

/// What became of the documents of some parts, each counted once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    pub written: u64,
    pub superseded: u64,
    /// They failed again.
    pub failed: u64,
    /// There is nothing to send of them: they have to be read from the snapshot again.
    pub unreadable: u64,
    /// Those that were written or superseded, by why they were kept.
    pub gone: BTreeMap<Class, u64>,
    /// Those that failed again for another reason: the one they were kept for, and the new one.
    pub changed: BTreeMap<(Class, Class), u64>,
}

/// A retry that could not be ended; the parts are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Failed(#[from] FailedError),
    #[error("asked to stop")]
    Stopped,
}

/// Documents of one unit, by segment: a worker that died before its checkpoint has kept some that its successor
/// has kept as well.
#[derive(Default)]
struct Seen(HashMap<String, HashSet<u32>>);

impl Seen {
    /// `false`: it was there already.
    fn insert(&mut self, document: &FailedDocument) -> bool {
        match self.0.get_mut(&document.segment) {
            Some(segment) => segment.insert(document.document),
            None => {
                self.0.insert(document.segment.clone(), HashSet::from([document.document]));
                true
            }
        }
    }
}

impl FailedStore {
    /// Sends the documents of some parts of one unit again, as they were sent: with their versions, so that what
    /// was written meanwhile stays. Those that fail again are kept by `writer`, with what is said of them now,
    /// and are durable when this returns. So are those that couldn't be read, if they are to be kept.
    ///
    /// # Errors
    /// When the target or the store can't be written to, or asked to stop. To be repeated; that is harmless.
    pub async fn resend(
        &self,
        parts: &[PartName],
        sender: &Sender,
        writer: &mut FailedWriter,
        keep_unread: bool,
        shutdown: &Shutdown,
    ) -> Result<Resent, RetryError> {
        let (mut resent, mut seen, mut unread) = (Resent::default(), Seen::default(), Vec::new());
        for name in parts {
            if shutdown.is_draining() {
                return Err(RetryError::Stopped);
            }
            let mut documents = self.read(name.clone()).await?.documents;
            let mut builder = BatchBuilder::new(None);
            for number in 0..documents.len() {
                let Some((action, source)) = documents[number].lines() else {
                    continue;
                };
                if !seen.insert(&documents[number]) {
                    continue;
                }
                let place = Place { segment: 0, document: number as u32 };
                builder.push_lines(action.as_bytes(), source, place);
                if builder.bytes() >= sender.batch_bytes() {
                    send(&builder.take(), sender, &mut documents, writer, &mut resent).await?;
                }
            }
            send(&builder.take(), sender, &mut documents, writer, &mut resent).await?;
            if keep_unread && documents.iter().any(|document| document.lines().is_none()) {
                unread.push(name);
            }
        }
        // Last, since the same document may have been read by another worker.
        for name in unread {
            for document in self.read(name.clone()).await?.documents {
                if document.lines().is_none() && seen.insert(&document) {
                    resent.unreadable += 1;
                    writer.push(&document).await?;
                }
            }
        }
        writer.flush().await?;
        Ok(resent)
    }
}

async fn send(
    batch: &Batch,
    sender: &Sender,
    documents: &mut [FailedDocument],
    writer: &mut FailedWriter,
    resent: &mut Resent,
) -> Result<(), RetryError> {
    let number_of = |position: usize| batch.items()[position].place.document as usize;
    let outcome = sender.send(batch).await?;
    let now = jiff::Timestamp::now();
    resent.written += outcome.written;
    resent.superseded += outcome.superseded;
    resent.failed += outcome.failed.len() as u64;
    let mut gone = vec![true; batch.len()];
    for failed in &outcome.failed {
        gone[failed.position] = false;
        let document = &mut documents[number_of(failed.position)];
        if document.class != failed.class {
            *resent.changed.entry((document.class, failed.class)).or_default() += 1;
        }
        document.blame(failed, now);
        writer.push(document).await?;
    }
    for (position, _) in gone.iter().enumerate().filter(|(_, gone)| **gone) {
        *resent.gone.entry(documents[number_of(position)].class).or_default() += 1;
    }
    Ok(())
}
