//! Stored scripts and search templates.

use serde_json::{Map, Value, json};

use crate::{Made, Target, Version, catalogue::RuleLine, report::Rules};

/// Languages that no target has.
const GONE: &[(&str, &str)] = &[
    ("groovy", "removed in Elasticsearch 6: write it in painless"),
    ("mvel", "removed in Elasticsearch 1.4: write it in painless"),
    ("javascript", "removed in Elasticsearch 6: write it in painless"),
    ("js", "removed in Elasticsearch 6: write it in painless"),
    ("python", "removed in Elasticsearch 6: write it in painless"),
    ("native", "removed in Elasticsearch 6: a plugin has to bring the script"),
];

/// What the only language was when none was said.
const UNSAID: &[(u32, &str)] = &[(1, "groovy"), (2, "groovy")];

const FORM: &str = "a stored script says its language and its source";

/// Turns a stored script or search template, in the form of any version and of snapshots, into what the target's
/// `PUT _scripts/ID` takes.
pub fn stored_script(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    let mut rules = Rules::new(Some(source), target);
    let mut made = Map::new();
    let (inner, is_template) = match (body.get("script"), body.get("template")) {
        (Some(Value::Object(script)), _) => (script, false),
        (None, Some(Value::Object(template))) if template.contains_key("source") => {
            (template, true)
        }
        (script, template) => (body, script.is_none() && template.is_some()),
    };
    let text = ["source", "code", "inline", "script", "template"]
        .iter()
        .find_map(|key| inner.get(*key).map(|text| (*key, text)));
    // Below a template stands one, whatever is called so.
    let text = if text.is_none() && is_template {
        body.get("template").map(|of| ("template", of))
    } else {
        text
    };
    let Some((key, text)) = text else {
        rules.refuse("script", "a script without a source does nothing");
        return rules.made(Value::Null);
    };
    if inner.contains_key("file") {
        rules.refuse("script.file", "scripts in files of the nodes are gone; store it");
        return rules.made(Value::Null);
    }
    let lang = inner.get("lang").or_else(|| body.get("lang")).and_then(Value::as_str);
    let unsaid = UNSAID.iter().find(|(major, _)| source.elasticsearch_before(major + 1));
    let lang = match (lang, is_template, unsaid) {
        (Some(lang), ..) => lang,
        (None, true, _) => "mustache",
        (None, false, Some((_, lang))) => lang,
        (None, false, None) => "painless",
    };
    if let Some((_, why)) = GONE.iter().find(|(gone, _)| *gone == lang) {
        rules.refuse("script.lang", format!("the target knows no {lang}: {why}"));
        return rules.made(Value::Null);
    }
    let lang = if lang == "expressions" { "expression" } else { lang };
    // A template may be written as JSON instead of as a text of JSON; targets take both, and answer with a text.
    let text = match text {
        Value::String(_) => text.clone(),
        other => json!(other.to_string()),
    };
    if key != "source" || !std::ptr::eq(inner, script_of(body)) {
        rules.changed(format!("script.{key}"), FORM);
    }
    made.insert("lang".into(), json!(lang));
    made.insert("source".into(), text);
    if let Some(options) =
        inner.get("options").filter(|o| o.as_object().is_some_and(|o| !o.is_empty()))
    {
        made.insert("options".into(), options.clone());
    }
    rules.made(json!({"script": made}))
}

/// Where a script is in the form that targets take.
fn script_of(body: &Map<String, Value>) -> &Map<String, Value> {
    body.get("script").and_then(Value::as_object).unwrap_or(body)
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let area = "stored scripts";
    let gone = GONE.iter().map(|(lang, why)| {
        RuleLine::new(area, format!("lang {lang}"), "all".into(), "refused".into(), why)
    });
    let rest = [
        ("code, inline, script, template", "script.source", FORM),
        ("file", "refused", "scripts in files of the nodes are gone; store it"),
    ];
    let rest = rest
        .into_iter()
        .map(|(what, becomes, why)| RuleLine::new(area, what, "all".into(), becomes.into(), why));
    gone.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: Value, source: Version) -> Made {
        stored_script(body.as_object().unwrap(), source, Target::opensearch(2, 19))
    }

    #[test]
    fn forms_of_every_age_become_one() {
        let (two, five) = (Version::elasticsearch(2, 4), Version::elasticsearch(5, 6));
        let eight = Version::elasticsearch(8, 19);
        let script = |lang: &str, source: &str| json!({"script": {"lang": lang, "source": source}});
        for (from, source, to, changed) in [
            (
                json!({"_id": "s", "found": true, "script": {"lang": "painless", "source": "1", "options": {}}}),
                eight,
                script("painless", "1"),
                0,
            ),
            (json!({"lang": "painless", "source": "1"}), eight, script("painless", "1"), 0),
            (
                json!({"script": {"lang": "painless", "code": "1"}}),
                five,
                script("painless", "1"),
                1,
            ),
            (json!({"lang": "expression", "script": "1"}), two, script("expression", "1"), 1),
            (json!({"lang": "mustache", "template": "{}"}), two, script("mustache", "{}"), 1),
            (
                json!({"template": {"query": {"match_all": {}}}}),
                two,
                script("mustache", r#"{"query":{"match_all":{}}}"#),
                1,
            ),
            (
                json!({"script": {"lang": "mustache", "source": {"a": 1}}}),
                eight,
                script("mustache", r#"{"a":1}"#),
                0,
            ),
            (json!({"script": "1"}), five, script("painless", "1"), 1),
        ] {
            let made = made(from.clone(), source);
            assert_eq!(
                (made.body, made.changes.len(), made.refused.len()),
                (to, changed, 0),
                "{from}"
            );
        }
        let options = json!({"lang": "mustache", "source": "{}", "options": {"content_type": "application/json"}});
        assert_eq!(made(json!({"script": options}), eight).body["script"], options);
    }

    #[test]
    fn languages_that_are_gone_are_refused() {
        for (lang, _) in GONE {
            let made = made(
                json!({"script": {"lang": lang, "source": "1"}}),
                Version::elasticsearch(5, 6),
            );
            assert_eq!((made.body, made.refused[0].path.as_str()), (Value::Null, "script.lang"));
        }
        let unsaid = made(json!({"script": "1"}), Version::elasticsearch(2, 4));
        assert!(unsaid.refused[0].why.contains("groovy"));
    }

    #[test]
    fn what_has_no_source_is_refused() {
        for body in [
            json!({}),
            json!({"script": {}}),
            json!({"script": {"lang": "painless", "file": "f", "source": "1"}}),
        ] {
            assert_eq!(made(body, Version::elasticsearch(5, 6)).body, Value::Null);
        }
    }
}
