//! Mappings: types taken away, fields turned into what the target has.

mod dates;
pub(crate) mod kinds;
pub(crate) mod knn;
pub(crate) mod parameters;
pub(crate) mod root;
mod strings;
pub(crate) mod takes;
pub(crate) mod templates;

use serde_json::{Map, Value, json};

use crate::{catalogue::RuleLine, report::Rules};

/// Transforms a whole mapping, with or without the name of a type around it.
pub(crate) fn transform(mappings: &Map<String, Value>, rules: &mut Rules) -> Map<String, Value> {
    match root::single_type(mappings) {
        Some((name, inner)) => {
            rules.changed(format!("mappings.{name}"), "mappings have no types any more");
            typeless(inner, rules)
        }
        None => typeless(mappings, rules),
    }
}

/// Transforms a mapping that has no type around it.
pub(crate) fn typeless(mapping: &Map<String, Value>, rules: &mut Rules) -> Map<String, Value> {
    let mut mapping = mapping.clone();
    root::transform(&mut mapping, rules);
    members("mappings", &mut mapping, rules);
    mapping
}

/// The fields below a mapping, an object or a field.
fn members(path: &str, object: &mut Map<String, Value>, rules: &mut Rules) {
    for (group, multi) in [("properties", false), ("fields", true)] {
        let Some(Value::Object(members)) = object.get_mut(group) else { continue };
        members.retain(|name, member| {
            let path = format!("{path}.{group}.{name}");
            if name.is_empty() || name.starts_with('.') || name.contains("..") {
                rules.refuse(path, "the target takes no empty names of fields");
                return false;
            }
            let Value::Object(member) = member else { return true };
            unfold(&path, name, member, rules);
            field(&path, member, multi, rules)
        });
    }
}

/// One field and those below it. `false`: it has to go.
fn field(path: &str, field: &mut Map<String, Value>, multi: bool, rules: &mut Rules) -> bool {
    if !field.contains_key("type") && !field.contains_key("properties") {
        field.insert("type".into(), json!("object"));
    }
    dates::field(path, field, rules);
    strings::split(path, field, rules);
    completion(path, field, rules);
    if !kinds::replace(path, field, multi, rules) {
        return false;
    }
    parameters::normalize(path, field, rules);
    root::dynamic(path, field, rules);
    takes::drop_late(path, field, rules);
    // What OpenSearch has said of its own fields, an OpenSearch knows, whatever is added to it; so does a
    // recent Elasticsearch of what one has said.
    let same = rules.target.is_elasticsearch() && !rules.created_before(7);
    if rules.created_by(crate::Flavour::Elasticsearch) && !same {
        takes::keep_known(path, field, rules);
    }
    if multi && field.remove("copy_to").is_some() {
        rules.changed(format!("{path}.copy_to"), "a multi-field can't be copied from");
    }
    members(path, field, rules);
    true
}

/// `multi_field` of Elasticsearch 1: the field under its own name is the main one.
fn unfold(path: &str, name: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    if field.get("type").is_none_or(|kind| kind != "multi_field") {
        return;
    }
    rules.changed(path, "a multi_field is its main field with others below it");
    let mut fields = match field.remove("fields") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let main = match fields.remove(name) {
        Some(Value::Object(main)) => main,
        // Nothing was indexed under the name itself.
        _ => Map::from_iter([("type".into(), json!("string")), ("index".into(), json!("no"))]),
    };
    *field = main;
    if !fields.is_empty() {
        field.insert("fields".into(), Value::Object(fields));
    }
}

/// `context` of Elasticsearch 1 and 2 → `contexts`.
fn completion(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    if field.get("type").is_none_or(|kind| kind != "completion") {
        return;
    }
    if field.get("payloads").and_then(parameters::boolean) == Some(true) {
        rules.refuse(
            format!("{path}.payloads"),
            "documents whose suggestions carry a payload are refused",
        );
    }
    let Some(Value::Object(context)) = field.remove("context") else { return };
    let contexts: Vec<Value> = context
        .into_iter()
        .map(|(name, context)| {
            let mut made = Map::from_iter([("name".to_owned(), json!(name))]);
            for key in ["type", "path", "precision"] {
                let value = match context.get(key) {
                    // Several precisions, the finest last: one is left.
                    Some(Value::Array(list)) => list.last(),
                    value => value,
                };
                if let Some(value) = value {
                    made.insert(key.into(), value.clone());
                }
            }
            Value::Object(made)
        })
        .collect();
    field.insert("contexts".into(), Value::Array(contexts));
    rules.changed(format!("{path}.context"), "contexts are a list now, without defaults");
}

