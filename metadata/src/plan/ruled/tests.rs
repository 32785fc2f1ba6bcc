use rules::Handed;

use super::*;
use crate::{Item, Settings, Source};

fn rules(configuration: &Value) -> Arc<Rules> {
    let mut read = |name: &str| Err(name.to_owned());
    Arc::new(Rules::parse(&configuration.to_string(), Handed::Message, &mut read).unwrap())
}

fn index(name: &str) -> Planned {
    let mut planned = Planned::new(Kind::Index, name, State::Create);
    planned.body = Packed::from(&json!({
        "settings": {"index.number_of_shards": "3", "index.analysis.filter.f.type": "stop",
            "index.a": "1", "index.a.b": "2"},
        "mappings": {"_meta": {"godwit": {"source_uuid": "u"}}, "properties": {"n": {"type": "text"}}},
    }));
    planned
}

fn applied(configuration: &Value, mut planned: Planned) -> Planned {
    let rules = rules(configuration);
    Ruled::new(Some(&rules)).apply(&mut planned);
    planned
}

fn places(planned: &Planned) -> Vec<(&str, String, &str)> {
    let place = |change: &Change| format!("{} -> {}", change.before, change.after);
    planned.changes.iter().map(|one| (&one.path[..], place(one), &one.why[..])).collect()
}

#[test]
fn what_each_rule_changes_is_in_the_plan_with_its_name() {
    let planned = applied(
        &json!([
            {"when": "type == 'index'", "jq": ".body.settings.index.number_of_shards = 5 | del(.body.mappings._meta)"},
            {"when": "type == 'template'", "jq": "null"},
            // As for the reference implementation: handed the item itself, whose objects are Maps.
            {"JsonJSTransformerProvider": {"initializationScript":
                "(() => (bindings) => (item) => { item.get('body').get('mappings').get('properties').get('n').set('type', bindings.type); return item; })()",
                "bindingsObject": "{\"type\": \"keyword\"}"}},
            {"js": "() => (item) => { item.name = 'new-' + item.name; return item; }"},
        ]),
        index("logs"),
    );
    assert_eq!(planned.state, State::Create);
    let expected = json!({
        "settings": {"index.number_of_shards": "5", "index.analysis.filter.f.type": "stop",
            "index.a": "1", "index.a.b": "2"},
        "mappings": {"_meta": {"godwit": {"source_uuid": "u"}}, "properties": {"n": {"type": "keyword"}}},
    });
    assert_eq!(planned.body.open(), expected);
    assert_eq!((&planned.name[..], planned.source_name.as_deref()), ("new-logs", Some("logs")));
    let shards = "\"3\" -> \"5\"".to_owned();
    let kind = "\"text\" -> \"keyword\"".to_owned();
    let name = "\"logs\" -> \"new-logs\"".to_owned();
    assert_eq!(
        places(&planned),
        [
            ("settings.index.number_of_shards", shards, "changed by rule 1 (jq)"),
            ("mappings.properties.n.type", kind, "changed by rule 3 (JsonJSTransformerProvider)"),
            ("name", name, "changed by rule 4 (js)"),
        ]
    );
}

#[test]
fn a_rule_that_fails_or_makes_nonsense_costs_its_item_alone() {
    for (rule, expected) in [
        (
            json!({"js": "() => (m) => { throw new Error('no'); }"}),
            "rule 1 (js) failed: the script threw Error: no",
        ),
        (json!({"jq": "., ."}), "rule 1 (jq) failed: it made 2 items of one"),
        (json!({"jq": "{type, name}"}), "missing field `body`"),
        (json!({"jq": ".type = \"alias\""}), "it made a alias of a index"),
        (json!({"jq": ".name = \"\""}), "it took the name"),
        (json!({"jq": ".body.mappings = []"}), "`mappings` is no object"),
        (json!({"jq": ".body.settings = 7"}), "`settings` is no object"),
        (json!({"js": "() => (m) => 7"}), "rule 1 (js) failed: it returned a number"),
    ] {
        let mut conditional = rule.clone();
        conditional["when"] = json!("name == 'bad'");
        let rules = rules(&json!([conditional]));
        let mut ruled = Ruled::new(Some(&rules));
        let (mut bad, mut good) = (index("bad"), index("good"));
        ruled.apply(&mut bad);
        ruled.apply(&mut good);
        let State::Unsupported(why) = &bad.state else { panic!("{rule}: {:?}", bad.state) };
        assert!(why.replace(", when", "").contains(expected), "{rule}: {why}");
        assert_eq!((&good.state, &good.body), (&State::Create, &index("good").body));
        assert_eq!(bad.body, index("bad").body, "{rule}");
    }
}

