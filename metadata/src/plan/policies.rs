//! Which policy manages indices that are yet to be made: in Elasticsearch their template names it, in OpenSearch the
//! policy has the patterns of the template.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Planned;
use crate::{Kind, rules};

const NAME: &str = "index.lifecycle.name";

/// Gives each policy of Elasticsearch the patterns of the templates that name it.
pub(super) fn attach(items: &mut [Planned]) {
    let of_kind = |kind| items.iter().filter(move |item: &&Planned| item.kind == kind);
    let parts: BTreeMap<&str, &str> = of_kind(Kind::ComponentTemplate)
        .filter_map(|part| Some((part.name.as_str(), named(part)?)))
        .collect();
    let mut found: BTreeMap<String, (Vec<String>, u32)> = BTreeMap::new();
    for template in of_kind(Kind::LegacyTemplate).chain(of_kind(Kind::IndexTemplate)) {
        let composed = template.body.get("composed_of").and_then(Value::as_array);
        let composed = composed.into_iter().flatten().filter_map(Value::as_str);
        // What a template says wins over its parts, and a part over those before it.
        let policy =
            named(template).or_else(|| composed.rev().find_map(|part| parts.get(part).copied()));
        let Some(policy) = policy else { continue };
        let (patterns, priority) = found.entry(policy.to_owned()).or_default();
        patterns.extend(patterns_of(template));
        *priority = priority_of(template).max(*priority);
    }
    let policies = items.iter_mut().filter(|item| item.kind == Kind::LifecyclePolicy);
    for policy in policies.filter(|policy| !policy.body.is_null()) {
        if let Some((patterns, priority)) = found.get(&policy.name) {
            rules::manage_new(&mut policy.body, patterns, *priority);
        }
    }
}

/// The policy that a template names.
fn named(template: &Planned) -> Option<&str> {
    template.deferred.get(NAME).and_then(Value::as_str)
}

fn patterns_of(template: &Planned) -> Vec<String> {
    match template.body.get("index_patterns") {
        Some(Value::Array(patterns)) => {
            patterns.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(pattern)) => vec![pattern.clone()],
        _ => Vec::new(),
    }
}

fn priority_of(template: &Planned) -> u32 {
    let says = template.body.get("priority").or_else(|| template.body.get("order"));
    says.and_then(Value::as_u64).and_then(|priority| u32::try_from(priority).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::State;

    fn planned(kind: Kind, name: &str, policy: Option<&str>, body: Value) -> Planned {
        let mut planned = Planned::new(kind, name, State::Create);
        let deferred = policy.map(|policy| (NAME.to_owned(), json!(policy)));
        planned.deferred = Map::from_iter(deferred);
        planned.body = body;
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
        let templates = &items[4].body["policy"]["ism_template"];
        assert_eq!(*templates, json!([{"index_patterns": ["c*", "a*", "b*"], "priority": 5}]));
    }
}
