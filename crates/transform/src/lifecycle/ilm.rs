//! Policies of Elasticsearch for another Elasticsearch.

use serde_json::{Map, Value, json};

use crate::{catalogue::RuleLine, report::Rules};

type Part = (&'static str, (u32, u32), Option<(u32, u32)>);

/// (phase, action or parameter of one; the first version that has it; the first that has it no more)
const VERSIONS: &[Part] = &[
    ("wait_for_snapshot", (7, 7), None),
    ("searchable_snapshot", (7, 10), None),
    ("migrate", (7, 10), None),
    ("frozen", (7, 12), None),
    ("max_primary_shard_size", (7, 13), None),
    ("max_primary_shard_docs", (8, 2), None),
    ("min_age_of_rollover", (8, 4), None),
    ("min_docs", (8, 4), None),
    ("min_size", (8, 4), None),
    ("min_primary_shard_size", (8, 4), None),
    ("min_primary_shard_docs", (8, 4), None),
    ("downsample", (8, 7), None),
    ("allow_write_after_shrink", (8, 14), None),
    ("freeze", (6, 6), Some((8, 0))),
];

/// Beside the phases.
const TOP: &[(&str, (u32, u32))] = &[("_meta", (7, 14)), ("deprecated", (8, 12))];

const WHY: &str = "the target's version knows no such part of a policy";

pub(super) fn kept(policy: &Map<String, Value>, rules: &mut Rules) -> Map<String, Value> {
    let mut made = policy.clone();
    made.retain(|key, _| {
        let kept = key == "phases"
            || TOP
                .iter()
                .any(|(name, since)| name == key && rules.target.elasticsearch_from(*since));
        if !kept {
            rules.changed(format!("policy.{key}"), WHY);
        }
        kept
    });
    if let Some(Value::Object(phases)) = made.get_mut("phases") {
        keep("policy.phases", phases, rules);
        for (name, phase) in phases {
            let Some(Value::Object(actions)) = phase.get_mut("actions") else { continue };
            let path = format!("policy.phases.{name}.actions");
            keep(&path, actions, rules);
            for (action, body) in actions {
                if let Value::Object(body) = body {
                    keep(&format!("{path}.{action}"), body, rules);
                }
            }
        }
    }
    made.entry("phases").or_insert_with(|| json!({}));
    made
}

fn keep(path: &str, object: &mut Map<String, Value>, rules: &mut Rules) {
    object.retain(|key, _| {
        // Of a phase it is another thing.
        let name = if key == "min_age" { "min_age_of_rollover" } else { key };
        let known = VERSIONS.iter().find(|(of, ..)| *of == name);
        let Some((_, since, until)) = known else { return true };
        let has = rules.target.elasticsearch_from(*since)
            && !until.is_some_and(|until| rules.target.elasticsearch_from(until));
        match (has, until) {
            (true, _) => {}
            (false, Some(_)) => rules.changed(format!("{path}.{key}"), WHY),
            (false, None) => rules.refuse(format!("{path}.{key}"), WHY),
        }
        has
    });
}

/// What these tables say, for the documentation.
pub(super) fn catalogue() -> Vec<RuleLine> {
    let area = "lifecycle policies";
    let parts = VERSIONS.iter().map(|(name, since, until)| {
        let (versions, becomes) = match until {
            Some((major, minor)) => (format!("Elasticsearch {major}.{minor} on"), "-"),
            None => (format!("Elasticsearch before {}.{}", since.0, since.1), "refused"),
        };
        RuleLine::new(
            area,
            name.replace("min_age_of_rollover", "rollover.min_age"),
            versions,
            becomes.into(),
            WHY,
        )
    });
    let top = TOP.iter().map(|(name, (major, minor))| {
        let versions = format!("OpenSearch, Elasticsearch before {major}.{minor}");
        RuleLine::new(area, *name, versions, "-".into(), WHY)
    });
    parts.chain(top).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, lifecycle_policy};

    #[test]
    fn each_part_stays_where_the_version_has_it() {
        for (name, (major, minor), until) in VERSIONS {
            let key = if *name == "min_age_of_rollover" { "min_age" } else { *name };
            let policy =
                json!({"phases": {"hot": {"min_age": "1d", "actions": {"rollover": {key: 1}}}}});
            let body = Map::from_iter([("policy".to_owned(), policy)]);
            let has = lifecycle_policy("p", &body, Target::elasticsearch(*major, *minor));
            assert_eq!((&has.body["policy"], has.refused.len()), (&body["policy"], 0), "{name}");
            let (lacks_major, lacks_minor) = until.unwrap_or((6, 0));
            let lacks =
                lifecycle_policy("p", &body, Target::elasticsearch(lacks_major, lacks_minor));
            let hot = &lacks.body["policy"]["phases"]["hot"];
            assert_eq!(*hot, json!({"min_age": "1d", "actions": {"rollover": {}}}), "{name}");
            assert_eq!(lacks.refused.len() + lacks.changes.len(), 1, "{name}");
        }
        for (name, (major, minor)) in TOP {
            let body =
                Map::from_iter([((*name).to_owned(), json!({})), ("phases".to_owned(), json!({}))]);
            let made = |target| lifecycle_policy("p", &body, target).changes.len();
            assert_eq!(
                (made(Target::elasticsearch(*major, *minor)), made(Target::elasticsearch(7, 0))),
                (0, 1)
            );
        }
    }
}
