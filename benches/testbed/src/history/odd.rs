//! Sources that are no JSON at all, or none by the book. Which of them a server takes depends on its
//! version; each is offered, and what was refused is kept with the reason.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

/// A body as sent, and what it means.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) means: Value,
}

/// What it is, the id, the body.
pub(super) fn bodies(random: &mut StdRng) -> Vec<(String, String, Body)> {
    let mut bodies = Vec::new();
    for n in 0..5 {
        let source = json!({
            "level": "info",
            "message": format!("body {n} é 🐦 \"q\" {}", "long ".repeat(random.random_range(0..200))),
            "size": random.random_range(-1_000_000..1_i64 << 40),
            "took": f64::from(random.random_range(-1_000_000..1_000_000)) / 64.0,
            "ok": random.random_bool(0.5),
            "client": {"address": "10.0.0.1", "port": random.random_range(0..65_536)},
            "tags": ["a", "b", "c"],
        });
        let smile = serde_smile::to_vec(&source).expect("JSON is SMILE");
        let cbor = cbor(&source);
        // Old readers of YAML take nothing beyond 16 bits.
        let plain = json!({"message": format!("body {n} é 鳥"), "size": source["size"].clone()});
        let yaml = yaml(&plain);
        for (what, content_type, bytes, means) in [
            ("SMILE", "application/smile", smile, source.clone()),
            ("CBOR", "application/cbor", cbor, source),
            ("YAML", "application/yaml", yaml, plain),
        ] {
            let body = Body { content_type, bytes, means };
            bodies.push((what.to_owned(), format!("{}-{n}", what.to_lowercase()), body));
        }
    }
    let texts = [
        ("line comments", "{ // one {\n\"level\": \"info\", // two \" '\n\"size\": 1 //\n}"),
        ("block comments", "{/* { */\"level\"/**/:/* * / \n */\"info\",\"size\":1/***/}"),
        ("comments like paths", "{\"level\":\"info\",/*//*/\"size\":1\n// /* \n}"),
        ("names without quotes", "{level: \"info\",\n size : 1}"),
        ("a name twice", "{\"level\":\"debug\",\"size\":1,\"level\":\"info\"}"),
    ];
    for (n, (what, text)) in texts.into_iter().enumerate() {
        let bytes = text.as_bytes().to_vec();
        let means = json!({"level": "info", "size": 1});
        let body = Body { content_type: "application/json", bytes, means };
        bodies.push((what.to_owned(), format!("text-{n}"), body));
    }
    bodies
}

/// Block YAML whose values are written as JSON.
fn yaml(source: &Value) -> Vec<u8> {
    let lines = source.as_object().into_iter().flatten();
    let lines = lines.map(|(name, value)| format!("{name}: {value}\n"));
    format!("---\n{}", lines.collect::<String>()).into_bytes()
}

/// CBOR with maps and lists of no given length, as Elasticsearch itself writes it.
fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_cbor(value, &mut out);
    out
}

fn put_cbor(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xF6),
        Value::Bool(bool) => out.push(if *bool { 0xF5 } else { 0xF4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => put_cbor_head(0, positive, out),
            (None, Some(negative)) => put_cbor_head(1, !negative.cast_unsigned(), out),
            (None, None) => {
                out.push(0xFB);
                out.extend(number.as_f64().unwrap_or_default().to_be_bytes());
            }
        },
        Value::String(text) => put_cbor_text(text, out),
        Value::Array(values) => {
            out.push(0x9F);
            values.iter().for_each(|value| put_cbor(value, out));
            out.push(0xFF);
        }
        Value::Object(fields) => put_cbor_map(fields, out),
    }
}

fn put_cbor_map(fields: &Map<String, Value>, out: &mut Vec<u8>) {
    out.push(0xBF);
    for (name, value) in fields {
        put_cbor_text(name, out);
        put_cbor(value, out);
    }
    out.push(0xFF);
}

fn put_cbor_text(text: &str, out: &mut Vec<u8>) {
    put_cbor_head(3, u64::try_from(text.len()).expect("a length fits"), out);
    out.extend(text.as_bytes());
}

fn put_cbor_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let (code, from) = match argument {
        0..24 => return out.push(major << 5 | bytes[7]),
        24..0x100 => (24, 7),
        0x100..0x1_0000 => (25, 6),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 0),
    };
    out.push(major << 5 | code);
    out.extend(&bytes[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cbor_of_the_standards_examples() {
        let check = |value: Value, expected: &[u8]| assert_eq!(cbor(&value), expected, "{value}");
        check(json!(23), &[0x17]);
        check(json!(24), &[0x18, 0x18]);
        check(json!(1_000_000), &[0x1A, 0, 0x0F, 0x42, 0x40]);
        check(json!(-1), &[0x20]);
        check(json!(-1_000), &[0x39, 0x03, 0xE7]);
        check(json!(1.1), &[0xFB, 0x3F, 0xF1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9A]);
        check(json!("ü"), &[0x62, 0xC3, 0xBC]);
        check(json!({"a": [null, true]}), &[0xBF, 0x61, b'a', 0x9F, 0xF6, 0xF5, 0xFF, 0xFF]);
    }

    #[test]
    fn yaml_begins_as_servers_know_it() {
        let yaml = String::from_utf8(yaml(&json!({"a": 1, "b": ["x"]}))).unwrap();
        assert_eq!(yaml, "---\na: 1\nb: [\"x\"]\n");
    }
}
