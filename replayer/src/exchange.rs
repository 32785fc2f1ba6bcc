//! The life of an exchange, from its turn to its tuple.
//!
//! ```text
//! its turn on its connection ─ its moment in the schedule ─ what it means:
//!     write    operations sent, the rest becomes doubt          (operations)
//!     control  once, with a note in the ledger                  (controls)
//!     read     sent as it was
//!     doubt    nothing is sent                                  (doubt)
//!     nothing, not sent
//! ─ tuple ─ claims given back when the tuple is durable and its doubts are resolved
//! ```

use std::sync::Arc;

use cluster::{ClusterError, Repeat, Request};
use converge::{Doubt, DoubtReason, Exchange, Item, Meaning, Operation, Read, ReadKind, Write};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    captured::Captured,
    context::{Context, RunError},
    controls,
    doubt::Waiting,
    message,
    metrics::Metrics,
    operations::{self, Occasion},
    recorder::Receipt,
    replay::deletes::Kept,
    sender::Answers,
};

/// An exchange whose turn has come.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) captured: Captured,
    pub(crate) exchange: Exchange,
    pub(crate) meaning: What,
    /// The source may have executed it on either side of a deletion of its index.
    pub(crate) overlaps_deletion: bool,
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
    pub(crate) deletes: Vec<Kept>,
    /// What the target refused for good, in words.
    pub(crate) failed: Vec<String>,
    /// The replayer was asked to stop before the exchange's moment.
    pub(crate) abandoned: bool,
}

/// What was sent for an exchange, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Deed {
    pub(crate) sent: Option<Request>,
    pub(crate) sent_at: Option<Instant>,
    pub(crate) answers: Answers,
    pub(crate) doubts: Vec<Doubt>,
    pub(crate) deletes: Vec<Operation>,
    pub(crate) failed: Vec<String>,
    /// For the tuple, beside the meaning.
    pub(crate) notes: Value,
}

/// Deals with an exchange.
pub(crate) async fn replay(context: Arc<Context>, job: Job) -> Result<Left, RunError> {
    let Job { captured, exchange, meaning, overlaps_deletion } = job;
    let intended = context.schedule.intended(captured.began);
    tokio::select! {
        () = tokio::time::sleep_until(intended) => {}
        () = context.shutdown.draining() => return Ok(Left { abandoned: true, ..Left::default() }),
    }
    context.metrics.requests.inc();
    let name = meaning.name();
    let deed = match meaning {
        What::Mirror => mirror(&context, &captured, &exchange).await?,
        What::Converge(Meaning::Nothing(reason)) => {
            Metrics::count(&context.metrics.nothing, reason.as_str());
            Deed { notes: json!({"reason": reason.as_str()}), ..Deed::default() }
        }
        What::Converge(Meaning::NotSent(class)) => {
            Metrics::count(&context.metrics.not_sent, class);
            Deed { notes: json!({"class": class}), ..Deed::default() }
        }
        What::Converge(Meaning::Doubt(doubts)) => Deed { doubts, ..Deed::default() },
        What::Converge(Meaning::Read(kind)) => read(&context, &captured, &exchange, &kind).await?,
        What::Converge(Meaning::Control(control)) => {
            controls::send(&context, &captured, &exchange, &control).await?
        }
        What::Converge(Meaning::Write(write)) => {
            let write = match overlaps_deletion {
                true => write.into_doubt(DoubtReason::OverlapsDeletion),
                false => write,
            };
            self::write(&context, &captured, &exchange, &write).await?
        }
    };
    if let Some(sent_at) = deed.sent_at {
        context.schedule.measure(intended, sent_at, captured.response_time());
    }
    Ok(record(&context, captured, &exchange, name, deed).await)
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
        deletes: write.operations().map(|(_, o)| o).filter(|o| o.is_delete()).cloned().collect(),
        failed,
        sent: applied.sent,
        sent_at: applied.sent_at,
        answers: applied.answers,
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
    let request = message::as_captured(&captured.request.method_bytes, exchange, &path, body);
    let repeat = match read.kind {
        // A page that is asked for twice is skipped.
        ReadKind::Scroll | ReadKind::AsyncSearch => Repeat::OnlyIfRefused,
        _ => Repeat::Safe,
    };
    let deed = deliver(context, exchange, request, repeat).await?;
    let makes_ids =
        matches!(read.kind, ReadKind::Scroll | ReadKind::OpenPit | ReadKind::AsyncSearch)
            || read.kind == ReadKind::Search && path.contains("scroll");
    if let (true, Some(answer), Some(reply)) =
        (makes_ids, &exchange.answer, deed.answers.all().last())
    {
        context.ids.learn(&answer.body, &reply.body);
    }
    Ok(deed)
}

