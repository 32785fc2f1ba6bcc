//! What `converge` has to know of the source beside an exchange: pipelines that run by themselves, routings that
//! aliases add.
//!
//! From the source where there is one, and from captured control requests: without a source they are all there is,
//! and with one they tell of indices that are gone.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use converge::{Control, ControlKind, Exchange, Facts, IndexFacts, Scope, Target};
use serde_json::{Map, Value};

use crate::source::Source;

#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    learned: Facts,
    /// Of templates: index patterns with the pipelines that they set.
    patterns: Vec<(Scope, IndexFacts)>,
    /// Names that the source was asked for once.
    asked: HashSet<String>,
    /// Everything together, as of a look at the source.
    merged: Option<(u64, Arc<Facts>)>,
    /// The indices behind aliases, as captured requests say.
    aliases: HashMap<String, BTreeSet<String>>,
    /// Grows with what is learned.
    generation: u64,
}

impl Knowledge {
    /// Everything that is known.
    pub(crate) fn facts(&mut self, source: Option<&Source>) -> Arc<Facts> {
        let look = source.map_or(0, Source::looks);
        if let Some((at, facts)) = &self.merged
            && *at == look
        {
            return Arc::clone(facts);
        }
        let mut facts = source.map(|source| Facts::clone(&source.facts())).unwrap_or_default();
        if source.is_none() {
            facts.elasticsearch_major = self.learned.elasticsearch_major;
        }
        for (name, learned) in &self.learned.indices {
            add(facts.indices.entry(name.clone()).or_default(), *learned);
        }
        for (alias, routings) in &self.learned.alias_routing {
            facts.alias_routing.entry(alias.clone()).or_default().extend(routings.clone());
        }
        let facts = Arc::new(facts);
        self.merged = Some((look, Arc::clone(&facts)));
        facts
    }

    /// Looks at indices that an exchange writes to: `true` when that changed what is known, so that the
    /// exchange may mean something else. The source is asked once for each name that it wasn't seen with.
    pub(crate) async fn meet(&mut self, scope: &Scope, source: Option<&Source>) -> bool {
        let Scope::Indices(names) = scope else { return false };
        let mut news = false;
        for name in names.iter().filter(|name| !self.asked.contains(*name)) {
            for (patterns, pipelines) in &self.patterns {
                if patterns.contains(name) {
                    add(self.learned.indices.entry(name.clone()).or_default(), *pipelines);
                    news = true;
                }
            }
            if let Some(source) = source
                && !source.knows(name)
            {
                news = true;
            }
        }
        if news {
            self.asked.extend(names.iter().cloned());
            self.merged = None;
            if let Some(source) = source
                && let Err(error) = source.look().await
            {
                tracing::warn!(%error, "cannot look at the source's indices");
            }
        }
        news
    }

    /// As [`Knowledge::meet`], from what was captured alone.
    pub(crate) fn match_patterns(&mut self, scope: &Scope) {
        let Scope::Indices(names) = scope else { return };
        for name in names {
            for (patterns, pipelines) in &self.patterns {
                if patterns.contains(name) {
                    add(self.learned.indices.entry(name.clone()).or_default(), *pipelines);
                    self.merged = None;
                }
            }
        }
    }

    /// Another number than before: an exchange that was interpreted then may mean something else now.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes in any exchange: without a source, its version has to be learned from what it answers.
    pub(crate) fn notice(&mut self, exchange: &Exchange) {
        if self.learned.elasticsearch_major.is_some() {
            return;
        }
        if let Some(major) = elasticsearch_major(exchange) {
            tracing::info!(major, "the source is an Elasticsearch of this version, by its answers");
            self.learned.elasticsearch_major = Some(major);
            self.changed();
        }
    }

    fn changed(&mut self) {
        self.merged = None;
        self.generation += 1;
    }

