//! From settings to a summary.

use std::{sync::Arc, time::Duration};

use cluster::{Cluster, Flavour, Pool};
use deletes::Deletes;
use journal::{Reader, Taken};
use telemetry::{Admin, Readiness, Shutdown};
use tokio::time::{Instant, timeout};
use transform::Version;
use tuples::WriterSettings;

use crate::{
    admin,
    ahead::Ahead,
    context::{Context, RunError},
    group::Membership,
    ids::SourceIds,
    indices::Indices,
    latency::Latencies,
    lateness::Lateness,
    ledger::Ledger,
    losses::Losses,
    message::Between,
    metrics::Metrics,
    offsets::Offsets,
    recorder::{self, Place, Recorder, Store},
    replay::Conductor,
    rules::Transforms,
    schedule::Schedule,
    sender::Sender,
    settings::{Mutations, Settings},
    source::Source,
    summary::Summary,
};

/// What tuples are written by. Replayers that write to one place are told apart by a name of their own.
fn writer(settings: &Settings) -> WriterSettings {
    WriterSettings {
        file_bytes: settings.tuple_file_bytes,
        file_age: settings.tuple_file_age,
        compression: settings.tuple.compression,
        layout: settings.tuple.layout,
        ..WriterSettings::new(&settings.tuples, format!("{:08x}", rand::random::<u32>()))
    }
}

fn version(info: &cluster::Info) -> Version {
    match info.flavour {
        Flavour::OpenSearch => Version::opensearch(info.major, info.minor),
        Flavour::Elasticsearch => Version::elasticsearch(info.major, info.minor),
    }
}

/// Where tuples go.
fn place(settings: &Settings) -> Result<Place, RunError> {
    if settings.tuple.none {
        return Ok(Place::Nowhere);
    }
    let Some(of_store) = &settings.tuple.store else { return Ok(Place::Folder(writer(settings))) };
    let (store, prefix) = of_store.open_store()?;
    let (url, patience) = (of_store.location.to_string(), settings.target.retry.give_up_after);
    Ok(Place::Store(writer(settings), Store { store, prefix, url, patience }))
}

