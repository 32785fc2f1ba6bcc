//! What the target can do.

use cluster::{Cluster, ClusterError, Flavour};
use transform::Target;

use crate::MetadataError;

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
    let plugins = cluster.plugins().await.map_err(|error| match error {
        ClusterError::Status { url, status: status @ (401 | 403), body, .. } => {
            MetadataError::Privilege {
                url,
                what: "plugins",
                status,
                body,
                user: "the user of --target-auth",
                privilege: "cluster:monitor/nodes/info (cluster_monitor)",
            }
        }
        error => MetadataError::Target(error),
    })?;
    let target =
        Target::opensearch(info.major, info.minor).with_plugins(plugins.iter().map(String::as_str));
    let policies = plugins.iter().any(|plugin| plugin == "opensearch-index-management");
    Ok(Abilities { target, policies })
}
