//! Which policy manages indices that are yet to be made: in Elasticsearch their template names it, in OpenSearch the
//! policy has the patterns of the template.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Planned;
use crate::{Kind, Packed, rules};

const NAME: &str = "index.lifecycle.name";

/// Gives each policy of Elasticsearch the patterns of the templates that name it.
pub(super) fn attach(items: &mut [Planned]) {
    let of_kind = |kind| items.iter().filter(move |item: &&Planned| item.kind == kind);
    let parts: BTreeMap<&str, &str> = of_kind(Kind::ComponentTemplate)
        .filter_map(|part| Some((part.name.as_str(), named(part)?)))
        .collect();
    let mut found: BTreeMap<String, (Vec<String>, u32)> = BTreeMap::new();
    for template in of_kind(Kind::LegacyTemplate).chain(of_kind(Kind::IndexTemplate)) {
        if parts.is_empty() && named(template).is_none() {
            continue;
        }
        let says = Says::of(template);
        // What a template says wins over its parts, and a part over those before it.
        let composed = says.composed_of.iter().rev();
        let policy = named(template)
            .or_else(|| composed.into_iter().find_map(|part| parts.get(part.as_str()).copied()));
        let Some(policy) = policy else { continue };
        let (patterns, priority) = found.entry(policy.to_owned()).or_default();
        *priority = says.priority.or(says.order).unwrap_or(0).max(*priority);
        patterns.extend(says.index_patterns.into_iter().flat_map(Patterns::all));
    }
    let policies = items.iter_mut().filter(|item| item.kind == Kind::LifecyclePolicy);
    for policy in policies.filter(|policy| !policy.body.is_null()) {
        if let Some((patterns, priority)) = found.get(&policy.name) {
            let mut body = policy.body.open();
            rules::manage_new(&mut body, patterns, *priority);
            policy.body = Packed::from(&body);
        }
    }
}

/// The policy that a template names.
fn named(template: &Planned) -> Option<&str> {
    template.deferred.get(NAME).and_then(serde_json::Value::as_str)
}

/// What a template says of what is made of it; the rest is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Says {
    index_patterns: Option<Patterns>,
    composed_of: Vec<String>,
    priority: Option<u32>,
    order: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Patterns {
    One(String),
    Several(Vec<String>),
}

impl Says {
    fn of(template: &Planned) -> Self {
        // What isn't as a template should be says nothing of policies; the target will refuse it.
        serde_json::from_str(template.body.text()).unwrap_or_default()
    }
}

impl Patterns {
    fn all(self) -> Vec<String> {
        match self {
            Self::One(pattern) => vec![pattern],
            Self::Several(patterns) => patterns,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::State;

    fn planned(kind: Kind, name: &str, policy: Option<&str>, body: Value) -> Planned {
        let mut planned = Planned::new(kind, name, State::Create);
        let deferred = policy.map(|policy| (NAME.to_owned(), json!(policy)));
        planned.deferred = Map::from_iter(deferred);
        planned.body = Packed::from(&body);
        planned
    }

    #[test]
    fn a_policy_gets_the_patterns_of_the_templates_that_name_it() {
        let composed =
            json!({"index_patterns": ["a*", "b*"], "priority": 5, "composed_of": ["part"]});
        let mut items = [
            planned(Kind::ComponentTemplate, "part", Some("weekly"), json!({})),
            planned(Kind::IndexTemplate, "new", None, composed),
            planned(Kind::LegacyTemplate, "old", Some("weekly"), json!({"index_patterns": "c*"})),
            planned(Kind::LegacyTemplate, "other", None, json!({"index_patterns": ["d*"]})),
            planned(Kind::LifecyclePolicy, "weekly", None, json!({"policy": {}})),
        ];
        attach(&mut items);
        let templates = &items[4].body.open()["policy"]["ism_template"];
        assert_eq!(*templates, json!([{"index_patterns": ["c*", "a*", "b*"], "priority": 5}]));
    }
}
