//! Requests that change documents which the request doesn't name: they aren't sent, what they wrote
//! is walked.

use std::sync::Arc;

use serde::Deserialize;

use super::write::{any, is_refusal};
use super::{Doubt, DoubtKind, DoubtReason, Meaning, NothingReason};
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
        None => walk(index, reason),
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
    match destination {
        Some(body) if !redirects => walk(body.dest.index.as_str(), DoubtReason::Reindex),
        _ => walk("*", DoubtReason::Reindex),
    }
}

pub(super) fn restore(exchange: &Exchange) -> Meaning {
    match &exchange.answer {
        Some(given) if is_refusal(given.status) => refused(given.status),
        _ => walk("*", DoubtReason::Restore),
    }
}

pub(super) fn resize(exchange: &Exchange, created: &str) -> Meaning {
    match &exchange.answer {
        Some(given) if is_refusal(given.status) => refused(given.status),
        _ => walk(created, DoubtReason::Resize),
    }
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

/// One walk for each part of an index expression.
fn walk(expression: &str, reason: DoubtReason) -> Meaning {
    let indices: Vec<Arc<str>> = match Scope::of_expression(expression) {
        Scope::All => vec![any()],
        Scope::Indices(names) => names.into_iter().map(Arc::from).collect(),
    };
    let doubt = |index| Doubt { kind: DoubtKind::Walk { index }, reason };
    Meaning::Doubt(indices.into_iter().map(doubt).collect())
}
