//! Deletes are noted on the target before they are sent, for the backfill of their index that runs beside.

use std::collections::BTreeMap;

use cluster::ClusterError;
use converge::Item;
use deletes::{Delete, Note};

use crate::context::Context;

/// Notes the deletes among operations that are about to be sent. Their indices are on the target.
pub(crate) async fn operations(context: &Context, items: &[Item]) -> Result<(), ClusterError> {
    if context.deletes.is_none() {
        return Ok(());
    }
    let mut by_index: BTreeMap<&str, Vec<Delete>> = BTreeMap::new();
    for item in items {
        let Item::Operation(operation) = item else { continue };
        if operation.is_delete() {
            let address = &operation.address;
            by_index.entry(&*address.index).or_default().push(Delete::Version {
                id: address.id.clone(),
                routing: address.routing.clone(),
                version: operation.version.get(),
            });
        }
    }
    for (index, deletes) in by_index {
        note(context, index, deletes).await?;
    }
    Ok(())
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
    let note = |delete| Note { image: image.clone(), index: index.to_owned(), delete };
    let kept: Vec<Note> = deletes.into_iter().map(note).collect();
    notes.keep(&kept).await?;
    context.metrics.noted_deletes.inc_by(kept.len() as u64);
    Ok(())
}
