//! Lifecycle policies: those of Elasticsearch (ILM) become those of OpenSearch (ISM).

use serde_json::{Map, Value, json};

use crate::{Made, Target, Version, catalogue::RuleLine, report::Rules};

mod actions;
mod ilm;
mod ism;

/// Phases in the order in which an index goes through them.
const PHASES: &[&str] = &["hot", "warm", "cold", "frozen", "delete"];

/// A phase of ILM.
struct Phase<'a> {
    name: &'static str,
    min_age: Option<&'a str>,
    actions: Map<String, Value>,
}

impl Phase<'_> {
    /// True where an index enters it as soon as the phase before is through.
    fn is_at_once(&self) -> bool {
        self.min_age.is_none_or(|age| age.trim_end_matches(char::is_alphabetic).trim() == "0")
    }
}

/// Turns a lifecycle policy of Elasticsearch, as `GET _ilm/policy` or a snapshot has it (`{"policy": {"phases"}}`,
/// whatever stands beside), into what OpenSearch's `PUT _plugins/_ism/policies/NAME` takes, or Elasticsearch's
/// `PUT _ilm/policy/NAME`. Which indices a policy of OpenSearch manages is for the caller to add with
/// [`manage_new`]: their settings name it in Elasticsearch.
pub fn lifecycle_policy(name: &str, body: &Map<String, Value>, target: Target) -> Made {
    let mut rules = Rules::new(None, target);
    let policy = body.get("policy").and_then(Value::as_object).unwrap_or(body);
    if target.is_elasticsearch() {
        let policy = ilm::kept(policy, &mut rules);
        return rules.made(json!({"policy": policy}));
    }
    for (key, value) in policy {
        if key != "phases" && !matches!(value, Value::Null | Value::Bool(false)) {
            rules.changed(format!("policy.{key}"), "a policy of OpenSearch has no such key");
        }
    }
    let phases = phases(policy, &mut rules);
    if phases.is_empty() {
        rules.refuse("policy.phases", "a policy without phases manages nothing");
        return rules.made(Value::Null);
    }
    let states = states(&phases, &mut rules);
    let first = states.first().and_then(|state| state.get("name")).cloned();
    rules.made(json!({"policy": {
        "description": format!("the lifecycle policy {name} of Elasticsearch"),
        "default_state": first,
        "states": states,
    }}))
}

/// Lets a policy of OpenSearch manage new indices whose names match one of these patterns. Of several policies the
/// one of the highest priority does.
pub fn manage_new(policy: &mut Value, patterns: &[String], priority: u32) {
    if let Some(policy) = policy.get_mut("policy").and_then(Value::as_object_mut) {
        policy.insert(
            "ism_template".into(),
            json!([{"index_patterns": patterns, "priority": priority}]),
        );
    }
}

/// Turns a policy of OpenSearch, as `GET _plugins/_ism/policies/NAME` has it, into one that another OpenSearch
/// takes. Nothing is left of it for an Elasticsearch.
pub fn ism_policy(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    let mut rules = Rules::new(Some(source), target);
    if target.is_elasticsearch() {
        rules.refuse("policy", "Elasticsearch has phases instead of states: write the policy anew");
        return rules.made(Value::Null);
    }
    let policy = body.get("policy").and_then(Value::as_object).unwrap_or(body);
    let policy = ism::policy(policy, &mut rules);
    rules.made(json!({"policy": policy}))
}

fn phases<'a>(policy: &'a Map<String, Value>, rules: &mut Rules) -> Vec<Phase<'a>> {
    let Some(Value::Object(stored)) = policy.get("phases") else { return Vec::new() };
    for name in stored.keys().filter(|name| !PHASES.contains(&name.as_str())) {
        rules.refuse(format!("policy.phases.{name}"), "not a phase that a policy can have");
    }
    let mut found = Vec::new();
    for name in PHASES {
        let Some(phase) = stored.get(*name) else { continue };
        let min_age = match phase.get("min_age") {
            None | Some(Value::Null) => None,
            Some(Value::String(age)) => Some(age.as_str()),
            // Taken for none, an index might be deleted at once.
            Some(other) => {
                let path = format!("policy.phases.{name}.min_age");
                rules.refuse(path, format!("{other} is no age; the phase is left out"));
                continue;
            }
        };
        let actions = phase.get("actions").and_then(Value::as_object).cloned();
        found.push(Phase { name, min_age, actions: actions.unwrap_or_default() });
    }
    found
}

/// A state a phase, each with the way to the next. An index waits in a state of its own for a first phase that
/// doesn't begin at once.
fn states(phases: &[Phase<'_>], rules: &mut Rules) -> Vec<Value> {
    let rolls = |phase: &Phase<'_>| phase.actions.contains_key("rollover");
    let mut states = Vec::with_capacity(phases.len() + 1);
    if let Some(first) = phases.first().filter(|first| !first.is_at_once()) {
        let transition = transition(first, false, rules);
        states.push(json!({"name": "new", "actions": [], "transitions": [transition]}));
    }
    for (at, phase) in phases.iter().enumerate() {
        let rolled = phases[..=at].iter().any(rolls);
        let next = phases.get(at + 1).map(|next| transition(next, rolled, rules));
        let actions = actions::of(phase, rules);
        let transitions: Vec<_> = next.into_iter().collect();
        states.push(json!({"name": phase.name, "actions": actions, "transitions": transitions}));
    }
    states
}

/// The way into a phase. ILM counts its age from the rollover, where there was one.
fn transition(next: &Phase<'_>, rolled: bool, rules: &mut Rules) -> Value {
    let Some(age) = next.min_age.filter(|_| !next.is_at_once()) else {
        return json!({"state_name": next.name});
    };
    let since_rollover = rolled && rules.target.at_least((1, 3));
    if rolled && !since_rollover {
        rules.changed(
            format!("policy.phases.{}.min_age", next.name),
            "the target counts from when the index was made, not from its rollover",
        );
    }
    let condition = if since_rollover { "min_rollover_age" } else { "min_index_age" };
    json!({"state_name": next.name, "conditions": {condition: age}})
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    [actions::catalogue(), ism::catalogue(), ilm::catalogue()].concat()
}

#[cfg(test)]
mod tests;
