//! The life of an exchange, from its turn to its tuple.
//!
//! ```text
//! its turn on its connection ─ its moment in the schedule (pacer) ─ what it means:
//!     write    operations sent, the rest becomes doubt          (operations)
//!     control  once, with a note in the ledger                  (controls)
//!     read     sent as it was
//!     doubt    nothing is sent                                  (doubt)
//!     nothing, not sent
//! ─ tuple ─ claims given back when the tuple is durable and its doubts are resolved
//! ```

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use cluster::{ClusterError, Repeat, Request};
use codec::reads::{endpoint_class, only_reads};
use converge::{
    Doubt, DoubtReason, Exchange, Item, Meaning, Operation, Read, ReadKind, Scope, Write,
};
use memchr::memmem;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    captured::Captured,
    chosen::NOT_CHOSEN,
    context::{Context, RunError},
    controls,
    doubt::Waiting,
    indices::now,
    latency::Latency,
    message,
    metrics::Metrics,
    mirrored,
    operations::{self, Occasion},
    parted_reads,
    recorder::Receipt,
    replay::{deletes, waits::WaitsFor},
    rules::{Kept, Ruled},
    sender::Answers,
};

/// Why nothing is sent of a request that a person's rules drop.
pub(crate) const BY_RULE: &str = "dropped by rule";

/// An exchange, and what is to be done about it when its turn comes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) captured: Box<Captured>,
    pub(crate) exchange: Exchange,
    pub(crate) meaning: What,
    /// The source may have executed it on either side of a deletion of its index: known when it is free to run.
    pub(crate) overlaps_deletion: bool,
    /// Of a control whose moment has come: since when it is held up, and by what.
    pub(crate) held: Option<(Instant, WaitsFor)>,
}

/// What is done with an exchange.
#[derive(Debug)]
pub(crate) enum What {
    Converge(Meaning),
    /// Sent as it was.
    Mirror,
}

/// What an exchange left behind.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) doubts: Vec<Waiting>,
    /// Deletes that were applied, and that the target may forget.
    pub(crate) deletes: Vec<deletes::Kept>,
    /// What the target refused for good, in words.
    pub(crate) failed: Vec<String>,
    /// The replayer was asked to stop before the exchange's moment.
    pub(crate) abandoned: bool,
}

/// What was sent for an exchange, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Deed {
    pub(crate) sent: Option<Request>,
    pub(crate) answers: Answers,
    pub(crate) doubts: Vec<Doubt>,
    pub(crate) deletes: Vec<Operation>,
    pub(crate) failed: Vec<String>,
    pub(crate) latency: Option<Latency>,
    /// For the tuple, beside the meaning.
    pub(crate) notes: Value,
}

