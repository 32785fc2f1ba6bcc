use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn policy(key: Option<&[u8]>) -> Redaction {
    Redaction::of(
        &names(&["X-Customer"]),
        &names(&["token"]),
        &names(&["email", "card.number"]),
        key,
    )
}

/// A body as it is stored when it comes in pieces cut at `cuts`, each at a place of its own in the stream.
fn stored(redaction: &Redaction, body: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut search = redaction.body(b"POST /_bulk HTTP/1.1\r\n\r\n").unwrap();
    let mut secrets = Secrets::new();
    let mut start = 0;
    for cut in cuts.iter().copied().chain([body.len()]) {
        search.next(redaction, &body[start..cut], start, &mut secrets);
        start = cut;
    }
    search.end(&mut secrets);
    let mut stored = body.to_vec();
    cover(&mut stored, &secrets);
    stored
}

#[test]
fn heads_lose_credentials_named_fields_and_parameters() {
    let head = b"GET /i/_search?token=abc&size=1 HTTP/1.1\r\nauthorization: Basic xyz\r\nx-customer: ann\r\n\r\n";
    let mut covered = head.to_vec();
    cover(&mut covered, &policy(None).in_head(head));
    let expected = "GET /i/_search?token=***&size=1 HTTP/1.1\r\nauthorization: Basic ***\r\nx-customer: ***\r\n\r\n";
    assert_eq!(String::from_utf8(covered).unwrap(), expected);
    let hashed = |value: &str| {
        let mut head = format!("GET / HTTP/1.1\r\nx-customer: {value}\r\n\r\n").into_bytes();
        let secrets = policy(Some(b"key")).in_head(&head);
        cover(&mut head, &secrets);
        head
    };
    assert_eq!(hashed("ann"), hashed("ann"));
    assert_ne!(hashed("ann"), hashed("bob"));
    assert!(!String::from_utf8(hashed("ann")).unwrap().contains("ann"));
}

#[test]
fn fields_of_documents_are_covered_wherever_they_are() {
    let body = br#"{"index":{"_id":"1"}}
{"name":"x","email":"a\"b@c","user":{"email":["p",{"deep":7,"flag":true}],"id":5},"card":{"number":"4111","holder":"H"}}
{"card.number":-12.5e3,"numbers":["email"],"nothing": null , "email" : false}
{email:"bare", "\u0065mail":"escaped"}
"#;
    let stored = String::from_utf8(stored(&policy(None), body, &[])).unwrap();
    let expected = r#"{"index":{"_id":"1"}}
{"name":"x","email":"******","user":{"email":["*",{"deep":1,"flag":null}],"id":5},"card":{"number":"****","holder":"H"}}
{"card.number":-11.1e1,"numbers":["email"],"nothing": null , "email" : null }
{email:"****", "\u0065mail":"*******"}
"#;
    assert_eq!(stored, expected);
}

#[test]
fn what_can_t_be_read_is_covered_whole() {
    let redaction = policy(None);
    for (head, body) in [
        ("POST / HTTP/1.1\r\ncontent-encoding: gzip\r\n\r\n", &b"\x1f\x8b..."[..]),
        ("POST / HTTP/1.1\r\nContent-Type: application/smile\r\n\r\n", b"{...}"),
        ("POST / HTTP/1.1\r\n\r\n", b":)\n\x00"),
        ("POST / HTTP/1.1\r\n\r\n", b"\xa1aab"),
        ("POST / HTTP/1.1\r\n\r\n", b"\0{\0\"\0e\0m\0a\0i\0l\0\"\0:\0\"\0a\0\"\0}"),
    ] {
        let mut search = redaction.body(head.as_bytes()).unwrap();
        let mut secrets = Secrets::new();
        search.next(&redaction, body, 0, &mut secrets);
        let mut covered = body.to_vec();
        cover(&mut covered, &secrets);
        assert_eq!(covered, vec![b'*'; body.len()], "{head}");
    }
}

/// YAML, which Elasticsearch before 6 knows by its first bytes.
#[test]
fn nothing_is_told_of_what_begins_with_dashes_but_the_first() {
    for cut in 0..4 {
        let stored = stored(&policy(None), b"---\nemail: ann@example.org\n", &[cut]);
        assert_eq!(String::from_utf8(stored).unwrap(), format!("-{}", "*".repeat(26)));
    }
}

/// JSON in UTF-16 or -32, which servers find out by where its zeros are; also that of one line of a bulk.
#[test]
fn from_a_zero_byte_on_everything_is_covered_wherever_it_is_cut() {
    let little: Vec<u8> = r#"{"email":"ann@"}"#.bytes().flat_map(|byte| [byte, 0]).collect();
    let bulk = [&b"{\"index\":{}}\n"[..], &little, b"\n{\"email\":\"ann@\"}\n"].concat();
    for key in [None, Some(&b"key"[..])] {
        let redaction = policy(key);
        for cut in 0..bulk.len() {
            let stored = String::from_utf8(stored(&redaction, &bulk, &[cut])).unwrap();
            let expected = format!("{{\"index\":{{}}}}\n{{{}", "*".repeat(bulk.len() - 14));
            assert_eq!(stored, expected, "{cut}");
        }
        let open = stored(&redaction, b"{\"email\":\"ann\0\",\"a\":\"b\"}", &[12]);
        assert_eq!(String::from_utf8(open).unwrap(), format!("{{\"email\":\"{}", "*".repeat(14)));
    }
}

