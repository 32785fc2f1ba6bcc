//! Actions of ILM, in the order in which it takes them, and what ISM has for them.

use serde_json::{Map, Value, json};

use super::Phase;
use crate::{catalogue::RuleLine, report::Rules};

/// What becomes of an action.
#[derive(Clone, Copy, PartialEq)]
enum To {
    /// The action of this name, from this version of OpenSearch on, with these parameters.
    Action(&'static str, (u32, u32), &'static [Parameter]),
    /// An action for its replicas, one for its nodes.
    Allocate,
    /// Nothing: it makes no difference on the target.
    Nothing,
    /// The index isn't what the policy says without it.
    Refused,
}

/// (its name in ILM, in ISM, the first version that has it)
type Parameter = (&'static str, &'static str, (u32, u32));

const FIRST: (u32, u32) = (1, 0);

const ACTIONS: &[(&str, To, &str)] = &[
    (
        "set_priority",
        To::Action("index_priority", FIRST, &[("priority", "priority", FIRST)]),
        ANOTHER_NAME,
    ),
    ("unfollow", To::Nothing, "no index of the target follows one of another cluster"),
    (
        "rollover",
        To::Action(
            "rollover",
            FIRST,
            &[
                ("max_age", "min_index_age", FIRST),
                ("max_docs", "min_doc_count", FIRST),
                ("max_size", "min_size", FIRST),
                ("max_primary_shard_size", "min_primary_shard_size", (1, 3)),
            ],
        ),
        "the conditions are the same, by other names; the alias is in the setting \
         plugins.index_state_management.rollover_alias",
    ),
    ("readonly", To::Action("read_only", FIRST, &[]), ANOTHER_NAME),
    ("downsample", To::Refused, "ISM thins out no time series; a rollup job may"),
    ("allocate", To::Allocate, "replicas and nodes are two actions"),
    ("migrate", To::Nothing, "the target has no data tiers"),
    (
        "shrink",
        To::Action(
            "shrink",
            (2, 0),
            &[
                ("number_of_shards", "num_new_shards", FIRST),
                ("max_primary_shard_size", "max_shard_size", FIRST),
            ],
        ),
        "ISM leaves the original, which the policy goes on with, beside the shrunken copy; its aliases go \
         over from OpenSearch 2.12 on",
    ),
    (
        "forcemerge",
        To::Action("force_merge", FIRST, &[("max_num_segments", "max_num_segments", FIRST)]),
        ANOTHER_NAME,
    ),
    ("searchable_snapshot", To::Refused, "ISM mounts no snapshots"),
    ("freeze", To::Nothing, "the target has no frozen indices"),
    (
        "wait_for_snapshot",
        To::Refused,
        "ISM doesn't wait for a snapshot policy: the index may be deleted before one",
    ),
    ("delete", To::Action("delete", FIRST, &[]), ANOTHER_NAME),
];

const ANOTHER_NAME: &str = "ISM has it, by another name";
const NEWER: &str = "the target's version has no such action";
const NO_PARAMETER: &str = "ISM's action has no such parameter";

/// Parameters that say what happens anyway.
const SAID: &[(&str, &str, bool)] = &[
    ("delete", "delete_searchable_snapshot", true),
    ("migrate", "enabled", true),
    ("migrate", "enabled", false),
    ("shrink", "allow_write_after_shrink", false),
];

