//! What a configuration says and what is said of a wrong one.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use proptest::prelude::*;
use rules::{Applied, Engine, Handed, Rules};

fn parse(text: &str) -> Result<Rules, String> {
    let mut read = |name: &str| match name {
        "rename.jq" => Ok(".b = .a | del(.a)".to_owned()),
        "drop.js" => Ok("(bindings) => (m) => m.n > bindings.most ? null : m".to_owned()),
        _ => Err("there is no such file".to_owned()),
    };
    Rules::parse(text, Handed::List, &mut read).map_err(|error| error.to_string())
}

fn apply(rules: &Rules, message: &str) -> Option<Vec<String>> {
    match Engine::new(rules).unwrap().apply(message.as_bytes()).unwrap() {
        Applied::Untouched => None,
        Applied::Messages(messages) => {
            Some(messages.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
        }
    }
}

#[test]
fn rules_apply_in_order_and_where_their_condition_holds() {
    let text = "
limits: {time: 2s, memory: 32MiB, outputs: 10}
rules:
  - when: kind == 'a'
    jq-file: rename.jq
  - js-file: drop.js
    bindings: {most: 5}
    when: document.n || n
";
    let rules = parse(text).unwrap();
    assert_eq!(rules.limits().memory, 32 << 20);
    // Byte for byte, whatever they are.
    assert_eq!(apply(&rules, r#"{ "kind":"b", "x":1, "x":2 }"#), None);
    let some = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(apply(&rules, r#"{"kind":"a","a":1}"#), some(r#"{"kind":"a","b":1}"#));
    assert_eq!(apply(&rules, r#"{"kind":"a","a":1,"n":6}"#), Some(vec![]));
    assert_eq!(apply(&rules, r#"{"n":5}"#), some(r#"{"n":5}"#));
    assert_eq!(rules.fingerprint(), parse(text).unwrap().fingerprint());
    assert_ne!(rules.fingerprint(), parse(&text.replace("5}", "6}")).unwrap().fingerprint());
}

#[test]
fn the_example_of_the_documentation_is_valid() {
    let page = include_str!("../../../docs/backfill.md");
    let begin = page.find("limits: {time").unwrap();
    let end = begin + page[begin..].find("```").unwrap();
    let mut read = |_: &str| Ok("(bindings) => (messages) => messages".to_owned());
    let rules = Rules::parse(&page[begin..end], Handed::List, &mut read).unwrap();
    assert_eq!(rules.limits(), &rules::Limits::default());
    assert_eq!(apply(&rules, r#"{"document":{"level":"debug"}}"#), Some(vec![]));
}

#[test]
fn the_examples_for_items_and_requests_are_valid_too() {
    for (page, first) in [
        (include_str!("../../../docs/metadata.md"), "- when: type == 'index'"),
        (include_str!("../../../docs/replayer.md"), "- when: method == 'POST'"),
    ] {
        let begin = page.find(first).unwrap();
        let end = begin + page[begin..].find("```").unwrap();
        let mut read = |_: &str| Ok("(() => (bindings) => (message) => message)()".to_owned());
        Rules::parse(&page[begin..end], Handed::Message, &mut read).unwrap();
    }
}

#[test]
fn what_a_message_carries_is_needed_only_by_rules_that_apply_and_look_at_it() {
    for (text, needed) in [
        ("- {when: \"method == 'PUT'\", jq: .}", false),
        ("- {when: \"method == 'GET'\", jq: .}", true),
        ("- {when: \"method == 'GET'\", jq: '.a = 1', body: false}", false),
        ("- {when: payload.a, jq: .}", true),
        ("- {when: 'length(@)', jq: ., body: false}", true),
        ("- {when: '*.a', jq: ., body: false}", true),
        ("- {when: '\"\\u0070ayload\".a', jq: ., body: false}", true),
        ("- jq: .", true),
        // What a rule makes of the message may be what the next one is for.
        ("- {jq: ., body: false}\n- {when: \"method == 'PUT'\", jq: .}", true),
        ("- {jq: ., body: false}\n- {when: \"method == 'PUT'\", jq: ., body: false}", false),
        (
            "- JsonConditionalTransformerProvider: [{JsonJMESPathPredicateProvider: {script: \"method == 'PUT'\"}}, \
             [{JsonJSTransformerProvider: {initializationScript: '() => m => m'}}]]",
            false,
        ),
    ] {
        let mut read = |name: &str| Err(name.to_owned());
        let rules = Rules::parse(text, Handed::Message, &mut read).unwrap();
        let mut engine = Engine::new(&rules).unwrap();
        let head = br#"{"method":"GET","headers":{}}"#;
        assert_eq!(engine.needs(head, "payload"), Ok(needed), "{text}");
    }
}

#[test]
fn each_rule_that_made_something_is_told() {
    let rules = parse("- jq: .a = 1\n- {when: b, jq: .c = 1}\n- jq: '., .'").unwrap();
    let traced = Engine::new(&rules).unwrap().trace(b"{}").unwrap();
    let told: Vec<_> = traced.iter().map(|one| (&one.rule[..], one.messages.len())).collect();
    assert_eq!(told, [("rule 1 (jq)", 1), ("rule 3 (jq)", 2)]);
}

#[test]
fn the_references_names_are_understood() {
    let rules = parse(
        r#"[{"NoopTransformerProvider": null},
            {"JsonConditionalTransformerProvider": [
                {"JsonJMESPathPredicateProvider": {"script": "kind == 'a'"}},
                [{"JsonJSTransformerProvider": {"initializationScript": "() => list => list.map(m => { m.kind = 'b'; return m; })"}},
                 {"JsonConditionalTransformerProvider": [
                    {"JsonJSPredicateProvider": {"initializationScript": "() => m => m.get('n') === 1"}},
                    {"JsonJSTransformerProvider": {"initializationScript": "() => list => []"}}]}]]}]"#,
    )
    .unwrap();
    assert_eq!(apply(&rules, r#"{"kind":"c","n":1}"#), None);
    // The condition was asked once, before the first of its rules changed what it asks for.
    assert_eq!(
        apply(&rules, r#"{"kind":"a","n":2}"#),
        Some(vec![r#"{"kind":"b","n":2}"#.to_owned()])
    );
    assert_eq!(apply(&rules, r#"{"kind":"a","n":1}"#), Some(vec![]));
}

#[test]
fn types_stand_in_the_list_and_are_no_rule() {
    let types = r#"{"TypeMappingSanitizationTransformerProvider": {"index_mappings": {}}}"#;
    let with_types = |text: &str| {
        let mut read = |name: &str| Err(name.to_owned());
        let found = Rules::parse_with_types(text, Handed::Message, &mut read);
        found.map_err(|error| error.to_string())
    };
    let found = with_types(&format!("[{types}]")).unwrap();
    assert!(found.rules.is_none());
    assert_eq!(found.types.unwrap()["index_mappings"], serde_json::json!({}));
    let found = with_types(&format!(r#"[{types}, {{"jq": ".a = 1"}}]"#)).unwrap();
    let traced = Engine::new(&found.rules.unwrap()).unwrap().trace(b"{}").unwrap();
    assert_eq!(traced[0].rule, "rule 2 (jq)");
    assert!(with_types("- jq: .").unwrap().types.is_none());
    for (text, expected) in [
        (
            format!("[{types}, {types}]"),
            "rule 2 (TypeMappingSanitizationTransformerProvider): it is there twice",
        ),
        (
            r#"[{"TypeMappingSanitizationTransformerProvider": {}, "jq": "."}]"#.to_owned(),
            "stands alone",
        ),
        ("[]".to_owned(), "empty"),
    ] {
        let error = with_types(&text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    // Who can't follow it refuses it.
    let error = parse(&format!("[{types}]")).unwrap_err();
    assert!(error.contains("the replayer alone takes it"), "{error}");
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("[", "the rules can't be read"),
        ("", "neither a list nor a map"),
        ("[]", "empty"),
        ("{}", "without `rules`"),
        ("rules: []\nrulez: []", "`rulez`"),
        ("- jq: .\n- jq: '.a ='", "rule 2 (jq): at its end: "),
        ("- jq: foo(1)", "rule 1 (jq): there is no filter foo"),
        ("- jq: .\n  js: x", "rule 1: exactly one of"),
        ("- when: a", "rule 1: exactly one of"),
        ("- jq: .\n  whem: a", "rule 1: there is no `whem`"),
        ("- jq: 7", "`jq`: a string"),
        ("- jq: .\n  bindings: {}", "jq takes no `bindings`"),
        ("- jq: .\n  when: 'a =='", "rule 1 (jq), when: "),
        ("- jq-file: absent", "absent: there is no such file"),
        ("- js: '(x'", "rule 1 (js): the script threw SyntaxError"),
        ("- js: '7'", "rule 1 (js): it failed: it gives no function but int"),
        ("- js: () => 7", "called with its bindings, it gives no function"),
        ("- js: for (;;) {}", "didn't end within"),
        ("- js: |\n    () => (m) => {\n      m.a = ;\n    }", "at rule.js:2:"),
        ("- jq: |\n    .a |\n    .b = (1 +", "at its end"),
        ("[{\"jq\": \".\"},\n {\"jq\": ]", "line 2"),
        ("- text", "rule 1: a map"),
        ("rules: [{jq: .}]\nlimits: {time: soon}", "limits.time"),
        ("rules: [{jq: .}]\nlimits: {tiem: 1s}", "limits.tiem"),
        ("rules: [{jq: .}]\nlimits: {stack: 1GiB}", "limits.stack: 8MiB"),
        (
            r#"[{"JsonJoltTransformerProvider": {"script": {}}}]"#,
            "rule 1 (JsonJoltTransformerProvider): there is no Jolt",
        ),
        (r#"[{"JsonPythonTransformerProvider": {}}]"#, "no Python"),
        (r#"[{"JsonSomeTransformerProvider": {}}]"#, "no such provider"),
        (r#"[{"JsonJSTransformerProvider": {}}]"#, "exactly one of `initializationScript`"),
        (
            r#"[{"JsonJSTransformerProvider": {"initializationResourcePath": "js/x.js"}}]"#,
            "resources",
        ),
        (
            r#"[{"JsonJSTransformerProvider": {"initializationScript": "() => m => m", "bindingsObjectDirs": []}}]"#,
            "`bindingsObjectDirs`",
        ),
        (
            r#"[{"JsonJSTransformerProvider": {"initializationScript": "() => m => m", "bindingsObject": "{"}}]"#,
            "isn't JSON",
        ),
        (
            r#"[{"JsonConditionalTransformerProvider": [{"JsonJMESPathPredicateProvider": {"script": "a"}}]}]"#,
            "a list of a predicate",
        ),
        (
            r#"[{"JsonConditionalTransformerProvider": [{"Other": {}}, []]}]"#,
            "JsonJMESPathPredicateProvider or",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_configuration_panics(text in "[\\[\\]{}:,\"'|a-z0-9 \\n.-]{0,60}") {
        let _ = parse(&text);
        let _ = parse(&format!("- jq: '{}'", text.replace('\'', "")));
        let _ = parse(&format!("- js: |\n    {}", text.replace('\n', " ")));
        let _ = parse(&format!("- jq: .\n  when: '{}'", text.replace('\'', "")));
    }
}
