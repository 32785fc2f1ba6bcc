//! Rules in jq: what they may give, and that one without an end ends.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::time::{Duration, Instant};

use rules::{Applied, Engine, Handed, Rules, Why};
use serde_json::json;

fn engine(program: &str) -> Engine {
    let limits = json!({"time": "200ms", "outputs": 100, "stack": "256KiB"});
    let configuration = json!({"rules": [{"jq": program}], "limits": limits}).to_string();
    let rules = Rules::parse(&configuration, Handed::List, &mut |name| Err(name.into())).unwrap();
    Engine::new(&rules).unwrap()
}

fn gives(program: &str, message: &str) -> Result<Vec<String>, Why> {
    match engine(program).apply(message.as_bytes()) {
        Ok(Applied::Untouched) => panic!("a rule without a condition"),
        Ok(Applied::Messages(messages)) => {
            Ok(messages.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
        }
        Err(error) => Err(error.why),
    }
}

#[test]
fn a_program_changes_drops_and_splits() {
    let rename = ".document.host = .document.hostname | del(.document.hostname)";
    let given = gives(rename, r#"{"document":{"n":1.0,"hostname":"h"}}"#).unwrap();
    assert_eq!(given, [r#"{"document":{"n":1.0,"host":"h"}}"#]);
    for dropped in ["empty", "null", "select(.n > 5)", "if .n == 1 then empty else . end"] {
        assert_eq!(gives(dropped, r#"{"n":1}"#).unwrap(), [""; 0], "{dropped}");
    }
    assert_eq!(gives("{n: .list[]}", r#"{"list":[1,2]}"#).unwrap(), [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert_eq!(gives("repeat(.)", "{}"), Err(Why::Outputs(100)));
    assert_eq!(gives(".a", r#"{"a":[1]}"#), Err(Why::NoMessage("an array")));
}

#[test]
fn the_language_is_whole() {
    for (program, expected) in [
        ("def f($n): if $n == 0 then 0 else $n + f($n - 1) end; {s: f(5)}", r#"{"s":15}"#),
        (
            "{a: [range(0; 10; 3)], b: [range(3; 0; -1)], c: [range(2)]}",
            r#"{"a":[0,3,6,9],"b":[3,2,1],"c":[0,1]}"#,
        ),
        ("reduce .l[] as $x ({s: 0}; .s += $x)", r#"{"s":6}"#),
        ("{f: [foreach .l[] as $x (0; . + $x)]}", r#"{"f":[1,3,6]}"#),
        ("with_entries(select(.key == \"t\"))", r#"{"t":"Ab"}"#),
        ("{w: (walk(if type == \"number\" then . + 1 else . end) | .l)}", r#"{"w":[2,3,4]}"#),
        ("del(.l[] | select(. == 2)) | del(.t)", r#"{"l":[1,3]}"#),
        ("{p: [paths(type == \"number\")]}", r#"{"p":[["l",0],["l",1],["l",2]]}"#),
        (
            "{s: (.t | sub(\"A\"; \"x\")), d: (.t | ascii_downcase), at: (0 | todate)}",
            r#"{"s":"xb","d":"ab","at":"1970-01-01T00:00:00Z"}"#,
        ),
        (
            "{a: (try error(\"e\") catch .), b: (.x // 1), c: (.l | add / length)}",
            r#"{"a":"e","b":1,"c":2}"#,
        ),
        (
            "{u: (until(.n > 9; .n = (.n // 0) + 1) | .n), f: first(recurse(.n = 1; .n != 1) | .t)}",
            r#"{"u":10,"f":"Ab"}"#,
        ),
    ] {
        let given = gives(program, r#"{"l":[1,2,3],"t":"Ab"}"#);
        assert_eq!(given.unwrap(), [expected], "{program}");
    }
    let numbers = r#"{"a":[1.0,1e3,0.10000000000000000555,9007199254740993,1e400]}"#;
    assert_eq!(gives(".", numbers).unwrap(), [numbers]);
}

#[test]
fn a_program_without_an_end_ends() {
    let endless = [
        "def f: f; f",
        "[range(0; infinite)]",
        "last(repeat(1))",
        "reduce range(1000000000) as $x (0; . + $x)",
        "until(false; .)",
        "[recurse(.)] | length",
        "def f: try f catch f; f",
        "first(range(0; infinite) | select(. < 0))",
        "[range(1000)] | [.[] as $a | .[] as $b | .[] as $c | .[] as $d | 1] | length",
        "[limit(1000000000; repeat(1))] | length",
        "{a: last(range(0; infinite))}",
        "\"\\(last(repeat(1)))\"",
        ".[last(repeat(\"a\"))]",
    ];
    for program in endless {
        let began = Instant::now();
        let failed = gives(program, "{}").unwrap_err();
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "{program}: {took:?}");
        assert!(matches!(failed, Why::Time(_) | Why::Stack(_)), "{program}: {failed}");
    }
    for program in ["def f: 1 + f; f", "def f: [f]; f", "def f: .a, (f | f); f"] {
        let failed = gives(program, "{}").unwrap_err();
        let expected = matches!(failed, Why::Stack(_) | Why::Time(_) | Why::Outputs(_));
        assert!(expected, "{program}: {failed}");
    }
}

#[test]
fn there_is_nothing_of_the_host() {
    for program in ["env", "{a: env.PATH}", "halt", "halt_error"] {
        let failed = gives(program, "{}").unwrap_err();
        assert!(failed.to_string().contains("no access"), "{program}: {failed}");
    }
    for program in ["debug", "stderr", "debug(\"x\")"] {
        assert_eq!(gives(program, "{}").unwrap(), ["{}"], "{program}");
    }
    for program in ["input", "$ENV", "import \"a\" as a; .", "include \"a\"; .", "input_filename"] {
        let configuration = json!([{"jq": program}]).to_string();
        let refused =
            Rules::parse(&configuration, Handed::List, &mut |name| Err(name.into())).unwrap_err();
        assert!(refused.to_string().starts_with("rule 1 (jq): "), "{refused}");
    }
}
