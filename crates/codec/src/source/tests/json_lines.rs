use super::*;

#[test]
fn json_without_a_newline_is_borrowed() {
    for source in
        [&br#"{"a":1}"#[..], b" \t{\"a\": 1}\r", b"{a:1 /* x */} // y", b"/**/{}", br#"{"a":"\n"}"#]
    {
        let line = line(source, &Limits::default()).unwrap();
        assert_eq!(line.form, Form::AsStored);
        let Cow::Borrowed(json) = line.json else { panic!("copied: {source:?}") };
        assert_eq!(json, source);
    }
    let marked = line(b"\xEF\xBB\xBF{}", &Limits::default()).unwrap();
    assert!(matches!(marked.json, Cow::Borrowed(b"{}")));
}

#[test]
fn newlines_and_comments_go_and_nothing_else() {
    for (source, expected) in [
        ("{\"a\": 1}\n", "{\"a\": 1}"),
        ("\n{\r\n  \"a\": [\n    1,\n    2 ]\n}", "{\r  \"a\": [    1,    2 ]}"),
        ("{ // a \"comment\"\n\"a\":1}", "{ \"a\":1}"),
        ("{\"a\":1 // no newline\n}// and none here", "{\"a\":1 }"),
        ("{ // up to a return\r\"a\":\n1}", "{ \r\"a\":1}"),
        ("{/* a\n\" */\"a\"/**/:/* * / **/1}\n", "{\"a\":1}"),
        ("{\"a\":\"// no\",\n\"b\":\"/* no */\"}", "{\"a\":\"// no\",\"b\":\"/* no */\"}"),
        ("{\"a\\\"// \":\n\"\\\\\" // x\n}", "{\"a\\\"// \":\"\\\\\" }"),
        ("{\"a\":\"x\ny\"}", "{\"a\":\"x\\ny\"}"),
        ("{\"a\":\"x\\\ny\"}", "{\"a\":\"x\\\\\\ny\"}"),
        ("{#a: 1,\nb/:2}", "{#a: 1,b/:2}"),
        ("{\"a\":1\n2/**/3,\n\"b\":tr\nue}", "{\"a\":1 2 3,\"b\":tr ue}"),
        ("{\"a\n", "{\"a\\n"),
    ] {
        assert_eq!(text(source.as_bytes()), expected, "{source:?}");
    }
    let error = line(b"{\n /* x", &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "JSON _source, byte 3: a comment does not end");
}

#[test]
fn utf16_is_json_too() {
    let json = "{\"a\":\n\"\u{FC}\u{1F600}\"}";
    let little: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = json.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let expected = "{\"a\":\"\u{FC}\u{1F600}\"}";
    for source in [
        &little[..],
        &big,
        &[&[0xFF, 0xFE], &little[..]].concat(),
        &[&[0xFE, 0xFF], &big[..]].concat(),
    ] {
        assert_eq!(text(source), expected);
    }
    assert_eq!(problem(&little[..5]), Problem::Truncated);
    assert_eq!(problem(b"{\0\x00\xD8"), Problem::Text { encoding: "UTF-16" });
}

/// Puts newlines, whitespace and comments between the tokens of `json`.
fn adorned(json: &str, adornments: &[String]) -> String {
    let mut adorned = String::new();
    let mut adornments = adornments.iter().cycle();
    let mut in_text = false;
    let mut escaped = false;
    for character in json.chars() {
        let token = !in_text && matches!(character, '{' | '}' | '[' | ']' | ':' | ',');
        if token {
            adorned.extend(adornments.next().map(String::as_str));
        }
        adorned.push(character);
        if token {
            adorned.extend(adornments.next().map(String::as_str));
        }
        if character == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && character == '\\' && !escaped;
    }
    adorned
}

fn adornments() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ \t\r\n]{0,4}",
        "//[^\r\n]{0,8}[\r\n]",
        "[^/*]{0,8}".prop_map(|inside| format!("/*{inside}*/")),
        "[\n ]//\"[^\r\n]{0,4}\n",
    ]
}

proptest! {
    #[test]
    fn one_line_is_the_same_document(
        document in documents(),
        pretty in any::<bool>(),
        adornments in prop::collection::vec(adornments(), 1..8),
    ) {
        let json = match pretty {
            true => serde_json::to_string_pretty(&document).unwrap(),
            false => document.to_string(),
        };
        let source = format!("{}\n", adorned(&json, &adornments));
        let line = line(source.as_bytes(), &Limits::default()).unwrap();
        prop_assert!(!line.json.contains(&b'\n'));
        prop_assert_eq!(parsed(&line.json), document.clone());
        let normalised = normalise(source.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(parsed(&normalised.json), document);
    }
}
