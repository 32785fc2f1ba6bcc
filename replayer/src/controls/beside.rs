//! Captured templates, pipelines and scripts in the form that the target takes, by the rules that `metadata` has for
//! them.

use bytes::Bytes;
use cluster::{Request, encode_segment};
use converge::Exchange;
use serde_json::{Map, Value};
use transform::{Flavour, Made, ManyTypes, Version};

use crate::message::{self, Between};

/// The request for the target; one that is about something else stays as it was captured. Of a template is left out what the target can't have; indices are made without it too.
///
/// # Errors
/// In words: what of a pipeline or a script the target can't have in any form. Without it it would do something else.
pub(crate) fn request(
    between: Between,
    many_types: ManyTypes<'_>,
    method: &[u8],
    exchange: &Exchange,
) -> Result<Request, String> {
    let named = Named::of(between.source, exchange);
    let body = match serde_json::from_slice(&exchange.body) {
        Ok(Value::Object(given)) => named.body(between, many_types, given)?,
        // A deletion; or nonsense, which is for the target to refuse.
        _ => None,
    };
    let body = body.unwrap_or_else(|| exchange.body.clone());
    Ok(message::as_captured(between, method, exchange, &named.path, body))
}

/// What stands beside indices, by its path.
struct Named {
    kind: String,
    /// Of a script before Elasticsearch 6.
    lang: Option<String>,
    path: String,
}

impl Named {
    fn of(source: Option<Version>, exchange: &Exchange) -> Self {
        let target = String::from_utf8_lossy(&exchange.target).into_owned();
        let parsed = converge::Target::parse(&exchange.target);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut segments = parsed.segments.into_iter();
        let kind = segments.next().unwrap_or_default();
        let is_old = source
            .is_some_and(|source| source.flavour == Flavour::Elasticsearch && source.major < 6);
        let (mut path, mut lang) = (path.to_owned(), None);
        // Later what comes second is the context that a script is compiled for.
        if let ("_scripts", true, Some(of), Some(id)) =
            (kind.as_str(), is_old, segments.next(), segments.next())
        {
            path = format!("/_scripts/{}", encode_segment(&id));
            lang = Some(of);
        }
        // The source had none of this name. Where the target has one, it was made before, or is sent a second time.
        let is_template = kind.ends_with("_template");
        let creates = |pair: &str| is_template && matches!(pair, "create" | "create=true");
        let stays = |pair: &&str| !pair.is_empty() && !creates(pair);
        let query: Vec<&str> = query.split('&').filter(stays).collect();
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        Self { kind, lang, path }
    }

    /// `None`: it stays what it is, byte for byte.
    fn body(
        &self,
        between: Between,
        many_types: ManyTypes<'_>,
        mut given: Map<String, Value>,
    ) -> Result<Option<Bytes>, String> {
        if let Some(lang) = &self.lang {
            given.entry("lang").or_insert_with(|| lang.as_str().into());
        }
        let made = body(&self.kind, between, many_types, &given)?;
        let changed = made.filter(|made| *made != Value::Object(given));
        Ok(changed.map(|changed| changed.to_string().into()))
    }
}

/// What the target gets for what a cluster has under this first segment of a path; `None`: nothing is known of such.
///
/// # Errors
/// As of [`request`].
pub(crate) fn body(
    kind: &str,
    between: Between,
    many_types: ManyTypes<'_>,
    given: &Map<String, Value>,
) -> Result<Option<Value>, String> {
    let target = between.target;
    // Of a source that isn't known only what holds for every source is changed.
    let source = between.source.unwrap_or(target.version);
    let made = match (kind, between.source) {
        ("_template", Some(_)) => transform::legacy_template_of(given, source, target, many_types),
        ("_template", None) => {
            let made = transform::template_body(given);
            Made { body: made.body, changes: made.changes, refused: Vec::new() }
        }
        ("_index_template", _) => transform::index_template(given, source, target),
        ("_component_template", _) => transform::component_template(given, source, target),
        ("_ingest", _) => transform::pipeline(given, source, target),
        ("_scripts", _) => transform::stored_script(given, source, target),
        _ => return Ok(None),
    };
    if !made.refused.is_empty() {
        let words = made.refused.iter().map(|one| format!("{}: {}", one.path, one.why));
        let words = words.collect::<Vec<_>>().join("; ");
        if matches!(kind, "_ingest" | "_scripts") {
            return Err(words);
        }
        tracing::warn!(kind, left_out = words, "the target can't have all of a template");
    }
    Ok(Some(made.body))
}

