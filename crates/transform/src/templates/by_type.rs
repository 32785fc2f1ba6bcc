//! Mappings of a template by type, and `_default_` folded into each.

use serde_json::{Map, Value};

use crate::{Flavour, Version, catalogue::RuleLine, mapping, report::Rules};

/// `_default_` is no type: it says what new types begin with.
const DEFAULT: &str = "_default_";

/// A mapping for each type, without the type's name around it. Before Elasticsearch 7 every key is the name of one,
/// unless the mapping was asked for without types; later mappings have none, or `_doc` around them.
pub(crate) fn by_type(
    stored: &Map<String, Value>,
    source: Version,
) -> Vec<(String, Map<String, Value>)> {
    let untyped = || vec![("_doc".to_owned(), stored.clone())];
    if stored.is_empty() {
        return Vec::new();
    }
    if source.flavour == Flavour::OpenSearch || source.major >= 7 {
        return match mapping::root::single_type(stored) {
            Some((name, inner)) => vec![(name.to_owned(), inner.clone())],
            None => untyped(),
        };
    }
    let typed = stored.iter().all(|(key, value)| value.is_object() && !mapping::root::is_key(key));
    match typed {
        true => stored
            .iter()
            .filter_map(|(name, of)| Some((name.clone(), of.as_object()?.clone())))
            .collect(),
        false => untyped(),
    }
}

/// Types with what `_default_` says below what they say themselves. A template that has nothing else is one whose
/// types have any name.
pub(super) fn folded(
    mut types: Vec<(String, Map<String, Value>)>,
    rules: &mut Rules,
) -> Vec<(String, Map<String, Value>)> {
    let Some(at) = types.iter().position(|(name, _)| name == DEFAULT) else { return types };
    let (name, default) = types.remove(at);
    rules.changed(format!("mappings.{name}"), WHY);
    if types.is_empty() {
        return vec![("_doc".to_owned(), default)];
    }
    for (_, mapping) in &mut types {
        *mapping = over(&default, mapping);
    }
    types
}

/// The mapping of a captured template with `_default_` folded into its types; any other as it is.
pub(crate) fn without_default(
    stored: &Map<String, Value>,
    rules: &mut Rules,
) -> Map<String, Value> {
    if !stored.get(DEFAULT).is_some_and(Value::is_object) {
        return stored.clone();
    }
    let types = folded(by_type(stored, Version::elasticsearch(6, 8)), rules);
    match &types[..] {
        [(_, only)] => only.clone(),
        _ => types.into_iter().map(|(name, of)| (name, Value::Object(of))).collect(),
    }
}

const WHY: &str = "there are no types any more; what new ones began with is in the mapping itself";

/// What is said above wins.
fn over(below: &Map<String, Value>, above: &Map<String, Value>) -> Map<String, Value> {
    let mut made = below.clone();
    for (key, value) in above {
        let merged = match (made.get(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => Value::Object(over(below, above)),
            // Of two dynamic templates the first to match wins, and a later one of the same name replaces it.
            (Some(Value::Array(below)), Value::Array(above)) if key == "dynamic_templates" => {
                let name = |template: &Value| template.as_object()?.keys().next().cloned();
                let mut list = below.clone();
                for template in above {
                    match list.iter_mut().find(|of| name(of) == name(template)) {
                        Some(same) => *same = template.clone(),
                        None => list.push(template.clone()),
                    }
                }
                Value::Array(list)
            }
            _ => value.clone(),
        };
        made.insert(key.clone(), merged);
    }
    made
}

pub(super) fn catalogue() -> Vec<RuleLine> {
    let lines = [
        ("mappings of one type", "the mapping", "mappings have no types any more"),
        ("mappings._default_", "part of each type's mapping", WHY),
        ("mappings of several types", "refused, or united", "an index has one type now"),
    ];
    let versions = || "all, from Elasticsearch before 7".to_owned();
    lines
        .into_iter()
        .map(|(what, becomes, why)| {
            RuleLine::new("legacy templates", what, versions(), becomes.into(), why)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Target;

    fn names(stored: Value, source: Version) -> Vec<String> {
        by_type(stored.as_object().unwrap(), source).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn types_are_told_from_what_holds_for_the_whole() {
        let old = Version::elasticsearch(2, 4);
        assert_eq!(names(json!({"a": {}, "properties_of": {}}), old), ["a", "properties_of"]);
        assert_eq!(names(json!({"properties": {"a": {"type": "long"}}}), old), ["_doc"]);
        assert_eq!(names(json!({}), old), [""; 0]);
        let new = Version::elasticsearch(7, 17);
        assert_eq!(names(json!({"_doc": {"properties": {}}}), new), ["_doc"]);
        assert_eq!(names(json!({"dynamic": false, "properties": {}}), new), ["_doc"]);
    }

    #[test]
    fn a_captured_template_may_have_nothing_but_what_new_types_begin_with() {
        let fields = json!({"properties": {"a": {"type": "long"}}});
        for stored in [json!({"_default_": fields}), json!({"_default_": {}, "doc": fields})] {
            let mut rules = Rules::new(None, Target::default());
            let made = without_default(stored.as_object().unwrap(), &mut rules);
            assert_eq!((Value::Object(made), rules.changes.len()), (fields.clone(), 1));
        }
        let stored = json!({"properties": {}});
        let made =
            without_default(stored.as_object().unwrap(), &mut Rules::new(None, Target::default()));
        assert_eq!(Value::Object(made), stored);
    }

    #[test]
    fn what_new_types_begin_with_is_below_what_they_say() {
        let types = by_type(
            json!({
                "_default_": {"dynamic": false, "_all": {"enabled": false}, "properties": {"a": {"type": "long"}},
                              "dynamic_templates": [{"x": {"match": "1"}}, {"y": {"match": "2"}}]},
                "t": {"dynamic": true, "properties": {"a": {"type": "date"}, "b": {"type": "long"}},
                      "dynamic_templates": [{"y": {"match": "3"}}, {"z": {"match": "4"}}]},
            })
            .as_object()
            .unwrap(),
            Version::elasticsearch(5, 6),
        );
        let mut rules = Rules::new(None, Target::default());
        let made = folded(types, &mut rules);
        let expected = json!({
            "dynamic": true, "_all": {"enabled": false},
            "properties": {"a": {"type": "date"}, "b": {"type": "long"}},
            "dynamic_templates": [{"x": {"match": "1"}}, {"y": {"match": "3"}}, {"z": {"match": "4"}}],
        });
        assert_eq!((made.len(), Value::Object(made[0].1.clone())), (1, expected));
        assert_eq!(rules.changes.len(), 1);
    }
}
