//! The documents of a history: what is written, by round.

use rand::Rng;
use rand::distr::Alphanumeric;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::session::Item;

const LEVELS: [&str; 5] = ["debug", "info", "notice", "warning", "error"];
const WORDS: [&str; 12] = [
    "godwit",
    "tide",
    "mud",
    "flat",
    "wing",
    "ünïcode",
    "飛ぶ",
    "🐦",
    "\"quoted\"",
    "back\\slash",
    "tab\there",
    "line\nbreak",
];

/// A line of a log, of up to about 1 KB.
fn log(random: &mut StdRng) -> Value {
    let words = random.random_range(1..60);
    let bits = random.random_range(1..62);
    let message: Vec<&str> = (0..words).map(|_| *WORDS.choose(random).expect("words")).collect();
    json!({
        "time": format!("2024-{:02}-{:02}T{:02}:15:30.123Z", random.random_range(1..=12),
            random.random_range(1..=28), random.random_range(0..24)),
        "level": LEVELS.choose(random),
        "message": message.join(" "),
        "size": random.random_range(0..1_i64 << bits),
        "took": f64::from(random.random_range(0..1_000_000)) / 64.0,
        "ok": random.random_bool(0.9),
        "client": {"address": format!("10.0.0.{}", random.random_range(0..256)), "port": 443},
        "tags": WORDS.choose_multiple(random, 3).collect::<Vec<_>>(),
    })
}

fn letters(random: &mut StdRng, count: usize) -> String {
    random.sample_iter(Alphanumeric).take(count).map(char::from).collect()
}

pub(super) fn logs(index: &'static str, round: usize, random: &mut StdRng) -> Vec<Item> {
    let count = random.random_range(20..60);
    (0..count)
        .map(|n| {
            let item = Item::new(index, format!("{round}-{n}"), log(random));
            if random.random_bool(0.2) { item.routed(letters(random, 6)) } else { item }
        })
        .collect()
}

/// Documents whose parts are documents of their own in a segment: none, few, many.
pub(super) fn nested(round: usize, random: &mut StdRng) -> Vec<Item> {
    let count = random.random_range(5..20);
    (0..count)
        .map(|n| {
            let mut source = log(random);
            let most = if n == 0 { 300 } else { 6 };
            let parts = random.random_range(0..most);
            source["parts"] =
                (0..parts).map(|part| json!({"name": letters(random, 8), "count": part})).collect();
            Item::new("nested", format!("{round}-{n}"), source)
        })
        .collect()
}

/// Ids of every kind; which of them come in a round is up to the seed.
pub(super) fn ids(round: usize, random: &mut StdRng) -> Vec<Item> {
    let digits = |random: &mut StdRng, count| -> String {
        (0..count).map(|_| char::from(random.random_range(b'0'..=b'9'))).collect()
    };
    let mut ids: Vec<String> = [
        "0",
        "00",
        "007",
        "-1",
        "1.0",
        "a/b/c",
        "/",
        "?&=%+#",
        "a b",
        " ",
        "type#id",
        "{\"a\":1}",
        "'",
        "\"",
        "\\",
        "..",
        "_all",
        "-_-_",
        "AAAA",
        "____",
        "--",
        "abc=",
        "ÿ",
        "é",
        "鳥",
        "🐦🐦",
        "\u{7f}",
        "\u{80}",
        "\u{ffff}",
        "\u{10ffff}",
        "tab\t",
        "line\n",
        "\u{1}",
        "ß/%2F",
    ]
    .into_iter()
    .filter(|_| random.random_bool(0.5))
    .map(str::to_owned)
    .collect();
    for length in [1, 2, 3, 4, 9, 10, 19, 20, 21, 100] {
        ids.push(digits(random, length)); // packed two to a byte
        ids.push(letters(random, length)); // taken for base64 where its length allows
    }
    ids.push(digits(random, 512));
    ids.push(letters(random, 512));
    ids.push("é".repeat(256));
    ids.push("🐦".repeat(128));
    ids.sort_unstable();
    ids.dedup();
    let mut items: Vec<Item> = ids
        .into_iter()
        .map(|id| Item::new("ids", id, json!({"level": "info", "size": round})))
        .collect();
    for n in 0..4 {
        let version = (1 << 40) + u64::try_from(round).expect("few rounds") * 10 + n;
        let source = json!({"level": "external", "size": n});
        items.push(Item::new("ids", format!("external-{n}"), source).versioned(version));
    }
    items
}

