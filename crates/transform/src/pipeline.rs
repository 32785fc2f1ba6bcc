//! Ingest pipelines: processors by name, and their parameters.

use serde_json::{Map, Value};

use crate::{Made, Target, Version, catalogue::RuleLine, report::Rules};

mod identities;
mod parameters;
mod processors;

/// Of a pipeline, beside its processors: (key, the first Elasticsearch that takes it). No OpenSearch does.
const TOP: &[(&str, Option<(u32, u32)>)] = &[
    ("_meta", Some((7, 16))),
    ("deprecated", Some((8, 12))),
    ("field_access_pattern", Some((9, 2))),
    ("created_date", None),
    ("created_date_millis", None),
    ("modified_date", None),
    ("modified_date_millis", None),
];

const NO_KEY: &str = "a pipeline of the target has no such key";

/// Processors within processors, as deep as is looked into.
const DEEPEST: usize = 32;

/// Turns an ingest pipeline, as `GET _ingest/pipeline` or a snapshot has it, into what the target's
/// `PUT _ingest/pipeline/ID` takes. Processors that it lacks are refused by their place (`processors[3].inference`)
/// and left out. Those of plugins that no rule names pass.
pub fn pipeline(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    let mut rules = Rules::new(Some(source), target);
    let mut made = body.clone();
    made.retain(|key, value| {
        let Some((_, since)) = TOP.iter().find(|(of, _)| of == key) else { return true };
        let takes = since.is_some_and(|since| target.elasticsearch_from(since));
        if !takes && !matches!(value, Value::Null | Value::Bool(false)) {
            rules.changed(key, NO_KEY);
        }
        takes
    });
    for key in ["processors", "on_failure"] {
        if let Some(Value::Array(processors)) = made.get_mut(key) {
            list(key, processors, &mut rules, 0);
        }
    }
    // An empty list of what to do on a failure is refused.
    if made.get("on_failure").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        made.remove("on_failure");
    }
    rules.made(Value::Object(made))
}

fn list(path: &str, processors: &mut Vec<Value>, rules: &mut Rules, depth: usize) {
    let mut at = 0;
    processors.retain_mut(|processor| {
        let path = format!("{path}[{at}]");
        at += 1;
        one(&path, processor, rules, depth)
    });
}

/// `{"set": {…}}`; `false`: the target has none.
fn one(path: &str, processor: &mut Value, rules: &mut Rules, depth: usize) -> bool {
    let Some(by_name) = processor.as_object_mut() else { return true };
    let Some(name) = by_name.keys().next().cloned() else { return true };
    let path = format!("{path}.{name}");
    if depth > DEEPEST {
        rules.refuse(path, "processors within processors go deeper than is looked into");
        return false;
    }
    if !processors::has(&path, &name, rules) {
        return false;
    }
    let Some(Value::Object(body)) = by_name.get_mut(&name) else { return true };
    if let Some(Value::Array(failure)) = body.get_mut("on_failure") {
        list(&format!("{path}.on_failure"), failure, rules, depth + 1);
        if failure.is_empty() {
            body.remove("on_failure");
        }
    }
    if name == "foreach"
        && let Some(inner) = body.get_mut("processor")
        && !one(&format!("{path}.processor"), inner, rules, depth + 1)
    {
        return false;
    }
    let Some(renamed) = parameters::parameters(&path, &name, body, rules) else { return false };
    if let Some(renamed) = renamed
        && let Some(body) = by_name.remove(&name)
    {
        by_name.insert(renamed.to_owned(), body);
    }
    true
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let top = TOP.iter().map(|(key, since)| {
        let versions = match since {
            Some((major, minor)) => format!("OpenSearch, Elasticsearch before {major}.{minor}"),
            None => "all".to_owned(),
        };
        RuleLine::new("pipelines", *key, versions, "-".into(), NO_KEY)
    });
    top.chain(processors::catalogue())
        .chain(parameters::catalogue())
        .chain(identities::catalogue())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(body: Value, target: Target) -> Made {
        pipeline(body.as_object().unwrap(), Version::elasticsearch(8, 19), target)
    }

    #[test]
    fn each_key_stays_where_the_target_takes_it() {
        for (key, since) in TOP {
            let body = json!({*key: "x", "processors": []});
            let two = made(body.clone(), Target::opensearch(2, 19));
            assert_eq!((two.body, two.changes.len()), (json!({"processors": []}), 1), "{key}");
            if let Some((major, minor)) = since {
                let same = made(body.clone(), Target::elasticsearch(*major, *minor));
                assert_eq!((same.body, same.changes.len()), (body, 0), "{key}");
            }
        }
    }

    #[test]
    fn what_the_target_lacks_is_refused_by_its_place() {
        let made = made(
            json!({
                "description": "d", "version": 3,
                "processors": [
                    {"set": {"field": "a", "value": 1, "if": "true", "tag": "t"}},
                    {"inference": {"model_id": "m"}},
                    {"of_a_plugin": {"any": "thing"}},
                    {"foreach": {"field": "f", "processor": {"foreach": {"field": "g", "processor": {"redact": {}}}}}},
                    {"grok": {"field": "m", "on_failure": [{"enrich": {}}, {"drop": {}}]}},
                ],
                "on_failure": [{"reroute": {}}],
            }),
            Target::opensearch(2, 19),
        );
        assert_eq!(
            made.body,
            json!({
                "description": "d", "version": 3,
                "processors": [
                    {"set": {"field": "a", "value": 1, "if": "true", "tag": "t"}},
                    {"of_a_plugin": {"any": "thing"}},
                    {"grok": {"field": "m", "on_failure": [{"drop": {}}]}},
                ],
            })
        );
        let places: Vec<_> = made.refused.iter().map(|refusal| &refusal.path[..]).collect();
        assert_eq!(
            places,
            [
                "processors[1].inference",
                "processors[3].foreach.processor.foreach.processor.redact",
                "processors[4].grok.on_failure[0].enrich",
                "on_failure[0].reroute",
            ]
        );
    }

    #[test]
    fn broken_pipelines_are_no_danger() {
        let mut deep = json!({"drop": {}});
        for _ in 0..100 {
            deep = json!({"foreach": {"processor": deep}});
        }
        for body in [
            json!({"processors": 1}),
            json!({"processors": [1, {}, {"set": 1}]}),
            json!({"processors": [deep]}),
        ] {
            made(body, Target::default());
        }
    }
}
