//! Control requests: through the transforms, once.
//!
//! The order among them and against everything else is `converge::order`'s. Here: the note in the ledger before
//! and after, and what each kind needs to have the same effect on the target.

pub(crate) mod beside;
mod parted;

use cluster::{ClusterError, Repeat, Request, data_stream_of};
use converge::{Control, ControlKind, Doubt, DoubtKind, DoubtReason, Exchange, Scope};
use serde_json::{Map, Value, json};

use crate::{
    captured::Captured,
    chosen::NOT_CHOSEN,
    context::Context,
    exchange::{BY_RULE, Deed},
    indices::{IndexError, Prepared},
    ledger::{Note, State},
    message,
    metrics::Metrics,
    rules::{Kept, Ruled},
    sender::Answers,
};

/// Sends a control request unless that has been done.
pub(crate) async fn send(
    context: &Context,
    captured: &Captured,
    exchange: &Exchange,
    control: &Control,
) -> Result<Deed, ClusterError> {
    let id = captured.id();
    let path = String::from_utf8_lossy(&exchange.target).into_owned();
    let intended = match context.ledger.state(&id).await? {
        State::Done => {
            Metrics::count(&context.metrics.controls, "done before");
            return Ok(Deed { notes: json!({"control": "done before"}), ..Deed::default() });
        }
        State::Intended(note) => Some(note),
        State::New => None,
    };
    let mut note = Note {
        request: format!("{} {path}", exchange.method.as_str()),
        answered: captured.ended,
        deletes: control.deletes.iter().map(|named| named.expression().to_owned()).collect(),
        ..Note::default()
    };
    for named in &control.deletes {
        note.indices.extend(context.indices.deletable(named).await?);
    }
    if let Some(before) = &intended {
        // A crash may have come after the deletion: an index that has another UUID now is a younger one.
        note.indices.retain(|name, uuid| before.indices.get(name) == Some(uuid));
    }
    context.ledger.note(&id, note.clone()).await?;

    let mut answers = Answers::default();
    let done = act(context, captured, exchange, control, &path, &note, &mut answers).await?;
    for named in &control.deletes {
        context.indices.remember_deletion(named.clone(), captured.ended);
    }
    let status = answers.all().last().map_or(0, |reply| reply.status);
    let (result, done) = match done {
        Done::Well(sent) => ("sent", (sent, None)),
        Done::Needless(why) => (why, (None, None)),
        Done::Parted => (PARTED, (None, None)),
        Done::Refused(sent, why) => ("refused", (sent, Some(format!("{}: {why}", note.request)))),
    };
    let (sent, failed) = done;
    let (mut doubts, mut notes) = (Vec::new(), json!({"control": result}));
    if result == PARTED {
        let (scope, deletes) = (control.scope.clone(), !control.deletes.is_empty());
        let kind = DoubtKind::Definition { scope, deletes };
        doubts.push(Doubt { kind, reason: DoubtReason::Types });
    }
    let failed = match failed {
        // The target's index has changed in another order, or is a younger one: it gets what the source's has.
        Some(why) if context.source.is_some() && is_of_indices(control) => {
            notes["refused"] = why.into();
            let kind = DoubtKind::Definition { scope: control.scope.clone(), deletes: false };
            doubts.push(Doubt { kind, reason: DoubtReason::RefusedByTarget });
            None
        }
        failed => failed,
    };
    Metrics::count(&context.metrics.controls, result);
    if failed.is_none() && doubts.is_empty() {
        note.status = Some(status);
        context.ledger.note(&id, note).await?;
    }
    Ok(Deed {
        deletes: Vec::new(),
        latency: None,
        sent,
        answers,
        failed: failed.into_iter().collect(),
        notes,
        doubts,
    })
}

/// Whether all that a control request is about are indices that keep being there, and their aliases.
fn is_of_indices(control: &Control) -> bool {
    let indices = matches!(&control.scope, Scope::Indices(names) if !names.is_empty());
    indices && control.deletes.is_empty() && control.kind != ControlKind::PutDataStream
}

