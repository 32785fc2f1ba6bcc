//! Requests that change documents which the request doesn't name: they aren't sent, what they wrote
//! is walked.

use std::sync::Arc;

use serde::Deserialize;

use super::write::{any, is_refusal};
use super::{Doubt, DoubtKind, DoubtReason, Meaning, NothingReason, Task};
use crate::answer::{self, ByQueryAnswer};
use crate::endpoint::QueryAction;
use crate::exchange::{Answer, Exchange};
use crate::scope::Scope;
use crate::text::Text;

pub(super) fn by_query(exchange: &Exchange, index: &str, action: QueryAction) -> Meaning {
    let (reason, nothing): (_, fn(&ByQueryAnswer) -> bool) = match action {
        QueryAction::Update => (DoubtReason::UpdateByQuery, |answer| {
            answer.updated == Some(0) && answer.deleted == Some(0)
        }),
        QueryAction::Delete => (DoubtReason::DeleteByQuery, |answer| answer.deleted == Some(0)),
    };
    match unchanged(exchange.answer.as_ref(), nothing) {
        Some(reason) => Meaning::Nothing(reason),
        None => walk(index, reason, still_running(exchange.answer.as_ref())),
    }
}

pub(super) fn reindex(exchange: &Exchange) -> Meaning {
    let nothing =
        |answer: &ByQueryAnswer| [answer.created, answer.updated, answer.deleted] == [Some(0); 3];
    if let Some(reason) = unchanged(exchange.answer.as_ref(), nothing) {
        return Meaning::Nothing(reason);
    }
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        dest: Destination<'a>,
    }
    #[derive(Deserialize)]
    struct Destination<'a> {
        #[serde(borrow)]
        index: Text<'a>,
    }
    // A script may choose another index, and a pipeline too, but then both are needed to say so.
    let destination: Option<Body<'_>> = answer::read(&exchange.body);
    let redirects = exchange.body.windows(6).any(|window| window == b"_index");
    let task = still_running(exchange.answer.as_ref());
    match destination {
        Some(body) if !redirects => walk(body.dest.index.as_str(), DoubtReason::Reindex, task),
        _ => walk("*", DoubtReason::Reindex, task),
    }
}

pub(super) fn restore(exchange: &Exchange) -> Meaning {
    match &exchange.answer {
        Some(given) if is_refusal(given.status) => refused(given.status),
        // Its indices are there at once, and can't be read before their shards are.
        _ => walk("*", DoubtReason::Restore, None),
    }
}

pub(super) fn resize(exchange: &Exchange, created: &str) -> Meaning {
    match &exchange.answer {
        Some(given) if is_refusal(given.status) => refused(given.status),
        given => {
            let task = given.as_ref().and_then(|given| named_task(&given.body));
            walk(created, DoubtReason::Resize, task)
        }
    }
}

/// What of a by-query or a reindex may go on after its exchange: nothing, where the answer has counted what it did.
fn still_running(given: Option<&Answer>) -> Option<Task> {
    let Some(given) = given else { return Some(Task::Unnamed) };
    let counted = |answer: &ByQueryAnswer| {
        [answer.created, answer.updated, answer.deleted].iter().any(Option::is_some)
    };
    match answer::read::<ByQueryAnswer>(&given.body) {
        Some(answer) if counted(&answer) => None,
        _ => named_task(&given.body).or(Some(Task::Unnamed)),
    }
}

fn named_task(body: &[u8]) -> Option<Task> {
    let task = answer::read::<ByQueryAnswer>(body)?.task?;
    Some(Task::Named(task.into()))
}

fn refused(status: u16) -> Meaning {
    Meaning::Nothing(NothingReason::Refused(status))
}

/// Whether the answer proves that no document was changed. A 409, or a 400 of a script, comes after
/// some were: then the answer counts them instead of naming an error.
fn unchanged(
    given: Option<&Answer>,
    counts_nothing: impl Fn(&ByQueryAnswer) -> bool,
) -> Option<NothingReason> {
    let given = given?;
    let answer: ByQueryAnswer = answer::read(&given.body)?;
    if is_refusal(given.status) && answer.error.is_some() {
        return Some(NothingReason::Refused(given.status));
    }
    (given.status == 200 && counts_nothing(&answer)).then_some(NothingReason::Noop)
}

/// One walk for each part of an index expression, after a task if there is one.
fn walk(expression: &str, reason: DoubtReason, task: Option<Task>) -> Meaning {
    let indices: Vec<Arc<str>> = match Scope::of_expression(expression) {
        Scope::All => vec![any()],
        Scope::Indices(names) => names.into_iter().map(Arc::from).collect(),
    };
    let doubt = |index| {
        let kind = match &task {
            None => DoubtKind::Walk { index },
            Some(task) => DoubtKind::WalkAfter { index, task: task.clone() },
        };
        Doubt { kind, reason }
    };
    Meaning::Doubt(indices.into_iter().map(doubt).collect())
}
