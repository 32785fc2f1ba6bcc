//! What a cluster has beside its own functions.

use serde::Deserialize;

use crate::{Cluster, ClusterError, Method, Request};

#[derive(Deserialize)]
struct Plugin {
    component: String,
}

impl Cluster {
    /// The plugins that any of its nodes has, such as `opensearch-knn`.
    ///
    /// # Errors
    /// No answer, or [`ClusterError::Status`]: with 401 or 403 where the user mayn't ask (`cluster:monitor/nodes/info`).
    pub async fn plugins(&self) -> Result<Vec<String>, ClusterError> {
        let path = "/_cat/plugins?format=json&h=component";
        let reply = self.call(Request::new(Method::GET, path)).await?;
        let plugins: Vec<Plugin> =
            serde_json::from_slice(&reply.body).map_err(|error| self.answer_error(path, error))?;
        Ok(plugins.into_iter().map(|plugin| plugin.component).collect())
    }
}
