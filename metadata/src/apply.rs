//! A plan onto the target: kind after kind, items of a kind at the same time, each request safe to repeat.

mod adapt;
mod held;
mod refused;
mod write;

use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

pub use refused::Refused;
pub(crate) use write::Writer;

use crate::{Kind, OnExisting, Packed, Plan, Planned, Settings, State, plan::Change};

/// The first kind that can change an index that is made later.
const AFTER_INDICES: Kind = Kind::IndexTemplate;

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Outcome {
    Created,
    Updated,
    /// The target had it already.
    Unchanged,
    /// The target has another one, which stays.
    Kept,
    Refused(Refused),
    /// Nothing was tried.
    NotDone {
        why: String,
    },
    /// Nobody answered.
    Unanswered {
        error: String,
    },
}

impl Outcome {
    /// The target is as the plan wants it, or as a person wants it.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Unchanged | Self::Kept)
    }

    pub(crate) fn not_done(why: impl Into<String>) -> Self {
        Self::NotDone { why: why.into() }
    }
}

/// What a write came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    /// What `--adapt` took out.
    pub(crate) changes: Vec<Change>,
    /// The body that the target took.
    pub(crate) body: serde_json::Value,
    /// No other write will go better.
    pub(crate) is_over: bool,
}

/// Writes what the plan wants, and says of each item what became of it, in the plan's order. `None`: it isn't moved.
pub(crate) async fn apply(
    plan: &mut Plan,
    writer: &Writer<'_>,
    settings: &Settings,
) -> Vec<Option<Outcome>> {
    let mut outcomes: Vec<Option<Outcome>> =
        plan.items.iter().map(|item| at_rest(item, settings)).collect();
    let differing = plan.items.iter().filter(|item| item.state == State::ExistsDifferent).count();
    if settings.on_existing == OnExisting::Fail && differing > 0 {
        let why = format!(
            "nothing was written: the target has {differing} items that differ; see --on-existing"
        );
        for (outcome, item) in outcomes.iter_mut().zip(&plan.items) {
            if outcome.is_none() && item.state.is_moved() {
                *outcome = Some(Outcome::not_done(why.as_str()));
            }
        }
        return outcomes;
    }
    let all: Vec<usize> = (0..plan.items.len())
        .filter(|at| outcomes[*at].is_none() && plan.items[*at].state.is_moved())
        .collect();
    let bar = ProgressBar::new(all.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut over: Option<&'static str> = None;
    for kind in Kind::ALL {
        if kind == AFTER_INDICES {
            held::back(&plan.items, &mut outcomes);
        }
        let of_kind = all.iter().copied().filter(|at| plan.items[*at].kind == kind);
        let of_kind: Vec<usize> = of_kind.filter(|at| outcomes[*at].is_none()).collect();
        bar.set_message(kind.name());
        let mut results = Vec::with_capacity(of_kind.len());
        {
            let items = &plan.items;
            let mut writes = stream::iter(of_kind.iter().map(|at| {
                let (at, item) = (*at, &items[*at]);
                async move { (at, writer.write(item).await) }
            }))
            .buffer_unordered(settings.concurrency);
            while over.is_none()
                && let Some((at, done)) = writes.next().await
            {
                bar.inc(1);
                if done.is_over {
                    over = Some("the target takes no more; see the item that it refused");
                } else if writer.is_stopping() {
                    over = Some("asked to stop");
                }
                results.push((at, done));
                if over.is_some() {
                    // What is under way is waited for: it may well arrive.
                    writer.stop();
                    while let Some((at, done)) = writes.next().await {
                        results.push((at, done));
                    }
                }
            }
        }
        for (at, done) in results {
            let item = &mut plan.items[at];
            item.changes.extend(done.changes);
            item.body = Packed::from(&done.body);
            outcomes[at] = Some(done.outcome);
        }
    }
    for at in all {
        if outcomes[at].is_none() {
            outcomes[at] = Some(Outcome::not_done(over.unwrap_or("not come to")));
        }
    }
    bar.finish_and_clear();
    outcomes
}

/// What is clear without a request.
fn at_rest(item: &Planned, settings: &Settings) -> Option<Outcome> {
    match item.state {
        State::ExistsEqual => Some(Outcome::Unchanged),
        State::ExistsDifferent if settings.on_existing == OnExisting::Skip => Some(Outcome::Kept),
        _ => None,
    }
}
