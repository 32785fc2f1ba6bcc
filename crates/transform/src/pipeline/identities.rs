//! Processors that say the same of a document in both worlds, and are told it otherwise: fingerprints and community ids.

use serde_json::{Map, Value, json};

use crate::{catalogue::RuleLine, report::Rules};

/// Methods of a fingerprint: (in Elasticsearch, in OpenSearch).
const METHODS: &[(&str, Option<&str>)] = &[
    ("MD5", Some("MD5@2.16.0")),
    ("SHA-1", Some("SHA-1@2.16.0")),
    ("SHA-256", Some("SHA-256@2.16.0")),
    ("SHA-512", None),
    ("MurmurHash3", None),
];

/// Fields of a community id: (in Elasticsearch, what it is unless said, in OpenSearch).
const FIELDS: &[(&str, &str, &str)] = &[
    ("source_ip", "source.ip", "source_ip_field"),
    ("source_port", "source.port", "source_port_field"),
    ("destination_ip", "destination.ip", "destination_ip_field"),
    ("destination_port", "destination.port", "destination_port_field"),
    ("iana_number", "network.iana_number", "iana_protocol_number_field"),
    ("transport", "network.transport", "protocol_field"),
    ("icmp_type", "icmp.type", "icmp_type_field"),
    ("icmp_code", "icmp.code", "icmp_code_field"),
];

const FINGERPRINT: &str =
    "the target puts the fields together otherwise: its fingerprints are others than the source's";
const COMMUNITY: &str = "another name in OpenSearch, which knows no fields unless they are named";

/// Of a processor of Elasticsearch, for OpenSearch. `false`: it can't be had.
pub(super) fn translate(
    path: &str,
    name: &str,
    body: &mut Map<String, Value>,
    rules: &mut Rules,
) -> bool {
    match name {
        "fingerprint" => fingerprint(path, body, rules),
        "community_id" => {
            for (old, default, new) in FIELDS {
                let field = body.remove(*old).unwrap_or(json!(default));
                body.insert((*new).into(), field);
            }
            body.entry("target_field").or_insert(json!("network.community_id"));
            // Elasticsearch's is true unless said.
            body.entry("ignore_missing").or_insert(json!(true));
            rules.changed(path, COMMUNITY);
            true
        }
        _ => true,
    }
}

fn fingerprint(path: &str, body: &mut Map<String, Value>, rules: &mut Rules) -> bool {
    if body.contains_key("salt") {
        rules.refuse(format!("{path}.salt"), "the target's fingerprints take no salt");
        return false;
    }
    let method = body.remove("method").unwrap_or(json!("SHA-1"));
    let known = METHODS.iter().find(|(of, _)| method == *of);
    let Some((_, Some(new))) = known else {
        rules.refuse(format!("{path}.method"), format!("the target has no method {method}"));
        return false;
    };
    body.insert("hash_method".into(), json!(new));
    rules.changed(path, FINGERPRINT);
    true
}

pub(super) fn catalogue() -> Vec<RuleLine> {
    let versions = || "OpenSearch, from Elasticsearch".to_owned();
    let methods = METHODS.iter().map(|(old, new)| {
        let becomes = new.map_or("refused".to_owned(), |new| format!("hash_method {new}"));
        RuleLine::new(
            "pipelines",
            format!("fingerprint of method {old}"),
            versions(),
            becomes,
            FINGERPRINT,
        )
    });
    let fields = FIELDS.iter().map(|(old, _, new)| {
        RuleLine::new(
            "pipelines",
            format!("community_id.{old}"),
            versions(),
            (*new).into(),
            COMMUNITY,
        )
    });
    methods.chain(fields).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn made(name: &str, body: Value) -> (bool, Value, Rules) {
        let mut rules = Rules::new(None, Target::opensearch(2, 19));
        let mut body = body.as_object().cloned().unwrap();
        let kept = translate("p", name, &mut body, &mut rules);
        (kept, Value::Object(body), rules)
    }

    #[test]
    fn each_method_has_its_name_or_is_refused() {
        for (old, new) in METHODS {
            let (kept, body, rules) = made("fingerprint", json!({"fields": ["a"], "method": old}));
            assert_eq!((kept, rules.refused.is_empty()), (new.is_some(), new.is_some()), "{old}");
            assert_eq!(body.get("hash_method").and_then(Value::as_str), *new);
        }
        assert_eq!(made("fingerprint", json!({})).1["hash_method"], json!("SHA-1@2.16.0"));
        assert!(!made("fingerprint", json!({"salt": "s"})).0);
    }

    #[test]
    fn each_field_of_a_community_id_is_named() {
        for (old, default, new) in FIELDS {
            let (_, body, rules) = made("community_id", json!({*old: "x", "seed": 1}));
            assert_eq!(
                (&body[*new], &body["seed"], rules.changes.len()),
                (&json!("x"), &json!(1), 1)
            );
            assert_eq!(made("community_id", json!({})).1[*new], json!(default));
        }
    }
}
