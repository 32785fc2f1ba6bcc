//! A live cluster, of any version.

use cluster::{Cluster, Method, Repeat, Request, encode_segment};
use serde_json::{Map, Value};
use transform::Version;

use super::{Inventory, Item, Kind, SCRIPT_INDEX, Side, aliases, has_script_index, normal};
use crate::MetadataError;

/// A cluster as it is asked: what is said of it when it doesn't answer.
#[derive(Clone, Copy)]
struct Asked<'c> {
    cluster: &'c Cluster,
    is_target: bool,
}

/// Something that a cluster is asked for.
struct Question {
    path: &'static str,
    what: &'static str,
    privilege: &'static str,
    /// A version may not have it: that it doesn't know it is no error.
    optional: bool,
}

/// What a live cluster has, hidden and system items too.
///
/// # Errors
/// When it doesn't answer, refuses to show something, or shows what can't be understood.
pub async fn live(cluster: &Cluster, is_target: bool) -> Result<Inventory, MetadataError> {
    let asked = Asked { cluster, is_target };
    let side = side(asked).await?;
    let version = side.of;
    let mut notes = Vec::new();
    let mut items = templates(asked, version).await?;
    let of_indices = indices(asked, version, &mut items).await?;
    if hides_routing_shards(version) {
        notes.push(ROUTING_SHARDS.into());
    }
    if has_script_index(version) && of_indices.iter().any(|(name, _)| name == ".scripts") {
        notes.push(SCRIPT_INDEX.into());
    }
    items.extend(aliases(of_indices));
    policies(asked, &mut items).await?;
    Ok(Inventory::new(side, items, notes))
}

async fn side(asked: Asked<'_>) -> Result<Side, MetadataError> {
    let info = asked.cluster.info();
    let (name, of) = match info.flavour {
        cluster::Flavour::OpenSearch => ("OpenSearch", Version::opensearch(info.major, info.minor)),
        cluster::Flavour::Elasticsearch => {
            ("Elasticsearch", Version::elasticsearch(info.major, info.minor))
        }
    };
    let health = Question {
        path: "/_cluster/health",
        what: "health",
        privilege: "cluster:monitor/health",
        optional: true,
    };
    let health = ask_for(asked, &health).await?;
    let health = health.as_ref().and_then(|health| health.get("status")).and_then(Value::as_str);
    Ok(Side {
        place: asked.cluster.url().to_owned(),
        version: format!("{name} {}", info.version),
        health: health.map(str::to_owned),
        of,
    })
}

async fn templates(asked: Asked<'_>, version: Version) -> Result<Vec<Item>, MetadataError> {
    let mut items = Vec::new();
    let legacy = Question {
        path: "/_template",
        what: "legacy templates",
        privilege: "indices:admin/template/get (manage_index_templates)",
        optional: false,
    };
    match ask_for(asked, &legacy).await {
        Ok(found) => {
            for (name, body) in object(found) {
                let body = normal::template(object(Some(body)), version);
                items.push(Item::new(Kind::LegacyTemplate, name, body));
            }
        }
        // One that it can't show spoils the list: each by itself then.
        Err(MetadataError::Source(error)) if error.status().is_some_and(|s| s >= 400) => {
            tracing::warn!(%error, "the source can't list its templates; asking for each");
            items.extend(one_by_one(asked, version).await?);
        }
        Err(error) => return Err(error),
    }
    let lists = [
        (Kind::IndexTemplate, "/_index_template", "index_templates", "index_template"),
        (
            Kind::ComponentTemplate,
            "/_component_template",
            "component_templates",
            "component_template",
        ),
    ];
    for (kind, path, list, inner) in lists {
        let privilege = "indices:admin/index_template/get (manage_index_templates)";
        let question = Question { path, what: kind.name(), privilege, optional: true };
        let found = object(ask_for(asked, &question).await?).remove(list);
        for entry in found.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let (Some(name), Some(Value::Object(body))) =
                (entry.get("name").and_then(Value::as_str), entry.get(inner))
            else {
                return Err(unclear(asked, kind.name(), "an entry without name or body"));
            };
            items.push(Item::new(kind, name, normal::template(body.clone(), version)));
        }
    }
    let pipelines = Question {
        path: "/_ingest/pipeline",
        what: "ingest pipelines",
        privilege: "cluster:admin/ingest/pipeline/get (manage_ingest_pipelines)",
        optional: true,
    };
    for (name, body) in object(ask_for(asked, &pipelines).await?) {
        let mut body = object(Some(body));
        normal::dated(&mut body);
        items.push(Item::new(Kind::Pipeline, name, body));
    }
    Ok(items)
}