    /// Takes in a control request that the source carried out.
    pub(crate) fn learn(
        &mut self,
        exchange: &Exchange,
        control: &Control,
        source: Option<&Source>,
    ) {
        let Ok(body) = serde_json::from_slice::<Map<String, Value>>(&exchange.body) else { return };
        match control.kind {
            ControlKind::CreateIndex => {
                if let Some(index) = &control.created {
                    self.learn_pipelines(index, body.get("settings"));
                    for (alias, options) in
                        body.get("aliases").and_then(Value::as_object).into_iter().flatten()
                    {
                        self.learn_routing(alias, index, options);
                    }
                }
            }
            ControlKind::PutSettings => {
                if let Scope::Indices(names) = &control.scope {
                    let settings = Value::Object(body.clone());
                    for name in names {
                        self.learn_pipelines(name, Some(&settings));
                        let behind = source.and_then(|source| source.behind(name));
                        let captured = self.aliases.get(name).into_iter().flatten().cloned();
                        let behind: Vec<_> = captured.chain(behind.into_iter().flatten()).collect();
                        for index in behind {
                            self.learn_pipelines(&index, Some(&settings));
                        }
                    }
                }
            }
            ControlKind::PutTemplate => self.learn_template(&body),
            ControlKind::Aliases => {
                for action in body.get("actions").and_then(Value::as_array).into_iter().flatten() {
                    let Some(add) = action.get("add") else { continue };
                    for alias in texts(add, "alias", "aliases") {
                        for index in texts(add, "index", "indices") {
                            self.learn_routing(alias, index, add);
                        }
                    }
                }
            }
            ControlKind::PutAlias => {
                let target = Target::parse(&exchange.target);
                if let [index, _, alias] = target.segments.as_slice() {
                    self.learn_routing(alias, index, &Value::Object(body));
                }
            }
            _ => return,
        }
        self.changed();
    }

    fn learn_pipelines(&mut self, index: &str, settings: Option<&Value>) {
        let pipelines = settings.map(pipelines).unwrap_or_default();
        if pipelines == IndexFacts::default() {
            return;
        }
        if index.contains('*') {
            self.patterns.push((Scope::of_expression(index), pipelines));
            self.asked.clear();
        } else {
            add(self.learned.indices.entry(index.to_owned()).or_default(), pipelines);
        }
    }

    fn learn_template(&mut self, body: &Map<String, Value>) {
        let holder = body.get("template").filter(|template| template.is_object());
        let settings = holder.map_or_else(|| body.get("settings"), |holder| holder.get("settings"));
        let pipelines = settings.map(pipelines).unwrap_or_default();
        if pipelines == IndexFacts::default() {
            return;
        }
        let body = Value::Object(body.clone());
        let patterns: Vec<&str> = texts(&body, "template", "index_patterns").collect();
        // A component has no patterns of its own: any index may be made with it.
        let scope = match patterns.is_empty() {
            true => Scope::All,
            false => Scope::of_expression(&patterns.join(",")),
        };
        self.patterns.push((scope, pipelines));
        self.asked.clear();
    }

    fn learn_routing(&mut self, alias: &str, index: &str, options: &Value) {
        self.aliases.entry(alias.to_owned()).or_default().insert(index.to_owned());
        let routings = self.learned.alias_routing.entry(alias.to_owned()).or_default();
        let routing = options.get("index_routing").or_else(|| options.get("routing"));
        match routing.and_then(Value::as_str) {
            Some(routing) => drop(routings.insert(index.to_owned(), routing.to_owned())),
            None => drop(routings.remove(index)),
        }
    }
}

/// What an index once had, exchanges of that time may still come to.
fn add(known: &mut IndexFacts, learned: IndexFacts) {
    known.default_pipeline |= learned.default_pipeline;
    known.final_pipeline |= learned.final_pipeline;
}

