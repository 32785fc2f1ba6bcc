//! Sources of every format, written by encoders that are not ours, and damaged ones.

mod binary;
mod compression;
mod damage;
mod json_lines;
mod normalising;
mod yaml_documents;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// What `source` becomes, as text.
fn text(source: &[u8]) -> String {
    let line = line(source, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8(line.json.into_owned()).unwrap()
}

fn problem(source: &[u8]) -> Problem {
    line(source, &Limits::default()).unwrap_err().problem
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-40_i64..40).prop_map(Value::from),
        // Read back exactly by any parser, and from the float that an encoder may shorten them to.
        any::<i16>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        "[a-c]{1,3}".prop_map(Value::from),
        "\\PC{0,80}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

/// Documents whose names and texts come again and again.
fn documents() -> impl Strategy<Value = Value> {
    let names = prop_oneof!["[a-c]{1,2}", "\\PC{0,70}", any::<String>()];
    let values = scalars().prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d]{0,3}", values, 0..10)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

#[test]
fn an_error_says_the_format_the_place_and_the_problem() {
    let error = line(b":)\n\x00\xFA\x80a\x24", &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "SMILE _source, byte 8: it ends in the middle");
    assert_eq!((error.format, error.offset), (Some(Format::Smile), 8));
    let error = line(b"\x00\x01", &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "_source, byte 0: [00, 01] begins no format that a server stores"
    );
    assert_eq!(problem(b""), Problem::Empty);
}

#[test]
fn nothing_is_appended_on_an_error() {
    let mut out = b"before".to_vec();
    append(b":)\n\x00\xFA\x80a\x24", &Limits::default(), &mut out).unwrap_err();
    assert_eq!(out, b"before");
    append(b"{\n}", &Limits::default(), &mut out).unwrap();
    assert_eq!(out, b"before{}");
    // What is before is not a part of it: nothing to keep apart from.
    let mut out = b"x".to_vec();
    append(b"\n/**/y", &Limits::default(), &mut out).unwrap();
    assert_eq!(out, b"xy");
}
