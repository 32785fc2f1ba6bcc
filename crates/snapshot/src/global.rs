//! The cluster's state in a snapshot (`meta-<uuid>.dat`): templates, pipelines, persistent settings.

use serde_json::{Map, Value};

use crate::{FormatError, document, document::Wrapping, mappings, shape::Node};

/// The cluster's metadata in the form in which the APIs give and take it.
///
/// Snapshots made with `include_global_state: false` have one too, with little in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GlobalMetadata {
    pub cluster_uuid: Option<String>,
    /// Persistent cluster settings as stored (nested or flat).
    pub settings: Map<String, Value>,
    /// Legacy templates by name. `mappings` is an object by type (`{"_doc": {…}}` from 7 on), however it is stored.
    pub templates: Map<String, Value>,
    /// By name.
    pub component_templates: Map<String, Value>,
    /// Composable templates by name.
    pub index_templates: Map<String, Value>,
    /// By name.
    pub data_streams: Map<String, Value>,
    /// By id, each as `PUT _ingest/pipeline/ID` takes it.
    pub pipelines: Map<String, Value>,
    /// Everything as stored, those above included.
    pub all: Map<String, Value>,
}

impl GlobalMetadata {
    /// Parses a `meta-<uuid>.dat`, or a `metadata-<name>` of Elasticsearch 1.
    pub fn parse(bytes: &[u8], wrapping: Wrapping, limit: usize) -> Result<Self, FormatError> {
        let value = document::parse(bytes, wrapping, limit)?;
        let document = Node::root(&value);
        let all = with_the_only_project(&document.need("meta-data")?)?;
        let value = Value::Object(all);
        let root = Node::root(&value);
        let mut found = Self {
            settings: objects(&root, &["settings"])?,
            templates: objects(&root, &["templates"])?,
            component_templates: objects(&root, &["component_template", "component_template"])?,
            index_templates: objects(&root, &["index_template", "index_template"])?,
            data_streams: objects(&root, &["data_stream", "data_stream"])?,
            ..Self::default()
        };
        if let Some(uuid) = root.get("cluster_uuid")? {
            found.cluster_uuid = Some(uuid.text()?.to_owned());
        }
        for template in found.templates.values_mut() {
            let Some(stored) = template.get_mut("mappings") else { continue };
            let mappings = mappings::parse(&Node::root(stored), limit)?;
            let by_type = mappings.into_iter().map(|(name, of)| (name, Value::Object(of)));
            *stored = Value::Object(by_type.collect());
        }
        let composed =
            found.component_templates.values_mut().chain(found.index_templates.values_mut());
        for template in composed {
            let Some(stored) = template.pointer_mut("/template/mappings") else { continue };
            if let Value::String(packed) = stored {
                *stored = mappings::unpack(packed, limit)?;
            }
        }
        if let Some(ingest) = root.get("ingest")?
            && let Some(pipelines) = ingest.get("pipeline")?
        {
            for pipeline in pipelines.items()? {
                let id = pipeline.need("id")?.text()?.to_owned();
                found.pipelines.insert(id, pipeline.need("config")?.value().clone());
            }
        }
        let Value::Object(all) = value else { return Ok(found) };
        found.all = all;
        Ok(found)
    }
}

/// Elasticsearch 9 may keep what belongs to indices in a list of projects, of which there is one.
fn with_the_only_project(node: &Node<'_>) -> Result<Map<String, Value>, FormatError> {
    let mut all = node.object()?.clone();
    let Some(projects) = node.get("projects")? else { return Ok(all) };
    let mut items = projects.items()?;
    match (items.next(), items.next()) {
        (None, _) => {}
        (Some(project), None) => {
            for (key, value) in project.object()? {
                all.entry(key).or_insert_with(|| value.clone());
            }
        }
        _ => return Err(projects.error("more than one project is not supported")),
    }
    Ok(all)
}

/// The object at the end of these keys, empty if it isn't there; its values must be objects or plain.
fn objects(root: &Node<'_>, keys: &[&str]) -> Result<Map<String, Value>, FormatError> {
    match keys {
        [] => Ok(root.object()?.clone()),
        [key, rest @ ..] => match root.get(key)? {
            Some(node) => objects(&node, rest),
            None => Ok(Map::new()),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<GlobalMetadata, FormatError> {
        GlobalMetadata::parse(value.to_string().as_bytes(), Wrapping::Bare, 1 << 20)
    }

    #[test]
    fn templates_of_every_age_have_mappings_by_type() {
        for stored in [json!([{"doc": {"a": 1}}]), json!({"doc": {"a": 1}})] {
            let found = parse(&json!({"meta-data": {"templates": {"t": {"mappings": stored}}}}));
            let expected = json!({"mappings": {"doc": {"a": 1}}});
            assert_eq!(found.unwrap().templates["t"], expected);
        }
    }

    #[test]
    fn a_single_project_is_merged_and_two_are_refused() {
        let project = json!({"id": "default", "templates": {"t": {"order": 1}}});
        let found = parse(&json!({"meta-data": {"version": 1, "projects": [project]}})).unwrap();
        assert_eq!(found.templates["t"], json!({"order": 1}));
        assert!(parse(&json!({"meta-data": {"projects": [project, project]}})).is_err());
    }

    #[test]
    fn pipelines_come_out_by_id() {
        let found = parse(&json!({"meta-data": {"ingest": {"pipeline": [
            {"id": "p", "config": {"processors": []}}]}}}));
        assert_eq!(found.unwrap().pipelines["p"], json!({"processors": []}));
        assert!(parse(&json!({"meta-data": {"ingest": {"pipeline": [{"id": 1}]}}})).is_err());
    }
}