/// The major version of an Elasticsearch, where an answer tells it: to `GET /`, or in the media type that version 8
/// and later answer their own clients with.
fn elasticsearch_major(exchange: &Exchange) -> Option<u32> {
    let answer = exchange.answer.as_ref()?;
    let header = |name: &str| {
        let mut found = answer.headers.iter();
        let value = found.find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        value.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let kind = header("content-type").unwrap_or_default();
    if let Some((_, major)) = kind.split_once("compatible-with=") {
        // A server of the next version answers so too; none that doesn't execute a bulk while it arrives.
        return major.trim().parse().ok();
    }
    if matches!(&exchange.target[..], b"/" | b"") && answer.status == 200 {
        let root: Value = serde_json::from_slice(&answer.body).ok()?;
        let version = root.get("version")?;
        if version.get("distribution").is_some() {
            return None;
        }
        return version.get("number")?.as_str()?.split('.').next()?.parse().ok();
    }
    None
}

/// The pipelines that settings name, in any of the forms that clusters take.
fn pipelines(settings: &Value) -> IndexFacts {
    let mut facts = IndexFacts::default();
    let Some(members) = settings.as_object() else { return facts };
    for (key, value) in members {
        let named = value.as_str().is_some_and(|name| name != "_none");
        match key.rsplit('.').next() {
            Some("default_pipeline") => facts.default_pipeline |= named,
            Some("final_pipeline") => facts.final_pipeline |= named,
            _ => add(&mut facts, pipelines(value)),
        }
    }
    facts
}

/// The strings under one key or the other, alone or in a list.
fn texts<'a>(value: &'a Value, one: &str, many: &str) -> impl Iterator<Item = &'a str> {
    let found = [value.get(one), value.get(many)].into_iter().flatten();
    found.flat_map(|found| match found {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use converge::{Answer, BodyState, Meaning, Method, interpret};
    use serde_json::json;

    use super::*;

    fn learn(knowledge: &mut Knowledge, method: Method, target: &str, body: &Value) {
        let exchange = Exchange {
            method,
            target: Bytes::from(target.to_owned()),
            headers: Vec::new(),
            body: Bytes::from(body.to_string()),
            body_state: BodyState::Whole,
            answer: Some(Answer {
                status: 200,
                headers: Vec::new(),
                body: Bytes::from_static(b"{}"),
            }),
        };
        let Meaning::Control(control) = interpret(&exchange, &Facts::default()) else {
            unreachable!("{target} is a control request")
        };
        knowledge.learn(&exchange, &control, None);
    }

    #[tokio::test]
    async fn pipelines_and_routings_are_learned_from_what_was_captured() {
        let mut knowledge = Knowledge::default();
        let create = json!({
            "settings": {"index": {"default_pipeline": "p"}}, "aliases": {"x": {"routing": "r"}},
        });
        learn(&mut knowledge, Method::Put, "/a", &create);
        let settings = json!({"index.final_pipeline": "q", "index.default_pipeline": "_none"});
        learn(&mut knowledge, Method::Put, "/b/_settings", &settings);
        let add = json!({"actions": [{"add": {"indices": ["a", "b"], "alias": "y", "index_routing": "s"}}]});
        learn(&mut knowledge, Method::Post, "/_aliases", &add);
        learn(&mut knowledge, Method::Put, "/a/_alias/x", &json!({}));
        let facts = knowledge.facts(None);
        assert!(facts.indices["a"].default_pipeline && !facts.indices["a"].final_pipeline);
        assert!(facts.indices["b"].final_pipeline && !facts.indices["b"].default_pipeline);
        assert_eq!(
            facts.alias_routing["y"],
            [("a", "s"), ("b", "s")].map(|(i, r)| (i.into(), r.into())).into()
        );
        assert!(facts.alias_routing["x"].is_empty());
    }

    #[tokio::test]
    async fn settings_reach_patterns_and_aliases() {
        let mut knowledge = Knowledge::default();
        let before = knowledge.generation();
        learn(&mut knowledge, Method::Put, "/b/_alias/y", &json!({}));
        learn(&mut knowledge, Method::Put, "/y/_settings", &json!({"index.final_pipeline": "q"}));
        assert!(knowledge.facts(None).indices["b"].final_pipeline);
        let piped = json!({"index.default_pipeline": "p"});
        learn(&mut knowledge, Method::Put, "/logs-*/_settings", &piped);
        assert!(knowledge.generation() > before);
        knowledge.match_patterns(&Scope::of_index("logs-1"));
        assert!(knowledge.facts(None).indices["logs-1"].default_pipeline);
    }

    #[test]
    fn the_version_is_learned_from_answers() {
        let check = |target: &'static str, kind: &'static str, body: &'static str, expected| {
            let exchange = Exchange {
                method: Method::Get,
                target: Bytes::from_static(target.as_bytes()),
                headers: Vec::new(),
                body: Bytes::new(),
                body_state: BodyState::Whole,
                answer: Some(Answer {
                    status: 200,
                    headers: vec![("Content-Type".into(), kind.into())],
                    body: Bytes::from_static(body.as_bytes()),
                }),
            };
            assert_eq!(elasticsearch_major(&exchange), expected, "{body}");
        };
        let json = "application/json";
        check("/", json, r#"{"version":{"number":"8.19.1"}}"#, Some(8));
        check("/", json, r#"{"version":{"number":"2.1.0","distribution":"opensearch"}}"#, None);
        check("/i/_doc/1", json, r#"{"version":{"number":"8.19.1"}}"#, None);
        let vendored = "application/vnd.elasticsearch+json;compatible-with=8";
        check("/i/_doc/1", vendored, "{}", Some(8));
    }

    #[tokio::test]
    async fn templates_reach_the_indices_that_match_them() {
        let mut knowledge = Knowledge::default();
        let template = json!({
            "index_patterns": ["logs-*"], "template": {"settings": {"default_pipeline": "p"}},
        });
        learn(&mut knowledge, Method::Put, "/_index_template/t", &template);
        assert!(!knowledge.meet(&Scope::of_index("other"), None).await);
        assert!(knowledge.meet(&Scope::of_index("logs-1"), None).await);
        assert!(knowledge.facts(None).indices["logs-1"].default_pipeline);
        assert!(!knowledge.meet(&Scope::of_index("logs-1"), None).await);
    }
}
