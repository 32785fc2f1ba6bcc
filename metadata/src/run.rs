//! The commands.

use cluster::Cluster;
use snapshot::Repository;
use telemetry::Shutdown;

use crate::{
    Inventory, MetadataError, Plan, Report, Settings, Source,
    apply::{self, Writer},
    deferred,
    inventory::{live, stored},
    target::{self, Abilities},
    verify,
};

/// Reads what the source has.
///
/// # Errors
/// When it can't be reached or read, or shows less than is asked for.
pub async fn inventory(settings: &Settings) -> Result<Inventory, MetadataError> {
    match &settings.source {
        Source::Cluster(source) => {
            let source =
                Cluster::connect((**source).clone()).await.map_err(MetadataError::Source)?;
            live(&source, false).await
        }
        Source::Snapshot { repository, snapshot } => {
            let repository = Repository::open((**repository).clone()).await?;
            let snapshot = repository.snapshot(snapshot).await?;
            stored(&repository, &snapshot, settings.selection.needs_global_state()).await
        }
    }
}

/// Plans, and writes nothing.
///
/// # Errors
/// When one of both sides can't be reached or read.
pub async fn evaluate(settings: &Settings) -> Result<Report, MetadataError> {
    let (plan, ..) = plan(settings).await?;
    Ok(Report::evaluated(plan, settings))
}

/// Plans, writes, reads back. With `deferred`, what was left for the cut-over.
///
/// # Errors
/// When one of both sides can't be reached or read before anything is written; what fails later is in the report.
pub async fn migrate(settings: &Settings, shutdown: &Shutdown) -> Result<Report, MetadataError> {
    let (mut plan, target, abilities) = plan(settings).await?;
    let writer = Writer::new(&target, settings.rate, settings.adapt, shutdown);
    let outcomes = match settings.deferred {
        true => deferred::apply(&plan, &writer, abilities).await,
        false => apply::apply(&mut plan, &writer, settings).await,
    };
    let verified = match live(&target, true).await {
        Ok(held) if settings.deferred => deferred::verify(&plan, &held),
        Ok(held) => verify::verify(&plan, &held),
        Err(error) => {
            plan.notes.push(format!("nothing could be read back: {error}"));
            vec![None; plan.items.len()]
        }
    };
    Ok(Report::migrated(plan, outcomes, verified, settings, shutdown.is_draining()))
}

async fn plan(settings: &Settings) -> Result<(Plan, Cluster, Abilities), MetadataError> {
    let of_target = async {
        let target = Cluster::connect(settings.target.clone()).await;
        let target = target.map_err(MetadataError::Target)?;
        let abilities = target::abilities(&target).await?;
        let held = live(&target, true).await?;
        Ok::<_, MetadataError>((target, abilities, held))
    };
    let (source, (target, abilities, held)) = tokio::try_join!(inventory(settings), of_target)?;
    let plan = Plan::build(&source, &held, abilities, settings);
    Ok((plan, target, abilities))
}