/// Deals with an exchange, whose moment is now and should have been at `intended`.
pub(crate) async fn replay(
    context: &Context,
    job: Job,
    intended: Instant,
) -> Result<Left, RunError> {
    let Job { captured, exchange, meaning, overlaps_deletion, .. } = job;
    context.metrics.requests.inc();
    let name = meaning.name();
    let mut deed = match meaning {
        What::Mirror => mirror(context, &captured, &exchange).await?,
        What::Converge(Meaning::Nothing(reason)) => {
            Metrics::count(&context.metrics.nothing, reason.as_str());
            Deed { notes: json!({"reason": reason.as_str()}), ..Deed::default() }
        }
        What::Converge(Meaning::NotSent(_)) if context.settings.also.has(&exchange.target) => {
            mirror(context, &captured, &exchange).await?
        }
        What::Converge(Meaning::NotSent(class)) => {
            Metrics::count(&context.metrics.not_sent, class);
            Deed { notes: json!({"class": class}), ..Deed::default() }
        }
        What::Converge(Meaning::Read(read)) if context.leaves_out(&read.scope) => {
            Metrics::count(&context.metrics.not_sent, NOT_CHOSEN);
            Deed { notes: json!({"class": NOT_CHOSEN}), ..Deed::default() }
        }
        What::Converge(Meaning::Doubt(doubts)) => Deed { doubts, ..Deed::default() },
        What::Converge(Meaning::Read(kind)) => read(context, &captured, &exchange, &kind).await?,
        What::Converge(Meaning::Control(control)) => {
            controls::send(context, &captured, &exchange, &control).await?
        }
        What::Converge(Meaning::Write(write)) => {
            let write = match overlaps_deletion {
                true => write.into_doubt(DoubtReason::OverlapsDeletion),
                false => write,
            };
            self::write(context, &captured, &exchange, &write).await?
        }
    };
    let doubts = deed.doubts.len();
    deed.doubts.retain(|doubt| !context.leaves_out_doubt(doubt));
    let left_out = (doubts - deed.doubts.len()) as u64;
    context.metrics.left_out(left_out);
    if let Some(sent_at) = deed.answers.sent_at() {
        let class = endpoint_class(&captured.request.method_bytes, &captured.request.target);
        let source = captured.response_time();
        deed.latency = Some(context.latencies.measure(class, intended, sent_at, source));
        let on_source = exchange.answer.as_ref().map(|answer| answer.status);
        let agree = match (on_source, deed.answers.all().last()) {
            (Some(source), Some(target)) if source == target.status => "same",
            (Some(_), Some(_)) => "other",
            _ => "unknown",
        };
        Metrics::count(&context.metrics.answers, agree);
    }
    Ok(record(context, captured, &exchange, name, deed).await)
}

async fn write(
    context: &Context,
    captured: &Captured,
    exchange: &Exchange,
    write: &Write,
) -> Result<Deed, ClusterError> {
    let applied =
        operations::apply(context, write, captured.ended, Occasion::Captured(exchange)).await?;
    context.metrics.operations.with_label_values(&["journal"]).inc_by(applied.done);
    context.metrics.nothing.with_label_values(&["superseded"]).inc_by(applied.superseded);
    context.metrics.left_out(applied.left_out);
    for item in &write.items {
        if let Item::Nothing(reason) = item {
            Metrics::count(&context.metrics.nothing, reason.as_str());
        }
    }
    let failed = applied
        .failed
        .iter()
        .map(|(address, why)| format!("{}/{}: {why}", address.index, address.id))
        .collect();
    Ok(Deed {
        notes: json!({"operations": applied.done, "superseded": applied.superseded}),
        doubts: write.doubts().cloned().chain(applied.doubts).collect(),
        deletes: write
            .operations()
            .map(|(_, operation)| operation)
            .filter(|one| one.is_delete() && context.indices.stream(&one.address.index).is_none())
            .cloned()
            .collect(),
        failed,
        sent: applied.sent,
        answers: applied.answers,
        latency: None,
    })
}

async fn read(
    context: &Context,
    captured: &Captured,
    exchange: &Exchange,
    read: &Read,
) -> Result<Deed, ClusterError> {
    context.metrics.reads.inc();
    let path = context.ids.in_path(&String::from_utf8_lossy(&exchange.target));
    let body = context.ids.in_body(&exchange.body);
    let (path, body) = of_parts(context, path, body).await?;
    let (between, method) = (context.between, &captured.request.method_bytes);
    let request = message::as_captured(between, method, exchange, &path, body);
    let repeat = match read.kind {
        // A page that is asked for twice is skipped.
        ReadKind::Scroll | ReadKind::AsyncSearch => Repeat::OnlyIfRefused,
        _ => Repeat::Safe,
    };
    let mut deed = deliver(context, exchange, request, repeat).await?;
    if is_ahead(context, read, captured.ended) {
        deed.notes = match deed.notes {
            Value::Object(mut notes) => {
                notes.insert("ahead".into(), true.into());
                Value::Object(notes)
            }
            _ => json!({"ahead": true}),
        };
    }
    let makes_ids = match read.kind {
        ReadKind::Scroll | ReadKind::OpenPit | ReadKind::AsyncSearch => true,
        // A point in time may have another id from one search to the next.
        ReadKind::Search => {
            path.contains("scroll") || memmem::find(&exchange.body, b"\"pit\"").is_some()
        }
        _ => false,
    };
    if let (true, Some(answer), Some(reply)) =
        (makes_ids, &exchange.answer, deed.answers.all().last())
    {
        context.ids.learn(&answer.body, &reply.body);
    }
    Ok(deed)
}

