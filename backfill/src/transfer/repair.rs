//! Sources that old servers took and new ones don't: names given twice, names without quotes.
//!
//! A document that the target calls malformed is written as strict JSON and sent once more. What was changed is in
//! the accounts; one that fails again is a failed document, with its source as it was.

use codec::source::{self, normalise};

use crate::{
    accounts::Accounts,
    send::{Batch, BatchBuilder, Class, Outcome, SendError, Sender},
};

/// Sends a batch, and once more what of it can be repaired. Repairs are counted in the accounts.
pub(super) async fn send(
    sender: &Sender,
    batch: &Batch,
    limits: &source::Limits,
    accounts: &mut Accounts,
) -> Result<Outcome, SendError> {
    let mut outcome = sender.send(batch).await?;
    let mut builder = BatchBuilder::new(batch.index.clone());
    let mut repaired = Vec::new();
    for (at, failed) in outcome.failed.iter().enumerate() {
        if failed.class != Class::Malformed {
            continue;
        }
        let position = failed.position;
        let Ok(normal) = normalise(batch.source(position), limits) else { continue };
        if normal.json == batch.source(position) {
            continue;
        }
        builder.push_lines(batch.action(position), &normal.json, batch.items()[position].place);
        repaired.push((at, normal.changes));
    }
    if builder.is_empty() {
        return Ok(outcome);
    }
    let again = sender.send(&builder.take()).await?;
    outcome.written += again.written;
    outcome.superseded += again.superseded;
    let mut still = vec![false; repaired.len()];
    for failed in again.failed {
        let (at, _) = repaired[failed.position];
        still[failed.position] = true;
        let position = outcome.failed[at].position;
        let attempts = outcome.failed[at].attempts.saturating_add(failed.attempts);
        outcome.failed[at] = crate::send::FailedItem { position, attempts, ..failed };
    }
    let mut gone = vec![false; outcome.failed.len()];
    for ((at, changes), still) in repaired.iter().zip(still) {
        if still {
            continue;
        }
        gone[*at] = true;
        for change in changes.iter() {
            accounts.repair(change.label());
        }
    }
    let mut gone = gone.into_iter();
    outcome.failed.retain(|_| !gone.next().unwrap_or(false));
    Ok(outcome)
}
