//! What a bulk means, item by item.

use std::{collections::HashSet, sync::Arc};

use super::write::{Asked, any, is_external, is_refusal, no_answer, refresh};
use super::{Doubt, DoubtKind, DoubtReason, Item, NothingReason, Shape, Write};
use crate::answer::{self, BulkAnswer, BulkItemAnswer, WriteAnswer};
use crate::bulk::{self, BulkAction};
use crate::endpoint::DocumentAction;
use crate::exchange::{Answer, BodyState, Exchange};
use crate::facts::Facts;
use crate::target::Target;

/// A bulk as it was asked for.
struct Request {
    items: Vec<Asked>,
    /// What couldn't be read of it.
    rest: Option<Doubt>,
}

/// What a bulk means.
pub(super) fn bulk(
    exchange: &Exchange,
    target: &Target,
    index: Option<String>,
    doc_type: Option<String>,
    facts: &Facts,
) -> Write {
    let index: Option<Arc<str>> = index.map(Arc::from);
    let items = match &exchange.answer {
        Some(given) if is_refusal(given.status) && !refused_midway(given.status, facts) => {
            vec![Item::Nothing(NothingReason::Refused(given.status))]
        }
        given if !exchange.body_is_json() => unread(given.as_ref(), index, facts),
        given => {
            let request = request(exchange, target, index, doc_type);
            match given {
                None => all_in_doubt(request, no_answer(exchange), facts),
                Some(given) => answered(request, given, facts),
            }
        }
    };
    Write { shape: Shape::Bulk, refresh: refresh(target), items }
}

/// Whether a refusal of the whole bulk may have come after a part of it was executed: a recent
/// Elasticsearch reads and executes a bulk piece by piece.
fn refused_midway(status: u16, facts: &Facts) -> bool {
    facts.bulk_is_incremental() && matches!(status, 400 | 413 | 429)
}

fn request(
    exchange: &Exchange,
    target: &Target,
    index: Option<Arc<str>>,
    doc_type: Option<String>,
) -> Request {
    let body = bulk::parse(&exchange.body);
    // Of a body that was cut off, the source has no more than the journal; a line that wasn't
    // understood may be followed by others that the source did understand.
    let unread = !body.complete && exchange.body_state != BodyState::Cut;
    let rest = unread.then(|| Doubt {
        kind: DoubtKind::Walk { index: index.clone().unwrap_or_else(any) },
        reason: DoubtReason::UnreadableBody,
    });
    let doc_type: Option<Arc<str>> = doc_type.map(Arc::from);
    let defaults = Defaults {
        index,
        doc_type,
        routing: target.parameter("routing").map(str::to_owned),
        pipeline: target.parameter("pipeline").map(str::to_owned),
    };
    Request { items: body.actions.into_iter().map(|action| defaults.apply(action)).collect(), rest }
}

/// What the path and the parameters say for items that don't say it.
struct Defaults {
    index: Option<Arc<str>>,
    doc_type: Option<Arc<str>>,
    routing: Option<String>,
    pipeline: Option<String>,
}

impl Defaults {
    fn apply(&self, action: BulkAction) -> Asked {
        Asked {
            action: action.action,
            index: action.index.or_else(|| self.index.clone()),
            doc_type: action.doc_type.or_else(|| self.doc_type.clone()),
            id: action.id,
            routing: action.routing.or_else(|| self.routing.clone()),
            routing_is_known: true,
            pipeline: action.pipeline.or_else(|| self.pipeline.clone()),
            external: action.version_type.as_deref().is_some_and(is_external),
            source: Ok(action.source),
            dynamic_templates: action.dynamic_templates,
        }
    }
}

/// A bulk with an answer that isn't a plain refusal.
fn answered(request: Request, given: &Answer, facts: &Facts) -> Vec<Item> {
    if refused_midway(given.status, facts) {
        return all_in_doubt(request, DoubtReason::RefusedMidway, facts);
    }
    if !(200..300).contains(&given.status) {
        return all_in_doubt(request, DoubtReason::ServerError, facts);
    }
    let Some(BulkAnswer { items }) = read(given) else {
        return all_in_doubt(request, DoubtReason::UnreadableAnswer, facts);
    };
    let Some(answers) = items else {
        return all_in_doubt(request, DoubtReason::NoSequence, facts);
    };
    // `filter_path` may leave out items without what it asks for: then the places don't match.
    let aligned = answers.len() == request.items.len()
        && request.rest.is_none()
        && answers.iter().zip(&request.items).all(|(answer, asked)| answers_to(answer, asked))
        && !are_exchanged(&answers, &request.items);
    if !aligned {
        return all_in_doubt(request, DoubtReason::ItemsDiffer, facts);
    }
    request
        .items
        .into_iter()
        .zip(&answers)
        .map(|(asked, item)| match named(item) {
            Some((_, answer)) => judge(asked, answer, facts),
            None => asked.doubt(None, DoubtReason::UnreadableAnswer, facts),
        })
        .collect()
}