pub(super) fn of(phase: &Phase<'_>, rules: &mut Rules) -> Vec<Value> {
    let mut made = Vec::new();
    let path = |action: &str| format!("policy.phases.{}.actions.{action}", phase.name);
    for action in phase.actions.keys() {
        if !ACTIONS.iter().any(|(name, ..)| name == action) {
            rules.refuse(path(action), "ISM has no such action");
        }
    }
    for (name, to, why) in ACTIONS {
        let Some(stored) = phase.actions.get(*name) else { continue };
        let empty = Map::new();
        let stored = stored.as_object().unwrap_or(&empty);
        let path = path(name);
        match to {
            To::Nothing => rules.changed(path, why),
            To::Refused => rules.refuse(path, *why),
            To::Allocate => allocate(&path, stored, rules, &mut made),
            To::Action(new, since, _) if !rules.target.at_least(*since) => {
                rules.refuse(path, format!("{NEWER} ({new} came with {}.{})", since.0, since.1));
            }
            To::Action(new, _, parameters) => {
                let Some(mut body) = body(&path, name, stored, parameters, rules) else { continue };
                if *new == "shrink" && rules.target.at_least((2, 12)) {
                    body.insert("switch_aliases".into(), json!(true));
                }
                if *why != ANOTHER_NAME {
                    rules.changed(path, why);
                }
                made.push(json!({*new: body}));
            }
        }
    }
    made
}

/// `None`: nothing is left that the action could do.
fn body(
    path: &str,
    action: &str,
    stored: &Map<String, Value>,
    parameters: &[Parameter],
    rules: &mut Rules,
) -> Option<Map<String, Value>> {
    let mut made = Map::new();
    for (key, value) in stored {
        let path = format!("{path}.{key}");
        match parameters.iter().find(|(old, ..)| old == key) {
            _ if value.is_null() => rules.changed(path, "null is no value for ISM"),
            Some((_, new, since)) if rules.target.at_least(*since) => {
                made.insert((*new).into(), value.clone());
            }
            // A condition that is gone may be the one that would have come first.
            _ if action == "rollover" => rules.refuse(path, NO_CONDITION),
            _ if SAID.contains(&(action, key, value.as_bool().unwrap_or_default())) => {}
            _ => rules.changed(path, NO_PARAMETER),
        }
    }
    let needs = !parameters.is_empty();
    if needs && made.is_empty() {
        rules.changed(path, "nothing is left that the action could do");
        return None;
    }
    Some(made)
}

const NO_CONDITION: &str = "ISM rolls over when the first of the conditions holds, and knows this one not: neither lower bounds nor \
     documents of a shard";

fn allocate(path: &str, stored: &Map<String, Value>, rules: &mut Rules, made: &mut Vec<Value>) {
    let mut nodes = Map::new();
    for (key, value) in stored {
        match key.as_str() {
            "number_of_replicas" => made.push(json!({"replica_count": {key: value}})),
            "include" | "exclude" | "require"
                if value.as_object().is_some_and(|v| !v.is_empty()) =>
            {
                nodes.insert(key.clone(), value.clone());
            }
            "include" | "exclude" | "require" => {}
            _ => rules.changed(format!("{path}.{key}"), NO_PARAMETER),
        }
    }
    if !nodes.is_empty() {
        rules.changed(path, "names attributes of the source's nodes: the target's must have them");
        made.push(json!({"allocation": nodes}));
    }
}

