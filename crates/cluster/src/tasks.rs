//! What a cluster goes on doing after it has answered.

use std::collections::HashMap;

use reqwest::Method;
use serde::{Deserialize, de::IgnoredAny};

use crate::{Cluster, ClusterError, Request, index::encode_segment};

/// Requests that change documents which they don't name, as tasks call them.
const BY_QUERY: &str = "*byquery,*reindex";

impl Cluster {
    /// Whether a task (`node:number`) still runs. One that the cluster doesn't know is over: it keeps results, and a node
    /// that has left has stopped.
    pub async fn is_task_running(&self, task: &str) -> Result<bool, ClusterError> {
        #[derive(Deserialize)]
        struct Answer {
            completed: bool,
        }
        let path = format!("/_tasks/{}", encode_segment(task));
        let Some(reply) = self.find(Request::new(Method::GET, path.clone())).await? else {
            return Ok(false);
        };
        let answer: Answer =
            serde_json::from_slice(&reply.body).map_err(|e| self.answer_error(&path, e))?;
        Ok(!answer.completed)
    }

    /// Whether a by-query or a reindex runs that began before `until`, in milliseconds since 1970.
    pub async fn runs_by_query(&self, until: u64) -> Result<bool, ClusterError> {
        let path = format!("/_tasks?actions={BY_QUERY}");
        match self.find(Request::new(Method::GET, path.clone())).await {
            Ok(Some(reply)) => match any_before(&reply.body, until) {
                Ok(runs) => Ok(runs),
                Err(Unread::NodeMissing) => {
                    Err(self.unavailable(&path, "a node doesn't tell of its tasks".into()))
                }
                Err(Unread::Json(error)) => Err(self.answer_error(&path, error)),
            },
            // Before Elasticsearch 2.3 there were neither tasks nor what they are asked for here.
            Ok(None) => Ok(false),
            Err(error) if matches!(error.status(), Some(400 | 405)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

enum Unread {
    NodeMissing,
    Json(serde_json::Error),
}

fn any_before(body: &[u8], until: u64) -> Result<bool, Unread> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        node_failures: Vec<IgnoredAny>,
        #[serde(default)]
        nodes: HashMap<String, Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        #[serde(default)]
        tasks: HashMap<String, Task>,
    }
    #[derive(Deserialize)]
    struct Task {
        start_time_in_millis: u64,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(Unread::Json)?;
    let mut tasks = answer.nodes.values().flat_map(|node| node.tasks.values());
    if tasks.any(|task| task.start_time_in_millis <= until) {
        return Ok(true);
    }
    if answer.node_failures.is_empty() { Ok(false) } else { Err(Unread::NodeMissing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_began_later_is_another_requests() {
        let body =
            br#"{"nodes":{"n":{"name":"one","tasks":{"n:7":{"action":"indices:data/write/reindex",
            "start_time_in_millis":1000,"cancellable":true}}}}}"#;
        assert!(matches!(any_before(body, 1000), Ok(true)));
        assert!(matches!(any_before(body, 999), Ok(false)));
        assert!(matches!(any_before(br#"{"nodes":{}}"#, 5000), Ok(false)));
    }

    #[test]
    fn a_node_that_says_nothing_may_still_run_one() {
        let body = br#"{"node_failures":[{"type":"failed_node_exception"}],"nodes":{}}"#;
        assert!(matches!(any_before(body, 5000), Err(Unread::NodeMissing)));
        assert!(matches!(any_before(b"<html>", 5000), Err(Unread::Json(_))));
    }
}
