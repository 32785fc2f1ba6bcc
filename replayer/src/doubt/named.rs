//! What stands beside indices (templates, pipelines, scripts, data streams), where the journal doesn't prove what
//! became of it: the target gets what the source has, and loses what the source hasn't.

use std::collections::BTreeMap;

use bytes::Bytes;
use cluster::{Cluster, ClusterError, Method, Repeat, Request, encode_segment};
use serde_json::{Map, Value, json};

use crate::{context::Context, controls::beside};

/// Makes what is under a path (its last segment may be a pattern) on the target what it is on the source. The inner
/// `Err`: the target refuses it, and why.
pub(super) async fn follow(
    context: &Context,
    source: &Cluster,
    path: &[String],
) -> Result<Result<(), String>, ClusterError> {
    let target = &context.sender.target;
    let Some(kind) = Kind::of(path) else { return Ok(Err("not known how to read it".into())) };
    let wanted = kind.read(source, path).await?;
    let found = kind.read(target, path).await?;
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        let request = Request::new(Method::DELETE, kind.path(name));
        if let Err(why) = send(target, request).await? {
            return Ok(Err(why));
        }
    }
    for (name, body) in wanted {
        if kind == Kind::DataStream && found.contains_key(&name) {
            continue;
        }
        let body = match kind.transformed(context, body) {
            Ok(body) => body,
            Err(why) => return Ok(Err(why)),
        };
        let request = Request::json(Method::PUT, kind.path(&name), body.to_string());
        if let Err(why) = send(target, request).await? {
            return Ok(Err(why));
        }
    }
    Ok(Ok(()))
}

async fn send(target: &Cluster, request: Request) -> Result<Result<(), String>, ClusterError> {
    let what = format!("{} {}", request.method, request.path);
    let reply = target.send_retrying(request, Repeat::Safe, target.patience()).await?;
    let done = reply.is_success() || reply.status == 404;
    Ok(if done { Ok(()) } else { Err(format!("{what}: {} {}", reply.status, reply.excerpt())) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LegacyTemplate,
    IndexTemplate,
    ComponentTemplate,
    Pipeline,
    Script,
    DataStream,
}

impl Kind {
    fn of(path: &[String]) -> Option<Self> {
        Some(match path.first()?.as_str() {
            "_template" => Self::LegacyTemplate,
            "_index_template" => Self::IndexTemplate,
            "_component_template" => Self::ComponentTemplate,
            "_ingest" => Self::Pipeline,
            "_scripts" => Self::Script,
            "_data_stream" => Self::DataStream,
            _ => return None,
        })
    }

    fn path(self, name: &str) -> String {
        format!("/{}/{}", self.base(), encode_segment(name))
    }

    fn base(self) -> &'static str {
        match self {
            Self::LegacyTemplate => "_template",
            Self::IndexTemplate => "_index_template",
            Self::ComponentTemplate => "_component_template",
            Self::Pipeline => "_ingest/pipeline",
            Self::Script => "_scripts",
            Self::DataStream => "_data_stream",
        }
    }

    /// What a cluster has under a path, by name.
    async fn read(
        self,
        cluster: &Cluster,
        path: &[String],
    ) -> Result<BTreeMap<String, Value>, ClusterError> {
        let Some(name) = path.last() else { return Ok(BTreeMap::new()) };
        match cluster.find(Request::new(Method::GET, self.path(name))).await? {
            Some(reply) => Ok(self.parse(name, &reply.body)),
            None => Ok(BTreeMap::new()),
        }
    }

    fn parse(self, name: &str, body: &Bytes) -> BTreeMap<String, Value> {
        let body: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let listed = |list: &str, key: &str| {
            let items = body.get(list).and_then(Value::as_array).into_iter().flatten();
            let named = |item: &Value| {
                let value = item.get(key).cloned().unwrap_or_else(|| json!({}));
                Some((item.get("name")?.as_str()?.to_owned(), value))
            };
            items.filter_map(named).collect()
        };
        match self {
            Self::LegacyTemplate | Self::Pipeline => body.into_iter().collect(),
            Self::IndexTemplate => listed("index_templates", "index_template"),
            Self::ComponentTemplate => listed("component_templates", "component_template"),
            Self::DataStream => listed("data_streams", ""),
            Self::Script => {
                let script = body.get("script").cloned();
                script
                    .map(|script| (name.to_owned(), json!({"script": script})))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// As captured requests of its kind are sent.
    fn transformed(self, context: &Context, body: Value) -> Result<Value, String> {
        let Value::Object(given) = &body else { return Ok(body) };
        let kind = self.base().split('/').next().unwrap_or_default();
        let many_types = context.settings.types.many_types();
        Ok(beside::body(kind, context.between, many_types, given)?.unwrap_or(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read() {
        let check = |path: &[&str], body: Value, expected: &[(&str, Value)]| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            let kind = Kind::of(&path).unwrap();
            let read = kind.parse(path.last().unwrap(), &Bytes::from(body.to_string()));
            let expected: BTreeMap<_, _> =
                expected.iter().map(|(name, body)| ((*name).to_owned(), body.clone())).collect();
            assert_eq!(read, expected, "{path:?}");
        };
        check(&["_template", "t*"], json!({"t1": {"order": 1}}), &[("t1", json!({"order": 1}))]);
        check(
            &["_index_template", "t"],
            json!({"index_templates": [{"name": "t", "index_template": {"priority": 1}}]}),
            &[("t", json!({"priority": 1}))],
        );
        check(
            &["_ingest", "pipeline", "p"],
            json!({"p": {"processors": []}}),
            &[("p", json!({"processors": []}))],
        );
        check(
            &["_scripts", "painless", "s"],
            json!({"_id": "s", "found": true, "script": {"lang": "painless", "source": "1"}}),
            &[("s", json!({"script": {"lang": "painless", "source": "1"}}))],
        );
        check(
            &["_data_stream", "d"],
            json!({"data_streams": [{"name": "d"}]}),
            &[("d", json!({}))],
        );
    }
}
