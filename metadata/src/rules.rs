//! The rules of `transform`, as the plan asks for them.

use serde_json::{Map, Value};
use transform::{Made, ManyTypes, Origin, SnapshotIndex, Target, TargetIndex, Version, Wanted};

use crate::{Item, Kind};

pub use transform::Refusal;
pub(crate) use transform::{alias, deferred, manage_new, replicas_for, unreachable};

/// Anything but an index and an alias, for the target.
pub(crate) fn make(
    item: &Item,
    body: &Map<String, Value>,
    source: Version,
    target: Target,
    many_types: ManyTypes<'_>,
) -> Made {
    match item.kind {
        Kind::LegacyTemplate => transform::legacy_template_of(body, source, target, many_types),
        Kind::IndexTemplate => transform::index_template(body, source, target),
        Kind::ComponentTemplate => transform::component_template(body, source, target),
        Kind::Pipeline => transform::pipeline(body, source, target),
        Kind::Script => transform::stored_script(body, source, target),
        Kind::DataStream => transform::data_stream(body, source, target),
        Kind::LifecyclePolicy => transform::lifecycle_policy(&item.name, body, target),
        Kind::IsmPolicy => transform::ism_policy(body, source, target),
        Kind::Index | Kind::Alias => {
            Made { body: Value::Object(body.clone()), changes: Vec::new(), refused: Vec::new() }
        }
    }
}

/// The indices that the target needs for an index.
pub(crate) fn indices(
    item: &Item,
    body: &Map<String, Value>,
    source: Version,
    target: Target,
    many_types: ManyTypes<'_>,
) -> Vec<TargetIndex> {
    let empty = Map::new();
    let settings = body.get("settings").and_then(Value::as_object).unwrap_or(&empty);
    let mappings: Vec<(String, Map<String, Value>)> = match body
        .get("mappings")
        .and_then(Value::as_object)
    {
        Some(mappings) => mappings
            .iter()
            .map(|(name, mapping)| (name.clone(), mapping.as_object().cloned().unwrap_or_default()))
            .collect(),
        None => Vec::new(),
    };
    let created = settings.get("index.version.created").and_then(Value::as_str);
    let created = created.and_then(|id| id.parse().ok()).and_then(Version::from_created);
    let origin = item.uuid.as_ref().map(|uuid| Origin {
        source_uuid: uuid.clone(),
        epoch: 0,
        versioning: "sequence",
    });
    let index = SnapshotIndex {
        name: &item.name,
        settings,
        mappings: &mappings,
        // They are items of their own.
        aliases: &empty,
        created: created.unwrap_or(source),
        routing_shards: item.routing_shards,
    };
    transform::target_indices(
        index,
        Wanted { target, many_types, aliases: true, origin: origin.as_ref() },
    )
}

/// Why an item isn't moved unless it is asked for.
pub(crate) fn is_skipped(kind: Kind, name: &str) -> Option<&'static str> {
    let kind = match kind {
        Kind::ComponentTemplate => transform::Kind::ComponentTemplate,
        Kind::IndexTemplate => transform::Kind::IndexTemplate,
        Kind::LegacyTemplate => transform::Kind::LegacyTemplate,
        Kind::Pipeline => transform::Kind::Pipeline,
        Kind::Script => transform::Kind::StoredScript,
        Kind::Index => transform::Kind::Index,
        Kind::Alias => transform::Kind::Alias,
        Kind::DataStream => transform::Kind::DataStream,
        Kind::LifecyclePolicy | Kind::IsmPolicy => transform::Kind::LifecyclePolicy,
    };
    transform::is_skipped(kind, name)
}