/// What the table says, for the documentation.
pub(super) fn catalogue() -> Vec<RuleLine> {
    let area = "lifecycle policies";
    let mut lines = Vec::new();
    for (name, to, why) in ACTIONS {
        let (versions, becomes) = match to {
            To::Action(new, since, _) if *since > FIRST => {
                (format!("OpenSearch {}.{} on", since.0, since.1), (*new).to_owned())
            }
            To::Action(new, ..) => ("OpenSearch".to_owned(), (*new).to_owned()),
            To::Allocate => ("OpenSearch".to_owned(), "replica_count, allocation".into()),
            To::Nothing => ("OpenSearch".to_owned(), "-".into()),
            To::Refused => ("OpenSearch".to_owned(), "refused".into()),
        };
        lines.push(RuleLine::new(area, *name, versions, becomes, why));
        let To::Action(new, _, parameters) = to else { continue };
        for (old, of, since) in parameters.iter().filter(|(old, new, _)| old != new) {
            let versions = match *since > FIRST {
                true => format!("OpenSearch {}.{} on", since.0, since.1),
                false => "OpenSearch".to_owned(),
            };
            let what = format!("{name}.{old}");
            lines.push(RuleLine::new(area, what, versions, format!("{new}.{of}"), ANOTHER_NAME));
        }
    }
    let rest = [
        ("rollover, any other condition", "refused", NO_CONDITION),
        (
            "min_age of a phase",
            "a transition after min_index_age, or min_rollover_age (1.3 on) after a rollover",
            "a phase is a state",
        ),
    ];
    lines.extend(rest.into_iter().map(|(what, becomes, why)| {
        RuleLine::new(area, what, "OpenSearch".into(), becomes.into(), why)
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn made(action: &str, stored: Value, target: Target) -> (Vec<Value>, Rules) {
        let mut rules = Rules::new(None, target);
        let actions = Map::from_iter([(action.to_owned(), stored)]);
        let made = of(&Phase { name: "hot", min_age: None, actions }, &mut rules);
        (made, rules)
    }

    #[test]
    fn each_action_is_mapped_or_named() {
        for (name, to, _) in ACTIONS {
            let (made, rules) = match to {
                To::Action(new, since, parameters) => {
                    let stored: Map<_, _> =
                        parameters.iter().map(|(old, ..)| ((*old).to_owned(), json!(1))).collect();
                    let last = Target::opensearch(3, 8);
                    let (made, rules) = self::made(name, Value::Object(stored.clone()), last);
                    let body = made[0][*new].as_object().unwrap();
                    assert!(parameters.iter().all(|(_, new, _)| body[*new] == json!(1)), "{name}");
                    if *since > FIRST {
                        let before = Target::opensearch(1, 3);
                        let (made, rules) = self::made(name, Value::Object(stored), before);
                        assert_eq!((made.len(), rules.refused.len()), (0, 1), "{name}");
                    }
                    (made, rules)
                }
                _ => self::made(name, json!({"number_of_replicas": 1}), Target::opensearch(3, 8)),
            };
            match to {
                To::Action(..) => assert_eq!((made.len(), rules.refused.len()), (1, 0), "{name}"),
                To::Allocate => {
                    assert_eq!(made, [json!({"replica_count": {"number_of_replicas": 1}})])
                }
                To::Nothing => assert_eq!((made.len(), rules.changes.len()), (0, 1), "{name}"),
                To::Refused => assert_eq!((made.len(), rules.refused.len()), (0, 1), "{name}"),
            }
        }
        assert_eq!(made("new", json!({}), Target::default()).1.refused.len(), 1);
    }

    #[test]
    fn parameters_that_ism_has_not_are_named() {
        let target = Target::opensearch(2, 19);
        let (made_of, rules) = made(
            "rollover",
            json!({"max_age": "1d", "min_docs": 1, "max_primary_shard_docs": 9}),
            target,
        );
        assert_eq!(made_of, [json!({"rollover": {"min_index_age": "1d"}})]);
        assert_eq!(rules.refused.len(), 2);
        let (made_of, rules) =
            made("rollover", json!({"max_primary_shard_size": "50gb"}), Target::opensearch(1, 2));
        assert_eq!((made_of.len(), rules.refused.len()), (0, 1));
        let (_, rules) = made(
            "forcemerge",
            json!({"max_num_segments": 1, "index_codec": "best_compression"}),
            target,
        );
        assert_eq!(rules.changes[0].path, "policy.phases.hot.actions.forcemerge.index_codec");
        let (made_of, rules) = made("set_priority", json!({"priority": null}), target);
        assert_eq!((made_of.len(), rules.changes.len()), (0, 2));
        for (action, parameter, value) in SAID.iter().filter(|(action, ..)| *action != "migrate") {
            let (_, rules) =
                made(action, json!({*parameter: value, "number_of_shards": 1}), target);
            assert!(!rules.changes.iter().any(|c| c.path.ends_with(parameter)), "{action}");
        }
        let (made_of, _) =
            made("allocate", json!({"require": {"box": "warm"}, "include": {}}), target);
        assert_eq!(made_of, [json!({"allocation": {"require": {"box": "warm"}}})]);
    }
}
