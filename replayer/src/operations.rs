//! Proven operations on their way into the target.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cluster::{ClusterError, Repeat, Request};
use converge::{
    Address, Doubt, DoubtKind, DoubtReason, Exchange, Item, Operation, Outcome, Rendering, Write,
};
use tokio::time::Instant;

use crate::{
    context::Context,
    exchange::BY_RULE,
    indices::{IndexError, Place, Prepared},
    message, noted,
    rules::{Kept, Ruled},
    sender::Answers,
};

/// What became of a write's operations.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// The target has them, or something newer.
    pub(crate) done: u64,
    /// Their index was deleted since.
    pub(crate) superseded: u64,
    /// Their index isn't replayed.
    pub(crate) left_out: u64,
    /// Only the source can tell.
    pub(crate) doubts: Vec<Doubt>,
    /// The target refuses them for good: which, and why.
    pub(crate) failed: Vec<(Address, String)>,
    /// The first request that was sent.
    pub(crate) sent: Option<Request>,
    pub(crate) answers: Answers,
}

/// What operations are sent for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Occasion<'a> {
    /// A captured request, which lends its headers. Its deletes are noted before they are sent.
    Captured(&'a Exchange),
    /// What the source was asked for, or what is sent again. If there are deletes, they are noted already.
    Noted,
}

/// Sends the operations of `write`, which the source answered at `answered`, until each is in the target or
/// refused for good. One write is one request; what has to be repeated is only what wasn't taken.
///
/// `Err`: the target (or the source, for a definition) was waited for in
/// vain; everything may be sent again.
pub(crate) async fn apply(
    context: &Context,
    write: &Write,
    answered: u64,
    occasion: Occasion<'_>,
) -> Result<Applied, ClusterError> {
    let mut applied = Applied::default();
    let mut left = admitted(context, write, answered, &mut applied).await?;
    let exchange = match occasion {
        Occasion::Captured(exchange) => {
            noted::operations(context, &left).await?;
            Some(exchange)
        }
        Occasion::Noted => None,
    };
    let mut round =
        Round { answered, start: Instant::now(), followed: HashSet::new(), busy: false };
    let mut attempt = 0;
    loop {
        let count = left.len();
        left.retain(|item| context.indices.has_place(item));
        applied.superseded += (count - left.len()) as u64;
        let request = Write { shape: write.shape, refresh: write.refresh, items: left };
        let placed = context.indices.placed(&request);
        let Some(rendered) = converge::render(&placed, Rendering::default()) else {
            return Ok(applied);
        };
        let message = message::rendered(&rendered, exchange);
        let message = match context.transforms.apply(message, exchange, Kept::Operations).await {
            Ruled::Send(message) => message,
            Ruled::Dropped => {
                let dropped = request.operations().count() as u64;
                context.metrics.nothing.with_label_values(&[BY_RULE]).inc_by(dropped);
                return Ok(applied);
            }
            Ruled::Failed(why) => {
                let addresses = request.operations().map(|(_, one)| one.address.clone());
                applied.failed.extend(addresses.map(|address| (address, why.clone())));
                return Ok(applied);
            }
        };
        let sent = Instant::now();
        let reply =
            context.sender.deliver(&message, Repeat::Safe, |_| false, &mut applied.answers).await?;
        applied.sent.get_or_insert(message);
        let count = rendered.places.len();
        let outcomes = converge::outcomes(rendered.shape, reply.status, &reply.body, count);
        let outcomes = outcomes.unwrap_or_else(|error| {
            // Not the answer of a search server: something stands in between. Send again.
            vec![Outcome::Retry { status: reply.status, kind: error.to_string() }; count]
        });
        left = Vec::new();
        round.busy = false;
        let mut misfits = HashSet::new();
        for ((_, operation), outcome) in request.operations().zip(outcomes) {
            match round.judge(context, operation, outcome).await? {
                Next::Done => applied.done += 1,
                Next::Superseded => applied.superseded += 1,
                Next::Failed(why) => applied.failed.push((operation.address.clone(), why)),
                Next::Again => left.push(Item::Operation(operation.clone())),
                Next::AgainMapped => {
                    misfits.insert(operation.address.index.to_string());
                    left.push(Item::Operation(operation.clone()));
                }
            }
        }
        if left.is_empty() {
            return Ok(applied);
        }
        for index in misfits {
            if let Err(why) = settle(context.indices.follow_mapping(&index).await)? {
                tracing::warn!(index, why, "cannot bring the mapping up to the source's");
            }
            round.followed.insert(index);
        }
        context.metrics.retries.inc();
        if round.busy {
            context.sender.refused(sent);
            tokio::time::sleep(context.sender.target.patience().wait(attempt)).await;
        }
        attempt += 1;
    }
}