/// Replays a journal until its end (with `exit_at_end`) or until asked to stop.
///
/// # Errors
/// [`RunError`] when a service can't be reached for longer than its patience, or tuples can't be written. What
/// was committed by then holds.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<Summary, RunError> {
    let metrics = Metrics::new();
    let of_transforms = settings.transforms.clone();
    let transforms = Transforms::new(of_transforms.headers, of_transforms.rules)?;
    let ready = Readiness::default();
    let schedule = Arc::new(Schedule::new(settings.pace));
    let (registry, routes) = (metrics.registry.clone(), admin::routes(Arc::clone(&schedule)));
    let _admin = Admin::bind_with(settings.admin, registry, ready.clone(), routes).await?;
    let place = place(&settings)?;
    let (url, group, kafka) = (&settings.journal, &settings.group, &settings.kafka);
    let reader = match settings.share {
        true => Reader::open_shared(url, group, kafka).await?,
        false => Reader::open(url, group, settings.from, kafka).await?,
    };
    let ends = if settings.exit_at_end { Some(reader.ends().await?) } else { None };
    let target = Cluster::connect(settings.target.clone()).await?;
    let pool = Pool::new(&target, &settings.target, settings.target_connections)?;
    let source = match &settings.source {
        Some(source) => {
            Some(Arc::new(Source::connect(source.clone(), settings.source_rate).await?))
        }
        None => None,
    };
    let of_source = source.as_deref().map(|source| version(source.cluster.info()));
    let source_version = settings.transforms.source_version.or(of_source);
    // What plugins add is for indices, whose definitions don't come this way.
    let target_version =
        transform::Target { version: version(target.info()), ..transform::Target::default() };
    let between = Between { source: source_version, target: target_version };
    let ledger = match settings.mutations {
        Mutations::Converge => Ledger::open(target.clone(), settings.share).await?,
        Mutations::Mirror => Ledger::unopened(target.clone()),
    };
    let losses = match settings.mutations {
        Mutations::Converge => Losses::open(target.clone(), &settings.journal).await?,
        Mutations::Mirror => Losses::unopened(&settings.journal),
    };
    let deletes = match settings.notes_deletes() {
        true => Some(Deletes::open(target.clone()).await?),
        false => None,
    };
    let (recorder, mut recording) = Recorder::start(place)?;
    let skew = u64::try_from(settings.clock_skew.as_nanos()).unwrap_or(u64::MAX);
    let deletions = ledger.deletions();
    let context = Arc::new(Context {
        schedule,
        latencies: Latencies::new(&metrics),
        lateness: Lateness::default(),
        offsets: Offsets::default(),
        sender: Sender::new(
            target.clone(),
            pool,
            settings.target_connections,
            settings.target_gzip,
            metrics.clone(),
        ),
        indices: Indices::new(target, source.clone(), metrics.clone(), skew, deletions)
            .with_types(source_version, settings.types.clone())
            .only(settings.indices.clone()),
        ids: SourceIds::default(),
        ahead: Ahead::default(),
        settings,
        metrics,
        between,
        source,
        ledger,
        losses,
        deletes,
        recorder,
        transforms,
        shutdown: shutdown.clone(),
    });
    if let Some(source) = &context.source {
        tokio::spawn(Arc::clone(source).poll(shutdown.clone()));
    }
    ready.set(true);
    let partitions = reader.partition_count();
    let mut conductor = Conductor::new(Arc::clone(&context), reader, ends);
    let settings = &context.settings;
    let mut membership = None;
    if settings.share {
        let (target, name) =
            (context.ledger.target(), (&settings.journal, settings.group.as_str()));
        let (timeout, reports) = (settings.member_timeout, conductor.reports());
        let joined = Membership::join(target, name, partitions, timeout, reports).await?;
        conductor.share(joined.group());
        membership = Some(joined);
    }
    let conducted = tokio::select! {
        conducted = Box::pin(conductor.run()) => conducted,
        // Nothing can be finished any more: the writer doesn't end by itself but with an error.
        died = &mut recording => Err(recorder::ended(died).err().map_or(RunError::NoRecorder, RunError::Tuples)),
    };
    ready.set(false);
    let mut ended = conducted?;
    if ended.reached_end {
        let wrong = context.indices.settle_mappings().await?;
        context.metrics.doubt_left.add(i64::try_from(wrong.len()).unwrap_or(i64::MAX));
        ended.open.extend(wrong);
    }
    context.recorder.end(recording).await?;
    let mut reader = ended.reader;
    commit_last(&mut reader, &context.offsets, membership.is_some()).await?;
    if let Some(membership) = membership {
        membership.leave().await?;
    }
    drop(reader);
    let mut summary = Summary::of(&context.metrics, context.latencies.percentiles(), ended.open);
    summary.reached_end = ended.reached_end;
    let (lost, lines) = context.losses.list().await?;
    summary.lost = lost;
    summary.open.extend(lines);
    Ok(summary)
}

/// How long a group that is just sharing its partitions anew is waited for, to commit.
const PATIENCE: Duration = Duration::from_secs(15);
const A_MOMENT: Duration = Duration::from_millis(100);

/// Commits what is finished.
async fn commit_last(reader: &mut Reader, offsets: &Offsets, shared: bool) -> Result<(), RunError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut refused = None;
        for (partition, offset) in offsets.take_committable() {
            match reader.commit(partition, offset).await {
                Ok(()) => {}
                Err(error) if !shared => return Err(error.into()),
                Err(error) => {
                    offsets.refused(partition);
                    refused = Some((partition, offset, error));
                }
            }
        }
        let Some((partition, offset, error)) = refused else { return Ok(()) };
        if Instant::now() > until {
            // Whoever gets the partition reads a little again.
            tracing::warn!(%error, partition, offset, "cannot commit at the end");
            return Ok(());
        }
        // Partitions move: this one has to take part before it can commit.
        reader.flow(false)?;
        if let Ok(Taken::Lost(partitions)) =
            timeout(A_MOMENT, reader.take()).await.unwrap_or_else(|_| Ok(Taken::Gained(Vec::new())))
        {
            partitions.iter().for_each(|partition| offsets.forget(*partition));
        }
    }
}