/// What is no table, for the documentation: (what, the targets, what it becomes, why).
const REST: &[(&str, &str, &str, &str)] = &[
    ("string, analyzed", "all", "text", "an analyzed string is a text now"),
    ("string, not_analyzed", "all", "keyword", "a string that isn't analyzed is a keyword now"),
    (
        "string, not indexed",
        "all",
        "keyword, neither indexed nor with doc values",
        "a string that isn't indexed is a keyword without an index now",
    ),
    (
        "multi_field",
        "all",
        "its main field with fields",
        "a multi_field is its main field with others below it",
    ),
    (
        "completion with context",
        "all",
        "completion with contexts",
        "contexts are a list now, without defaults",
    ),
    (
        "completion with payloads",
        "all",
        "refused",
        "documents whose suggestions carry a payload are refused",
    ),
    (
        "date with a format of Joda, from Elasticsearch before 7",
        "all",
        "the same format in java.time",
        "date formats are those of java.time now",
    ),
    (
        "date with a format in camel case",
        "Elasticsearch 8 on",
        "the same format in snake case",
        "Elasticsearch 8 names formats in snake case only",
    ),
    ("fields without a name", "all", "refused", "the target takes no empty names of fields"),
];

pub(crate) fn catalogue() -> Vec<RuleLine> {
    let line = |(what, versions, becomes, why): &(&str, &str, &str, &'static str)| {
        RuleLine::new("field types", *what, (*versions).into(), (*becomes).into(), why)
    };
    REST.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    fn check(from: Value, to: &Value, changed: usize) {
        let mut rules = Rules::new(Some(Version::elasticsearch(1, 7)), Target::default());
        let from = from.as_object().cloned().unwrap_or_default();
        assert_eq!(&Value::Object(transform(&from, &mut rules)), to);
        assert_eq!(rules.changes.len(), changed, "{:?}", rules.changes);
    }

    #[test]
    fn types_are_unwrapped_and_fields_renamed() {
        let plain =
            json!({"properties": {"a": {"type": "text", "fields": {"k": {"type": "keyword"}}}}});
        check(plain.clone(), &plain, 0);
        check(json!({"doc": plain}), &plain, 1);
        check(json!({}), &json!({}), 0);
        check(
            json!({"properties": {"o": {"properties": {"f": {"type": "flattened", "depth_limit": 3}}}}}),
            &json!({"properties": {"o": {"properties": {"f": {"type": "flat_object"}}}}}),
            2,
        );
        check(
            json!({"dynamic_templates": [{"t": {"match": "*", "mapping": {"type": "flattened"}}}]}),
            &json!({"dynamic_templates": [{"t": {"match": "*", "mapping": {"type": "flat_object"}}}]}),
            1,
        );
        check(
            json!({"_all": {"enabled": false}, "dynamic": "strict"}),
            &json!({"dynamic": "strict"}),
            1,
        );
    }

    #[test]
    fn a_multi_field_has_a_main_field() {
        check(
            json!({"properties": {"a": {"type": "multi_field", "path": "just_name", "fields": {
                "a": {"type": "string"}, "raw": {"type": "string", "index": "not_analyzed"}}}}}),
            &json!({"properties": {"a": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}}),
            3,
        );
        check(
            json!({"properties": {"a": {"type": "multi_field", "fields": {"b": {"type": "long"}}}}}),
            &json!({"properties": {"a": {
                "type": "keyword", "index": false, "doc_values": false, "fields": {"b": {"type": "long"}}}}}),
            2,
        );
    }

    #[test]
    fn completions_have_a_list_of_contexts() {
        check(
            json!({"properties": {"s": {"type": "completion", "index_analyzer": "simple", "max_input_len": 9,
                "context": {"c": {"type": "category", "path": "p", "default": "d"},
                            "g": {"type": "geo", "precision": [1, 5]}}}}}),
            &json!({"properties": {"s": {"type": "completion", "analyzer": "simple", "max_input_length": 9,
                "contexts": [{"name": "c", "type": "category", "path": "p"},
                             {"name": "g", "type": "geo", "precision": 5}]}}}),
            3,
        );
    }

    #[test]
    fn an_object_without_a_type_gets_one_and_a_nameless_field_is_refused() {
        check(
            json!({"properties": {"o": {"dynamic": "yes"}}}),
            &json!({"properties": {"o": {"type": "object", "dynamic": "true"}}}),
            1,
        );
        let mut rules = Rules::new(None, Target::default());
        let from = json!({"properties": {"": {"type": "long"}, "a..b": {"type": "long"}}});
        assert_eq!(
            Value::Object(transform(from.as_object().unwrap(), &mut rules)),
            json!({"properties": {}})
        );
        assert_eq!(rules.refused.len(), 2);
    }
}
