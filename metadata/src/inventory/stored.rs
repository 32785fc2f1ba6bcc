//! A snapshot, without its cluster.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value};
use snapshot::{GlobalMetadata, IndexMetadata, Repository, Snapshot};
use transform::Version;

use super::{Body, Inventory, Item, Kind, SCRIPT_INDEX, Side, aliases, has_script_index, normal};
use crate::MetadataError;

/// Indices whose definitions are read at the same time.
const AT_ONCE: usize = 16;

/// What a snapshot has of its cluster, hidden and system items too.
///
/// # Errors
/// When it can't be read; when it has no global state although that is needed (`needs_global`).
pub async fn stored(
    repository: &Repository,
    snapshot: &Snapshot,
    needs_global: bool,
) -> Result<Inventory, MetadataError> {
    let (repository, name) = (repository.name().to_owned(), snapshot.name().to_owned());
    let Some(made_by) = snapshot.version() else {
        return Err(MetadataError::NoVersion { repository, snapshot: name });
    };
    let Some(version) = Version::from_created(made_by.id) else {
        return Err(MetadataError::NoVersion { repository, snapshot: name });
    };
    let mut notes = Vec::new();
    let mut items = Vec::new();
    let mut of_streams = Vec::new();
    if snapshot.info().include_global_state == Some(false) {
        if needs_global {
            return Err(MetadataError::NoGlobalState { repository, snapshot: name });
        }
        notes.push("the snapshot has no global state: nothing but indices and aliases".into());
    } else {
        let global = snapshot.global().await?;
        of_streams = normal::stream_aliases(&global.data_stream_aliases);
        add(global, version, &mut items);
    }
    if let Some(why) = incomplete(snapshot) {
        notes.push(why);
    }
    let names: Vec<String> = snapshot.indices().into_iter().map(str::to_owned).collect();
    let read = names.into_iter().map(|name| async move { snapshot.index(&name).await });
    let found: Vec<_> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
    let mut of_indices = Vec::new();
    for index in found {
        let metadata = index.metadata;
        of_indices.push((metadata.name.clone(), normal::of_alias(metadata.aliases.clone())));
        items.push(of_index(metadata, version));
    }
    if has_script_index(version) && of_indices.iter().any(|(name, _)| name == ".scripts") {
        notes.push(SCRIPT_INDEX.into());
    }
    if of_indices.iter().any(|(name, _)| name == ".opendistro-ism-config") {
        notes.push(
            "lifecycle policies of OpenSearch are documents of .opendistro-ism-config: give --source to move them"
                .into(),
        );
    }
    items.extend(aliases(of_indices.into_iter().chain(of_streams).collect()));
    let side = Side {
        place: format!("{repository} {name}"),
        version: made_by.to_string(),
        health: None,
        of: version,
    };
    Ok(Inventory::new(side, items, notes))
}

/// What a snapshot that didn't end well may lack: its definitions are there all the same.
fn incomplete(snapshot: &Snapshot) -> Option<String> {
    let info = snapshot.info();
    match info.state {
        snapshot::State::Success | snapshot::State::Partial => None,
        state => Some(format!("the snapshot is {state:?}; it may lack indices")),
    }
}

fn add(global: GlobalMetadata, version: Version, items: &mut Vec<Item>) {
    let templates = [
        (Kind::LegacyTemplate, global.templates),
        (Kind::IndexTemplate, global.index_templates),
        (Kind::ComponentTemplate, global.component_templates),
    ];
    for (kind, of_kind) in templates {
        for (name, body) in of_kind {
            items.push(Item::new(kind, name, Body::Template(body, version)));
        }
    }
    for (name, body) in global.pipelines {
        let mut body = object(body.value());
        normal::dated(&mut body);
        items.push(Item::new(Kind::Pipeline, name, body));
    }
    for (name, stream) in global.data_streams {
        items.push(Item::new(Kind::DataStream, name, normal::data_stream(&object(stream))));
    }
    let scripts = global.scripts.into_iter().map(|(name, script)| (name, script.value()));
    for (name, script) in normal::scripts(scripts.collect()) {
        items.push(Item::new(Kind::Script, name, object(script)));
    }
    for (name, policy) in global.lifecycle_policies {
        let policy = policy.value().get("policy").cloned().unwrap_or_default();
        let body = Map::from_iter([("policy".to_owned(), policy)]);
        items.push(Item::new(Kind::LifecyclePolicy, name, body));
    }
}

fn of_index(index: IndexMetadata, version: Version) -> Item {
    let settings = normal::flat(&index.settings);
    let mappings = normal::kept(index.mappings, version);
    let body = [("settings", settings), ("mappings", mappings)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::Object(value)));
    let mut item = Item::new(Kind::Index, index.name, body.collect::<Map<_, _>>());
    item.uuid = Some(index.uuid);
    item.routing_shards = index.routing_num_shards;
    item.is_closed = !index.is_open;
    item
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