fn read(given: &Answer) -> Option<BulkAnswer<'_>> {
    if given.body_is_json() { answer::read(&given.body) } else { None }
}

fn judge(asked: Asked, answer: &WriteAnswer<'_>, facts: &Facts) -> Item {
    match answer.status {
        Some(status) => asked.judge(status, answer, facts),
        // Without the status, only a sequence number tells that it was applied.
        None if answer.error.is_some() || answer.seq_no.is_none() => {
            asked.doubt(Some(answer), DoubtReason::NoSequence, facts)
        }
        None => asked.judge(200, answer, facts),
    }
}

/// Whether an answer's item can be the one to this action.
fn answers_to(item: &BulkItemAnswer<'_>, asked: &Asked) -> bool {
    let Some((action, answer)) = named(item) else { return false };
    let same_action = match (action, asked.action) {
        (
            DocumentAction::Index | DocumentAction::Create,
            DocumentAction::Index | DocumentAction::Create,
        ) => true,
        (answered, asked) => answered == asked,
    };
    // A pipeline may have given the document another id.
    let same_id = match (&asked.id, answer.id()) {
        (Some(asked_id), Some(id)) => {
            asked_id == id || matches!(asked.action, DocumentAction::Index | DocumentAction::Create)
        }
        _ => true,
    };
    same_action && same_id
}

/// Whether an answer's item names the document of another action: then the places don't match either.
fn are_exchanged(answers: &[BulkItemAnswer<'_>], asked: &[Asked]) -> bool {
    let others = answers.iter().zip(asked).filter_map(|(answer, asked)| {
        let id = named(answer)?.1.id()?;
        asked.id.as_deref().filter(|asked| *asked != id).map(|_| id)
    });
    let mut others = others.peekable();
    // Nearly always: nothing to look up.
    if others.peek().is_none() {
        return false;
    }
    let known: HashSet<&str> = asked.iter().filter_map(|asked| asked.id.as_deref()).collect();
    others.any(|id| known.contains(id))
}

/// An item's action and what the source says of it.
fn named<'a, 'b>(item: &'b BulkItemAnswer<'a>) -> Option<(DocumentAction, &'b WriteAnswer<'a>)> {
    None.or(item.index.as_ref().map(|answer| (DocumentAction::Index, answer)))
        .or(item.create.as_ref().map(|answer| (DocumentAction::Create, answer)))
        .or(item.update.as_ref().map(|answer| (DocumentAction::Update, answer)))
        .or(item.delete.as_ref().map(|answer| (DocumentAction::Delete, answer)))
}

fn all_in_doubt(request: Request, reason: DoubtReason, facts: &Facts) -> Vec<Item> {
    let rest = request.rest.map(Item::Doubt);
    request.items.into_iter().map(|asked| asked.doubt(None, reason, facts)).chain(rest).collect()
}

/// A bulk whose body can't be read: the answer may name what was written.
fn unread(given: Option<&Answer>, index: Option<Arc<str>>, facts: &Facts) -> Vec<Item> {
    let answers = given
        .filter(|given| (200..300).contains(&given.status))
        .and_then(read)
        .and_then(|answer| answer.items)
        .filter(|items| !items.is_empty());
    let everything = || {
        let index = index.clone().unwrap_or_else(any);
        vec![Item::Doubt(Doubt {
            kind: DoubtKind::Walk { index },
            reason: DoubtReason::UnreadableBody,
        })]
    };
    let Some(answers) = answers else { return everything() };
    let mut items = Vec::with_capacity(answers.len());
    for item in &answers {
        // An item without id or index, or left out, could be any document.
        let Some((action, answer)) =
            named(item).filter(|(_, answer)| answer.id.is_some() && answer.index.is_some())
        else {
            return everything();
        };
        let asked = Asked {
            action,
            index: index.clone(),
            doc_type: None,
            id: None,
            routing: None,
            routing_is_known: false,
            pipeline: None,
            external: false,
            source: Err(DoubtReason::UnreadableBody),
            dynamic_templates: None,
        };
        items.push(judge(asked, answer, facts));
    }
    items
}