/// What is to be done about one operation after an answer.
enum Next {
    Done,
    Superseded,
    Again,
    /// Once the mapping has been brought up to the source's.
    AgainMapped,
    Failed(String),
}

/// The state of sending one write again and again.
struct Round {
    answered: u64,
    start: Instant,
    /// Indices whose mapping has been brought up to the source's: a second refusal is final.
    followed: HashSet<String>,
    /// The target needs time.
    busy: bool,
}

impl Round {
    async fn judge(
        &mut self,
        context: &Context,
        operation: &Operation,
        outcome: Outcome,
    ) -> Result<Next, ClusterError> {
        let index = &*operation.address.index;
        let late = self.start.elapsed() > context.sender.target.patience().give_up_after;
        let unnumbered = context.source.as_ref().is_some_and(|source| source.facts().unnumbered);
        Ok(match outcome {
            // Only sequence numbers tell that what the target has is newer.
            Outcome::AlreadyNewer if unnumbered => Next::Failed(
                "the target has a version of its own of it; it can be replaced in a minute".into(),
            ),
            outcome if outcome.is_success() => Next::Done,
            Outcome::Retry { .. } if !late => {
                self.busy = true;
                Next::Again
            }
            Outcome::IndexMissing if !late => {
                self.busy = true;
                context.indices.forget(index);
                match settle(context.indices.prepare(index, self.answered).await)? {
                    Ok(Prepared::Ready | Prepared::InStream) => Next::Again,
                    Ok(Prepared::Superseded | Prepared::Younger | Prepared::NotChosen) => {
                        Next::Superseded
                    }
                    Err(why) => Next::Failed(why),
                }
            }
            Outcome::MappingError { .. } if !self.followed.contains(index) => Next::AgainMapped,
            Outcome::MappingError { kind, reason } => Next::Failed(format!("{kind}: {reason}")),
            Outcome::Retry { status, kind } => Next::Failed(format!("still {status} {kind}")),
            Outcome::Failed { status, kind, reason } => {
                Next::Failed(format!("{status} {kind}: {reason}"))
            }
            other => Next::Failed(format!("{other:?}")),
        })
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
            if context.indices.take_replaced(index) {
                let kind = DoubtKind::Walk { index: Arc::from(index) };
                applied.doubts.push(Doubt { kind, reason: DoubtReason::OverlapsDeletion });
            }
        }
        let doc_type = operation.address.doc_type.as_deref();
        if matches!(prepared.get(index), Some(Ok(Prepared::Ready)))
            && context.indices.is_of_new_type(index, doc_type)
        {
            context.indices.forget(index);
            prepared.insert(index, settle(context.indices.prepare(index, answered).await)?);
            if context.indices.take_replaced(index) {
                let kind = DoubtKind::Walk { index: Arc::from(index) };
                applied.doubts.push(Doubt { kind, reason: DoubtReason::OverlapsDeletion });
            }
        }
        match prepared.get(index) {
            Some(Ok(Prepared::InStream)) => applied.doubts.push(Doubt {
                kind: DoubtKind::ByIdAnywhere(operation.address.clone()),
                reason: DoubtReason::DataStream,
            }),
            Some(Ok(Prepared::Ready)) => match context.indices.place_of(operation) {
                Place::Same | Place::Part(_) => items.push(Item::Operation(operation.clone())),
                Place::LeftOut => context.metrics.type_left_out(1),
                Place::Gone => applied.superseded += 1,
            },
            Some(Ok(Prepared::Superseded)) | None => applied.superseded += 1,
            Some(Ok(Prepared::NotChosen)) => applied.left_out += 1,
            Some(Ok(Prepared::Younger)) => applied.doubts.push(Doubt {
                kind: DoubtKind::ById(operation.address.clone()),
                reason: DoubtReason::OverlapsDeletion,
            }),
            Some(Err(why)) => applied.failed.push((operation.address.clone(), why.clone())),
        }
    }
    Ok(items)
}

/// Whether `index` is on the target and still the one that an answer at `answered` was about.
pub(crate) async fn is_current(
    context: &Context,
    index: &str,
    answered: u64,
) -> Result<bool, ClusterError> {
    let prepared = settle(context.indices.prepare(index, answered).await)?;
    Ok(matches!(prepared, Ok(Prepared::Ready | Prepared::InStream)))
}

/// Tells an index that can't be created (the operation fails) from a cluster that can't be reached (all stops).
pub(crate) fn settle<T>(made: Result<T, IndexError>) -> Result<Result<T, String>, ClusterError> {
    match made {
        Ok(made) => Ok(Ok(made)),
        Err(IndexError::Cluster(error)) if error.is_transient() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}
