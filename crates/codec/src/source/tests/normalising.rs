use super::*;

fn normalised(source: &[u8]) -> (String, Vec<Change>) {
    let normalised = normalise(source, &Limits::default()).unwrap_or_else(|e| panic!("{e}"));
    (String::from_utf8(normalised.json).unwrap(), normalised.changes.iter().collect())
}

#[test]
fn what_servers_let_in_becomes_strict() {
    use Change::*;
    for (source, expected, changes) in [
        ("{ \"a\" : [ 1 , 2 ] }\n", r#"{"a":[1,2]}"#, &[][..]),
        ("{a:1,$b_1:2,@#*-+:3,é:4}", r#"{"a":1,"$b_1":2,"@#*-+":3,"é":4}"#, &[UnquotedName]),
        ("/* x */{//y\r\"a\"/**/:1}//z", r#"{"a":1}"#, &[Comment]),
        ("{\"a\":1,\"b\":2,\"a\":3}", r#"{"b":2,"a":3}"#, &[DuplicateName]),
        ("{\"a\":1,\"\\u0061\":[2],\"a\":3}", r#"{"a":3}"#, &[DuplicateName]),
        (
            "{\"a\":{\"b\":1,\"b\":2},\"c\":{\"b\":1,\"b\":2},\"a\":{\"b\":3}}",
            r#"{"c":{"b":2},"a":{"b":3}}"#,
            &[DuplicateName],
        ),
        ("{\"a\":[{\"a\":1},{\"a\":1}]}", r#"{"a":[{"a":1},{"a":1}]}"#, &[]),
        ("{\"a\":\"x\ny\t\u{1}\"}", r#"{"a":"x\ny\t\u0001"}"#, &[ControlCharacter]),
        ("{\"a\":[NaN,-Infinity]}", r#"{"a":["NaN","-Infinity"]}"#, &[NonFinite]),
        ("{\"a\":1}{\"b\":2}", r#"{"a":1}"#, &[Trailing]),
        ("{\"a\":1}/*", r#"{"a":1}"#, &[Comment, Trailing]),
        ("\u{FEFF}{}", "{}", &[Mark]),
        (
            "{\"a\":[-0,1.50,1E400,123456789012345678901234567890]}",
            r#"{"a":[-0,1.50,1E400,123456789012345678901234567890]}"#,
            &[],
        ),
        (
            r#"{"\ud800":1,"\uD800":2,"\ud800\udc00":3,"𐀀":4}"#,
            "{\"\\uD800\":2,\"𐀀\":4}",
            &[DuplicateName],
        ),
    ] {
        assert_eq!(
            normalised(source.as_bytes()),
            (expected.to_owned(), changes.to_vec()),
            "{source}"
        );
    }
    let half = b"{\"a\":\"x\xED\xA0\xBD\xED\xB8\x80y\"}";
    assert_eq!(normalised(half), (r#"{"a":"x\uD83D\uDE00y"}"#.to_owned(), vec![Surrogate]));
    assert_eq!(
        normalised(b":)\n\x01\xFA\x80b\xC2\x40\xC4\xFB"),
        ("{\"b\":2}".to_owned(), vec![DuplicateName])
    );
    let changes = normalise(b"{a:1 /**/}", &Limits::default()).unwrap().changes;
    assert_eq!(changes.to_string(), "unquoted_name, comment");
}

#[test]
fn what_no_server_let_in_is_an_error() {
    for (source, offset) in [
        ("{'a':1}", 1),
        ("{\"a\":'x'}", 5),
        ("{\"a\":01}", 7),
        ("{\"a\":+1}", 5),
        ("{\"a\":1.}", 7),
        ("{\"a\":[1,]}", 8),
        ("{\"a\":1,}", 7),
        ("{\"a\" 1}", 5),
        ("{\"a\":tru}", 5),
        ("{\"a\":\"\\x\"}", 6),
        ("{\"a\":\"\\u12g4\"}", 6),
        ("{\"a\":[1 2]}", 8),
        ("{\"a\":[1}", 7),
        ("{\"a\":1", 6),
        ("{\"a", 3),
        ("{\"a\":\"\\", 6),
        ("[]", 0),
    ] {
        let (offset_found, format) = match normalise(source.as_bytes(), &Limits::default()) {
            Err(error) => (error.offset, error.format),
            Ok(normalised) => panic!("{source}: {normalised:?}"),
        };
        if format.is_some() {
            assert_eq!(offset_found, offset, "{source}");
        }
    }
    let error = normalise(b"{\"a\":\"x\xFF\"}", &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "JSON _source, byte 7: a text is not UTF-8");
}

#[test]
fn depth_and_length_are_bounded_in_normalising() {
    let deep = format!("{{\"a\":{}", "[".repeat(1 << 20));
    let error = normalise(deep.as_bytes(), &Limits::default()).unwrap_err();
    assert_eq!(error.problem, Problem::TooDeep { limit: 1000 });
    let limits = Limits { output: 10, ..Limits::default() };
    let error = normalise(b"{\"a\":\"\x01\x01\"}", &limits).unwrap_err();
    assert_eq!(error.problem, Problem::TooLong { limit: 10 });
}

proptest! {
    #[test]
    fn the_last_of_a_name_stays(names in prop::collection::vec("[a-c]", 1..12)) {
        let members: Vec<String> =
            names.iter().enumerate().map(|(at, name)| format!("\"{name}\":{{\"{name}\":{at},\"{name}\":{at}}}")).collect();
        let source = format!("{{{}}}", members.join(","));
        let (json, _) = normalised(source.as_bytes());
        // serde_json keeps the last one, too.
        prop_assert_eq!(parsed(json.as_bytes()), parsed(source.as_bytes()));
        let mut kept = names.clone();
        kept.sort_unstable();
        kept.dedup();
        prop_assert_eq!(json.matches('{').count(), kept.len() + 1);
    }
}
