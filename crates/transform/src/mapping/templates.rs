//! `dynamic_templates`.

use serde_json::{Map, Value, json};

use super::{field, parameters, unfold};
use crate::{catalogue::RuleLine, report::Rules};

/// What a value may be found to be, for `match_mapping_type`.
const FOUND: &[(&str, &str)] = &[
    ("text", "string"),
    ("keyword", "string"),
    ("byte", "long"),
    ("short", "long"),
    ("integer", "long"),
    ("float", "double"),
    ("half_float", "double"),
    ("nested", "object"),
];

const NOT_KNOWN: &[&str] = &["unmatch_mapping_type", "runtime"];

const UNKNOWN: &str = "the target's templates neither exclude types nor make runtime fields";

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let area = "dynamic templates";
    let unknown = NOT_KNOWN.iter().map(|key| {
        let versions = "OpenSearch, Elasticsearch before 8.9".to_owned();
        RuleLine::new(area, *key, versions, "no template".into(), UNKNOWN)
    });
    let found = FOUND.iter().map(|(from, to)| {
        let what = format!("match_mapping_type: {from}");
        let why = "named as the target names what it finds";
        RuleLine::new(area, what, "all".into(), (*to).into(), why)
    });
    unknown.chain(found).collect()
}

pub(super) fn transform(path: &str, templates: &mut Value, rules: &mut Rules) {
    let Some(list) = templates.as_array_mut() else { return };
    let mut made = Vec::with_capacity(list.len());
    for template in std::mem::take(list) {
        let Value::Object(template) = template else { continue };
        for (name, rule) in template {
            let path = format!("{path}.dynamic_templates.{name}");
            let Value::Object(rule) = rule else { continue };
            for (at, rule) in one(&path, rule, rules).into_iter().enumerate() {
                // Of two templates of one name the target keeps one.
                let name = if at == 0 { name.clone() } else { format!("{name}_{}", at + 1) };
                made.push(json!({name: rule}));
            }
        }
    }
    *list = made;
}

