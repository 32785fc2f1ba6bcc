//! Control requests for indices whose types are indices of their own on the target: the request names none of those.

use cluster::ClusterError;
use converge::{Control, ControlKind, Scope, Selection};

use crate::{context::Context, operations};

/// Whether a control request is about an index that has parts on the target, or whose types can't be put there.
pub(super) async fn is_about(
    context: &Context,
    control: &Control,
    answered: u64,
) -> Result<bool, ClusterError> {
    let (indices, Some(source)) = (&context.indices, &context.source) else { return Ok(false) };
    if !indices.has_types() || !is_followed(control.kind) {
        return Ok(false);
    }
    if indices.has_parts_in(&control.scope).await? {
        return Ok(true);
    }
    let Scope::Indices(names) = &control.scope else { return Ok(false) };
    let named = Selection::of_scope(&Scope::Indices(names.clone()));
    for name in named.names().filter(|name| !name.contains('*')) {
        for index in source.concrete(name).await? {
            if control.kind == ControlKind::PutMapping {
                // It may have made a type.
                indices.forget(&index);
            }
            let prepared = operations::settle(indices.prepare(&index, answered).await)?;
            if prepared.is_err() || indices.parts(&index).is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// What the target's indices get from the source's definition.
fn is_followed(kind: ControlKind) -> bool {
    matches!(
        kind,
        ControlKind::PutMapping
            | ControlKind::PutSettings
            | ControlKind::OpenIndex
            | ControlKind::CloseIndex
            | ControlKind::Aliases
            | ControlKind::PutAlias
            | ControlKind::DeleteAlias
    )
}
