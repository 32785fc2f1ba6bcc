//! The cluster's state in a snapshot (`meta-<uuid>.dat`): templates, pipelines, persistent settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    FormatError, Stored,
    document::{self, Budget, Wrapping},
    mappings,
    shape::Node,
    text::Text,
};

/// The cluster's metadata in the form in which the APIs give and take it.
///
/// Snapshots made with `include_global_state: false` have one too, with little in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GlobalMetadata {
    pub cluster_uuid: Option<String>,
    /// Persistent cluster settings as stored (nested or flat).
    pub settings: Map<String, Value>,
    /// Legacy templates by name; see [`Stored::template`].
    pub templates: BTreeMap<String, Stored>,
    /// By name; see [`Stored::template`].
    pub component_templates: BTreeMap<String, Stored>,
    /// Composable templates by name; see [`Stored::template`].
    pub index_templates: BTreeMap<String, Stored>,
    /// By name.
    pub data_streams: Map<String, Value>,
    /// What the aliases of data streams say, by alias.
    pub data_stream_aliases: Map<String, Value>,
    /// By id, each as `PUT _ingest/pipeline/ID` takes it.
    pub pipelines: BTreeMap<String, Stored>,
    /// Stored scripts by id.
    pub scripts: BTreeMap<String, Stored>,
    /// Of Elasticsearch, by name.
    pub lifecycle_policies: BTreeMap<String, Stored>,
}

impl Stored {
    /// A template of any kind as a tree. `mappings` of a legacy one is an object by type (`{"_doc": {…}}` from 7 on),
    /// however it is stored.
    ///
    /// # Errors
    /// When it is no template, or its mappings are in no known form or longer than `limit` bytes.
    pub fn template(&self, limit: usize) -> Result<Map<String, Value>, FormatError> {
        let mut template = match self.value() {
            Value::Object(template) => template,
            other => return Err(Node::root(&other).error("a template is no object")),
        };
        match template.get_mut("template") {
            Some(Value::Object(inside)) => {
                if let Some(Value::String(packed)) = inside.get("mappings") {
                    let mappings = mappings::unpack(packed, limit)?;
                    inside.insert("mappings".into(), mappings);
                }
            }
            _ => {
                if let Some(stored) = template.get_mut("mappings") {
                    let mappings = mappings::parse(&Node::root(stored), limit)?;
                    let by_type = mappings.into_iter().map(|(name, of)| (name, Value::Object(of)));
                    *stored = Value::Object(by_type.collect());
                }
            }
        }
        Ok(template)
    }
}

impl GlobalMetadata {
    /// Parses a `meta-<uuid>.dat`, or a `metadata-<name>` of Elasticsearch 1.
    pub fn parse(bytes: &[u8], wrapping: Wrapping, limit: usize) -> Result<Self, FormatError> {
        let text = {
            let body = document::unwrapped(bytes, wrapping, limit)?;
            let budget = Budget::new(limit);
            // Names and quotes take a fourth more room than in SMILE.
            let expected = body.len() + body.len() / 4;
            document::read(&body, &budget, Text { budget: &budget, expected })?
        };
        let document: Document<'_> = serde_json::from_slice(text.bytes()).map_err(|error| {
            FormatError::Syntax { syntax: "metadata", reason: error.to_string() }
        })?;
        let mut metadata = document.metadata;
        let mut projects = metadata.projects.take().unwrap_or_default().into_iter();
        let mut found = metadata.found(&text);
        if let Some(project) = projects.next() {
            found.or(project.found(&text));
        }
        if projects.next().is_some() {
            let reason = "more than one project is not supported".into();
            return Err(FormatError::Syntax { syntax: "metadata", reason });
        }
        Ok(found)
    }

    /// Takes over what `other` has and this hasn't.
    fn or(&mut self, other: Self) {
        fn or<T: Default + PartialEq>(one: &mut T, other: T) {
            if *one == T::default() {
                *one = other;
            }
        }
        or(&mut self.cluster_uuid, other.cluster_uuid);
        or(&mut self.settings, other.settings);
        or(&mut self.templates, other.templates);
        or(&mut self.component_templates, other.component_templates);
        or(&mut self.index_templates, other.index_templates);
        or(&mut self.data_streams, other.data_streams);
        or(&mut self.data_stream_aliases, other.data_stream_aliases);
        or(&mut self.pipelines, other.pipelines);
        or(&mut self.scripts, other.scripts);
        or(&mut self.lifecycle_policies, other.lifecycle_policies);
    }
}

