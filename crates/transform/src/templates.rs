//! Templates: legacy ones, with or without types, and composable ones with their components.

use serde_json::{Map, Value, json};

use crate::{
    Made, ManyTypes, Target, Version, alias, catalogue::RuleLine, mapping, mapping::knn,
    report::Rules, settings, types,
};

mod by_type;

pub(crate) use by_type::{by_type, without_default};

/// A key of a template that not every target takes: (key, the first OpenSearch, the first Elasticsearch, why).
type Key = (&'static str, Option<(u32, u32)>, Option<(u32, u32)>, &'static str);

const FIRST: Option<(u32, u32)> = Some((1, 0));
const COMPOSABLE: Option<(u32, u32)> = Some((7, 8));

const DATES: &str = "the cluster says when it got the template";

/// Of an index template, at its top.
const INDEX: &[Key] = &[
    ("index_patterns", FIRST, COMPOSABLE, "every target takes it"),
    ("template", FIRST, COMPOSABLE, "every target takes it"),
    ("composed_of", FIRST, COMPOSABLE, "every target takes it"),
    ("priority", FIRST, COMPOSABLE, "every target takes it"),
    ("version", FIRST, COMPOSABLE, "every target takes it"),
    ("_meta", FIRST, COMPOSABLE, "every target takes it"),
    ("data_stream", FIRST, Some((7, 9)), "data streams came with Elasticsearch 7.9"),
    ("context", Some((2, 16)), None, "the target has no system templates to build on"),
    ("allow_auto_create", None, Some((7, 11)), "the cluster's action.auto_create_index decides"),
    (
        "ignore_missing_component_templates",
        None,
        Some((8, 7)),
        "the target refuses a template whose components it hasn't got: name none that is missing",
    ),
    ("deprecated", None, Some((8, 12)), "the target marks no templates"),
    ("created_date", None, None, DATES),
    ("created_date_millis", None, None, DATES),
    ("modified_date", None, None, DATES),
    ("modified_date_millis", None, None, DATES),
];

/// Of a component template, at its top.
const COMPONENT: &[Key] = &[
    ("template", FIRST, COMPOSABLE, "every target takes it"),
    ("version", FIRST, COMPOSABLE, "every target takes it"),
    ("_meta", FIRST, COMPOSABLE, "every target takes it"),
    ("allow_auto_create", None, Some((7, 11)), "the cluster's action.auto_create_index decides"),
    ("deprecated", None, Some((8, 12)), "the target marks no templates"),
    ("created_date", None, None, DATES),
    ("created_date_millis", None, None, DATES),
    ("modified_date", None, None, DATES),
    ("modified_date_millis", None, None, DATES),
];

/// Below `template`.
const TEMPLATE: &[Key] = &[
    ("settings", FIRST, COMPOSABLE, "every target takes it"),
    ("mappings", FIRST, COMPOSABLE, "every target takes it"),
    ("aliases", FIRST, COMPOSABLE, "every target takes it"),
    (
        "lifecycle",
        None,
        Some((8, 11)),
        "the target has no lifecycles of data streams; a policy says it",
    ),
    ("data_stream_options", None, Some((8, 19)), "the target has no failure stores"),
];

/// Below `data_stream`.
const DATA_STREAM: &[Key] = &[
    ("timestamp_field", FIRST, None, "Elasticsearch always calls it @timestamp"),
    ("hidden", None, Some((7, 10)), "the target hides no data streams"),
    (
        "allow_custom_routing",
        None,
        Some((8, 0)),
        "the target's data streams take a routing as any index does",
    ),
    ("failure_store", None, Some((8, 15)), "the target has no failure stores"),
    ("index_mode", None, None, "the target has no index modes"),
];

/// Of a legacy template.
const LEGACY: &[Key] = &[
    ("index_patterns", FIRST, Some((6, 0)), "every target takes it"),
    ("order", FIRST, FIRST, "every target takes it"),
    ("version", FIRST, Some((5, 0)), "every target takes it"),
    ("settings", FIRST, FIRST, "every target takes it"),
    ("mappings", FIRST, FIRST, "every target takes it"),
    ("aliases", FIRST, FIRST, "every target takes it"),
    ("template", None, None, "index_patterns says it since Elasticsearch 6"),
    ("warmers", None, None, "warmers are gone since Elasticsearch 5"),
];

const TABLES: &[(&str, &str, &[Key])] = &[
    ("legacy templates", "", LEGACY),
    ("component templates", "", COMPONENT),
    ("index templates", "", INDEX),
    ("index templates", "template.", TEMPLATE),
    ("index templates", "data_stream.", DATA_STREAM),
];

/// Turns a legacy template, as `GET _template` or a snapshot has it, into what the target's `PUT _template/NAME`
/// takes. A template of several types is refused, and comes without mappings: an index has one type now, and a
/// template can't be split as an index can.
pub fn legacy_template(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    legacy_template_of(body, source, target, ManyTypes::Split)
}

/// As [`legacy_template`]; [`ManyTypes::Union`] unites several types as [`crate::target_indices`] does.
pub fn legacy_template_of(
    body: &Map<String, Value>,
    source: Version,
    target: Target,
    many_types: ManyTypes<'_>,
) -> Made {
    let mut rules = Rules::new(Some(source), target);
    let mut body = body.clone();
    if !body.contains_key("index_patterns")
        && let Some(pattern) = body.remove("template")
    {
        let patterns = if pattern.is_array() { pattern } else { json!([pattern]) };
        body.insert("index_patterns".into(), patterns);
        rules.changed("template", "index_patterns says it since Elasticsearch 6");
    }
    keep("", LEGACY, &mut body, &mut rules);
    definition(&mut body, source, many_types, "", &mut rules);
    rules.made(Value::Object(body))
}

