//! What a test sends to a real server.

use backfill::action::{Action, Operation};
use backfill::send::{Batch, BatchBuilder, Class, Gzip, Outcome, Place, SendSettings, Sender};
use cluster::{BulkReply, Cluster, Method, Request, Settings, encode_segment};
use serde_json::{Value, json};
use testbed::Server;

pub(super) struct Target {
    cluster: Cluster,
}

impl Target {
    pub(super) async fn of(server: &Server) -> Self {
        Self { cluster: Cluster::connect(Settings::new(server.url())).await.unwrap() }
    }

    pub(super) fn sender(&self, settings: SendSettings) -> Sender {
        Sender::new(self.cluster.clone(), settings)
    }

    pub(super) async fn ask(&self, method: Method, path: impl Into<String>, body: Value) -> Value {
        let request = match body {
            Value::Null => Request::new(method, path),
            body => Request::json(method, path, body.to_string()),
        };
        serde_json::from_slice(&self.cluster.call(request).await.unwrap().body).unwrap()
    }

    pub(super) async fn make(&self, index: &str, mappings: Value) {
        let settings = json!({"number_of_shards": 2, "number_of_replicas": 0});
        let body = json!({"settings": settings, "mappings": mappings});
        self.ask(Method::PUT, format!("/{index}"), body).await;
    }

    pub(super) async fn count(&self, index: &str) -> u64 {
        self.ask(Method::POST, format!("/{index}/_refresh"), Value::Null).await;
        self.ask(Method::GET, format!("/{index}/_count"), Value::Null).await["count"]
            .as_u64()
            .unwrap()
    }

    pub(super) async fn get(&self, index: &str, id: &str, routing: &str) -> Value {
        let path = format!("/{index}/_doc/{}?routing={routing}", encode_segment(id));
        self.ask(Method::GET, path, Value::Null).await
    }
}

pub(super) struct Documents(BatchBuilder);

impl Documents {
    pub(super) fn of(index: &str) -> Self {
        Self(BatchBuilder::new(Some(index.into())))
    }

    pub(super) fn add(&mut self, id: &str, version: Option<u64>, source: &str) -> &mut Self {
        let operation = if version.is_some() { Operation::Index } else { Operation::Create };
        let action = Action { operation, index: None, id, routing: Some("r"), version };
        let place = Place { segment: 0, document: self.0.len() as u32 };
        self.0.push(&action, source.as_bytes(), place);
        self
    }

    pub(super) fn batch(&mut self) -> Batch {
        self.0.take()
    }
}

pub(super) fn classes(outcome: &Outcome) -> Vec<(usize, Class)> {
    outcome.failed.iter().map(|failed| (failed.position, failed.class)).collect()
}

/// An id of every kind of character, within the 512 bytes that a cluster allows.
fn every_character() -> Vec<String> {
    let ascii: String = (1..128u8).map(char::from).collect();
    let others = "äßéñ Ωж 漢字 👩‍🚀 \u{7f}\u{80}\u{a0}\u{2028}\u{2029}\u{feff}\u{fffd}\u{10ffff}";
    vec![ascii, others.into(), "\\\"/?#%&+ .".into(), "é".repeat(256)]
}

/// What one batch can hold, on one server.
pub(super) async fn every_kind_of_document(server: &Server) {
    let target = Target::of(server).await;
    let mappings = json!({"dynamic": "strict", "properties": {
        "n": {"type": "integer"}, "text": {"type": "text"}, "any": {"type": "object", "enabled": false}}});
    target.make("kinds", mappings).await;
    let sender = target.sender(SendSettings { gzip: Gzip::On, ..SendSettings::default() });

    let mut documents = Documents::of("kinds");
    documents.add("newer", Some(10), r#"{"n":10}"#).add("same", Some(10), r#"{"n":10}"#);
    let outcome = sender.send(&documents.batch()).await.unwrap();
    assert_eq!((outcome.written, outcome.accounted()), (2, 2), "{outcome:?}");

    let largest = (1u64 << 63) - 1;
    let too_long = "x".repeat(513);
    documents
        .add("plain", Some(1), r#"{"n":1, "text" : "as it was, 1.0e2" }"#)
        .add("newer", Some(9), r#"{"n":9}"#)
        .add("same", Some(10), r#"{"n":11}"#)
        .add("conflict", Some(1), r#"{"n":"not a number"}"#)
        .add("unknown", Some(1), r#"{"other":1}"#)
        .add("malformed", Some(1), r#"{"n":1"#)
        .add(&too_long, Some(1), "{}")
        .add("created", None, "{}")
        .add("created", None, "{}")
        .add("zero", Some(0), "{}")
        .add("largest", Some(largest), "{}")
        .add("no object", Some(1), "[1]");
    let ids = every_character();
    for (at, id) in ids.iter().enumerate() {
        documents.add(id, Some(3), &json!({"n": at, "any": {"a\nb": [id]}}).to_string());
    }
    let batch = documents.batch();
    let outcome = sender.send(&batch).await.unwrap();
    assert_eq!(outcome.accounted(), batch.len() as u64);
    assert_eq!((outcome.written, outcome.superseded), (5 + ids.len() as u64, 2), "{outcome:?}");
    let found = classes(&outcome);
    assert_eq!(found[..2], [(3, Class::Mapping), (4, Class::Mapping)]);
    let places: Vec<_> = found.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [3, 4, 5, 6, 11], "{outcome:?}");
    assert_eq!((found[2].1, found[3].1), (Class::Malformed, Class::Malformed), "{outcome:?}");
    let because = &outcome.failed[0].reason;
    assert!(because.contains("number_format_exception") || because.contains("not a number"));

    assert_eq!(target.count("kinds").await, 6 + ids.len() as u64);
    let plain = target.get("kinds", "plain", "r").await;
    assert_eq!((&plain["_version"], &plain["_routing"]), (&json!(1), &json!("r")));
    assert_eq!(target.get("kinds", "newer", "r").await["_source"]["n"], 10);
    assert_eq!(target.get("kinds", "same", "r").await["_source"]["n"], 11);
    assert_eq!(target.get("kinds", "largest", "r").await["_version"], largest);
    for (at, id) in ids.iter().enumerate() {
        let held = target.get("kinds", id, "r").await;
        assert_eq!((&held["_id"], &held["_source"]["n"]), (&json!(id), &json!(at)));
    }

    // Its answer is of the kind that is counted, not parsed.
    let lines = "{\"index\":{\"_id\":\"counted\"}}\n{}\n".repeat(3);
    let path = "/kinds/_bulk?filter_path=took,errors,items.*.status,items.*.error";
    let reply = target.cluster.call(Request::ndjson(Method::POST, path, lines)).await.unwrap();
    assert_eq!(BulkReply::all_succeeded(&reply.body), Some(3), "{}", reply.excerpt());

    // Again: nothing changes, and everything is accounted for as before.
    let again = sender.send(&batch).await.unwrap();
    assert_eq!(again.accounted(), batch.len() as u64);
    assert_eq!((again.written, again.superseded), (4 + ids.len() as u64, 3));
    assert_eq!(classes(&again), found);
}
