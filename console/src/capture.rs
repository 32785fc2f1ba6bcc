//! What was captured: the journal, read for its own sake.

pub mod bypass;
pub mod exchanges;
pub mod mark;

use journal::{Ends, Entry, Reader, StartFrom};
use telemetry::Shutdown;

use crate::migration::Migration;
use crate::problem::Problem;

/// The group that reads here; it commits nothing.
const GROUP: &str = "godwit-console";

/// Opens a migration's journal for reading.
///
/// # Errors
/// When there is none, or nobody answers.
pub async fn open(migration: &Migration, from: StartFrom) -> Result<Reader, Problem> {
    let reader = Reader::open(&migration.journal, GROUP, from, &migration.kafka).await;
    reader.map_err(|error| Problem::journal(&error))
}

/// Reads everything from `from` to the end as it is now.
///
/// # Errors
/// When the journal can't be read at all, or this was asked to stop.
pub async fn each(
    migration: &Migration,
    from: StartFrom,
    shutdown: &Shutdown,
    mut take: impl FnMut(&Entry),
) -> Result<Ends, Problem> {
    let mut reader = open(migration, from).await?;
    let ends = reader.ends().await.map_err(|error| Problem::journal(&error))?;
    while !reader.has_reached(&ends) && !shutdown.is_draining() {
        take(&reader.next().await.map_err(|error| Problem::journal(&error))?);
    }
    Ok(ends)
}