/// Turns a component template, with or without `component_template` around it, into what the target's
/// `PUT _component_template/NAME` takes.
pub fn component_template(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    composable(unwrapped(body, "component_template"), COMPONENT, source, target)
}

/// Turns an index template, with or without `index_template` around it, into what the target's
/// `PUT _index_template/NAME` takes.
pub fn index_template(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    composable(unwrapped(body, "index_template"), INDEX, source, target)
}

/// `{"name": …, "index_template": {…}}` → what is inside.
fn unwrapped<'a>(body: &'a Map<String, Value>, key: &str) -> &'a Map<String, Value> {
    body.get(key).and_then(Value::as_object).unwrap_or(body)
}

fn composable(body: &Map<String, Value>, keys: &[Key], source: Version, target: Target) -> Made {
    let mut rules = Rules::new(Some(source), target);
    let mut body = body.clone();
    keep("", keys, &mut body, &mut rules);
    if let Some(Value::Object(stream)) = body.get_mut("data_stream") {
        keep("data_stream.", DATA_STREAM, stream, &mut rules);
    }
    if let Some(Value::Object(template)) = body.get_mut("template") {
        keep("template.", TEMPLATE, template, &mut rules);
        definition(template, source, ManyTypes::Split, "template.", &mut rules);
    }
    rules.made(Value::Object(body))
}

/// Leaves out what the target takes not. A null says the default, as leaving it out does.
fn keep(path: &str, keys: &[Key], body: &mut Map<String, Value>, rules: &mut Rules) {
    body.retain(|key, value| {
        let known = keys.iter().find(|(known, ..)| known == key);
        // What no rule names passes untouched.
        let Some((_, opensearch, elasticsearch, why)) = known else { return true };
        let target = rules.target;
        let takes = opensearch.is_some_and(|since| target.at_least(since))
            || elasticsearch.is_some_and(|since| target.elasticsearch_from(since));
        if !takes && !is_default(value) {
            rules.changed(format!("{path}{key}"), why);
        }
        takes && !value.is_null()
    });
}

/// What says nothing: leaving it out is the same.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Settings, mappings and aliases of a template, in place.
fn definition(
    holder: &mut Map<String, Value>,
    source: Version,
    many_types: ManyTypes<'_>,
    path: &str,
    rules: &mut Rules,
) {
    let before = (rules.changes.len(), rules.refused.len());
    let mut made = match holder.get("settings") {
        Some(Value::Object(settings)) => settings::transform(settings, rules),
        _ => Map::new(),
    };
    let mut mappings = Map::new();
    if let Some(Value::Object(stored)) = holder.get("mappings") {
        mappings = united(stored, source, many_types, rules);
    }
    knn::settle(&mut made, &mut mappings, rules);
    for (key, made) in [("settings", made), ("mappings", mappings)] {
        if holder.contains_key(key) || !made.is_empty() {
            holder.insert(key.into(), Value::Object(made));
        }
    }
    if let Some(Value::Object(aliases)) = holder.get("aliases") {
        let aliases = alias::all(aliases, rules);
        holder.insert("aliases".into(), Value::Object(aliases));
    }
    for change in &mut rules.changes[before.0..] {
        change.path.insert_str(0, path);
    }
    for refusal in &mut rules.refused[before.1..] {
        refusal.path.insert_str(0, path);
    }
}

/// A mapping without types, of one with any number of them.
fn united(
    stored: &Map<String, Value>,
    source: Version,
    many_types: ManyTypes<'_>,
    rules: &mut Rules,
) -> Map<String, Value> {
    let types = by_type::folded(by_type(stored, source), rules);
    let names: Vec<_> = types.iter().map(|(name, _)| name.as_str()).collect();
    if let ([_, _, ..], ManyTypes::Split | ManyTypes::Named(_)) = (&names[..], many_types) {
        let names = names.join(", ");
        rules.refuse(
            "mappings",
            format!("an index has one type now, the template has {names}: unite them, or name one"),
        );
        return Map::new();
    }
    let made: Vec<_> = types
        .iter()
        .map(|(name, mapping)| (name.as_str(), mapping::typeless(mapping, rules)))
        .collect();
    types::unite(&made, rules)
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let mut lines = Vec::new();
    for (area, path, keys) in TABLES {
        for (key, opensearch, elasticsearch, why) in *keys {
            let without: Vec<_> = [("OpenSearch", opensearch), ("Elasticsearch", elasticsearch)]
                .into_iter()
                .filter_map(|(name, since)| match since {
                    None => Some(name.to_owned()),
                    // Targets before these are none of ours.
                    Some(since) if *since <= (1, 0) || Some(*since) == COMPOSABLE => None,
                    Some((major, minor)) => Some(format!("{name} before {major}.{minor}")),
                })
                .collect();
            if *why == "every target takes it" || without.is_empty() {
                continue;
            }
            let becomes = if *key == "template" { "index_patterns" } else { "-" };
            let what = format!("{path}{key}");
            lines.push(RuleLine::new(area, what, without.join(", "), becomes.into(), why));
        }
    }
    lines.extend(by_type::catalogue());
    lines
}

#[cfg(test)]
mod tests;
