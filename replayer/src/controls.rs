//! Control requests: through the transforms, once.
//!
//! The order among them and against everything else is `converge::order`'s. Here: the note in the ledger before
//! and after, and what each kind needs to have the same effect on the target.

use cluster::{ClusterError, Repeat, Request};
use converge::{Control, ControlKind, Exchange, Scope};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    captured::Captured,
    context::Context,
    exchange::Deed,
    indices::IndexError,
    ledger::{Note, State},
    message,
    metrics::Metrics,
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
    let intended = match context.ledger.state(&id) {
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

    let sent_at = Instant::now();
    let mut answers = Answers::default();
    let done = act(context, captured, exchange, control, &path, &note, &mut answers).await?;
    for named in &control.deletes {
        context.indices.remember_deletion(named.clone(), captured.ended);
    }
    let status = answers.all().last().map_or(0, |reply| reply.status);
    let (result, failed) = match done {
        Done::Well(sent) => ("sent", (sent, None)),
        Done::Needless(why) => (why, (None, None)),
        Done::Refused(sent, why) => ("refused", (sent, Some(format!("{}: {why}", note.request)))),
    };
    Metrics::count(&context.metrics.controls, result);
    if failed.1.is_none() {
        note.status = Some(status);
        context.ledger.note(&id, note).await?;
    }
    Ok(Deed {
        deletes: Vec::new(),
        sent_at: failed.0.is_some().then_some(sent_at),
        sent: failed.0,
        answers,
        failed: failed.1.into_iter().collect(),
        notes: json!({"control": result}),
        doubts: Vec::new(),
    })
}

/// How a control request ended.
enum Done {
    /// With the request, where there was one.
    Well(Option<Request>),
    /// Nothing was to be done, and why.
    Needless(&'static str),
    Refused(Option<Request>, String),
}

async fn act(
    context: &Context,
    captured: &Captured,
    exchange: &Exchange,
    control: &Control,
    path: &str,
    note: &Note,
    answers: &mut Answers,
) -> Result<Done, ClusterError> {
    let as_it_was =
        |body| message::as_captured(&captured.request.method_bytes, exchange, path, body);
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
            prepare(context, &control.scope, captured.ended).await;
            let (mapping, _) = transform::mapping_body(&object(&exchange.body));
            if mapping.is_empty() {
                return Ok(Done::Needless("nothing of it is for the target"));
            }
            as_it_was(Value::Object(mapping).to_string().into())
        }
        ControlKind::PutSettings => {
            prepare(context, &control.scope, captured.ended).await;
            match transform::settings_body(&object(&exchange.body)).0 {
                Some(body) => as_it_was(Value::Object(body).to_string().into()),
                None => return Ok(Done::Needless("nothing of it is for the target")),
            }
        }
        ControlKind::PutTemplate => {
            as_it_was(transform::template_body(&object(&exchange.body)).body.to_string().into())
        }
        ControlKind::Rollover => {
            let (Some(new), Some(_)) = (&control.created, &control.rolled_from) else {
                return Ok(Done::Needless("did not roll"));
            };
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
        | ControlKind::PutPipeline
        | ControlKind::DeletePipeline
        | ControlKind::PutScript
        | ControlKind::DeleteScript
        | ControlKind::PutDataStream
        | ControlKind::DeleteDataStream => as_it_was(exchange.body.clone()),
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
/// where an index can't be made, the request's own answer says it best.
async fn prepare(context: &Context, scope: &Scope, answered: u64) {
    let Scope::Indices(names) = scope else { return };
    for name in names.iter().filter(|name| !name.contains('*')) {
        let known = match &context.source {
            Some(source) => source.uuid(name).is_some(),
            None => false,
        };
        if known && let Err(error) = context.indices.prepare(name, answered).await {
            tracing::warn!(index = name, %error, "cannot prepare the index of a control request");
        }
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
