//! Types: an index of several of them becomes an index a type, or one that unites them.

use serde_json::{Map, Value};

use crate::{TargetIndex, TypeNames, Version, report::Rules, templates::by_type};

/// What to do with an index of several types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManyTypes<'a> {
    /// An index for each type, named `<index>-<type>`.
    #[default]
    Split,
    /// One index, whose mapping has the fields of all. Two documents of one id in two types are one then.
    Union,
    /// What a person's configuration says of every index and type; types of one name are united.
    Named(&'a TypeNames),
}

/// [`ManyTypes`] for settings to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TypeMapping {
    #[default]
    Split,
    Union,
    Named(TypeNames),
}

impl TypeMapping {
    /// For [`crate::Wanted`].
    pub fn many_types(&self) -> ManyTypes<'_> {
        match self {
            Self::Split => ManyTypes::Split,
            Self::Union => ManyTypes::Union,
            Self::Named(names) => ManyTypes::Named(names),
        }
    }
}

/// Whose documents an index takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Types {
    All,
    Only(Vec<String>),
}

/// The types of an index whose mappings are these, as a cluster of this version says them.
pub fn types_of(mappings: &Map<String, Value>, source: Version) -> Vec<String> {
    let types = by_type(mappings, source).into_iter().map(|(name, _)| name);
    types.filter(|name| name != "_default_").collect()
}

/// The index that the documents of a type go to; `None`: there is none for them.
pub fn target_of<'a>(
    targets: &'a [TargetIndex],
    doc_type: Option<&str>,
) -> Option<&'a TargetIndex> {
    targets.iter().find(|target| match (&target.types, doc_type) {
        (Types::All, _) => true,
        (Types::Only(types), Some(doc_type)) => types.iter().any(|one| one == doc_type),
        (Types::Only(_), None) => false,
    })
}

/// `<index>-<type>`: names of indices are lower case, and some characters can't be in one.
pub(crate) fn index_name(index: &str, doc_type: &str) -> String {
    let lower = doc_type.to_lowercase();
    let safe = lower
        .chars()
        .map(|c| if r#"\/*?"<>| ,#:"#.contains(c) || c.is_control() { '_' } else { c });
    let name: String = format!("{index}-").chars().chain(safe).collect();
    name
}

/// Unites the transformed mappings of several types. Where two types say different things of a field of one
/// type, the first is kept; different types of a field are refused.
pub(crate) fn unite(
    mappings: &[(&str, Map<String, Value>)],
    rules: &mut Rules,
) -> Map<String, Value> {
    let Some(((first, united), rest)) = mappings.split_first() else { return Map::new() };
    let mut united = united.clone();
    for (name, mapping) in rest {
        fields("mappings", (first, &mut united), (name, mapping), rules);
    }
    let keys: Vec<String> =
        mappings.iter().flat_map(|(_, mapping)| mapping.keys().cloned()).collect();
    for key in keys {
        if key == "properties" {
            continue;
        }
        if key == "dynamic_templates" {
            united.insert(key, templates(mappings));
            continue;
        }
        let said = mappings.first().and_then(|(_, mapping)| mapping.get(&key));
        if mappings.iter().any(|(_, mapping)| mapping.get(&key) != said)
            && united.contains_key(&key)
        {
            united.remove(&key);
            rules.changed(
                format!("mappings.{key}"),
                "types say different things; the default refuses no document",
            );
        }
    }
    united
}

/// The templates of all, each once.
fn templates(mappings: &[(&str, Map<String, Value>)]) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for (_, mapping) in mappings {
        let more = mapping.get("dynamic_templates").and_then(Value::as_array);
        for template in more.into_iter().flatten() {
            if !list.contains(template) {
                list.push(template.clone());
            }
        }
    }
    Value::Array(list)
}

fn fields(
    path: &str,
    (first, into): (&str, &mut Map<String, Value>),
    (second, from): (&str, &Map<String, Value>),
    rules: &mut Rules,
) {
    let Some(Value::Object(from)) = from.get("properties") else { return };
    let into = into.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    let Some(into) = into.as_object_mut() else { return };
    for (name, theirs) in from {
        let path = format!("{path}.properties.{name}");
        let Some(ours) = into.get_mut(name) else {
            into.insert(name.clone(), theirs.clone());
            continue;
        };
        if ours == theirs {
            continue;
        }
        let (our_type, their_type) = (kind(ours), kind(theirs));
        if our_type != their_type {
            rules.refuse(
                &path,
                format!(
                    "field [{name}] is {our_type} in type [{first}] and {their_type} in type [{second}]: \
                     one index can't have both; split the types, or rename the field"
                ),
            );
            continue;
        }
        if let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) {
            let differs = |key: &str| ours.get(key) != theirs.get(key);
            if ours.keys().chain(theirs.keys()).any(|key| key != "properties" && differs(key)) {
                rules.changed(
                    &path,
                    "types say different things of the field; the first one's are kept",
                );
            }
            fields(&path, (first, ours), (second, theirs), rules);
        }
    }
}

fn kind(field: &Value) -> String {
    field.get("type").and_then(Value::as_str).unwrap_or("object").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Target;

    fn united(first: Value, second: Value) -> (Value, Rules) {
        let mut rules = Rules::new(None, Target::default());
        let object = |value: Value| value.as_object().cloned().unwrap();
        let made = unite(&[("a", object(first)), ("b", object(second))], &mut rules);
        (Value::Object(made), rules)
    }

    #[test]
    fn fields_of_both_types_stay() {
        let (made, rules) = united(
            json!({"properties": {"x": {"type": "long"}, "o": {"properties": {"p": {"type": "text"}}}}}),
            json!({"properties": {"y": {"type": "long"}, "o": {"properties": {"q": {"type": "text"}}}}}),
        );
        assert_eq!(
            made,
            json!({"properties": {"x": {"type": "long"}, "y": {"type": "long"},
                "o": {"properties": {"p": {"type": "text"}, "q": {"type": "text"}}}}})
        );
        assert!(rules.changes.is_empty() && rules.refused.is_empty());
    }

    #[test]
    fn two_types_of_a_field_are_refused_by_name() {
        let (made, rules) = united(
            json!({"properties": {"o": {"properties": {"x": {"type": "long"}}}}}),
            json!({"properties": {"o": {"properties": {"x": {"type": "text"}}}}}),
        );
        assert_eq!(made["properties"]["o"]["properties"]["x"]["type"], "long");
        assert_eq!(rules.refused[0].path, "mappings.properties.o.properties.x");
        for word in ["[x]", "long", "[a]", "text", "[b]"] {
            assert!(rules.refused[0].why.contains(word), "{}", rules.refused[0].why);
        }
    }

    #[test]
    fn what_holds_for_one_type_alone_is_left_out() {
        let (made, rules) = united(
            json!({"_routing": {"required": true}, "dynamic": "strict", "dynamic_templates": [1]}),
            json!({"dynamic": "strict", "dynamic_templates": [1, 2]}),
        );
        assert_eq!(made, json!({"dynamic": "strict", "dynamic_templates": [1, 2]}));
        assert_eq!(rules.changes.len(), 1);
    }

    #[test]
    fn names_of_indices_are_what_a_cluster_takes() {
        assert_eq!(index_name("i", "Doc Type"), "i-doc_type");
        assert_eq!(index_name("i", ".percolator"), "i-.percolator");
    }
}
