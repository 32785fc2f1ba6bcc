//! Proven operations on their way into the target.

use std::collections::{HashMap, HashSet};

use cluster::{ClusterError, Repeat, Request};
use converge::{Doubt, DoubtKind, DoubtReason, Exchange, Item, Operation, Outcome, Rendering, Write};
use tokio::time::Instant;

use crate::{
    context::Context,
    indices::{IndexError, Prepared},
    message,
    sender::Answers,
};

/// What became of a write's operations.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The target has them, or something newer.
    pub(crate) done: u64,
    /// Their index was deleted since.
    pub(crate) superseded: u64,
    /// Only the source can tell.
    pub(crate) doubts: Vec<Doubt>,
    /// The target refuses them for good: which, and why.
    pub(crate) failed: Vec<String>,
    /// The first request that was sent.
    pub(crate) sent: Option<Request>,
    pub(crate) sent_at: Option<Instant>,
    pub(crate) answers: Answers,
}

/// Sends the operations of `write`, which the source answered at `answered`, until each is in the target or
/// refused for good. One write is one request; what has to be repeated is only what wasn't taken.
///
/// `exchange` lends its headers. `Err`: the target (or the source, for a definition) was waited for in
/// vain; everything may be sent again.
pub(crate) async fn apply(
    context: &Context,
    write: &Write,
    answered: u64,
    exchange: Option<&Exchange>,
) -> Result<Applied, ClusterError> {
    let mut applied = Applied::default();
    let mut left = admitted(context, write, answered, &mut applied).await?;
    let mut mapped: HashSet<String> = HashSet::new();
    let patience = context.sender.target.patience();
    let (start, mut attempt) = (Instant::now(), 0);
    loop {
        let request = Write { shape: write.shape, refresh: write.refresh, items: left };
        let Some(rendered) = converge::render(&request, Rendering::default()) else {
            return Ok(applied);
        };
        let message = message::rendered(&rendered, exchange);
        applied.sent_at.get_or_insert_with(Instant::now);
        let reply =
            context.sender.deliver(&message, Repeat::Safe, |_| false, &mut applied.answers).await?;
        applied.sent.get_or_insert(message);
        let count = rendered.places.len();
        let outcomes = converge::outcomes(rendered.shape, reply.status, &reply.body, count);
        let outcomes = outcomes.unwrap_or_else(|error| {
            // Not the answer of a search server: something stands in between. Send again.
            let status = reply.status;
            vec![Outcome::Retry { status, kind: error.to_string() }; count]
        });
        let late = start.elapsed() > patience.give_up_after;
        let mut items = request.items;
        let mut again = Vec::new();
        let mut wait = false;
        for (place, outcome) in rendered.places.into_iter().zip(outcomes) {
            let Some(item) = items.get_mut(place) else { continue };
            let item = std::mem::replace(item, Item::Nothing(converge::NothingReason::Noop));
            let Item::Operation(operation) = item else { continue };
            let index = operation.address.index.to_string();
            let retry = match outcome {
                Outcome::Applied | Outcome::AlreadyNewer | Outcome::NotFoundDelete => {
                    applied.done += 1;
                    continue;
                }
                Outcome::IndexMissing if !late => {
                    context.indices.forget(&index);
                    let made = context.indices.prepare(&index, answered).await;
                    matches!(settle(made)?, Ok(Prepared::Ready)).then_some("the index is missing".into())
                }
                Outcome::MappingError { kind, reason } => {
                    let first = mapped.insert(index.clone());
                    let known = first || mapped.contains(&index) && attempt == 0;
                    if first {
                        settle(context.indices.follow_mapping(&index).await)?.ok();
                    }
                    if !known {
                        applied.failed.push(describe(&operation, &format!("{kind}: {reason}")));
                        continue;
                    }
                    Some(kind)
                }
                Outcome::Retry { kind, .. } if !late => {
                    wait = true;
                    Some(kind)
                }
                Outcome::IndexMissing => None,
                Outcome::Retry { status, kind } => {
                    applied.failed.push(describe(&operation, &format!("{status} {kind}")));
                    continue;
                }
                Outcome::Failed { status, kind, reason } => {
                    let why = format!("{status} {kind}: {reason}");
                    applied.failed.push(describe(&operation, &why));
                    continue;
                }
            };
            match retry {
                Some(_) => again.push(Item::Operation(operation)),
                None => applied.superseded += 1,
            }
        }
        if again.is_empty() {
            return Ok(applied);
        }
        context.metrics.retries.inc();
        if wait {
            tokio::time::sleep(patience.wait(attempt)).await;
        }
        attempt += 1;
        left = again;
    }
}

/// The operations that make sense now; the others are counted or turned into doubt.
async fn admitted(
    context: &Context,
    write: &Write,
    answered: u64,
    applied: &mut Applied,
) -> Result<Vec<Item>, ClusterError> {
    let mut prepared: HashMap<&str, Result<Prepared, String>> = HashMap::new();
    let mut items = Vec::with_capacity(write.items.len());
    for (_, operation) in write.operations() {
        let index = &*operation.address.index;
        if !prepared.contains_key(index) {
            let made = context.indices.prepare(index, answered).await;
            prepared.insert(index, settle(made)?);
        }
        match prepared.get(index) {
            Some(Ok(Prepared::Ready)) => items.push(Item::Operation(operation.clone())),
            Some(Ok(Prepared::Superseded)) | None => applied.superseded += 1,
            Some(Ok(Prepared::Younger)) => applied.doubts.push(Doubt {
                kind: DoubtKind::ById(operation.address.clone()),
                reason: DoubtReason::OverlapsDeletion,
            }),
            Some(Err(why)) => applied.failed.push(describe(operation, why)),
        }
    }
    Ok(items)
}

/// Tells an index that can't be created (the operation fails) from a cluster that can't be reached (all stops).
fn settle<T>(made: Result<T, IndexError>) -> Result<Result<T, String>, ClusterError> {
    match made {
        Ok(made) => Ok(Ok(made)),
        Err(IndexError::Cluster(error)) if error.is_transient() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn describe(operation: &Operation, why: &str) -> String {
    let address = &operation.address;
    format!("{}/{}: {why}", address.index, address.id)
}