async fn mirror(
    context: &Context,
    captured: &Captured,
    exchange: &Exchange,
) -> Result<Deed, ClusterError> {
    let path = String::from_utf8_lossy(&exchange.target).into_owned();
    let body = exchange.body.clone();
    let request = message::as_captured(&captured.request.method_bytes, exchange, &path, body);
    deliver(context, exchange, request, Repeat::OnlyIfRefused).await
}

/// Sends a request as it is; the target's answer is only for the tuple.
async fn deliver(
    context: &Context,
    exchange: &Exchange,
    request: Request,
    repeat: Repeat,
) -> Result<Deed, ClusterError> {
    let sent_at = Instant::now();
    let mut answers = Answers::default();
    // Where the source itself was overloaded, there is nothing to wait for.
    let expected = exchange.answer.as_ref().map_or(0, |answer| answer.status);
    let settled = |reply: &cluster::Reply| expected >= 429 && reply.status >= 429;
    let mut notes = Value::Null;
    match context.sender.deliver(&request, repeat, settled, &mut answers).await {
        Ok(_) => {}
        Err(error) if error.never_arrived() => return Err(error),
        Err(error) => notes = json!({"error": error.to_string()}),
    }
    Ok(Deed { sent: Some(request), sent_at: Some(sent_at), answers, notes, ..Deed::default() })
}

/// Hands the tuple over, and says what is left to do.
async fn record(
    context: &Context,
    mut captured: Captured,
    exchange: &Exchange,
    name: &str,
    deed: Deed,
) -> Left {
    let about = captured.id();
    let reasons: Vec<_> = deed.doubts.iter().map(|doubt| doubt.reason.as_str()).collect();
    for reason in &reasons {
        Metrics::count(&context.metrics.doubt, reason);
    }
    let mut godwit = json!({"meaning": name});
    if let Value::Object(notes) = deed.notes
        && let Some(godwit) = godwit.as_object_mut()
    {
        godwit.extend(notes);
    }
    if !reasons.is_empty() {
        godwit["doubt"] = json!(reasons);
    }
    let error = (!deed.failed.is_empty()).then(|| deed.failed.join("; "));
    let tuple =
        message::tuple(&captured, exchange, deed.sent.as_ref(), deed.answers.all(), error, godwit);
    // What failed is never settled: the next run tries it again.
    let parts = 1 + deed.doubts.len() + deed.deletes.len() + deed.failed.len();
    let claims = std::mem::take(&mut captured.claims);
    let receipt = Receipt::new(context.offsets.clone(), claims, parts);
    context.recorder.record(Box::new(tuple), receipt.clone()).await;
    for _ in &deed.failed {
        Metrics::count(&context.metrics.failed, name);
    }
    let waiting = |doubt| Waiting { doubt, about: about.clone(), receipt: receipt.clone() };
    let kept = |operation| Kept { operation, receipt: receipt.clone() };
    Left {
        deletes: deed.deletes.into_iter().map(kept).collect(),
        doubts: deed.doubts.into_iter().map(waiting).collect(),
        failed: deed.failed.into_iter().map(|why| format!("{about} failed: {why}")).collect(),
        abandoned: false,
    }
}

impl What {
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