/// A read of indices whose types are indices of their own on the target.
async fn of_parts(
    context: &Context,
    path: String,
    body: Bytes,
) -> Result<(String, Bytes), ClusterError> {
    let mut parts = parted_reads::Parts::new();
    if context.indices.has_types() {
        for index in parted_reads::named(&path, &body) {
            if let Some(found) = context.indices.parts_to_read(&index).await? {
                parts.insert(index, found);
            }
        }
    }
    Ok(parted_reads::route(&path, &body, &parts).unwrap_or((path, body)))
}

/// Whether documents that it finds may be newer than those that the source found.
fn is_ahead(context: &Context, read: &Read, answered: u64) -> bool {
    let Some(source) = &context.source else { return false };
    let behind: Vec<String> = match &read.scope {
        Scope::Indices(names) => {
            names.iter().filter_map(|name| source.behind(name)).flatten().collect()
        }
        Scope::All => Vec::new(),
    };
    context.ahead.of(&read.scope, &behind, answered)
}

async fn mirror(
    context: &Context,
    captured: &Captured,
    exchange: &Exchange,
) -> Result<Deed, ClusterError> {
    let path = String::from_utf8_lossy(&exchange.target).into_owned();
    let body = exchange.body.clone();
    let (between, method) = (context.between, &captured.request.method_bytes);
    let request = message::as_captured(between, method, exchange, &path, body);
    // What changes something is only repeated when it surely did not run.
    let repeat = match only_reads(method, &exchange.target) {
        true => Repeat::Safe,
        false => Repeat::OnlyIfRefused,
    };
    deliver(context, exchange, request, repeat).await
}

/// Sends a request as it is; the target's answer is only for the tuple.
async fn deliver(
    context: &Context,
    exchange: &Exchange,
    request: Request,
    repeat: Repeat,
) -> Result<Deed, ClusterError> {
    let request = match context.transforms.apply(request, Some(exchange), Kept::Nothing).await {
        Ruled::Send(request) => request,
        Ruled::Dropped => {
            Metrics::count(&context.metrics.nothing, BY_RULE);
            return Ok(Deed { notes: json!({"reason": BY_RULE}), ..Deed::default() });
        }
        Ruled::Failed(why) => return Ok(Deed { failed: vec![why], ..Deed::default() }),
    };
    let mut answers = Answers::default();
    // Where the source itself was overloaded, there is nothing to wait for.
    let expected = exchange.answer.as_ref().map_or(0, |answer| answer.status);
    let settled = |reply: &cluster::Reply| expected >= 429 && reply.status >= 429;
    let mut notes = Value::Null;
    let mut round = Cow::Borrowed(&request);
    let (retry, start, mut attempt) = (context.sender.target.patience(), Instant::now(), 0);
    loop {
        let sent = Instant::now();
        let left = match context.sender.deliver(&round, repeat, settled, &mut answers).await {
            Ok(reply) => mirrored::left(exchange, &round, reply),
            Err(error) if error.never_arrived() => return Err(error),
            Err(error) => {
                notes = json!({"error": error.to_string()});
                None
            }
        };
        let Some(body) = left.filter(|_| start.elapsed() < retry.give_up_after) else { break };
        context.sender.refused(sent);
        context.metrics.retries.inc();
        tokio::time::sleep(retry.wait(attempt)).await;
        attempt += 1;
        round.to_mut().body = body;
    }
    drop(round);
    Ok(Deed { sent: Some(request), answers, notes, ..Deed::default() })
}