/// Each legacy template by itself, those that the source can't show with its reason.
async fn one_by_one(asked: Asked<'_>, version: Version) -> Result<Vec<Item>, MetadataError> {
    let names = Question {
        path: "/_cluster/state/metadata?filter_path=metadata.templates.*.order",
        what: "names of templates",
        privilege: "cluster:monitor/state",
        optional: false,
    };
    let state = ask_for(asked, &names).await?;
    let names = state.as_ref().and_then(|state| state.pointer("/metadata/templates"));
    let mut items = Vec::new();
    for name in names.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        let request = Request::new(Method::GET, format!("/_template/{}", encode_segment(name)));
        let item = match asked.cluster.call(request).await {
            Ok(reply) => {
                let mut found: Map<String, Value> = serde_json::from_slice(&reply.body)
                    .map_err(|error| unclear(asked, "templates", error))?;
                let body = normal::template(object(found.remove(name)), version);
                Item::new(Kind::LegacyTemplate, name, body)
            }
            Err(error) if error.status().is_some() => Item {
                unserved: Some(error.to_string()),
                ..Item::new(Kind::LegacyTemplate, name, Map::new())
            },
            Err(error) => return Err(asked.error(error)),
        };
        items.push(item);
    }
    Ok(items)
}

/// Adds indices, scripts and data streams; gives the aliases of each index.
async fn indices(
    asked: Asked<'_>,
    version: Version,
    items: &mut Vec<Item>,
) -> Result<Vec<(String, Map<String, Value>)>, MetadataError> {
    let state = Question {
        path: "/_cluster/state/metadata?filter_path=metadata.stored_scripts,metadata.data_stream,\
               metadata.indices.*.state,metadata.indices.*.routing_num_shards",
        what: "state of the cluster",
        privilege: "cluster:monitor/state (monitor)",
        optional: false,
    };
    let state = ask_for(asked, &state).await?.unwrap_or_default();
    let scripts = object(state.pointer("/metadata/stored_scripts").cloned());
    for (name, script) in normal::scripts(scripts) {
        items.push(Item::new(Kind::Script, name, object(Some(script))));
    }
    let all = Question {
        path: "/_all?expand_wildcards=all",
        what: "indices",
        privilege: "indices:admin/get (view_index_metadata) on all indices",
        optional: false,
    };
    let mut of_indices = Vec::new();
    for (name, index) in object(ask_for(asked, &all).await?) {
        let mut index = object(Some(index));
        let aliases = normal::of_alias(object(index.remove("aliases")));
        let settings = normal::flat(&object(index.remove("settings")));
        let mappings = normal::shown(object(index.remove("mappings")), version);
        let says = |key: &str| state.pointer("/metadata/indices")?.get(&name)?.get(key);
        let shards = says("routing_num_shards").and_then(Value::as_u64);
        let is_closed = says("state").and_then(Value::as_str) == Some("close");
        let text = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_owned);
        let uuid = text("index.uuid");
        let routing_shards = match hides_routing_shards(version) {
            true => text("index.number_of_shards").and_then(|shards| shards.parse().ok()),
            false => shards.and_then(|shards| u32::try_from(shards).ok()),
        };
        let body = [("settings", settings), ("mappings", mappings)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::Object(value)));
        let mut item = Item::new(Kind::Index, &name, body.collect::<Map<_, _>>());
        item.routing_shards = routing_shards;
        item.is_closed = is_closed;
        item.uuid = uuid;
        items.push(item);
        of_indices.push((name, aliases));
    }
    // `_data_stream` has them too, but doesn't answer on a cluster that is read-only.
    let streams = object(state.pointer("/metadata/data_stream").cloned());
    let of_streams = object(streams.get("data_stream_aliases").cloned());
    of_indices.extend(normal::stream_aliases(&of_streams));
    for (name, stream) in object(streams.get("data_stream").cloned()) {
        let body = normal::data_stream(&object(Some(stream)));
        items.push(Item::new(Kind::DataStream, name, body));
    }
    Ok(of_indices)
}

