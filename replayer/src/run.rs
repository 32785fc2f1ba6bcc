//! From settings to a summary.

use std::sync::Arc;

use cluster::Cluster;
use deletes::Deletes;
use journal::Reader;
use telemetry::{Admin, Readiness, Shutdown};
use tuples::WriterSettings;

use crate::{
    context::{Context, RunError},
    ids::SourceIds,
    indices::Indices,
    ledger::Ledger,
    metrics::Metrics,
    offsets::Offsets,
    recorder::Recorder,
    replay::Conductor,
    schedule::Schedule,
    sender::Sender,
    settings::Settings,
    source::Source,
    summary::Summary,
};

/// Replays a journal until its end (with `exit_at_end`) or until asked to stop.
///
/// # Errors
/// [`RunError`] when a service can't be reached for longer than its patience, or tuples can't be written. What
/// was committed by then holds.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<Summary, RunError> {
    let metrics = Metrics::new();
    let ready = Readiness::default();
    let _admin = Admin::bind(settings.admin, metrics.registry.clone(), ready.clone()).await?;
    let reader =
        Reader::open(&settings.journal, &settings.group, settings.from, &settings.kafka).await?;
    let ends = if settings.exit_at_end { Some(reader.ends().await?) } else { None };
    let target = Cluster::connect(settings.target.clone()).await?;
    let source = match &settings.source {
        Some(source) => {
            Some(Arc::new(Source::connect(source.clone(), settings.source_rate).await?))
        }
        None => None,
    };
    let ledger = Ledger::open(target.clone()).await?;
    let deletes = match settings.notes_deletes() {
        true => Some(Deletes::open(target.clone()).await?),
        false => None,
    };
    let (recorder, recording) = Recorder::start(WriterSettings {
        directory: settings.tuples.clone(),
        writer: format!("{:08x}", rand::random::<u32>()),
        file_bytes: settings.tuple_file_bytes,
        file_age: settings.tuple_file_age,
    })?;
    let skew = u64::try_from(settings.clock_skew.as_nanos()).unwrap_or(u64::MAX);
    let deletions = ledger.deletions();
    let context = Arc::new(Context {
        schedule: Schedule::new(settings.pace),
        offsets: Offsets::default(),
        sender: Sender::new(target.clone(), settings.target_connections, metrics.clone()),
        indices: Indices::new(target, source.clone(), metrics.clone(), skew, deletions),
        ids: SourceIds::default(),
        settings,
        metrics,
        source,
        ledger,
        deletes,
        recorder,
        shutdown: shutdown.clone(),
    });
    if let Some(source) = &context.source {
        tokio::spawn(Arc::clone(source).poll(shutdown.clone()));
    }
    ready.set(true);
    let conducted = Conductor::new(Arc::clone(&context), reader, ends).run().await;
    ready.set(false);
    let ended = conducted?;
    context.recorder.end(recording).await?;
    let mut reader = ended.reader;
    for (partition, offset) in context.offsets.take_committable() {
        reader.commit(partition, offset).await?;
    }
    let mut summary = Summary::of(&context.metrics, &context.schedule, &ended.gaps, ended.open);
    summary.reached_end = ended.reached_end;
    Ok(summary)
}
