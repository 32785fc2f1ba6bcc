//! `string` of Elasticsearch 1 to 4: `text` where it was analyzed, else `keyword`.

use serde_json::{Map, Value, json};

use super::{parameters, takes};
use crate::report::Rules;

pub(super) fn split(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    if field.get("type").is_none_or(|kind| kind != "string") {
        return;
    }
    let index = match field.remove("index") {
        Some(Value::Bool(true)) | None => "analyzed".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(index)) => index,
        Some(_) => "analyzed".to_owned(),
    };
    let kind = match index.as_str() {
        "not_analyzed" | "no" => "keyword",
        _ => "text",
    };
    field.insert("type".into(), json!(kind));
    if index == "no" {
        field.insert("index".into(), json!(false));
        // What was not indexed had none, unless it was said.
        field.entry("doc_values").or_insert(json!(false));
    }
    let why = match index.as_str() {
        "not_analyzed" => "a string that isn't analyzed is a keyword now",
        "no" => "a string that isn't indexed is a keyword without an index now",
        _ => "an analyzed string is a text now",
    };
    rules.changed(path, why);
    if kind == "text" && field.remove("doc_values").is_some() {
        rules.changed(format!("{path}.doc_values"), "text has no doc values");
    }
    parameters::normalize(path, field, rules);
    takes::keep_known(path, field, rules);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    #[test]
    fn strings_become_text_or_keyword() {
        let check = |from: Value, to: Value| {
            let mut rules = Rules::new(None, Target::default());
            let mut field = from.as_object().cloned().unwrap();
            split("f", &mut field, &mut rules);
            assert_eq!(Value::Object(field), to, "{from}");
        };
        check(json!({"type": "string"}), json!({"type": "text"}));
        check(json!({"type": "string", "index": "analyzed"}), json!({"type": "text"}));
        check(json!({"type": "string", "index": "not_analyzed"}), json!({"type": "keyword"}));
        let unindexed = json!({"type": "keyword", "index": false, "doc_values": false});
        check(json!({"type": "string", "index": "no"}), unindexed);
        check(
            json!({"type": "string", "analyzer": "english", "norms": {"enabled": false}, "doc_values": false}),
            json!({"type": "text", "analyzer": "english", "norms": false}),
        );
        check(
            json!({"type": "string", "index": "not_analyzed", "ignore_above": 9, "null_value": "-",
                   "fielddata": {"format": "doc_values"}, "analyzer": "x", "index_options": "docs"}),
            json!({"type": "keyword", "ignore_above": 9, "null_value": "-", "index_options": "docs"}),
        );
        check(
            json!({"type": "string", "ignore_above": 9, "include_in_all": true}),
            json!({"type": "text"}),
        );
        check(json!({"type": "text"}), json!({"type": "text"}));
    }
}
