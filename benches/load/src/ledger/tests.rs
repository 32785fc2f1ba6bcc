use serde_json::json;

use super::*;

const INDEX: &str = "things";

fn key(id: &str) -> Key {
    Key { index: INDEX, id: id.to_owned() }
}

fn version(seq_no: u64) -> Option<Version> {
    Some(Version { primary_term: 1, seq_no })
}

fn document(n: u32) -> State {
    State::Document(fingerprint(&json!({ "n": n }), None))
}

/// What the ledger says of a cluster that has these documents.
fn complaints(ledger: &Ledger, documents: &[(&str, u32)]) -> Vec<(String, &'static str)> {
    let mut check = ledger.check();
    for (id, n) in documents {
        check.found(INDEX, id, None, &json!({ "n": n }));
    }
    check.finish().into_iter().map(|violation| (violation.id, violation.what)).collect()
}

#[test]
fn the_highest_version_wins_in_whatever_order_the_answers_came() {
    let mut ledger = Ledger::default();
    ledger.acknowledge(key("a"), Writers::Many, version(7), document(7));
    ledger.acknowledge(key("a"), Writers::Many, version(5), State::Absent);
    let later = Some(Version { primary_term: 2, seq_no: 1 });
    ledger.acknowledge(key("b"), Writers::Many, later, State::Absent);
    ledger.acknowledge(key("b"), Writers::Many, version(9), document(9));
    assert_eq!(complaints(&ledger, &[("a", 7)]), []);
    let wrong = complaints(&ledger, &[("a", 5), ("b", 9)]);
    let expected = [
        ("a".to_owned(), "has another content than was acknowledged"),
        ("b".to_owned(), "was deleted"),
    ];
    assert_eq!(wrong, expected);
    assert_eq!(complaints(&ledger, &[]), [("a".to_owned(), "is missing")]);
}

#[test]
fn a_write_without_an_answer_may_have_happened_or_not() {
    let mut ledger = Ledger::default();
    ledger.acknowledge(key("a"), Writers::One, version(1), document(1));
    ledger.unanswered(key("a"), document(2));
    ledger.unanswered(key("b"), document(3));
    assert_eq!(complaints(&ledger, &[("a", 1)]), []);
    assert_eq!(complaints(&ledger, &[("a", 2), ("b", 3)]), []);
    assert_eq!(complaints(&ledger, &[("a", 3)]).len(), 1);
    assert_eq!(complaints(&ledger, &[]).len(), 1);
    assert_eq!(ledger.version(&key("a")), None);
}

#[test]
fn an_answer_without_a_version_is_certain_only_with_one_writer() {
    let mut ledger = Ledger::default();
    for (id, writers) in [("one", Writers::One), ("many", Writers::Many)] {
        ledger.acknowledge(key(id), writers, version(1), document(1));
        ledger.acknowledge(key(id), writers, None, document(2));
    }
    assert_eq!(complaints(&ledger, &[("one", 2), ("many", 1)]), []);
    assert_eq!(complaints(&ledger, &[("one", 2), ("many", 2)]), []);
    assert_eq!(complaints(&ledger, &[("one", 1), ("many", 3)]).len(), 2);
    // What follows with a version is compared with the last known one.
    ledger.acknowledge(key("one"), Writers::One, version(3), State::Absent);
    assert_eq!(complaints(&ledger, &[("many", 1)]), []);
}

#[test]
fn documents_without_a_told_id_are_counted() {
    let mut ledger = Ledger::default();
    ledger.acknowledge_nameless(fingerprint(&json!({"n": 1}), None));
    ledger.unanswered_nameless(fingerprint(&json!({"n": 2}), None));
    assert_eq!(complaints(&ledger, &[("x", 1)]), []);
    assert_eq!(complaints(&ledger, &[("x", 1), ("y", 2)]), []);
    assert_eq!(complaints(&ledger, &[("x", 1), ("y", 1)]), [("y".into(), "nobody wrote it")]);
    assert_eq!(complaints(&ledger, &[("y", 2)])[0].1, "is missing");
    assert_eq!(complaints(&ledger, &[("x", 1), ("z", 9)]), [("z".into(), "nobody wrote it")]);
}

#[test]
fn a_fingerprint_knows_routing_and_not_the_order_of_keys() {
    let one: Value = serde_json::from_str(r#"{"a":{"x":1,"y":[1,2]},"b":null}"#).unwrap();
    let two: Value = serde_json::from_str(r#"{"b":null,"a":{"y":[1,2],"x":1}}"#).unwrap();
    assert_eq!(fingerprint(&one, None), fingerprint(&two, None));
    assert_ne!(fingerprint(&one, Some("r")), fingerprint(&one, None));
    assert_ne!(fingerprint(&json!([1, 2]), None), fingerprint(&json!([2, 1]), None));
}
