use super::*;

fn made(policy: Value, target: Target) -> Made {
    let body = json!({"version": 3, "modified_date": "x", "policy": policy, "in_use_by": {}});
    lifecycle_policy("p", body.as_object().unwrap(), target)
}

#[test]
fn a_full_policy_becomes_states() {
    // The phases and actions of the example of a full policy in Elasticsearch's own documentation.
    let policy = json!({"phases": {
        "delete": {"min_age": "90d", "actions": {"delete": {"delete_searchable_snapshot": true}}},
        "hot": {"min_age": "0ms", "actions": {
            "set_priority": {"priority": 100}, "rollover": {"max_age": "7d", "max_size": "50G"}}},
        "warm": {"min_age": "30d", "actions": {
            "forcemerge": {"max_num_segments": 1}, "shrink": {"number_of_shards": 1},
            "allocate": {"number_of_replicas": 2}}},
        "cold": {"min_age": "60d", "actions": {"allocate": {"require": {"type": "cold"}}}},
    }});
    let expected = |age: &str| {
        json!({"policy": {
            "description": "the lifecycle policy p of Elasticsearch",
            "default_state": "hot",
            "states": [
                {"name": "hot",
                 "actions": [{"index_priority": {"priority": 100}},
                             {"rollover": {"min_index_age": "7d", "min_size": "50G"}}],
                 "transitions": [{"state_name": "warm", "conditions": {age: "30d"}}]},
                {"name": "warm",
                 "actions": [{"replica_count": {"number_of_replicas": 2}}, {"shrink": {"num_new_shards": 1, "switch_aliases": true}},
                             {"force_merge": {"max_num_segments": 1}}],
                 "transitions": [{"state_name": "cold", "conditions": {age: "60d"}}]},
                {"name": "cold", "actions": [{"allocation": {"require": {"type": "cold"}}}],
                 "transitions": [{"state_name": "delete", "conditions": {age: "90d"}}]},
                {"name": "delete", "actions": [{"delete": {}}], "transitions": []},
            ],
        }})
    };
    let two = made(policy.clone(), Target::opensearch(2, 19));
    assert_eq!((two.body, two.refused), (expected("min_rollover_age"), vec![]));
    let paths: Vec<_> = two.changes.iter().map(|change| &change.path[14..]).collect();
    assert_eq!(paths, ["hot.actions.rollover", "warm.actions.shrink", "cold.actions.allocate"]);

    let early = made(policy, Target::opensearch(1, 2));
    assert_eq!(
        early.body["policy"]["states"][1]["transitions"][0]["conditions"],
        json!({"min_index_age": "60d"})
    );
    assert_eq!(early.refused.len(), 1, "it can't shrink: {:?}", early.refused);
}

#[test]
fn the_first_phase_may_begin_later() {
    let policy = json!({"phases": {"delete": {"min_age": "7d", "actions": {"delete": {}}}}, "_meta": {"by": "us"}});
    let made = made(policy, Target::default());
    assert_eq!(
        made.body["policy"]["states"],
        json!([
            {"name": "new", "actions": [],
             "transitions": [{"state_name": "delete", "conditions": {"min_index_age": "7d"}}]},
            {"name": "delete", "actions": [{"delete": {}}], "transitions": []},
        ])
    );
    assert_eq!(made.body["policy"]["default_state"], json!("new"));
    assert_eq!(made.changes[0].path, "policy._meta");
}

#[test]
fn a_phase_without_an_age_follows_at_once() {
    for age in [json!(null), json!("0ms"), json!("0d"), json!("0s")] {
        let policy = json!({"phases": {"hot": {"actions": {}}, "warm": {"min_age": age, "actions": {"readonly": {}}}}});
        let made = made(policy, Target::default());
        assert_eq!(
            made.body["policy"]["states"][0]["transitions"],
            json!([{"state_name": "warm"}])
        );
    }
}

#[test]
fn new_indices_are_managed_by_their_names() {
    let mut policy = made(json!({"phases": {"hot": {}}}), Target::default()).body;
    manage_new(&mut policy, &["logs-*".to_owned()], 100);
    assert_eq!(
        policy["policy"]["ism_template"],
        json!([{"index_patterns": ["logs-*"], "priority": 100}])
    );
}

#[test]
fn what_is_no_policy_is_refused() {
    for policy in [json!({}), json!({"phases": {}}), json!({"phases": 1})] {
        let made = made(policy, Target::default());
        assert_eq!((made.body, made.refused.len()), (Value::Null, 1));
    }
    let made = made(json!({"phases": {"hot": {}, "tepid": {}}}), Target::default());
    assert_eq!(made.refused[0].path, "policy.phases.tepid");
    let made = self::made(
        json!({"phases": {"hot": {}, "delete": {"min_age": 30, "actions": {"delete": {}}}}}),
        Target::default(),
    );
    assert_eq!(made.refused[0].path, "policy.phases.delete.min_age");
    assert!(!made.body.to_string().contains("delete"), "{}", made.body);
}
