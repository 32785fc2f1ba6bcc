//! Rules in JavaScript: what they see, what they may give, and that a hostile one harms nobody.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::time::{Duration, Instant};

use rules::{Applied, Engine, Handed, Rules, Why};
use serde_json::{Value, json};

fn engine(configuration: &Value) -> Engine {
    let rules =
        Rules::parse(&configuration.to_string(), Handed::List, &mut |name| Err(name.into()))
            .unwrap();
    Engine::new(&rules).unwrap()
}

fn script(source: &str) -> Engine {
    let limits = json!({"time": "200ms", "memory": "8MiB"});
    engine(&json!({"rules": [{"js": source}], "limits": limits}))
}

/// A script of the other configuration, whose objects are Maps too.
fn of_reference(source: &str, bindings: Value) -> Engine {
    let settings = json!({"initializationScript": source, "bindingsObject": bindings});
    engine(&json!([{"JsonJSTransformerProvider": settings}]))
}

fn apply(engine: &mut Engine, message: &str) -> Result<Vec<String>, Why> {
    match engine.apply(message.as_bytes()) {
        Ok(Applied::Untouched) => panic!("a rule without a condition"),
        Ok(Applied::Messages(messages)) => {
            Ok(messages.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
        }
        Err(error) => Err(error.why),
    }
}

fn gives(source: &str, message: &str) -> Result<Vec<String>, Why> {
    apply(&mut script(source), message)
}

#[test]
fn a_script_changes_drops_and_splits() {
    let change = "(bindings) => (m) => { m.b = m.a + 1; delete m.a; return m; }";
    assert_eq!(gives(change, r#"{"a":1}"#).unwrap(), [r#"{"b":2}"#]);
    assert_eq!(gives("() => m => null", "{}").unwrap(), [""; 0]);
    assert_eq!(gives("() => m => []", "{}").unwrap(), [""; 0]);
    let split = "() => m => m.list.map(n => ({n}))";
    assert_eq!(gives(split, r#"{"list":[1,"two"]}"#).unwrap(), [r#"{"n":1}"#, r#"{"n":"two"}"#]);
    let asynchronous = "() => async m => { m.a = await Promise.resolve(1); return m; }";
    assert_eq!(gives(asynchronous, "{}").unwrap(), [r#"{"a":1}"#]);
    let many = "() => m => Array(5000).fill(m)";
    assert_eq!(gives(many, "{}"), Err(Why::Outputs(1000)));
}

#[test]
fn what_is_not_touched_comes_out_digit_by_digit() {
    let message = concat!(
        r#"{"z":1,"a":[1.0,1e3,1.10,-0.0,0.10000000000000000555,1E400,9007199254740993,"#,
        r#"-9223372036854775808,18446744073709551616123,4294967296,9007199254740991],"#,
        r#""text":"\u0001\"é😀","__proto__":{"x":1},"size":2,"":null,"t":true}"#
    );
    for engine in [&mut script("() => m => m"), &mut of_reference("b => m => m", json!({}))] {
        assert_eq!(apply(engine, message).unwrap(), [message]);
    }
    let moved = "() => m => ({...m, moved: [m.a, m.b, m.c], a: undefined, b: undefined})";
    let given = gives(moved, r#"{"a":1.0,"b":9007199254740993,"c":2.50}"#).unwrap();
    assert_eq!(given, [r#"{"c":2.50,"moved":[1.0,9007199254740993,2.50]}"#]);
}

#[test]
fn numbers_that_javascript_confuses_are_never_mixed_up() {
    let sum = "() => m => ({sum: m.a + m.b})";
    assert_eq!(gives(sum, r#"{"a":0.5,"b":0.25}"#).unwrap(), [r#"{"sum":7.5e-1}"#]);
    assert_eq!(gives(sum, r#"{"a":10.5,"b":0.5}"#).unwrap(), [r#"{"sum":11}"#]);
    let thrown = gives(sum, r#"{"a":9007199254740993,"b":1}"#).unwrap_err();
    assert!(matches!(&thrown, Why::Thrown(text) if text.starts_with("TypeError")), "{thrown}");
    let text = "() => m => ({text: String(m.a), big: m.a + 1n})";
    let given = gives(text, r#"{"a":9007199254740993}"#).unwrap();
    assert_eq!(given, [r#"{"text":"9007199254740993","big":9007199254740994}"#]);
    let both = r#"{"a":0.1,"b":0.10000000000000000555}"#;
    assert!(matches!(gives("() => m => m", both), Err(Why::Numbers(..))));
    assert!(matches!(gives("() => m => ({n: 0 / 0})", "{}"), Err(Why::Value(_))));
}

#[test]
fn what_is_no_message_is_refused() {
    for (result, expected) in [
        ("undefined", "undefined"),
        ("7", "a number"),
        ("'text'", "a string"),
        ("true", "a boolean"),
        ("[[1]]", "an array"),
    ] {
        let error = gives(&format!("() => m => ({result})"), "{}").unwrap_err();
        assert!(matches!(error, Why::NoMessage(kind) if kind == expected), "{result}: {error}");
    }
    for result in ["() => 1", "{f: () => 1}", "Symbol()", "{s: Symbol()}", "{u: '\\ud800'}"] {
        let error = gives(&format!("() => m => ({result})"), "{}").unwrap_err();
        assert!(matches!(error, Why::Value(_)), "{result}: {error}");
    }
    for result in ["new Set([1])", "/x/", "new Number(1)", "new Uint8Array(3)", "new Error('e')"] {
        let error = gives(&format!("() => m => ({{v: {result}}})"), "{}").unwrap_err();
        assert!(matches!(&error, Why::Thrown(text) if text.contains("can't be part")), "{error}");
    }
    let cyclic = "() => m => { m.self = m; return m; }";
    assert_eq!(gives(cyclic, "{}"), Err(Why::Deep));
    let date = "() => m => ({at: new Date(0), map: new Map([['a', new Map()]]), none: undefined})";
    let given = gives(date, "{}").unwrap();
    assert_eq!(given, [r#"{"at":"1970-01-01T00:00:00.000Z","map":{"a":{}}}"#]);
    // Each level holds the one below it twice.
    let bomb =
        "() => m => { let o = {}; for (let i = 0; i < 60; i++) o = {a: o, b: o}; return o; }";
    assert!(matches!(gives(bomb, "{}"), Err(Why::Memory(_) | Why::Time(_))));
}

#[test]
fn a_hostile_script_costs_its_message_and_nothing_else() {
    let hostile = "() => m => {
        switch (m.do) {
            case 'loop': for (;;) {}
            case 'catch': for (;;) { try { for (;;) {} } catch {} }
            case 'promises': return (async () => { for (;;) await 0; })();
            case 'never': return new Promise(() => {});
            case 'memory': { const all = []; for (;;) all.push(new Array(1000).fill(m)); }
            case 'string': { let s = 'x'; for (;;) s += s; }
            case 'typed': return new Uint8Array(1 << 30);
            case 'stack': { const f = n => 1 + f(n + 1); return f(0); }
            case 'regex': return /^(a+)+$/.test('a'.repeat(40) + 'b');
            case 'getter': return { get a() { for (;;) {} } };
            case 'json': return { toJSON() { return this; } };
            case 'wait': return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
            case 'throw': throw { toString() { for (;;) {} } };
            case 'import': return import('fs');
            case 'proxy': return new Proxy({}, { ownKeys() { for (;;) {} } });
        }
        return m;
    }";
    let mut engines = ["200ms", "20s"].map(|time| {
        let limits = json!({"time": time, "memory": "8MiB"});
        engine(&json!({"rules": [{"js": hostile}], "limits": limits}))
    });
    let cases = [
        "loop", "catch", "promises", "never", "memory", "string", "typed", "stack", "regex",
        "getter", "json", "wait", "throw", "import", "proxy",
    ];
    for case in cases {
        let [short, long] = &mut engines;
        let engine =
            if ["memory", "string", "typed", "stack"].contains(&case) { long } else { short };
        let began = Instant::now();
        let failed = apply(engine, &format!("{{\"do\":\"{case}\"}}"));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "{case}: {took:?}");
        let failed = failed.unwrap_err();
        let expected = match case {
            "loop" | "catch" | "promises" | "regex" | "getter" | "proxy" => {
                matches!(failed, Why::Time(_))
            }
            "memory" | "typed" => matches!(failed, Why::Memory(_)),
            "string" => matches!(failed, Why::Memory(_) | Why::Thrown(_)),
            "stack" => matches!(failed, Why::Stack(_)),
            _ => true,
        };
        assert!(expected, "{case}: {failed}");
        assert_eq!(apply(engine, r#"{"a":1.0}"#).unwrap(), [r#"{"a":1.0}"#], "{case}");
    }
}

#[test]
fn what_a_script_keeps_is_thrown_away_when_it_gets_too_much() {
    let mut engine = script(
        "() => { const all = []; return m => { all.push('x'.repeat(100000) + m.n); return m; } }",
    );
    for n in 0..300 {
        let message = format!("{{\"n\":{n}}}");
        assert_eq!(apply(&mut engine, &message).unwrap(), [message]);
    }
}

#[test]
fn there_is_nothing_of_the_host() {
    let names =
        "['require','process','fetch','std','os','load','print','setTimeout','Deno','scriptArgs']";
    let source = format!("() => m => ({{found: {names}.filter(n => n in globalThis)}})");
    assert_eq!(gives(&source, "{}").unwrap(), [r#"{"found":[]}"#]);
    let changed =
        "() => { Object.prototype.hasOwnProperty = 0; Map.prototype.entries = 0; Array.from = 0;
        return m => { console.log(m); return new Map([['a', m.a]]); } }";
    assert_eq!(gives(changed, r#"{"a":1}"#).unwrap(), [r#"{"a":1}"#]);
}

#[test]
fn scripts_of_the_reference_run_unchanged() {
    // In the shape that its documentation shows: `main`, Maps or objects, alone or in a list.
    let source = "
        function main(context) {
            const rules = context.get('rules');
            const one = (item) => {
                if (item instanceof Map && item.get('schema') === 'rfs-opensearch-bulk-v1') {
                    const document = item.get('document');
                    for (const { when, set, remove = [] } of rules) {
                        const matches = Object.entries(when).every(([k, v]) => document.get(k) === v);
                        if (!matches) continue;
                        Object.entries(set).forEach(([k, v]) => document.set(k, v));
                        remove.forEach((key) => document.delete(key));
                    }
                    document.set('keys', [...document.keys()].join());
                    document.set('entries', document.size);
                    item.operation._index = item.operation?._index + '-new';
                }
                return item;
            };
            return (message) => Array.isArray(message) ? message.flat().map(one) : one(message);
        }
        if (typeof module !== 'undefined' && module.exports) { module.exports = main; }
        (() => main)();
    ";
    let bindings =
        json!({"rules": [{"when": {"type": "a"}, "set": {"type": "b"}, "remove": ["x"]}]});
    let message = r#"{"schema":"rfs-opensearch-bulk-v1","operation":{"_index":"i"},"document":{"type":"a","x":1,"y":1.0}}"#;
    let expected = r#"{"schema":"rfs-opensearch-bulk-v1","operation":{"_index":"i-new"},"document":{"type":"b","y":1.0,"keys":"type,y","entries":3}}"#;
    // Bindings come as an object or as its text.
    for bindings in [json!(bindings.to_string()), bindings] {
        assert_eq!(apply(&mut of_reference(source, bindings), message).unwrap(), [expected]);
    }
    let listed = "b => messages => messages.filter(m => m.get('n') > 1)";
    assert_eq!(apply(&mut of_reference(listed, json!({})), r#"{"n":1}"#).unwrap(), [""; 0]);
    let flat = json!([{"FlatteningJsonArrayTransformerProvider": {"JsonJSTransformerProvider":
        {"initializationScript": "b => m => m.set('list', Array.isArray(m))"}}}]);
    assert_eq!(apply(&mut engine(&flat), "{}").unwrap(), [r#"{"list":false}"#]);
}