/// Two types with the same ids.
pub(super) fn types(round: usize, random: &mut StdRng) -> Vec<Item> {
    (0..10)
        .flat_map(|n| {
            let id = format!("{round}-{n}");
            let doc = Item::new("types", id.clone(), log(random));
            [doc, Item::new("types", id, log(random)).typed("note")]
        })
        .collect()
}

/// Parents and children by `_parent`.
pub(super) fn children(round: usize, random: &mut StdRng) -> Vec<Item> {
    let mut items = Vec::new();
    for n in 0..8 {
        let mother = format!("mother-{round}-{n}");
        for child in 0..random.random_range(0..4) {
            let id = format!("child-{round}-{n}-{child}");
            let item = Item::new("family", id, log(random)).typed("child").child_of(&mother);
            items.push(if random.random_bool(0.2) {
                item.routed(letters(random, 5))
            } else {
                item
            });
        }
        items.push(Item::new("family", mother, log(random)).typed("mother"));
    }
    items
}

/// Parents and children by a `join` field.
pub(super) fn joined(round: usize, random: &mut StdRng) -> Vec<Item> {
    let mut items = Vec::new();
    for n in 0..8 {
        let mother = format!("mother-{round}-{n}");
        for child in 0..random.random_range(0..4) {
            let mut source = log(random);
            source["relation"] = json!({"name": "child", "parent": mother});
            let item = Item::new("family", format!("child-{round}-{n}-{child}"), source);
            items.push(item.routed(mother.clone()));
        }
        let mut source = log(random);
        source["relation"] = json!("mother");
        items.push(Item::new("family", mother, source));
    }
    items
}

/// Sources as texts that are no compact JSON, or of unusual values; a search shows them as they are.
pub(super) fn texts(random: &mut StdRng) -> Vec<(String, String)> {
    let pretty = serde_json::to_string_pretty(&json!({"name": "pretty", "free": log(random)}));
    let pretty = pretty.expect("JSON");
    // Two levels each. Readers of JSON here stop at 128.
    let deep = 50;
    let mut texts: Vec<(String, String)> = [
        ("empty", "{}".to_owned()),
        ("blank", " \n\t {\r\n } \n".to_owned()),
        ("windows", pretty.replace('\n', "\r\n")),
        ("pretty", pretty),
        (
            "numbers",
            concat!(
                r#"{"free":{"a":-0.0,"b":1.0,"c":0,"d":-0,"e":9223372036854775807,"#,
                r#""f":-9223372036854775808,"g":18446744073709551615,"h":1e2,"i":1E-7,"#,
                r#""j":1.7976931348623157e308,"k":5e-324,"l":0.1,"m":100000000000000000000,"#,
                r#""n":1.00000,"o":3.141592653589793}}"#,
            )
            .to_owned(),
        ),
        (
            "escapes",
            r#"{"name":"\u0041\/\b\f\n\r\t\"\\","free":{"\u00e9":"\ud83d\ude00","z":"\u0000"}}"#
                .to_owned(),
        ),
        ("comment-in-string", r#"{"name":"// no /* comment */ # here","free":{}}"#.to_owned()),
        ("lines-in-string", r#"{"name":"a\nb","free":["\\","\\\"", "\\\\" , "" ]}"#.to_owned()),
        ("deep", format!(r#"{{"free":{}{{}}{}}}"#, "{\"a\":[".repeat(deep), "]}".repeat(deep))),
        ("wide", json!({"free": (0..3_000).collect::<Vec<u32>>()}).to_string()),
        ("nulls", r#"{"name":null,"free":{"a":null,"b":[null,[],{}],"":1}}"#.to_owned()),
    ]
    .map(|(id, text)| (id.to_owned(), text))
    .into();
    // Larger than a block of any codec; once hard to compress, once easy.
    texts.push(("large".to_owned(), json!({"free": letters(random, 1 << 20)}).to_string()));
    texts.push(("regular".to_owned(), json!({"free": "godwit ".repeat(150_000)}).to_string()));
    for n in 0..random.random_range(5..20) {
        let count = random.random_range(1..40_000);
        texts.push((format!("sized-{n}"), json!({"free": letters(random, count)}).to_string()));
    }
    texts
}
