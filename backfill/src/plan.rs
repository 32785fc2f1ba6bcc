//! A snapshot's shards → units of work, by their size.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    context::RunError,
    shard::{Limits, ReadError, Shard},
    target::{IndexPlan, Targets},
    work::{RunName, Unit},
};

/// Shards whose files are listed at the same time.
const AT_ONCE: usize = 16;

/// Every unit of a run. The same snapshot and settings give the same units in every process.
///
/// # Errors
/// When a shard's list of files or its commit can't be read; with `partial`, such shards are left out with a
/// warning.
pub(crate) async fn units(
    run: &RunName,
    targets: &Targets,
    unit_bytes: u64,
    limits: Limits,
    partial: bool,
) -> Result<Vec<Unit>, RunError> {
    let shards = targets.iter().flat_map(|plan| {
        (0..plan.source.metadata.number_of_shards).map(move |number| (plan, number))
    });
    let planned = stream::iter(shards)
        .map(|(plan, number)| async move {
            match shard(run, plan, number, unit_bytes, limits).await {
                Err(error) if partial && error.is_damage() => {
                    tracing::warn!(%error, "a shard that the snapshot doesn't have is left out");
                    Ok(Vec::new())
                }
                other => other.map_err(RunError::from),
            }
        })
        .buffered(AT_ONCE);
    let units: Vec<Vec<Unit>> = planned.try_collect().await?;
    Ok(units.into_iter().flatten().collect())
}

async fn shard(
    run: &RunName,
    plan: &IndexPlan,
    number: u32,
    unit_bytes: u64,
    limits: Limits,
) -> Result<Vec<Unit>, ReadError> {
    let shard = Shard::open(&plan.source, number, limits).await?;
    let index = &plan.source.metadata;
    let mut units: Vec<Unit> = Vec::new();
    for (ordinal, segment) in (0u32..).zip(&shard.commit().segments) {
        let info = shard.info(segment).await?;
        let bytes = shard.bytes_of(segment);
        match units.last_mut().filter(|unit| unit.bytes < unit_bytes) {
            Some(unit) => {
                unit.segments.end = ordinal + 1;
                unit.bytes = unit.bytes.saturating_add(bytes);
                unit.documents += u64::from(info.documents);
            }
            None => units.push(Unit {
                id: Unit::id_of(run, &index.name, &index.uuid, number, ordinal),
                index: index.name.clone(),
                target_index: plan.names(),
                uuid: index.uuid.clone(),
                shard: number,
                segments: ordinal..ordinal + 1,
                bytes,
                documents: info.documents.into(),
            }),
        }
    }
    Ok(units)
}