#[test]
fn from_a_comment_on_everything_is_covered_wherever_it_is_cut() {
    for (begins, rest) in [
        (r#"{"a":"/","email""#, r#"/**/:"ann@"}"#),
        (r#"{"a":1"#, "/*\"*/,\"email\":\"ann@\"}"),
        (r#"{a"#, "//\n}"),
        (r#"{"a":"#, r#"/"email"/1}"#),
        ("", "// {\n{\"email\":\"ann@\"}"),
    ] {
        let whole = [begins, rest].concat();
        for cut in 0..whole.len() {
            let stored =
                String::from_utf8(stored(&policy(None), whole.as_bytes(), &[cut])).unwrap();
            assert_eq!(stored, format!("{begins}{}", "*".repeat(rest.len())), "{whole} {cut}");
        }
    }
}

#[test]
fn a_number_before_a_comment_is_hashed_as_a_whole_wherever_it_is_cut() {
    let redaction = policy(Some(b"key"));
    let body = br#"{"email":1234567/**/}"#;
    let whole = stored(&redaction, body, &[]);
    assert!(!whole.starts_with(br#"{"email":*"#), "{}", String::from_utf8_lossy(&whole));
    for cut in 0..body.len() {
        assert_eq!(stored(&redaction, body, &[cut]), whole, "{cut}");
    }
}

#[test]
fn a_value_that_never_ends_or_is_too_long_tells_nothing() {
    let redaction = policy(Some(b"key"));
    let body = format!(r#"{{"email":"{}"#, "a".repeat(100));
    let stored_body = stored(&redaction, body.as_bytes(), &[30]);
    assert!(stored_body.ends_with("*".repeat(100).as_bytes()));
    let long = format!(r#"{{"email":"{}","email":"b"}}"#, "a".repeat(70_000));
    let stored_long = String::from_utf8(stored(&redaction, long.as_bytes(), &[40_000])).unwrap();
    assert_eq!(stored_long.matches('*').count(), 70_000);
    assert!(!stored_long.contains(r#""b""#));
}

#[test]
fn covers_go_with_the_pieces_that_secrets_are_cut_into() {
    let secret = Secret { range: 5..12, cover: Cover::Bytes(b"ABCDEFG".as_slice().into()) };
    let mut data = *b"0123456789abcdef";
    let (first, second) = data.split_at_mut(8);
    cover(first, std::slice::from_ref(&secret));
    cover(second, &shifted(&[secret], 8));
    assert_eq!(&data, b"01234ABCDEFGcdef");
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-z\"\\\\ü/{}:,]{0,8}".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof!["[a-c]{1,2}", Just("email".to_owned()), Just("card".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Whether two documents are the same but for what is under `email`, which must have changed where it says something.
fn same_but_secrets(before: &Value, after: &Value, secret: bool) -> bool {
    match (before, after) {
        (Value::Object(b), Value::Object(a)) => {
            b.len() == a.len()
                && b.iter().all(|(key, value)| {
                    a.get(key).is_some_and(|v| same_but_secrets(value, v, secret || key == "email"))
                })
        }
        (Value::Array(b), Value::Array(a)) => {
            b.len() == a.len() && b.iter().zip(a).all(|(b, a)| same_but_secrets(b, a, secret))
        }
        (Value::Bool(_), Value::Null) => secret,
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_)) if secret => {
            true
        }
        _ => before == after,
    }
}

proptest! {
    #[test]
    fn documents_stay_documents_and_what_is_stored_does_not_depend_on_cuts(
        documents in prop::collection::vec(document(), 1..4),
        cuts in prop::collection::vec(0.0..1.0, 0..6),
        keyed in any::<bool>(),
    ) {
        let body = documents.iter().map(|document| format!("{document}\n")).collect::<String>();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| (cut * body.len() as f64) as usize).collect();
        cuts.sort_unstable();
        let redaction = policy(keyed.then_some(b"key"));
        let whole = stored(&redaction, body.as_bytes(), &[]);
        prop_assert_eq!(&stored(&redaction, body.as_bytes(), &cuts), &whole);
        let text = String::from_utf8(whole).unwrap();
        for (before, after) in documents.iter().zip(text.lines()) {
            let after: Value = serde_json::from_str(after).unwrap();
            prop_assert!(same_but_secrets(before, &after, false), "{} {}", before, after);
        }
    }

    #[test]
    fn any_bytes_in_any_pieces_keep_their_length_and_end_nothing(
        body in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\":,\\ e1"[..])], 0..200),
        cut in 0usize..200,
    ) {
        let redaction = policy(Some(b"key"));
        let cut = cut.min(body.len());
        prop_assert_eq!(stored(&redaction, &body, &[cut]).len(), body.len());
    }
}
