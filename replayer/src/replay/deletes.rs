//! Deletes that the target may have forgotten by the time it matters.
//!
//! A target refuses an older write of a deleted document only as long as it remembers the delete:
//! `index.gc_deletes`, 60 s, and not beyond a restart. Connections drift apart in a replay that is
//! faster than its source was, so an older write may come later than that and bring the document
//! back. So each delete is kept until everything that began before its answer is finished on the
//! target, and is then sent once more, with its version: harmless where it was not forgotten, and
//! after it nothing older can come. (Seen in a replay of 109 s: 2 of 180,954 documents came back.)

use std::{collections::BTreeSet, sync::Arc};

use cluster::ClusterError;
use converge::{
    Item, Operation, Refresh, Scope, Shape, Write,
    order::{ExchangeKey, Role},
};

use super::{Conductor, Report};
use crate::{
    context::Context,
    context::RunError,
    operations::{self, Occasion},
    recorder::Receipt,
};

/// A delete that was applied, and is to be sent again.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) operation: Operation,
    pub(crate) receipt: Receipt,
}

/// Deletes that are sent again together, at most.
const BATCH: usize = 1000;

/// The answer's time, and the delete.
pub(super) type Batch = Vec<(u64, Kept)>;

impl Conductor {
    /// Takes the deletes of a finished exchange. Where nothing older is open they are settled.
    pub(super) fn keep_deletes(&mut self, answered: u64, deletes: Vec<Kept>) {
        if deletes.is_empty() {
            return;
        }
        if self.doubt_ready(answered) {
            for kept in deletes {
                self.held_back.done(answered, kept.receipt);
            }
            return;
        }
        self.deletes.entry(answered).or_default().extend(deletes);
    }

    /// Gathers the deletes after which nothing older can come any more.
    pub(super) fn start_resending(&mut self) {
        if self.resending.is_some() || self.context.shutdown.is_draining() {
            return;
        }
        let mut batch = Batch::new();
        while let Some(answered) = self.deletes.first_key_value().map(|(answered, _)| *answered) {
            if batch.len() >= BATCH || !self.doubt_ready(answered) {
                break;
            }
            let kept = self.deletes.remove(&answered).unwrap_or_default();
            batch.extend(kept.into_iter().map(|kept| (answered, kept)));
        }
        if batch.is_empty() {
            return;
        }
        self.next_key += 1;
        let key = ExchangeKey(self.next_key);
        let names: BTreeSet<String> =
            batch.iter().map(|(_, kept)| kept.operation.address.index.to_string()).collect();
        self.resending = Some((key, Some(batch)));
        self.order.add_reading(key, Scope::Indices(names.into_iter().collect()), Role::Reading);
    }

    /// Sends the gathered deletes; whether `key` stands for them.
    pub(super) fn run_resending(&mut self, key: ExchangeKey) -> bool {
        let Some((mine, batch)) = &mut self.resending else { return false };
        if *mine != key {
            return false;
        }
        let batch = batch.take().unwrap_or_default();
        let (context, reports) = (Arc::clone(&self.context), self.reports.0.clone());
        tokio::spawn(async move {
            let resent = resend(&context, batch).await.map_err(RunError::from);
            let _ = reports.send(Report::Resent { key, resent });
        });
        true
    }
}

/// Sends deletes again whose index is still the one they were for, in one bulk.
/// Gives them back when they are done, and else what failed, in words.
async fn resend(
    context: &Context,
    batch: Batch,
) -> Result<Result<Batch, Vec<String>>, ClusterError> {
    let mut items = Vec::with_capacity(batch.len());
    for (answered, kept) in &batch {
        if operations::is_current(context, &kept.operation.address.index, *answered).await? {
            items.push(Item::Operation(kept.operation.clone()));
        }
    }
    let mut failed = Vec::new();
    if !items.is_empty() {
        let write = Write { shape: Shape::Bulk, refresh: Refresh::No, items };
        // Each was held against its own index's life above.
        let applied = operations::apply(context, &write, u64::MAX, Occasion::Noted).await?;
        context.metrics.resent_deletes.inc_by(applied.done);
        failed.extend(applied.failed.into_iter().map(|(address, why)| {
            format!("deleting {}/{} again failed: {why}", address.index, address.id)
        }));
    }
    Ok(if failed.is_empty() { Ok(batch) } else { Err(failed) })
}