#[test]
fn a_rule_that_never_ends_is_left_behind_and_in_the_end_none_is_asked() {
    let script = "() => m => {
        if (m.name == 'hang') 'a'.repeat(20000000).indexOf('a'.repeat(10000000) + 'b');
        return m;
    }";
    let rules = rules(&json!({"limits": {"time": "100ms"}, "rules": [{"js": script}]}));
    let mut ruled = Ruled { grace: Duration::from_millis(200), ..Ruled::new(Some(&rules)) };
    ruled.left = MOST_LEFT - 1;
    let (mut first, mut hang, mut last) = (index("first"), index("hang"), index("last"));
    for planned in [&mut first, &mut hang, &mut last] {
        ruled.apply(planned);
    }
    assert_eq!(first.state, State::Create);
    assert!(matches!(&hang.state, State::Unsupported(why) if why.contains("never ended on it")));
    assert!(matches!(&last.state, State::Unsupported(why) if why.contains("correct them")));
}

#[test]
fn items_of_a_plan_go_through_the_rules_before_they_are_compared() {
    use crate::{Inventory, Plan, Side, target::Abilities};
    use transform::{Target, Version};

    let side =
        |version| Side { place: "here".into(), version: "1".into(), health: None, of: version };
    let object = |value: Value| value.as_object().cloned().unwrap();
    let template = object(json!({"index_patterns": ["l*"], "template": {
        "settings": {"index.number_of_replicas": "1"}}}));
    let of_index = object(json!({"settings": {"index.number_of_shards": "1"}, "mappings": {}}));
    let of_alias = object(json!({"logs": {}, "gone": {}}));
    let items = vec![
        Item::new(Kind::IndexTemplate, "t", template.clone()),
        Item::new(Kind::Index, "gone", of_index.clone()),
        Item::new(Kind::Index, "logs", of_index),
        Item::new(Kind::Alias, "a", of_alias),
    ];
    let source = Inventory { side: side(Version::opensearch(2, 19)), items, notes: Vec::new() };
    let mut held = template;
    held["template"]["settings"]["index.number_of_replicas"] = json!("0");
    let held = vec![Item::new(Kind::IndexTemplate, "t", held)];
    let target =
        Inventory { side: side(Version::opensearch(3, 0)), items: held, notes: Vec::new() };
    let nowhere = || cluster::Settings::new("http://nowhere");
    let mut settings = Settings::new(Source::Cluster(Box::new(nowhere())), nowhere());
    settings.rules = Some(rules(&json!([
        {"when": "type == 'index_template'", "jq": ".body.template.settings.index.number_of_replicas = 0"},
        {"when": "name == 'gone'", "jq": "empty"},
        {"when": "name == 'logs'", "jq": ".name = \"moved\""},
    ])));
    let abilities = Abilities { target: Target::opensearch(3, 0), policies: false };
    let plan = Plan::build(&source, &target, abilities, &settings);
    let of = |kind, name: &str| {
        plan.items.iter().find(|item| item.kind == kind && item.name == name).unwrap()
    };
    assert_eq!(of(Kind::IndexTemplate, "t").state, State::ExistsEqual);
    assert_eq!(of(Kind::Index, "gone").state, State::Skipped("rule 2 (jq) drops it".into()));
    assert_eq!(of(Kind::Index, "moved").source_name.as_deref(), Some("logs"));
    assert_eq!(of(Kind::Alias, "a").body.open(), json!({"moved": {}}));
}
