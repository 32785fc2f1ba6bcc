//! The definition of an index, from the source's into the target's.

use serde_json::{Map, Value, json};

use crate::{
    Change, Target, alias,
    mapping::{self, knn},
    report::Rules,
    settings, templates,
};

/// What a target index says of where it came from: `mappings._meta.godwit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The UUID of the source's index, or a name made up when there is no source to ask.
    pub source_uuid: String,
    pub epoch: u32,
    /// `sequence` or `version`.
    pub versioning: &'static str,
}

/// Begins the made-up UUID of an index that was created without a source to ask.
const JOURNAL: &str = "journal:";

impl Origin {
    /// For an index that is made for a captured request, with no source to ask: known by when the source had
    /// answered that, nanoseconds since 1970.
    pub fn of_journal(answered: u64) -> Self {
        Self { source_uuid: format!("{JOURNAL}{answered}"), epoch: 0, versioning: "sequence" }
    }

    /// When an index was made without a source to ask, if `source_uuid` is that of [`Origin::of_journal`].
    pub fn journal_time(source_uuid: &str) -> Option<u64> {
        source_uuid.strip_prefix(JOURNAL)?.parse().ok()
    }

    pub fn to_json(&self) -> Value {
        json!({"source_uuid": self.source_uuid, "epoch": self.epoch, "versioning": self.versioning})
    }

    /// The name of the source's index, where the target's has another one.
    pub fn source_index_of(mappings: &Map<String, Value>) -> Option<&str> {
        mappings.get("_meta")?.get("godwit")?.get("source_index")?.as_str()
    }

    /// Reads it back out of a mapping: the source's UUID.
    pub fn source_uuid_of(mappings: &Map<String, Value>) -> Option<&str> {
        mappings.get("_meta")?.get("godwit")?.get("source_uuid")?.as_str()
    }
}

/// A body for `PUT /index` on the target, with what was changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformed {
    pub body: Value,
    pub changes: Vec<Change>,
}

/// Turns `{"settings", "mappings", "aliases"}` (of `GET /index`, or of a captured `PUT /index`) into a body
/// with which the target creates the same index. The number of shards and routing shards stays.
pub fn index_body(definition: &Map<String, Value>, origin: Option<&Origin>) -> Transformed {
    let mut rules = Rules::new(None, Target::default());
    let body = body(definition, origin, &mut rules);
    Transformed { body: Value::Object(body), changes: rules.changes }
}

/// The same by given rules.
pub(crate) fn body(
    definition: &Map<String, Value>,
    origin: Option<&Origin>,
    rules: &mut Rules,
) -> Map<String, Value> {
    let mut settings = match definition.get("settings") {
        Some(Value::Object(settings)) => settings::transform(settings, rules),
        _ => Map::new(),
    };
    let mut mappings = match definition.get("mappings") {
        Some(Value::Object(mappings)) => mapping::transform(mappings, rules),
        _ => Map::new(),
    };
    knn::settle(&mut settings, &mut mappings, rules);
    if let Some(origin) = origin {
        mark(&mut mappings, origin, None);
    }
    let mut body = Map::new();
    if definition.contains_key("settings") || !settings.is_empty() {
        body.insert("settings".into(), Value::Object(settings));
    }
    if !mappings.is_empty() {
        body.insert("mappings".into(), Value::Object(mappings));
    }
    if let Some(Value::Object(aliases)) = definition.get("aliases") {
        body.insert("aliases".into(), Value::Object(alias::all(aliases, rules)));
    }
    body
}

/// Says in a mapping where its index came from; `source_index`: of what name, where that is another one.
pub(crate) fn mark(mappings: &mut Map<String, Value>, origin: &Origin, source_index: Option<&str>) {
    let meta = mappings.entry("_meta").or_insert_with(|| json!({}));
    if !meta.is_object() {
        *meta = json!({});
    }
    if let Some(meta) = meta.as_object_mut() {
        let mut mark = origin.to_json();
        if let Some(name) = source_index {
            mark["source_index"] = name.into();
        }
        meta.insert("godwit".into(), mark);
    }
}

/// Turns a mapping (of `GET /index` or of a captured `PUT /index/_mapping`) into one that the target takes.
/// `_meta` is left out: it names what the target index is and must not be overwritten.
pub fn mapping_body(mappings: &Map<String, Value>) -> (Map<String, Value>, Vec<Change>) {
    let mut rules = Rules::new(None, Target::default());
    let mut mapping = mapping::transform(mappings, &mut rules);
    mapping.remove("_meta");
    (mapping, rules.changes)
}

/// Turns the body of a captured `PUT /index/_settings` into one that the target takes; `None` when nothing of
/// it is left.
pub fn settings_body(body: &Map<String, Value>) -> (Option<Map<String, Value>>, Vec<Change>) {
    let body = match body.get("settings") {
        Some(Value::Object(inner)) if body.len() == 1 => inner,
        _ => body,
    };
    let mut rules = Rules::new(None, Target::default());
    let kept = settings::apply(body, settings::Of::Update, &mut rules);
    ((!kept.is_empty()).then_some(kept), rules.changes)
}