#[cfg(test)]
mod tests {
    use converge::{BodyState, Method};
    use serde_json::json;
    use transform::Target;

    use super::*;

    /// What goes to an OpenSearch 2.19.
    fn sent(source: Option<Version>, path: &str, body: &Value) -> Result<(String, Value), String> {
        let exchange = Exchange {
            method: Method::Put,
            target: Bytes::copy_from_slice(path.as_bytes()),
            headers: Vec::new(),
            body: body.to_string().into(),
            body_state: BodyState::Whole,
            answer: None,
        };
        let between = Between { source, target: Target::opensearch(2, 19) };
        let request = request(between, ManyTypes::Split, b"PUT", &exchange)?;
        Ok((request.path, serde_json::from_slice(&request.body).unwrap()))
    }

    #[test]
    fn each_kind_gets_what_metadata_makes_of_it() {
        let eight = Some(Version::elasticsearch(8, 19));
        let check = |source, path: &str, body: Value, to: &str, becomes: Value| {
            assert_eq!(sent(source, path, &body), Ok((to.to_owned(), becomes)), "{path}");
        };
        check(
            eight,
            "/_ingest/pipeline/p?if_version=3&timeout=1s",
            json!({"_meta": {"a": 1}, "processors": [{"set": {"field": "a", "value": 1}}]}),
            "/_ingest/pipeline/p?timeout=1s",
            json!({"processors": [{"set": {"field": "a", "value": 1}}]}),
        );
        check(
            eight,
            "/_index_template/t?create=true&cause=x",
            json!({"index_patterns": ["i*"], "allow_auto_create": true, "template": {"lifecycle": {}}}),
            "/_index_template/t?cause=x",
            json!({"index_patterns": ["i*"], "template": {}}),
        );
        check(
            None,
            "/_component_template/t?create",
            json!({"template": {"settings": {"index.default_pipeline": "p"}}, "deprecated": true}),
            "/_component_template/t",
            json!({"template": {"settings": {}}}),
        );
        let typed = json!({"mappings": {"doc": {"properties": {}}}, "index_patterns": ["i*"]});
        let typeless = json!({"mappings": {"properties": {}}, "index_patterns": ["i*"]});
        let six = Some(Version::elasticsearch(6, 8));
        for source in [six, None] {
            check(source, "/_template/t", typed.clone(), "/_template/t", typeless.clone());
        }
        check(
            Some(Version::elasticsearch(5, 6)),
            "/_scripts/painless/a%20b",
            json!({"script": "1"}),
            "/_scripts/a%20b",
            json!({"script": {"lang": "painless", "source": "1"}}),
        );
        let script = json!({"script": {"lang": "painless", "source": "1"}});
        check(eight, "/_scripts/s/score", script.clone(), "/_scripts/s/score", script);
    }

    #[test]
    fn what_does_something_else_without_it_is_not_sent() {
        let eight = Some(Version::elasticsearch(8, 19));
        let pipeline = json!({"processors": [{"drop": {}}, {"inference": {"model_id": "m"}}]});
        let why = sent(eight, "/_ingest/pipeline/p", &pipeline).unwrap_err();
        assert!(why.starts_with("processors[1].inference: "), "{why}");
        let script = json!({"script": {"lang": "groovy", "source": "1"}});
        let why = sent(eight, "/_scripts/s", &script).unwrap_err();
        assert!(why.starts_with("script.lang: "), "{why}");
        // A template makes what indices are made of all the same.
        let template = json!({"template": {"mappings": {"properties": {"": {"type": "long"}}}}});
        assert!(sent(eight, "/_component_template/t", &template).is_ok());
    }

    #[test]
    fn what_nothing_is_changed_of_stays_byte_for_byte() {
        let between = Between { source: None, target: Target::opensearch(2, 19) };
        for (method, body) in [("PUT", "{\"processors\": [ ]}"), ("PUT", "?"), ("DELETE", "")] {
            let exchange = Exchange {
                method: Method::Put,
                target: Bytes::from_static(b"/_ingest/pipeline/p"),
                headers: Vec::new(),
                body: Bytes::from_static(body.as_bytes()),
                body_state: BodyState::Whole,
                answer: None,
            };
            let made = request(between, ManyTypes::Split, method.as_bytes(), &exchange).unwrap();
            assert_eq!(made.body, body);
        }
    }
}