/// How a control request ended.
enum Done {
    /// With the request, where there was one.
    Well(Option<Request>),
    /// Nothing was to be done, and why.
    Needless(&'static str),
    Refused(Option<Request>, String),
    /// An index that it is about has others on the target: they get what the source's has.
    Parted,
}

/// The label of [`Done::Parted`].
const PARTED: &str = "read from the source";

async fn act(
    context: &Context,
    captured: &Captured,
    exchange: &Exchange,
    control: &Control,
    path: &str,
    note: &Note,
    answers: &mut Answers,
) -> Result<Done, ClusterError> {
    let (between, method) = (context.between, &captured.request.method_bytes);
    let as_it_was = |body| message::as_captured(between, method, exchange, path, body);
    if is_left_out(context, control) {
        return Ok(Done::Needless(NOT_CHOSEN));
    }
    if parted::is_about(context, control, captured.ended).await? {
        return Ok(Done::Parted);
    }
    let request = match control.kind {
        ControlKind::CreateIndex => {
            let Some(index) = &control.created else { return Ok(Done::Needless("no index named")) };
            let made = context
                .indices
                .create_captured(index, &object(&exchange.body), captured.ended)
                .await;
            return created(made);
        }
        ControlKind::DeleteIndex => {
            if note.indices.is_empty() {
                return Ok(Done::Needless("nothing to delete"));
            }
            let names: Vec<_> =
                note.indices.keys().map(|name| cluster::encode_segment(name)).collect();
            Request::new(cluster::Method::DELETE, format!("/{}", names.join(",")))
        }
        ControlKind::PutMapping => {
            if !prepare(context, &control.scope, captured.ended).await {
                return Ok(Done::Needless("superseded"));
            }
            let (mapping, _) = transform::mapping_body(&object(&exchange.body));
            if mapping.is_empty() {
                return Ok(Done::Needless("nothing of it is for the target"));
            }
            let path = mapping_path(path);
            let body = Value::Object(mapping).to_string().into();
            message::as_captured(between, method, exchange, &path, body)
        }
        ControlKind::PutSettings => {
            if !prepare(context, &control.scope, captured.ended).await {
                return Ok(Done::Needless("superseded"));
            }
            match transform::settings_body(&object(&exchange.body)).0 {
                Some(body) => as_it_was(Value::Object(body).to_string().into()),
                None => return Ok(Done::Needless("nothing of it is for the target")),
            }
        }
        ControlKind::PutTemplate
        | ControlKind::PutPipeline
        | ControlKind::PutScript
        | ControlKind::DeleteScript => {
            let many_types = context.settings.types.many_types();
            match beside::request(between, many_types, method, exchange) {
                Ok(request) => request,
                Err(why) => return Ok(Done::Refused(None, why)),
            }
        }
        ControlKind::Rollover => {
            let (Some(new), Some(_)) = (&control.created, &control.rolled_from) else {
                return Ok(Done::Needless("did not roll"));
            };
            if data_stream_of(new).is_some() {
                return Ok(Done::Needless("a data stream rolls over by itself"));
            }
            rollover(exchange, path, new)
        }
        ControlKind::OpenIndex
        | ControlKind::CloseIndex
        | ControlKind::Aliases
        | ControlKind::PutAlias
        | ControlKind::DeleteAlias => {
            prepare(context, &control.scope, captured.ended).await;
            as_it_was(exchange.body.clone())
        }
        ControlKind::DeleteTemplate
        | ControlKind::DeletePipeline
        | ControlKind::PutDataStream
        | ControlKind::DeleteDataStream => as_it_was(exchange.body.clone()),
    };
    let request = match context.transforms.apply(request, Some(exchange), Kept::Path).await {
        Ruled::Send(request) => request,
        Ruled::Dropped => return Ok(Done::Needless(BY_RULE)),
        Ruled::Failed(why) => return Ok(Done::Refused(None, why)),
    };
    // All of these have the same effect when they are sent twice, but for a deletion and a rollover; and
    // those name what they delete or make.
    let reply = context.sender.deliver(&request, Repeat::Safe, |_| false, answers).await?;
    if control.kind == ControlKind::Rollover
        && let Some(new) = &control.created
    {
        context.indices.forget(new);
    }
    if reply.is_success() {
        return Ok(Done::Well(Some(request)));
    }
    let words = reply.excerpt();
    if words.contains("index_not_found_exception") && is_gone(context, control).await? {
        return Ok(Done::Needless("superseded"));
    }
    let gone = reply.status == 404 && takes_away(control.kind);
    let there = words.contains("resource_already_exists_exception");
    Ok(match gone || there {
        true => Done::Well(Some(request)),
        false => Done::Refused(Some(request), format!("{} {words}", reply.status)),
    })
}

/// Whether nothing is replayed of what a control request is about. What a deletion of indices means there its note says.
fn is_left_out(context: &Context, control: &Control) -> bool {
    let chosen = &context.settings.indices;
    if let Some(made) = &control.created {
        return !chosen.has(made);
    }
    match (control.kind, &control.scope) {
        (ControlKind::DeleteIndex, _) => false,
        // No alias has the name of a data stream.
        (ControlKind::PutDataStream | ControlKind::DeleteDataStream, Scope::Indices(names)) => {
            names
                .iter()
                .all(|name| !name.contains('*') && !chosen.has(name) || name.starts_with(".ds-"))
        }
        (_, scope) => context.leaves_out(scope),
    }
}

/// Whether the source has deleted an index since that the request was about: then the target never had it, or
/// has it no more.
async fn is_gone(context: &Context, control: &Control) -> Result<bool, ClusterError> {
    let (Some(source), Scope::Indices(names)) = (&context.source, &control.scope) else {
        return Ok(false);
    };
    source.look().await?;
    Ok(names.iter().any(|name| !name.contains('*') && !source.knows(name)))
}

/// What these take away may be away already.
fn takes_away(kind: ControlKind) -> bool {
    matches!(
        kind,
        ControlKind::DeleteIndex
            | ControlKind::DeleteAlias
            | ControlKind::DeleteTemplate
            | ControlKind::DeletePipeline
            | ControlKind::DeleteScript
            | ControlKind::DeleteDataStream
            | ControlKind::Aliases
    )
}

fn created(made: Result<(), IndexError>) -> Result<Done, ClusterError> {
    match made {
        Ok(()) => Ok(Done::Well(None)),
        Err(IndexError::Cluster(error)) => Err(error),
        Err(error) => Ok(Done::Refused(None, error.to_string())),
    }
}

/// Makes sure of indices that a request is about, since the source had them. Patterns find what is there; and
/// where an index can't be made, the request's own answer says it best. `false`: the only index that it is about is
/// another one by now, which came to be with what its own requests said.
async fn prepare(context: &Context, scope: &Scope, answered: u64) -> bool {
    let Scope::Indices(names) = scope else { return true };
    let mut superseded = false;
    for name in names.iter().filter(|name| !name.contains('*')) {
        let known = match &context.source {
            Some(source) => source.uuid(name).is_some(),
            None => false,
        };
        if !known {
            continue;
        }
        match context.indices.prepare(name, answered).await {
            Ok(Prepared::Ready | Prepared::InStream) => {}
            Ok(Prepared::Superseded | Prepared::Younger | Prepared::NotChosen) => superseded = true,
            Err(error) => {
                tracing::warn!(index = name, %error, "cannot prepare the index of a control request");
            }
        }
    }
    !superseded || names.len() > 1
}

/// `/index/_mapping` for all the forms that a path has with a type in it.
fn mapping_path(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let index = if first.starts_with("_mapping") { "_all" } else { first };
    let known = |pair: &&str| !pair.starts_with("include_type_name") && !pair.is_empty();
    let query: Vec<&str> = query.split('&').filter(known).collect();
    match query.is_empty() {
        true => format!("/{index}/_mapping"),
        false => format!("/{index}/_mapping?{}", query.join("&")),
    }
}

/// `POST /alias/_rollover/NEW` without conditions: on the source they were met.
fn rollover(exchange: &Exchange, path: &str, new: &str) -> Request {
    let alias = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let mut body = object(&exchange.body);
    body.remove("conditions");
    let body = transform::index_body(&body, None).body;
    let path = format!("/{alias}/_rollover/{}", cluster::encode_segment(new));
    Request::json(cluster::Method::POST, path, body.to_string())
}

/// A JSON object; empty when the body is none (a create without a body).
fn object(body: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_out_of_the_path_of_a_mapping() {
        let check = |given: &str, expected: &str| assert_eq!(mapping_path(given), expected);
        check("/i/_mapping", "/i/_mapping");
        check("/i/_mapping/doc?include_type_name=true", "/i/_mapping");
        check("/i/doc/_mapping?timeout=1s", "/i/_mapping?timeout=1s");
        check("/_mapping/doc", "/_all/_mapping");
    }
}
