//! What the journal doesn't prove is read from the source.
//!
//! By id: `_mget`, realtime. By sweep: what was written to an index since it was last swept. By walk: every
//! document, deletes included. What is found is written with its own version; what is gone is deleted on the
//! target with the version that the target has, so that nothing newer is lost.

mod bulks;
mod named;
mod reading;
mod settled;
mod streams;
mod tasks;
mod typed;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use cluster::{ClusterError, ShardProgress};
use converge::{Address, Doubt, DoubtKind, DoubtReason, Scope, Task};
use tokio::time::Instant;

use self::reading::Reading;
use crate::{context::Context, recorder::Receipt, replay::held::Begun};

/// A doubt that waits, with the exchange it is about.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) doubt: Doubt,
    /// The exchange: `connection:number`.
    pub(crate) about: String,
    /// When the exchange began, and its key.
    pub(crate) of: Begun,
    /// When the source had answered it.
    pub(crate) answered: u64,
    pub(crate) receipt: Receipt,
    /// Since when a cluster has been asked in vain.
    pub(crate) since: Option<Instant>,
}

/// How a batch ended.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// What the source told. Their receipts are the conductor's to settle.
    pub(crate) done: Vec<Waiting>,
    /// Each doubt that is left, with why.
    pub(crate) left: Vec<(Waiting, String)>,
    /// What is to be asked again a little later.
    pub(crate) later: Vec<(Waiting, Later)>,
}

/// Why a doubt can't be resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// The source still does what was asked of it, for as long as it takes.
    Running,
    /// An index has shards that nobody answers for now; in words.
    Unavailable(String),
}

/// A cluster was waited for in vain: the batch is as it was.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) batch: Vec<Waiting>,
    pub(crate) error: ClusterError,
}

/// How far each index has been swept into which index: by the UUIDs of both. An index that was made again
/// on either side has been swept nowhere.
pub(crate) type Swept = HashMap<(String, String), ShardProgress>;

/// What a batch of doubts asks of the source, each thing once.
#[derive(Debug, Default)]
struct Questions {
    /// By index as named.
    documents: BTreeMap<Arc<str>, BTreeSet<Address>>,
    /// The same where the routing isn't certain: ids.
    anywhere: BTreeMap<Arc<str>, BTreeSet<String>>,
    sweeps: BTreeSet<Arc<str>>,
    walks: BTreeSet<Arc<str>>,
    /// `true`: a deletion is in doubt.
    definitions: Vec<(Scope, bool)>,
    /// Indices that aren't there any more.
    gone: BTreeSet<String>,
    /// Paths of templates, pipelines, scripts.
    named: BTreeSet<Vec<String>>,
}

/// Resolves a batch. Everything that was answered before any of them has been finished on the target.
pub(crate) async fn resolve(
    context: &Context,
    batch: Vec<Waiting>,
    swept: &mut Swept,
) -> Result<Resolved, Unanswered> {
    let Some(source) = &context.source else {
        let why = "there is no --source to ask";
        let left = batch.into_iter().map(|waiting| (waiting, why.to_owned())).collect();
        return Ok(Resolved { left, ..Resolved::default() });
    };
    let mut reading = Reading::new(context, source);
    match ask(&mut reading, &batch, swept).await {
        Ok(()) => Ok(reading.settle(batch)),
        Err(error) => {
            let unfilled = std::mem::take(&mut reading.replaced);
            unfilled.into_iter().for_each(|index| context.indices.replaced_again(index));
            Err(Unanswered { batch, error })
        }
    }
}

/// Asks what a batch is about, and does to the target what the source tells.
async fn ask(
    reading: &mut Reading<'_>,
    batch: &[Waiting],
    swept: &mut Swept,
) -> Result<(), ClusterError> {
    reading.look_at_tasks(batch).await?;
    let questions = Questions::of(batch, &reading.not_over);
    for (scope, deletes) in &questions.definitions {
        let done = reading.definition(scope, *deletes, swept).await;
        reading.bear(format!("{scope:?}"), done)?;
    }
    for index in questions.gone {
        let done = reading.gone(&index).await;
        reading.bear(format!("{:?}", Scope::of_index(&index)), done)?;
    }
    for path in questions.named {
        let done = reading.named(&path).await;
        reading.bear(path.join("/"), done)?;
    }
    for (name, documents) in questions.documents {
        let done = reading.by_id(&name, documents).await;
        reading.bear(name.to_string(), done)?;
    }
    for (name, ids) in questions.anywhere {
        let done = reading.anywhere(&name, ids).await;
        reading.bear(name.to_string(), done)?;
    }
    for name in questions.sweeps {
        for index in reading.behind(&name).await? {
            let done = reading.sweep(&index, swept, "sweep").await;
            reading.bear(index, done)?;
        }
    }
    for name in questions.walks {
        for index in reading.behind(&name).await? {
            let done = reading.walk(&index, swept).await;
            reading.bear(index, done)?;
        }
    }
    reading.fill_replaced(swept).await
}

impl Questions {
    fn of(batch: &[Waiting], not_over: &HashMap<Task, Later>) -> Self {
        let mut questions = Self::default();
        for Waiting { doubt, .. } in batch {
            match &doubt.kind {
                DoubtKind::ById(address) => {
                    let documents =
                        questions.documents.entry(Arc::clone(&address.index)).or_default();
                    documents.insert(address.clone());
                }
                DoubtKind::ByIdAnywhere(address) => {
                    let ids = questions.anywhere.entry(Arc::clone(&address.index)).or_default();
                    ids.insert(address.id.clone());
                }
                DoubtKind::Sweep { index } => drop(questions.sweeps.insert(Arc::clone(index))),
                DoubtKind::Walk { index } => drop(questions.walks.insert(Arc::clone(index))),
                DoubtKind::WalkAfter { index, task } => {
                    if !not_over.contains_key(task) {
                        questions.walks.insert(Arc::clone(index));
                    }
                }
                DoubtKind::Named { path } => drop(questions.named.insert(path.clone())),
                DoubtKind::Definition { scope: Scope::Indices(names), .. }
                    if doubt.reason == DoubtReason::Around =>
                {
                    questions.gone.extend(names.iter().cloned());
                }
                DoubtKind::Definition { scope, deletes } => {
                    questions.definitions.push((scope.clone(), *deletes));
                }
            }
        }
        questions
    }
}