/// By name, not read yet.
type Named<'a> = Option<BTreeMap<String, &'a RawValue>>;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "meta-data")]
    metadata: Metadata<'a>,
}

/// As servers write it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata<'a> {
    cluster_uuid: Option<String>,
    settings: Option<Map<String, Value>>,
    #[serde(borrow)]
    templates: Named<'a>,
    #[serde(borrow)]
    component_template: Option<Components<'a>>,
    #[serde(borrow)]
    index_template: Option<Composables<'a>>,
    data_stream: Option<Streams>,
    #[serde(borrow)]
    ingest: Option<Ingest<'a>>,
    #[serde(borrow)]
    stored_scripts: Named<'a>,
    #[serde(borrow)]
    index_lifecycle: Option<Lifecycle<'a>>,
    /// Elasticsearch 9 may keep what belongs to indices in a list of projects, of which there is one.
    #[serde(borrow)]
    projects: Option<Vec<Metadata<'a>>>,
}

#[derive(Deserialize)]
struct Components<'a> {
    #[serde(borrow, default)]
    component_template: Named<'a>,
}

#[derive(Deserialize)]
struct Composables<'a> {
    #[serde(borrow, default)]
    index_template: Named<'a>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Streams {
    data_stream: Option<Map<String, Value>>,
    data_stream_aliases: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Ingest<'a> {
    #[serde(borrow, default)]
    pipeline: Option<Vec<Pipeline<'a>>>,
}

#[derive(Deserialize)]
struct Pipeline<'a> {
    id: String,
    #[serde(borrow)]
    config: &'a RawValue,
}

#[derive(Deserialize)]
struct Lifecycle<'a> {
    #[serde(borrow, default)]
    policies: Named<'a>,
}

impl Metadata<'_> {
    /// Each part as a piece of the whole `text`, which they were read from.
    fn found(self, text: &Stored) -> GlobalMetadata {
        let of = self;
        let each = |named: Named<'_>| -> BTreeMap<String, Stored> {
            let named = named.into_iter().flatten();
            named.map(|(name, value)| (name, text.part(value))).collect()
        };
        let streams = of.data_stream.unwrap_or_default();
        let pipelines = of.ingest.and_then(|ingest| ingest.pipeline).into_iter().flatten();
        GlobalMetadata {
            cluster_uuid: of.cluster_uuid,
            settings: of.settings.unwrap_or_default(),
            templates: each(of.templates),
            component_templates: each(of.component_template.and_then(|of| of.component_template)),
            index_templates: each(of.index_template.and_then(|of| of.index_template)),
            data_streams: streams.data_stream.unwrap_or_default(),
            data_stream_aliases: streams.data_stream_aliases.unwrap_or_default(),
            pipelines: pipelines.map(|one| (one.id, text.part(one.config))).collect(),
            scripts: each(of.stored_scripts),
            lifecycle_policies: each(of.index_lifecycle.and_then(|of| of.policies)),
        }
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
            let template = found.unwrap().templates["t"].template(1 << 20).unwrap();
            assert_eq!(Value::Object(template), expected);
        }
    }

    #[test]
    fn a_single_project_is_merged_and_two_are_refused() {
        let project = json!({"id": "default", "templates": {"t": {"order": 1}}});
        let found = parse(&json!({"meta-data": {"version": 1, "projects": [project]}})).unwrap();
        assert_eq!(found.templates["t"].value(), json!({"order": 1}));
        assert!(parse(&json!({"meta-data": {"projects": [project, project]}})).is_err());
    }

    #[test]
    fn pipelines_come_out_by_id() {
        let found = parse(&json!({"meta-data": {"ingest": {"pipeline": [
            {"id": "p", "config": {"processors": []}}]}}}));
        assert_eq!(found.unwrap().pipelines["p"].value(), json!({"processors": []}));
        assert!(parse(&json!({"meta-data": {"ingest": {"pipeline": [{"id": 1}]}}})).is_err());
    }
}
