//! What the target can do.

use cluster::{Cluster, Flavour};
use serde_json::Value;
use transform::Target;

use crate::{
    MetadataError,
    inventory::{Asked, ask},
};

/// The target as the rules see it, and what plugins it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abilities {
    pub(crate) target: Target,
    /// Lifecycle policies (`opensearch-index-management`).
    pub(crate) policies: bool,
}

/// Asks for the version and the plugins.
pub(crate) async fn abilities(cluster: &Cluster) -> Result<Abilities, MetadataError> {
    let info = cluster.info();
    if info.flavour != Flavour::OpenSearch {
        return Err(MetadataError::NotOpenSearch(format!("Elasticsearch {}", info.version)));
    }
    let asked = Asked { cluster, is_target: true };
    let privilege = "cluster:monitor/nodes/info (cluster_monitor)";
    let path = "/_cat/plugins?format=json&h=component";
    let plugins = ask(asked, path, "plugins", privilege).await?.unwrap_or_default();
    let has = |name: &str| {
        let mut components = plugins.as_array().into_iter().flatten();
        components.any(|plugin| plugin.get("component").and_then(Value::as_str) == Some(name))
    };
    let mut target = Target::opensearch(info.major, info.minor);
    target.knn = has("opensearch-knn");
    target.zstd = has("opensearch-custom-codecs");
    Ok(Abilities { target, policies: has("opensearch-index-management") })
}
