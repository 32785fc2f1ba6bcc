//! `backfill run`: from settings to a snapshot's documents on the target, with as many workers as there are.

use std::{collections::BTreeMap, fmt, pin::pin, sync::Arc, time::Duration};

use cluster::Cluster;
use snapshot::{Repository, Snapshot, State};
use telemetry::{Admin, Readiness, Shutdown};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};

use crate::{
    context::{Context, RunError, UNIT},
    coordinator::{Claim, Coordinator, RunStatus},
    failed::FailedStore,
    plan,
    progress::Progress,
    read::select,
    send::Sender,
    settings::RunSettings,
    sweep::sweep,
    target::{How, Targets, target_of},
    transfer::{Ended, overdue, transfer},
    waiting::Waiting,
};

/// A unit that as many workers in a row died of, without a checkpoint between, is not tried again. Many: workers are
/// also killed for reasons that have nothing to do with it, and what is given up is missing for good.
const MOST_FRUITLESS: u32 = 20;

/// How a run stands when this process ends.
#[derive(Debug, serde::Serialize)]
pub struct RunSummary {
    #[serde(serialize_with = "crate::status::serialize")]
    pub status: RunStatus,
    /// This process was asked to stop, or to do one unit only.
    pub left_early: bool,
}

impl RunSummary {
    /// Every document of every shard is on the target, or superseded there.
    pub fn is_complete(&self) -> bool {
        self.status.is_complete()
    }
}

/// Backfills until nothing is left to do, or until asked to stop.
///
/// # Errors
/// [`RunError`] when the run can't begin or go on. What is in the accounts by then holds, and running again goes
/// on from there.
pub async fn run(settings: RunSettings, shutdown: Shutdown) -> Result<RunSummary, RunError> {
    let progress = Progress::new();
    let ready = Readiness::default();
    let _admin = Admin::bind(settings.admin, progress.registry.clone(), ready.clone()).await?;
    let context = tokio::select! {
        context = prepare(settings, progress, shutdown.clone()) => Arc::new(context?),
        () = shutdown.draining() => return Err(RunError::Stopped),
    };
    ready.set(true);
    let worked = workers(&context).await;
    ready.set(false);
    worked?;
    let (accounts, seconds) = context.progress.so_far();
    tracing::info!(
        read = accounts.read,
        written = accounts.written,
        superseded = accounts.superseded,
        failed = accounts.failures(),
        bytes = accounts.bytes,
        seconds,
        "this process is done"
    );
    let left_early = shutdown.is_draining() || context.settings.once;
    tokio::select! {
        status = end(&context) => Ok(RunSummary { status: status?, left_early }),
        () = overdue(&shutdown) => Err(RunError::Stopped),
    }
}

async fn end(context: &Context) -> Result<RunStatus, RunError> {
    let mut waiting = Waiting::new(&context.settings);
    loop {
        match try_to_end(context).await {
            Ok(status) => return Ok(status),
            Err(error) => waiting.again(error).await?,
        }
    }
}

/// How the run stands. Whoever sees that the last document is written sends the deletes again; by several at once, it
/// comes to the same.
async fn try_to_end(context: &Context) -> Result<RunStatus, RunError> {
    let status = context.coordinator.status().await?;
    if !status.is_finished() || status.is_swept() {
        return Ok(status);
    }
    let Context { target, source, targets, settings, .. } = context;
    let swept = sweep(target, source.as_ref(), targets, settings.versioning).await?;
    Ok(match context.coordinator.set_sweep(&status, swept).await? {
        Some(swept) => status.after(swept),
        None => {
            tracing::warn!("documents were written during the sweep of deletes; run again");
            status
        }
    })
}

/// Opens what a run reads and writes, and agrees with the other workers on what there is to do.
async fn prepare(
    settings: RunSettings,
    progress: Progress,
    shutdown: Shutdown,
) -> Result<Context, RunError> {
    // Whatever is wrong is to be said before the first index is made.
    let failed = FailedStore::open(&settings.failed)?;
    let repository = Repository::open(settings.read.repository.clone()).await?;
    let snapshot = repository.snapshot(&settings.read.snapshot).await?;
    check_state(&snapshot, settings.partial)?;
    let target = Cluster::connect(settings.target.clone()).await?;
    let source = match &settings.source {
        Some(source) => Some(Cluster::connect(source.clone()).await?),
        None => None,
    };
    let coordinating = match &settings.coordinator {
        Some(coordinator) => Cluster::connect(coordinator.clone()).await?,
        None => target.clone(),
    };
    let coordinator = Coordinator::new(coordinating, settings.run.clone(), settings.lease.clone())?;
    let how = How {
        target: target_of(&target).await?,
        types: settings.types,
        versioning: settings.versioning,
        recovery_source: settings.recovery_source,
        accept_refused: settings.accept_refused,
        streams: streams(&snapshot).await?,
    };
    let indices = indices(&snapshot, &settings, &how.streams).await?;
    let mut targets = Targets::plan(indices, &how)?;
    if targets.is_empty() {
        return Err(RunError::Nothing { snapshot: snapshot.name().to_owned() });
    }
    let mut waiting = Waiting::new(&settings);
    while let Err(error) = join(&coordinator, &targets, &settings).await {
        waiting.again(error).await?;
    }
    while let Err(error) = targets.prepare(&target).await {
        waiting.again(error).await?;
    }
    let permits = u32::try_from(settings.memory_for_batches() / UNIT).unwrap_or(u32::MAX).max(1);
    Ok(Context {
        sender: Sender::new(target.clone(), settings.send),
        target,
        source,
        failed,
        memory: Arc::new(Semaphore::new(permits as usize)),
        permits,
        ended: Notify::new(),
        coordinator,
        targets,
        progress,
        shutdown,
        settings,
    })
}