/// One template may become none, or several, the first to match wins.
fn one(path: &str, mut rule: Map<String, Value>, rules: &mut Rules) -> Vec<Map<String, Value>> {
    if rules.target.elasticsearch_from((8, 9)) && rule.contains_key("runtime") {
        return vec![rule];
    }
    for key in NOT_KNOWN {
        if !rules.target.elasticsearch_from((8, 9)) && rule.contains_key(*key) {
            rules.changed(path, UNKNOWN);
            return Vec::new();
        }
    }
    match rule.get_mut("match_mapping_type") {
        Some(Value::Array(kinds)) => {
            let kinds = std::mem::take(kinds);
            rules.changed(path, "a template matches one type of value only");
            let each = kinds.into_iter().flat_map(|kind| {
                let mut rule = rule.clone();
                rule.insert("match_mapping_type".into(), kind);
                one(path, rule, rules)
            });
            return each.collect();
        }
        Some(Value::String(kind)) => {
            if let Some((_, found)) = FOUND.iter().find(|(from, _)| from == kind) {
                *kind = (*found).to_owned();
                rules.changed(path, "named as the target names what it finds");
            }
        }
        _ => {}
    }
    let matches = rule.get("match_mapping_type").and_then(Value::as_str).unwrap_or("*").to_owned();
    let Some(Value::Object(mapping)) = rule.get_mut("mapping") else { return vec![rule] };
    unfold(path, "{name}", mapping, rules);
    let open =
        mapping.get("type").is_none_or(|kind| kind == "{dynamic_type}" || kind == "{dynamicType}");
    let word = mapping.get("index").and_then(Value::as_str);
    let not_analyzed = matches!(word, Some("not_analyzed" | "no"));
    if open && matches == "string" && (not_analyzed || rules.created_before(5)) {
        mapping.insert("type".into(), json!("string"));
    }
    // It says something of strings among others: they get a template of their own in front.
    let mut made = Vec::new();
    if open && matches == "*" && not_analyzed {
        let mut strings = rule.clone();
        strings.insert("match_mapping_type".into(), json!("string"));
        made.extend(one(path, strings, rules));
    }
    if let Some(Value::Object(mapping)) = rule.get_mut("mapping") {
        if mapping.get("type").is_some_and(|kind| kind == "{dynamicType}") {
            mapping.insert("type".into(), json!("{dynamic_type}"));
        }
        if mapping.contains_key("type") {
            if !field(path, mapping, false, rules) {
                return made;
            }
        } else {
            parameters::normalize(path, mapping, rules);
        }
    }
    made.push(rule);
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    fn check(from: Value, to: Value) {
        let mut rules = Rules::new(Some(Version::elasticsearch(2, 4)), Target::default());
        let mut templates = json!([{"t": from.clone()}]);
        transform("mappings", &mut templates, &mut rules);
        let made: Vec<_> = templates
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|t| t.as_object().unwrap().values().cloned())
            .collect();
        assert_eq!(json!(made), to, "{from}");
        assert!(!rules.changes.is_empty());
    }

    #[test]
    fn templates_of_strings_make_texts_and_keywords() {
        check(
            json!({"match_mapping_type": "string", "mapping": {"type": "string", "index": "not_analyzed"}}),
            json!([{"match_mapping_type": "string", "mapping": {"type": "keyword"}}]),
        );
        check(
            json!({"match_mapping_type": "string", "mapping": {"index": "not_analyzed", "omit_norms": true}}),
            json!([{"match_mapping_type": "string", "mapping": {"type": "keyword", "norms": false}}]),
        );
        check(
            json!({"match": "*", "mapping": {"type": "{dynamic_type}", "index": "not_analyzed"}}),
            json!([
                {"match": "*", "match_mapping_type": "string", "mapping": {"type": "keyword"}},
                {"match": "*", "mapping": {"type": "{dynamic_type}", "index": true}},
            ]),
        );
        check(
            json!({"match": "*", "match_mapping_type": "string", "mapping": {"type": "{dynamic_type}"}}),
            json!([{"match": "*", "match_mapping_type": "string", "mapping": {"type": "text"}}]),
        );
    }

    #[test]
    fn a_multi_field_of_a_template_has_a_main_field() {
        check(
            json!({"match": "m", "mapping": {"type": "multi_field", "fields": {
                "{name}": {"type": "string"}, "raw": {"type": "string", "index": "not_analyzed"}}}}),
            json!([{"match": "m", "mapping": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}]),
        );
    }

    #[test]
    fn an_elasticsearch_takes_what_its_version_knows() {
        for rule in [json!({"runtime": {}}), json!({"unmatch_mapping_type": "long", "mapping": {}})]
        {
            for (target, left) in
                [(Target::elasticsearch(8, 9), 1), (Target::elasticsearch(7, 17), 0)]
            {
                let mut rules = Rules::new(None, target);
                let mut templates = json!([{"t": rule}]);
                transform("mappings", &mut templates, &mut rules);
                assert_eq!(templates.as_array().unwrap().len(), left, "{rule}");
            }
        }
    }

    #[test]
    fn several_templates_out_of_one_have_names_of_their_own() {
        let mut rules = Rules::new(None, Target::default());
        let mut made =
            json!([{"t": {"match_mapping_type": ["long", "double"], "mapping": {"type": "long"}}}]);
        transform("mappings", &mut made, &mut rules);
        assert!(made[0].get("t").is_some() && made[1].get("t_2").is_some(), "{made}");
    }

    #[test]
    fn types_of_values_are_those_that_the_target_finds() {
        for (from, to) in FOUND {
            check(
                json!({"match_mapping_type": from, "mapping": {"type": "long"}}),
                json!([{"match_mapping_type": to, "mapping": {"type": "long"}}]),
            );
        }
        check(
            json!({"match_mapping_type": ["long", "float"], "mapping": {"type": "long"}}),
            json!([
                {"match_mapping_type": "long", "mapping": {"type": "long"}},
                {"match_mapping_type": "double", "mapping": {"type": "long"}},
            ]),
        );
        check(json!({"match": "*", "runtime": {}}), json!([]));
        check(json!({"match": "*", "unmatch_mapping_type": "long", "mapping": {}}), json!([]));
    }
}
