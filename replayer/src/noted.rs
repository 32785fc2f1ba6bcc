//! Deletes are noted on the target before they are sent, for the backfill of their index that runs beside.

use std::{collections::BTreeMap, sync::Arc};

use cluster::ClusterError;
use converge::Item;
use deletes::{Delete, Deletes, Note};

use crate::{
    context::Context,
    indices::{Part, Place},
};

/// Notes the deletes among operations that are about to be sent. Their indices are on the target.
pub(crate) async fn operations(context: &Context, items: &[Item]) -> Result<(), ClusterError> {
    if context.deletes.is_none() {
        return Ok(());
    }
    let mut by_index: BTreeMap<(&str, Place), Vec<Delete>> = BTreeMap::new();
    for item in items {
        let Item::Operation(operation) = item else { continue };
        if operation.is_delete() {
            let address = &operation.address;
            let at = (&*address.index, context.indices.place_of(operation));
            by_index.entry(at).or_default().push(Delete::Version {
                id: address.id.clone(),
                routing: address.routing.clone(),
                version: operation.version.get(),
            });
        }
    }
    for ((index, place), deletes) in by_index {
        let parts = context.indices.parts(index);
        let is_place = |part: &&Part| place == Place::Part(Arc::clone(&part.name));
        match parts.as_ref().and_then(|parts| parts.iter().find(is_place)) {
            Some(part) => in_part(context, part, deletes).await?,
            None => note(context, index, deletes).await?,
        }
    }
    Ok(())
}

/// As [`note`], of a part of an index.
pub(crate) async fn in_part(
    context: &Context,
    part: &Part,
    deletes: Vec<Delete>,
) -> Result<(), ClusterError> {
    match &context.deletes {
        Some(notes) if !deletes.is_empty() => {
            keep(context, notes, &part.image, &part.name, deletes).await
        }
        _ => Ok(()),
    }
}

/// Notes what was, or may have been, deleted from an index. Nothing when the target has none of that name: there
/// is no backfill into it.
pub(crate) async fn note(
    context: &Context,
    index: &str,
    deletes: Vec<Delete>,
) -> Result<(), ClusterError> {
    let Some(notes) = context.deletes.as_ref().filter(|_| !deletes.is_empty()) else {
        return Ok(());
    };
    let image = match context.indices.known_image(index) {
        Some(image) => image,
        None => match context.indices.image(index).await? {
            Some(image) => image,
            None => return Ok(()),
        },
    };
    keep(context, notes, &image, index, deletes).await
}

async fn keep(
    context: &Context,
    notes: &Deletes,
    image: &str,
    index: &str,
    deletes: Vec<Delete>,
) -> Result<(), ClusterError> {
    let note = |delete| Note { image: image.to_owned(), index: index.to_owned(), delete };
    let kept: Vec<Note> = deletes.into_iter().map(note).collect();
    notes.keep(&kept).await?;
    context.metrics.noted_deletes.inc_by(kept.len() as u64);
    Ok(())
}
