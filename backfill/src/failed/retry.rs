//! Sending failed documents again (`backfill retry`).

use super::{FailedDocument, FailedError, FailedStore, Part};
use crate::send::{Batch, BatchBuilder, Place, SendError, Sender};

/// What became of the documents of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    pub written: u64,
    pub superseded: u64,
    /// They failed again, and stay.
    pub failed: u64,
    /// There is nothing to send of them: they have to be read from the snapshot again. They stay.
    pub unreadable: u64,
}

/// A retry that could not be ended; the part is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Failed(#[from] FailedError),
}

impl FailedStore {
    /// Sends the documents of a part again, as they were sent: with their versions, so that what was
    /// written meanwhile stays. Those that fail again are kept, with what is said of them now.
    ///
    /// # Errors
    /// When the target or the store can't be written to. To be repeated; that is harmless.
    pub async fn retry(&self, part: Part, sender: &Sender) -> Result<Retried, RetryError> {
        let Part { name, mut documents } = part;
        let mut stays = vec![false; documents.len()];
        let mut retried = Retried::default();
        let mut builder = BatchBuilder::new(None);
        for number in 0..documents.len() {
            match documents[number].lines() {
                Some((action, source)) => {
                    let place = Place { segment: 0, document: number as u32 };
                    builder.push_lines(action.as_bytes(), source, place);
                }
                None => {
                    stays[number] = true;
                    retried.unreadable += 1;
                }
            }
            if builder.bytes() >= sender.batch_bytes() {
                send(&builder.take(), sender, &mut documents, &mut stays, &mut retried).await?;
            }
        }
        send(&builder.take(), sender, &mut documents, &mut stays, &mut retried).await?;
        let mut stays = stays.into_iter();
        documents.retain(|_| stays.next().unwrap_or(true));
        self.replace(name, &documents).await?;
        Ok(retried)
    }
}

async fn send(
    batch: &Batch,
    sender: &Sender,
    documents: &mut [FailedDocument],
    stays: &mut [bool],
    retried: &mut Retried,
) -> Result<(), SendError> {
    let outcome = sender.send(batch).await?;
    let now = jiff::Timestamp::now();
    retried.written += outcome.written;
    retried.superseded += outcome.superseded;
    retried.failed += outcome.failed.len() as u64;
    for failed in &outcome.failed {
        let number = batch.items()[failed.position].place.document as usize;
        documents[number].blame(failed, now);
        stays[number] = true;
    }
    Ok(())
}