fn check_state(snapshot: &Snapshot, partial: bool) -> Result<(), RunError> {
    let info = snapshot.info();
    let what = match info.state {
        State::Success => return Ok(()),
        State::Partial if partial => return Ok(()),
        State::Partial => {
            let failed = info.failures.first();
            failed.map_or_else(
                || "some shards are missing".to_owned(),
                |f| {
                    let others = info.failures.len() - 1;
                    format!(
                        "{} shard {} failed ({}), and {others} more",
                        f.index, f.shard, f.reason
                    )
                },
            )
        }
        State::InProgress => "wait until it is done".to_owned(),
        State::Failed | State::Incompatible => info.reason.clone().unwrap_or_default(),
    };
    let (name, state) = (snapshot.name().to_owned(), format!("{:?}", info.state));
    Err(RunError::NotWhole { name, state, what })
}

/// The data streams of a snapshot, by backing index.
async fn streams(snapshot: &Snapshot) -> Result<BTreeMap<String, String>, RunError> {
    let mut streams = BTreeMap::new();
    if !snapshot.indices().iter().any(|name| name.starts_with('.')) {
        return Ok(streams);
    }
    for (name, stream) in snapshot.global().await?.data_streams {
        let backing = stream.get("indices").and_then(serde_json::Value::as_array);
        for index in backing.into_iter().flatten() {
            if let Some(index) = index.get("index_name").and_then(serde_json::Value::as_str) {
                streams.insert(index.to_owned(), name.clone());
            }
        }
    }
    Ok(streams)
}

/// The indices that are asked for; without patterns those of the system are left out.
async fn indices(
    snapshot: &Snapshot,
    settings: &RunSettings,
    streams: &BTreeMap<String, String>,
) -> Result<Vec<snapshot::Index>, RunError> {
    let named = !settings.read.indices.is_empty();
    let mut indices = Vec::new();
    for name in select(snapshot, &settings.read.indices)? {
        let index = snapshot.index(&name).await?;
        let is_system = name.starts_with('.') || index.metadata.is_system;
        if !named && is_system && !streams.contains_key(&name) {
            tracing::info!(
                index = name,
                "a system index: left out; name it with --index to take it"
            );
            continue;
        }
        indices.push(index);
    }
    Ok(indices)
}

/// Lets the workers work until one of them can't go on, or all are done.
async fn workers(context: &Arc<Context>) -> Result<(), RunError> {
    let mut workers = JoinSet::new();
    let count = if context.settings.once { 1 } else { context.settings.workers };
    for _ in 0..count {
        workers.spawn(work(Arc::clone(context)));
    }
    let mut outcome = Ok(());
    while let Some(ended) = workers.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(RunError::Task(error.to_string())));
        if let Err(error) = ended {
            // The others give back what they have.
            context.shutdown.drain();
            if outcome.is_ok() {
                outcome = Err(error);
            }
        }
    }
    outcome
}

async fn work(context: Arc<Context>) -> Result<(), RunError> {
    while !context.shutdown.is_draining() {
        // From before the question, so that what ends meanwhile is not missed.
        let mut ended = pin!(context.ended.notified());
        ended.as_mut().enable();
        let claim = tokio::select! {
            claim = claim(&context) => claim?,
            () = overdue(&context.shutdown) => return Ok(()),
        };
        match claim {
            Claim::Finished(_) => return Ok(()),
            Claim::Wait(_) if context.settings.once => return Ok(()),
            Claim::Wait(until) => {
                // Somebody may give a unit back before its lease is over.
                let soon = tokio::time::Instant::now() + Duration::from_secs(2);
                tokio::select! {
                    () = ended => {}
                    () = tokio::time::sleep_until(until.min(soon)) => {}
                    () = context.shutdown.draining() => {}
                }
            }
            Claim::Leased(lease) if lease.fruitless() >= MOST_FRUITLESS => {
                let why = format!("{} workers in a row were lost with it", lease.fruitless());
                tracing::error!(unit = lease.unit().id, why, "a unit is given up");
                if let Err(lost) = lease.refuse(&why).await {
                    tracing::warn!(%lost, "unit left to others");
                }
            }
            Claim::Leased(lease) => {
                let unit = lease.unit().id.clone();
                let ended = transfer(&context, *lease).await;
                context.ended.notify_waiters();
                match ended? {
                    Ended::Complete => tracing::info!(unit, "unit done"),
                    Ended::Refused | Ended::Released => {}
                    Ended::Lost(lost) => tracing::warn!(unit, %lost, "unit left to others"),
                }
                if context.settings.once {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

async fn claim(context: &Context) -> Result<Claim, RunError> {
    let mut waiting = Waiting::new(&context.settings);
    loop {
        match context.coordinator.claim().await {
            Ok(claim) => return Ok(claim),
            Err(error) => waiting.again(error).await?,
        }
    }
}

/// The plan that all workers of the run share; made unless it is there.
async fn join(
    coordinator: &Coordinator,
    targets: &Targets,
    settings: &RunSettings,
) -> Result<(), RunError> {
    let agreed = settings.agreed();
    if coordinator.join(&agreed).await?.is_some() {
        return Ok(());
    }
    let (limits, partial) = (settings.read.limits, settings.partial);
    let units = plan::units(&settings.run, targets, settings.unit_bytes, limits, partial).await?;
    let planned = coordinator.plan(&agreed, &units).await?;
    tracing::info!(units = planned.units, bytes = planned.bytes, "planned");
    Ok(())
}

impl fmt::Display for RunSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)
    }
}