const ROUTING_SHARDS: &str = "Elasticsearch 5 and 6 don't show how many routing shards an index has: taken to be as many as \
    its shards; for an index that was shrunk, split or made with number_of_routing_shards only a snapshot tells";

fn hides_routing_shards(version: Version) -> bool {
    version.flavour == transform::Flavour::Elasticsearch && matches!(version.major, 5 | 6)
}

async fn policies(asked: Asked<'_>, items: &mut Vec<Item>) -> Result<(), MetadataError> {
    let opensearch = asked.cluster.info().flavour == cluster::Flavour::OpenSearch;
    let question = Question {
        path: if opensearch { "/_plugins/_ism/policies?size=10000" } else { "/_ilm/policy" },
        what: "lifecycle policies",
        privilege: if opensearch {
            "cluster:admin/opendistro/ism/policy/search"
        } else {
            "read_ilm"
        },
        optional: true,
    };
    let mut found = object(ask_for(asked, &question).await?);
    if opensearch {
        let policies = found.remove("policies");
        for entry in policies.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = entry.get("_id").and_then(Value::as_str) else {
                return Err(unclear(asked, "lifecycle policies", "one without an id"));
            };
            let mut policy = object(entry.get("policy").cloned());
            for own in ["policy_id", "last_updated_time", "schema_version"] {
                policy.remove(own);
            }
            let body = Map::from_iter([("policy".to_owned(), Value::Object(policy))]);
            items.push(Item::new(Kind::IsmPolicy, name, body));
        }
        return Ok(());
    }
    for (name, policy) in found {
        let policy = policy.get("policy").cloned().unwrap_or_default();
        let body = Map::from_iter([("policy".to_owned(), policy)]);
        items.push(Item::new(Kind::LifecyclePolicy, name, body));
    }
    Ok(())
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

fn unclear(asked: Asked<'_>, what: &'static str, reason: impl ToString) -> MetadataError {
    let url = asked.cluster.url().to_owned();
    MetadataError::Answer { url, what, reason: reason.to_string() }
}

impl Asked<'_> {
    fn error(self, error: cluster::ClusterError) -> MetadataError {
        if self.is_target { MetadataError::Target(error) } else { MetadataError::Source(error) }
    }
}

async fn ask_for(asked: Asked<'_>, question: &Question) -> Result<Option<Value>, MetadataError> {
    let Asked { cluster, is_target } = asked;
    let request = Request::new(Method::GET, question.path);
    let reply = cluster.send_retrying(request, Repeat::Safe, cluster.patience()).await;
    let reply = reply.map_err(|error| asked.error(error))?;
    match reply.status {
        200..=299 => serde_json::from_slice(&reply.body)
            .map(Some)
            .map_err(|error| unclear(asked, question.what, error)),
        401 | 403 => Err(MetadataError::Privilege {
            url: cluster.url().to_owned(),
            what: question.what,
            status: reply.status,
            body: reply.excerpt(),
            user: if is_target { "the user of --target-auth" } else { "the user of --source-auth" },
            privilege: question.privilege,
        }),
        400 | 404 | 405 if question.optional => Ok(None),
        status => Err(asked.error(cluster::ClusterError::Status {
            url: cluster.url().to_owned(),
            method: "GET".into(),
            path: question.path.into(),
            status,
            body: reply.excerpt(),
        })),
    }
}
