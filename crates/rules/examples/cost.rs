//! What rules cost a document of 1 KB, in CPU time: `cargo run --release -p rules --example cost`.

use std::time::Duration;

use rules::{Engine, Handed, Rules};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

const ROUNDS: u32 = 5;
const DOCUMENTS: u32 = 20_000;

/// CPU time of this thread.
fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let items: Vec<_> = (0..6).map(|n| json!({"sku": format!("s{n}"), "qty": n})).collect();
    let message = json!({
        "schema": "rfs-opensearch-bulk-v1",
        "operation_type": "index",
        "operation": {"_index": "logs", "_id": "id-1234"},
        "include_document": true,
        "source_metadata": {"_version": "1", "_seq_no": "3", "_primary_term": "1"},
        "document": {
            "ts": "2024-02-11T01:00:00.001Z", "host": "host-1", "status": 301, "score": 25.25,
            "ratio": 0.43365, "message": "request handled by a worker of many. ".repeat(12),
            "user": {"name": "u1", "age": 31, "addr": {"city": "Zürich", "zip": "8001"}},
            "items": items, "tags": ["a", "b", "c"], "ok": true, "note": null,
        },
    });
    let message = message.to_string();
    let nothing = json!({"when": "operation._index == 'other'", "jq": "."});
    let rename =
        "def move($a; $b): .document |= (.[$b] = .[$a] | del(.[$a])); move(\"host\"; \"hostname\")";
    let js =
        "() => (m) => { m.document.hostname = m.document.host; delete m.document.host; return m; }";
    let maps = "() => (list) => list.map((m) => { const d = m.get('document'); \
        d.set('hostname', d.get('host')); d.delete('host'); return m; })";
    let reference = json!({"JsonJSTransformerProvider": {"initializationScript": maps}});
    println!("a message of {} bytes, µs each", message.len());
    for (name, rule) in [
        ("a condition that doesn't hold", nothing),
        ("jq, nothing done", json!({"jq": "."})),
        ("jq, a field renamed", json!({"jq": rename})),
        ("JavaScript, nothing done", json!({"js": "() => (m) => m"})),
        ("JavaScript, a field renamed", json!({"js": js})),
        ("the same, of JsonJSTransformerProvider", reference),
    ] {
        let text = json!([rule]).to_string();
        let began = now();
        let rules = Rules::parse(&text, Handed::List, &mut |name| Err(name.into()))?;
        let compiled = now() - began;
        let mut engine = Engine::new(&rules)?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let began = now();
            for _ in 0..DOCUMENTS {
                engine.apply(message.as_bytes())?;
            }
            rounds.push((now() - began) / DOCUMENTS);
        }
        rounds.sort_unstable();
        let median = rounds[rounds.len() / 2].as_secs_f64() * 1e6;
        println!("{name:40} {median:7.1}   (compiled in {compiled:.1?})");
    }
    Ok(())
}