/// Turns the body of a captured legacy, composable or component template into one that the target takes.
pub fn template_body(body: &Map<String, Value>) -> Transformed {
    let mut template = body.clone();
    let mut changes = Vec::new();
    let holder = match template.get_mut("template") {
        Some(Value::Object(inner)) => inner,
        // Legacy, where `template` may also be a pattern.
        _ => &mut template,
    };
    let mut rules = Rules::new(None, Target::default());
    if let Some(Value::Object(mappings)) = holder.get_mut("mappings") {
        *mappings = templates::without_default(mappings, &mut rules);
    }
    changes.extend(rules.changes);
    let made = index_body(holder, None);
    if let Value::Object(made) = made.body {
        holder.extend(made);
    }
    changes.extend(made.changes);
    Transformed { body: Value::Object(template), changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_definition_of_7_10_becomes_one_that_can_be_created() {
        let definition = object(json!({
            "aliases": {"a": {"is_write_index": true}},
            "mappings": {"dynamic": "strict", "properties": {"n": {"type": "long"}}},
            "settings": {"index": {
                "uuid": "U", "creation_date": "1", "provided_name": "i", "version": {"created": "7100299"},
                "number_of_shards": "3", "number_of_replicas": "1", "number_of_routing_shards": "30",
                "default_pipeline": "p", "lifecycle": {"name": "l"},
                "routing": {"allocation": {"include": {"_tier_preference": "data_content"}}},
                "analysis": {"filter": {"f": {"type": "stop", "stopwords": ["a"]}}},
            }},
        }));
        let origin = Origin { source_uuid: "U".into(), epoch: 0, versioning: "sequence" };
        let made = index_body(&definition, Some(&origin));
        assert_eq!(
            made.body,
            json!({
                "aliases": {"a": {"is_write_index": true}},
                "mappings": {
                    "dynamic": "strict", "properties": {"n": {"type": "long"}},
                    "_meta": {"godwit": {"source_uuid": "U", "epoch": 0, "versioning": "sequence"}},
                },
                "settings": {
                    "index.number_of_shards": "3", "index.number_of_replicas": "1",
                    "index.number_of_routing_shards": "30",
                    "index.analysis.filter.f.type": "stop", "index.analysis.filter.f.stopwords": ["a"],
                },
            })
        );
        let deferred: Vec<_> =
            made.changes.iter().filter(|c| c.deferred).map(|c| &c.path[..]).collect();
        assert_eq!(deferred, ["settings.index.default_pipeline", "settings.index.lifecycle.name"]);
        assert_eq!(made.changes.len(), 7);
        assert_eq!(Origin::source_uuid_of(made.body["mappings"].as_object().unwrap()), Some("U"));
    }

    #[test]
    fn settings_of_a_captured_request_come_in_every_form() {
        let definition = object(json!({"settings": {
            "number_of_shards": 2, "index.refresh_interval": "1s", "index": {"blocks.write": null},
        }}));
        let made = index_body(&definition, None);
        assert_eq!(
            made.body,
            json!({"settings": {"index.number_of_shards": 2, "index.refresh_interval": "1s"}})
        );
    }

    #[test]
    fn updates_of_settings_keep_nulls_and_may_vanish() {
        let (kept, _) = settings_body(&object(json!({"index": {"refresh_interval": null}})));
        assert_eq!(kept.map(Value::Object), Some(json!({"index.refresh_interval": null})));
        let (kept, changes) =
            settings_body(&object(json!({"settings": {"default_pipeline": "p"}})));
        assert_eq!((kept, changes.len()), (None, 1));
        let (kept, _) = settings_body(&object(json!({"index.blocks.write": true})));
        assert_eq!(kept.map(Value::Object), Some(json!({"index.blocks.write": true})));
    }

    #[test]
    fn templates_are_transformed_inside() {
        let made = template_body(&object(json!({
            "index_patterns": ["a*"], "template": {"settings": {"index.final_pipeline": "p", "number_of_shards": 1}},
        })));
        assert_eq!(
            made.body,
            json!({"index_patterns": ["a*"], "template": {"settings": {"index.number_of_shards": 1}}})
        );
        let legacy = json!({"template": "a*", "mappings": {"doc": {"properties": {}}}, "order": 1});
        let made = template_body(&object(legacy));
        assert_eq!(
            made.body,
            json!({"template": "a*", "mappings": {"properties": {}}, "order": 1})
        );
        let old = json!({"template": "a*", "mappings": {"_default_": {"dynamic": false}}});
        let made = template_body(&object(old));
        assert_eq!(made.body, json!({"template": "a*", "mappings": {"dynamic": false}}));
    }

    #[test]
    fn our_own_mark_is_never_overwritten_by_a_mapping_update() {
        let (mapping, _) = mapping_body(&object(json!({"_meta": {"x": 1}, "properties": {}})));
        assert_eq!(Value::Object(mapping), json!({"properties": {}}));
    }
}
