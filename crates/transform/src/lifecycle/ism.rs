//! Policies of OpenSearch for another OpenSearch.

use serde_json::{Map, Value};

use crate::{catalogue::RuleLine, report::Rules};

/// What the cluster says of a policy, and makes itself.
const OWN: &[&str] =
    &["policy_id", "last_updated_time", "schema_version", "user", "policy_version"];

/// (action or condition, the first version of OpenSearch that has it)
const SINCE: &[(&str, (u32, u32))] = &[
    ("min_primary_shard_size", (1, 3)),
    ("min_rollover_age", (1, 3)),
    ("shrink", (2, 0)),
    ("copy_alias", (2, 10)),
    ("transform", (2, 12)),
    ("switch_aliases", (2, 12)),
    ("stop_replication", (3, 0)),
    ("no_alias", (3, 2)),
    ("min_state_age", (3, 2)),
    ("search_only", (3, 5)),
    ("any_of", (3, 8)),
];

const CLUSTERS: &str = "the cluster says it of the policies that it has";

pub(super) fn policy(stored: &Map<String, Value>, rules: &mut Rules) -> Map<String, Value> {
    let mut made = Map::new();
    for (key, value) in stored {
        if OWN.contains(&key.as_str()) {
            rules.changed(format!("policy.{key}"), CLUSTERS);
        } else if !value.is_null() {
            made.insert(key.clone(), value.clone());
        }
    }
    let templates = match made.get_mut("ism_template") {
        Some(Value::Array(list)) => &mut list[..],
        Some(one @ Value::Object(_)) => std::slice::from_mut(one),
        _ => &mut [],
    };
    for (at, template) in templates.iter_mut().enumerate() {
        let Some(template) = template.as_object_mut() else { continue };
        if template.remove("last_updated_time").is_some() {
            rules.changed(format!("policy.ism_template[{at}].last_updated_time"), CLUSTERS);
        }
    }
    if let Some(Value::Array(states)) = made.get_mut("states") {
        for (at, state) in states.iter_mut().enumerate() {
            self::state(&format!("policy.states[{at}]"), state, rules);
        }
    }
    made
}

fn state(path: &str, state: &mut Value, rules: &mut Rules) {
    if let Some(Value::Array(actions)) = state.get_mut("actions") {
        let mut at = 0;
        actions.retain_mut(|action| {
            let path = format!("{path}.actions[{at}]");
            at += 1;
            let Some(action) = action.as_object_mut() else { return true };
            keep(&path, action, rules);
            for (name, body) in action.iter_mut() {
                if let (true, Value::Object(body)) = (name == "rollover" || name == "shrink", body)
                {
                    keep(&format!("{path}.{name}"), body, rules);
                }
            }
            // An action's retries and its timeout are no action.
            action.keys().any(|key| key != "retry" && key != "timeout")
        });
    }
    let Some(Value::Array(transitions)) = state.get_mut("transitions") else { return };
    let mut at = 0;
    transitions.retain_mut(|transition| {
        let path = format!("{path}.transitions[{at}].conditions");
        at += 1;
        let Some(Value::Object(conditions)) = transition.get_mut("conditions") else { return true };
        let had = !conditions.is_empty();
        keep(&path, conditions, rules);
        // Without its condition it would be taken at once.
        !had || !conditions.is_empty()
    });
}

fn keep(path: &str, object: &mut Map<String, Value>, rules: &mut Rules) {
    object.retain(|key, _| {
        let newer =
            SINCE.iter().find(|(name, since)| name == key && !rules.target.at_least(*since));
        if let Some((_, (major, minor))) = newer {
            let why =
                format!("the target's version has none; it came with OpenSearch {major}.{minor}");
            rules.refuse(format!("{path}.{key}"), why);
        }
        newer.is_none()
    });
}

/// What these tables say, for the documentation.
pub(super) fn catalogue() -> Vec<RuleLine> {
    let area = "policies of OpenSearch";
    let own = OWN.iter().map(|key| RuleLine::new(area, *key, "all".into(), "-".into(), CLUSTERS));
    let since = SINCE.iter().map(|(name, (major, minor))| {
        let versions = format!("OpenSearch before {major}.{minor}");
        RuleLine::new(area, *name, versions, "refused".into(), "the target's version has none")
    });
    own.chain(since).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Target, Version, ism_policy};

    fn made(policy: Value, target: Target) -> (Value, Vec<String>, Vec<String>) {
        let body = json!({"_id": "p", "_seq_no": 1, "policy": policy});
        let made = ism_policy(body.as_object().unwrap(), Version::opensearch(3, 8), target);
        let paths = |list: Vec<String>| list;
        (
            made.body["policy"].clone(),
            paths(made.changes.into_iter().map(|change| change.path).collect()),
            paths(made.refused.into_iter().map(|refusal| refusal.path).collect()),
        )
    }

    #[test]
    fn what_the_cluster_says_itself_stays_behind() {
        for key in OWN {
            let (policy, changes, refused) =
                made(json!({*key: 1, "states": [], "error_notification": null}), Target::default());
            assert_eq!(policy, json!({"states": []}), "{key}");
            assert_eq!((changes, refused), (vec![format!("policy.{key}")], vec![]));
        }
        let template = json!({"index_patterns": ["a"], "priority": 1, "last_updated_time": 5});
        for templates in [json!([template]), template.clone()] {
            let (policy, ..) = made(json!({"ism_template": templates}), Target::default());
            assert!(!policy.to_string().contains("last_updated_time"), "{policy}");
        }
    }

    #[test]
    fn what_came_late_is_refused_by_earlier_targets() {
        for (name, (major, minor)) in SINCE {
            let policy = json!({"states": [{"name": "s",
                "actions": [{"rollover": {*name: "1", "min_size": "1gb"}}, {"retry": {"count": 1}, *name: {}}],
                "transitions": [{"state_name": "t", "conditions": {*name: "1d"}}]}]});
            let (same, _, refused) = made(policy.clone(), Target::opensearch(*major, *minor));
            assert_eq!((same, refused), (policy.clone(), vec![]), "{name}");
            let (less, _, refused) = made(policy, Target::opensearch(1, 0));
            assert_eq!(refused.len(), 3, "{name}");
            assert_eq!(
                less,
                json!({"states": [{"name": "s", "actions": [{"rollover": {"min_size": "1gb"}}], "transitions": []}]})
            );
        }
    }

    #[test]
    fn an_elasticsearch_takes_none() {
        let made =
            ism_policy(&Map::new(), Version::opensearch(2, 19), Target::elasticsearch(8, 19));
        assert_eq!((made.body, made.refused.len()), (Value::Null, 1));
    }
}
