use super::*;

#[test]
fn yaml_is_read_as_the_servers_read_it() {
    let source = "---\n\
        b: yes\n\
        a: 'yes'\n\
        one: 12345678901234567890123\n\
        float: +1_000.\n\
        small: -.5e-3\n\
        octal: 010\n\
        hex: 0x1F\n\
        bits: -0b1_01\n\
        none_too: !!null x\n\
        untagged: ! 5\n\
        time: 12:30\n\
        date: 2014-01-01\n\
        none: ~\n\
        empty:\n\
        nan: .nan\n\
        text: |\n  x\n  \"y\"\n\
        list: [1, two, {c: \"\\u00e9\"}]\n\
        anchored: &name z\n\
        alias: *name\n\
        typed: !!str 5\n\
        binary: !!binary |\n  AQID\n  BA==\n\
        1: x\n\
        b: again\n";
    let expected = concat!(
        r#"{"b":true,"a":"yes","one":12345678901234567890123,"float":1000.0,"small":-0.5e-3,"#,
        r#""octal":"010","hex":31,"bits":-5,"none_too":null,"untagged":5,"time":"12:30","date":"2014-01-01","none":null,"empty":null,"#,
        r#""nan":"NaN","text":"x\n\"y\"\n","list":[1,"two",{"c":"é"}],"anchored":"z","#,
        r#""alias":"name","typed":"5","binary":"AQIDBA==","1":"x","b":"again"}"#
    );
    assert_eq!(text(source.as_bytes()), expected);
    assert_eq!(
        line(source.as_bytes(), &Limits::default()).unwrap().form,
        Form::Transcoded(Format::Yaml)
    );
}

#[test]
fn what_is_no_single_object_is_an_error() {
    assert_eq!(problem(b"---\na: 1\n---\nb: 2\n"), Problem::Trailing { bytes: 9 });
    assert_eq!(problem(b"---\nx\n"), Problem::NotAnObject);
    assert!(matches!(problem(b"---\n? [a]\n: 1\n"), Problem::Corrupt(_)));
    assert!(matches!(problem(b"---\na: [1\n"), Problem::Corrupt(_)));
    assert_eq!(problem(b"---\na: \xFF\n"), Problem::Text { encoding: "UTF-8" });
}

proptest! {
    #[test]
    fn json_is_yaml(document in documents()) {
        let flow = serde_json::to_string_pretty(&document).unwrap();
        prop_assert_eq!(parsed(text(format!("---\n{flow}").as_bytes()).as_bytes()), document);
    }
}
