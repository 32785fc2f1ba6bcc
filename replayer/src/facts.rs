//! What `converge` has to know of the source beside an exchange: pipelines that run by themselves, routings that
//! aliases add.
//!
//! From the source where there is one, and from captured control requests: without a source they are all there is,
//! and with one they tell of indices that are gone.

use std::{collections::HashSet, sync::Arc};

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

    /// Takes in a control request that the source carried out.
    pub(crate) fn learn(&mut self, exchange: &Exchange, control: &Control) {
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
                    for name in names {
                        self.learn_pipelines(name, Some(&Value::Object(body.clone())));
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
        self.merged = None;
    }

    fn learn_pipelines(&mut self, index: &str, settings: Option<&Value>) {
        let pipelines = settings.map(pipelines).unwrap_or_default();
        if pipelines != IndexFacts::default() {
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
        knowledge.learn(&exchange, &control);
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
