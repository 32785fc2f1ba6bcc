//! Parameters of processors that not every target takes, and what they become.

use serde_json::{Map, Value, json};

use super::identities;
use super::processors::{Since, before};
use crate::{catalogue::RuleLine, report::Rules};

/// A parameter that some targets don't take.
struct Parameter {
    /// The processor, and its parameter as Elasticsearch calls it.
    name: (&'static str, &'static str),
    /// The first Elasticsearch that has it; none: only old ones had.
    elasticsearch: Since,
    opensearch: To,
    why: &'static str,
}

/// What OpenSearch does with a parameter.
#[derive(Clone, Copy)]
enum To {
    Drop,
    Name(&'static str),
    /// Another processor, which says it from this version on.
    Processor(&'static str, (u32, u32)),
    Refused,
}

const fn parameter(
    name: (&'static str, &'static str),
    elasticsearch: Since,
    opensearch: To,
    why: &'static str,
) -> Parameter {
    Parameter { name, elasticsearch, opensearch, why }
}

const DATABASES: &str = "the target has its databases already, or gets them with its plugin";

const PARAMETERS: &[Parameter] = &[
    parameter(
        ("set", "copy_from"),
        Some((7, 11)),
        To::Processor("copy", (2, 12)),
        "copy says it in OpenSearch",
    ),
    parameter(("set", "media_type"), Some((7, 13)), To::Drop, "values are JSON"),
    parameter(("append", "media_type"), Some((7, 13)), To::Drop, "values are JSON"),
    parameter(("append", "copy_from"), Some((9, 2)), To::Refused, "the target appends only values"),
    parameter(
        ("append", "ignore_empty_values"),
        Some((9, 1)),
        To::Refused,
        "the target appends empty values too",
    ),
    parameter(
        ("json", "add_to_root_conflict_strategy"),
        Some((7, 13)),
        To::Drop,
        "the target's root is replaced",
    ),
    parameter(
        ("json", "allow_duplicate_keys"),
        Some((7, 16)),
        To::Drop,
        "the target refuses keys that come twice",
    ),
    parameter(
        ("json", "strict_json_parsing"),
        Some((8, 10)),
        To::Drop,
        "the target's parser decides",
    ),
    parameter(
        ("rename", "override"),
        Some((8, 9)),
        To::Name("override_target"),
        "another name in OpenSearch",
    ),
    parameter(
        ("remove", "keep"),
        Some((8, 4)),
        To::Name("exclude_field"),
        "another name in OpenSearch",
    ),
    parameter(
        ("dot_expander", "override"),
        Some((7, 13)),
        To::Drop,
        "the target joins both values in a list",
    ),
    parameter(
        ("grok", "ecs_compatibility"),
        Some((7, 16)),
        To::Drop,
        "the target has the patterns of before only",
    ),
    parameter(
        ("pipeline", "ignore_missing_pipeline"),
        Some((7, 16)),
        To::Drop,
        "a pipeline that isn't there fails",
    ),
    parameter(
        ("geoip", "download_database_on_pipeline_creation"),
        Some((8, 5)),
        To::Drop,
        DATABASES,
    ),
    parameter(
        ("user_agent", "extract_device_type"),
        Some((7, 12)),
        To::Drop,
        "the target finds no type of device",
    ),
    parameter(
        ("user_agent", "ecs"),
        None,
        To::Drop,
        "the fields are always those of the common schema",
    ),
    parameter(
        ("script", "file"),
        None,
        To::Refused,
        "scripts in files of the nodes are gone; store it",
    ),
    parameter(
        ("script", "inline"),
        None,
        To::Name("source"),
        "source says it since Elasticsearch 5.6",
    ),
];

type Only = (&'static str, &'static str, &'static str, (u32, u32), &'static str);

/// A value of a parameter that only Elasticsearch takes: (processor, parameter, value, since when, why).
const VALUES: &[Only] =
    &[("dot_expander", "field", "*", (7, 14), "the target expands one named field a processor")];

/// Fields of a document that there are no more.
const FIELDS_GONE: &[&str] = &["_type", "_timestamp", "_ttl", "_parent"];

/// Brings a processor's parameters into the target's form. `None`: it can't be had without one of them; else the
/// name that the processor has then, if it is another.
pub(super) fn parameters(
    path: &str,
    name: &str,
    body: &mut Map<String, Value>,
    rules: &mut Rules,
) -> Option<Option<&'static str>> {
    if let Some(gone) =
        body.get("field").and_then(Value::as_str).filter(|f| FIELDS_GONE.contains(f))
    {
        rules.refuse(format!("{path}.field"), format!("documents have no [{gone}] any more"));
        return None;
    }
    let value = VALUES.iter().find(|(of, key, value, since, _)| {
        *of == name
            && body.get(*key).is_some_and(|said| said == value)
            && !rules.target.elasticsearch_from(*since)
    });
    if let Some((_, key, value, _, why)) = value {
        rules.refuse(format!("{path}.{key}"), format!("[{name}] takes no [{value}]: {why}"));
        return None;
    }
    let theirs = rules.created_by(crate::Flavour::Elasticsearch);
    if theirs && !rules.target.is_elasticsearch() && !identities::translate(path, name, body, rules)
    {
        return None;
    }
    let mut renamed = None;
    for parameter in PARAMETERS.iter().filter(|parameter| parameter.name.0 == name) {
        let (_, key) = parameter.name;
        if parameter.elasticsearch.is_some_and(|since| rules.target.elasticsearch_from(since)) {
            continue;
        }
        let Some(value) = body.remove(key) else { continue };
        let path = format!("{path}.{key}");
        match parameter.opensearch {
            To::Drop => rules.changed(path, parameter.why),
            To::Name(new)
                if !rules.target.is_elasticsearch() || parameter.elasticsearch.is_none() =>
            {
                body.insert(new.into(), value);
                rules.changed(path, parameter.why);
            }
            To::Processor(new, since) if rules.target.at_least(since) => {
                copy(value, body);
                rules.changed(path, parameter.why);
                renamed = Some(new);
            }
            To::Name(_) | To::Processor(..) | To::Refused => {
                rules.refuse(
                    path,
                    format!("the target's [{name}] has no [{key}]: {}", parameter.why),
                );
                return None;
            }
        }
    }
    Some(renamed)
}

/// `set` with `copy_from` → `copy`. That one fails where there is nothing to copy; both replace what is there
/// unless told otherwise.
fn copy(from: Value, body: &mut Map<String, Value>) {
    body.insert("source_field".into(), from);
    if let Some(field) = body.remove("field") {
        body.insert("target_field".into(), field);
    }
    let replaces = body.remove("override").unwrap_or(json!(true));
    body.insert("override_target".into(), replaces);
    if let Some(ignore) = body.remove("ignore_empty_value") {
        body.insert("ignore_missing".into(), ignore);
    }
}

/// What these tables say, for the documentation.
pub(super) fn catalogue() -> Vec<RuleLine> {
    let area = "pipelines";
    let parameters = PARAMETERS.iter().map(|parameter| {
        let versions = match parameter.elasticsearch {
            None => "all".to_owned(),
            since => {
                ["OpenSearch".into(), before("Elasticsearch", since).unwrap_or_default()].join(", ")
            }
        };
        let becomes = match parameter.opensearch {
            To::Drop => "-".to_owned(),
            To::Name(name) => name.to_owned(),
            To::Processor(name, (major, minor)) => {
                format!("processor {name} (OpenSearch {major}.{minor} on), else refused")
            }
            To::Refused => "refused".to_owned(),
        };
        let (processor, key) = parameter.name;
        RuleLine::new(area, format!("{processor}.{key}"), versions, becomes, parameter.why)
    });
    let values = VALUES.iter().map(|(processor, key, value, (major, minor), why)| {
        let versions = format!("OpenSearch, Elasticsearch before {major}.{minor}");
        let what = format!("{processor}.{key}: {value}");
        RuleLine::new(area, what, versions, "refused".into(), why)
    });
    let why = "documents have no such field any more";
    let fields = FIELDS_GONE.iter().map(|field| {
        RuleLine::new(area, format!("field {field}"), "all".into(), "refused".into(), why)
    });
    parameters.chain(values).chain(fields).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    fn rules(target: Target) -> Rules {
        Rules::new(Some(Version::elasticsearch(8, 19)), target)
    }

    #[test]
    fn each_parameter_is_dropped_renamed_or_refused() {
        for Parameter { name: (processor, key), elasticsearch, opensearch, .. } in PARAMETERS {
            let mut rules = rules(Target::opensearch(2, 19));
            let mut body = Map::from_iter([((*key).to_owned(), json!("x"))]);
            let made = parameters("p", processor, &mut body, &mut rules);
            assert!(!body.contains_key(*key), "{processor}.{key}");
            match opensearch {
                To::Drop => assert_eq!((made, body.len(), rules.changes.len()), (Some(None), 0, 1)),
                To::Name(new) => assert_eq!(
                    (made, &body[*new], rules.changes.len()),
                    (Some(None), &json!("x"), 1)
                ),
                To::Processor(new, _) => {
                    assert_eq!((made, rules.changes.len()), (Some(Some(*new)), 1))
                }
                To::Refused => {
                    assert_eq!((made, rules.refused.len()), (None, 1), "{processor}.{key}")
                }
            }
            if let Some((major, minor)) = elasticsearch {
                let mut rules = self::rules(Target::elasticsearch(*major, *minor));
                let mut body = Map::from_iter([((*key).to_owned(), json!("x"))]);
                assert_eq!(parameters("p", processor, &mut body, &mut rules), Some(None));
                assert_eq!((body.len(), rules.changes.len()), (1, 0), "{processor}.{key}");
            }
        }
    }

    #[test]
    fn a_set_that_copies_is_a_copy() {
        let mut body =
            json!({"field": "b", "copy_from": "a", "ignore_empty_value": true, "if": "c"})
                .as_object()
                .cloned()
                .unwrap();
        let made = parameters("p", "set", &mut body, &mut rules(Target::opensearch(2, 12)));
        assert_eq!(made, Some(Some("copy")));
        assert_eq!(
            Value::Object(body.clone()),
            json!({"source_field": "a", "target_field": "b", "override_target": true, "ignore_missing": true, "if": "c"})
        );
        let mut body = json!({"field": "b", "copy_from": "a"}).as_object().cloned().unwrap();
        let mut early = rules(Target::opensearch(2, 11));
        assert_eq!((parameters("p", "set", &mut body, &mut early), early.refused.len()), (None, 1));
    }

    #[test]
    fn values_that_only_elasticsearch_takes_are_refused_elsewhere() {
        for (processor, key, value, (major, minor), _) in VALUES {
            let made = |target| {
                let mut body = Map::from_iter([((*key).to_owned(), json!(value))]);
                parameters("p", processor, &mut body, &mut rules(target))
            };
            assert_eq!(made(Target::opensearch(3, 8)), None);
            assert_eq!(made(Target::elasticsearch(*major, *minor)), Some(None));
        }
    }

    #[test]
    fn fields_that_are_gone_are_refused() {
        for field in FIELDS_GONE {
            let mut rules = rules(Target::default());
            let mut body = Map::from_iter([("field".to_owned(), json!(field))]);
            assert_eq!(
                (parameters("p", "set", &mut body, &mut rules), rules.refused.len()),
                (None, 1)
            );
        }
    }
}
