use super::*;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn targets() -> [Target; 6] {
    [
        Target::opensearch(1, 3),
        Target::opensearch(2, 19),
        Target::opensearch(3, 8),
        Target::elasticsearch(7, 10),
        Target::elasticsearch(8, 7),
        Target::elasticsearch(8, 19),
    ]
}

#[test]
fn each_key_stays_where_the_target_takes_it_and_is_named_where_not() {
    for (_, path, keys) in TABLES {
        for (key, opensearch, elasticsearch, why) in *keys {
            for target in targets() {
                let mut rules = Rules::new(None, target);
                let mut body = Map::from_iter([((*key).to_owned(), json!({"a": 1}))]);
                keep(path, keys, &mut body, &mut rules);
                let since = if target.is_elasticsearch() { elasticsearch } else { opensearch };
                let takes = since.is_some_and(|since| target.version.number() >= since);
                assert_eq!(body.contains_key(*key), takes, "{path}{key} {target:?}");
                let said: Vec<_> = rules.changes.iter().map(|c| (&c.path[..], c.why)).collect();
                let full = format!("{path}{key}");
                assert_eq!(said, if takes { vec![] } else { vec![(&full[..], *why)] });
            }
        }
    }
}

#[test]
fn what_says_nothing_is_left_out_without_a_word() {
    for nothing in [json!(null), json!(false), json!([]), json!({})] {
        let body = object(json!({"index_patterns": ["a"], "data_stream": {"hidden": nothing}}));
        let made = index_template(&body, Version::elasticsearch(7, 17), Target::default());
        assert_eq!(made.body, json!({"index_patterns": ["a"], "data_stream": {}}));
        assert_eq!(made.changes, []);
    }
}

#[test]
fn legacy_templates_of_every_age_become_one_form() {
    let old = object(json!({
        "template": "logs-*", "order": 3, "settings": {"index.refresh_interval": "5s"}, "aliases": {"all": {}},
        "mappings": {"_default_": {"_all": {"enabled": false}, "properties": {"s": {"type": "string"}}}},
    }));
    let made = legacy_template(&old, Version::elasticsearch(2, 4), Target::opensearch(2, 19));
    let expected = json!({
        "index_patterns": ["logs-*"], "order": 3, "settings": {"index.refresh_interval": "5s"},
        "aliases": {"all": {}}, "mappings": {"properties": {"s": {"type": "text"}}},
    });
    assert_eq!((made.body, made.refused.len()), (expected.clone(), 0));
    let paths: Vec<_> = made.changes.iter().map(|change| &change.path[..]).collect();
    assert_eq!(paths, ["template", "mappings._default_", "mappings._all", "mappings.properties.s"]);

    let typed = object(json!({"index_patterns": ["logs-*"], "order": 3, "aliases": {"all": {}},
        "settings": {"index": {"refresh_interval": "5s"}},
        "mappings": {"_doc": {"properties": {"s": {"type": "text"}}}}}));
    for source in [Version::elasticsearch(6, 8), Version::elasticsearch(7, 10)] {
        let made = legacy_template(&typed, source, Target::opensearch(2, 19));
        assert_eq!(made.body, expected);
    }
}

#[test]
fn several_types_are_refused_by_name_or_united() {
    let body = object(json!({"template": "*", "mappings": {
        "a": {"properties": {"x": {"type": "long"}}}, "b": {"properties": {"y": {"type": "long"}}}}}));
    let (source, target) = (Version::elasticsearch(5, 6), Target::default());
    let made = legacy_template(&body, source, target);
    assert_eq!(made.body, json!({"index_patterns": ["*"], "mappings": {}}));
    assert!(made.refused[0].why.contains("a, b"), "{:?}", made.refused);
    let made = legacy_template_of(&body, source, target, ManyTypes::Union);
    assert_eq!(made.body["mappings"]["properties"].as_object().unwrap().len(), 2);
    assert_eq!(made.refused, []);
}

#[test]
fn composable_templates_say_where_a_change_is() {
    let body = object(json!({"name": "t", "index_template": {
        "index_patterns": ["m-*"], "composed_of": ["c"], "priority": 5, "data_stream": {"hidden": true},
        "ignore_missing_component_templates": ["c"], "_meta": {"by": "us"},
        "template": {"settings": {"index": {"mode": "time_series", "final_pipeline": "p"}},
                     "mappings": {"properties": {"v": {"type": "flattened"}}},
                     "lifecycle": {"data_retention": "7d"}}}}));
    let made = index_template(&body, Version::elasticsearch(8, 19), Target::opensearch(2, 19));
    assert_eq!(
        made.body,
        json!({"index_patterns": ["m-*"], "composed_of": ["c"], "priority": 5, "data_stream": {},
               "_meta": {"by": "us"},
               "template": {"settings": {}, "mappings": {"properties": {"v": {"type": "flat_object"}}}}})
    );
    let said: Vec<_> = made.changes.iter().map(|c| (&c.path[..], c.deferred)).collect();
    assert_eq!(
        said,
        [
            ("ignore_missing_component_templates", false),
            ("data_stream.hidden", false),
            ("template.lifecycle", false),
            ("template.settings.index.final_pipeline", true),
            ("template.settings.index.mode", false),
            ("template.mappings.properties.v", false),
        ]
    );
    let same = index_template(&body, Version::elasticsearch(8, 19), Target::elasticsearch(8, 19));
    assert_eq!(same.changes.len(), 1, "{:?}", same.changes);
}

#[test]
fn components_come_with_and_without_their_name_around_them() {
    let inner = json!({"template": {"mappings": {"_doc": {"properties": {"a": {"type": "long"}}}}}, "deprecated": true});
    let source = Version::elasticsearch(8, 7);
    let expected = json!({"template": {"mappings": {"properties": {"a": {"type": "long"}}}}});
    for body in [inner.clone(), json!({"name": "c", "component_template": inner})] {
        let made = component_template(&object(body), source, Target::default());
        assert_eq!((&made.body, made.changes.len()), (&expected, 1));
    }
}

#[test]
fn an_index_with_vectors_says_so_in_its_template() {
    let target = Target { knn: true, ..Target::opensearch(2, 19) };
    let body = object(
        json!({"template": {"mappings": {"properties": {"v": {"type": "dense_vector", "dims": 3}}}}}),
    );
    let made = component_template(&body, Version::elasticsearch(8, 7), target);
    assert_eq!(made.body["template"]["settings"], json!({"index.knn": true}));
}