/// Hands the tuple over, and says what is left to do.
async fn record(
    context: &Context,
    mut captured: Box<Captured>,
    exchange: &Exchange,
    name: &str,
    mut deed: Deed,
) -> Left {
    let about = captured.id();
    let reasons: Vec<_> = deed.doubts.iter().map(|doubt| doubt.reason.as_str()).collect();
    for reason in &reasons {
        Metrics::count(&context.metrics.doubt, reason);
    }
    // What failed is never settled: the next run tries it again.
    let left = deed.doubts.len() + deed.deletes.len() + deed.failed.len();
    // Nor is what has no answer yet: the next run has it.
    let parts = 1 + left + usize::from(captured.awaited);
    context.metrics.awaited.inc_by(u64::from(captured.awaited));
    let claims = std::mem::take(&mut captured.claims);
    let receipt = Receipt::new(context.offsets.clone(), claims, parts);
    if context.recorder.is_off() {
        receipt.settle();
    } else {
        let tuple = tuple(&captured, exchange, name, &mut deed, &reasons);
        context.recorder.record(Box::new(tuple), receipt.clone()).await;
    }
    for _ in &deed.failed {
        Metrics::count(&context.metrics.failed, name);
    }
    let (of, answered) = ((captured.began, captured.key), captured.ended);
    let waiting = |doubt| {
        let (about, receipt) = (about.clone(), receipt.clone());
        Waiting { doubt, about, of, answered, receipt, since: None }
    };
    let kept = |operation| deletes::Kept { operation, receipt: receipt.clone() };
    Left {
        deletes: deed.deletes.into_iter().map(kept).collect(),
        doubts: deed.doubts.into_iter().map(waiting).collect(),
        failed: deed.failed.into_iter().map(|why| format!("{about} failed: {why}")).collect(),
        abandoned: false,
    }
}

/// What is kept of an exchange for people.
fn tuple(
    captured: &Captured,
    exchange: &Exchange,
    name: &str,
    deed: &mut Deed,
    reasons: &[&str],
) -> tuples::Tuple {
    let mut godwit = json!({"meaning": name});
    if let Value::Object(notes) = deed.notes.take()
        && let Some(godwit) = godwit.as_object_mut()
    {
        godwit.extend(notes);
    }
    if let Some(latency) = &deed.latency {
        let millis = |took: Duration| took.as_secs_f64() * 1e3;
        let (intended, sent) = (millis(latency.from_intended), millis(latency.from_sent));
        godwit["latency"] = json!({"from_intended_ms": intended, "from_sent_ms": sent});
        godwit["answered_at_ms"] = json!(now() / 1_000_000);
    }
    if !reasons.is_empty() {
        godwit["doubt"] = json!(reasons);
    }
    if deed.answers.left_out() > 0 {
        godwit["answers_left_out"] = json!(deed.answers.left_out());
    }
    let error = (!deed.failed.is_empty()).then(|| deed.failed.join("; "));
    let mut tuple =
        message::tuple(captured, exchange, deed.sent.as_ref(), deed.answers.all(), error, godwit);
    tuple.attempts += deed.answers.left_out();
    tuple
}

impl What {
    pub(crate) fn is_control(&self) -> bool {
        matches!(self, Self::Converge(Meaning::Control(_)))
    }

    /// What kind of meaning, for tuples and counters.
    fn name(&self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Converge(Meaning::Nothing(_)) => "nothing",
            Self::Converge(Meaning::Read(_)) => "read",
            Self::Converge(Meaning::Write(_)) => "write",
            Self::Converge(Meaning::Control(_)) => "control",
            Self::Converge(Meaning::Doubt(_)) => "doubt",
            Self::Converge(Meaning::NotSent(_)) => "not sent",
        }
    }
}
