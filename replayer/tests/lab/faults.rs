//! Writes that the source did, as records that a test can damage; and targets that take nothing for a while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cluster::{Method, Request};
use codec::record::{Direction, Envelope};
use journal::{AppendSettings, Appender, JournalUrl, Urgency};
use serde_json::{Value, json};
use testbed::Gate;
use traffic_replayer::{Pace, Summary};

use super::{
    Lab,
    handmade::{NODE, answered, asked, now},
};

/// One request and its answer as they go over a connection.
#[derive(Debug, Clone)]
pub struct Exchanged {
    pub request: String,
    pub response: String,
}

impl Exchanged {
    /// Sent to the source, past the proxy.
    pub async fn with(lab: &Lab, method: Method, path: &str, body: &str) -> Self {
        let kind = if path.contains("_bulk") { "application/x-ndjson" } else { "application/json" };
        let mut request = Request::json(method.clone(), path, body.to_owned());
        request.headers.insert("content-type", kind.parse().unwrap());
        let reply = lab.send_to_source(request).await;
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.excerpt());
        let head = format!("host: s\r\ncontent-type: {kind}\r\ncontent-length: {}", body.len());
        let answer = std::str::from_utf8(&reply.body).unwrap();
        Self {
            request: format!("{method} {path} HTTP/1.1\r\n{head}\r\n\r\n{body}"),
            response: response(reply.status, answer),
        }
    }

    /// A document that the source was given.
    pub async fn put(lab: &Lab, id: &str, n: u64) -> Self {
        let path = format!("/{}/_doc/{id}", lab.index);
        Self::with(lab, Method::PUT, &path, &json!({"n": n}).to_string()).await
    }

    /// As two records of a connection, of which the first has this number.
    pub fn records(&self, connection: &str, number: u64) -> [Bytes; 2] {
        [asked(connection, number, &self.request), answered(connection, number + 1, &self.response)]
    }
}

/// An answer of JSON as it goes over the wire.
pub fn response(status: u16, body: &str) -> String {
    let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
    format!("HTTP/1.1 {status} Whatever\r\n{head}\r\n\r\n{body}")
}

/// A record behind one that ended inside a request.
pub fn continued(connection: &str, prior_requests: u64, number: u64, bytes: &str) -> Bytes {
    let mut record = Vec::new();
    let envelope = Envelope::new(connection, NODE);
    let prefix = envelope.prefix(prior_requests, true, Direction::Read, now(), bytes.len());
    record.extend_from_slice(&prefix);
    record.extend_from_slice(bytes.as_bytes());
    record.extend_from_slice(&Envelope::suffix(None, number, false));
    record.into()
}

/// Writes records as they are, in this order, each into a partition.
pub async fn append_raw(journal: &JournalUrl, records: &[(i32, Bytes)]) {
    let settings = AppendSettings { partitions: 3, ..AppendSettings::default() };
    let appender = Appender::open(journal, &settings).unwrap();
    for (count, (partition, record)) in records.iter().enumerate() {
        // A lane of its own for each: this writer has no opinion on their numbers.
        let lane = appender.lane_in(*partition, &format!("raw-{count}"));
        appender.append(&lane, 1, record.clone(), Urgency::Held).unwrap();
        lane.durable().reached(1).await.unwrap();
    }
    assert_eq!(appender.close(Duration::from_secs(10)), 0);
}

/// Writes 200 documents, and replays them to a target that answers 429 for so long, in the midst of it.
pub async fn replay_through_refusals(lab: &Lab, length: Duration) -> (Summary, Duration) {
    for id in 0..200 {
        let path = format!("/{}/_doc/{id}", lab.index);
        lab.ok(Method::PUT, &path, &json!({"n": id})).await;
    }
    lab.stop_proxy().await;
    let refusing = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&refusing);
    let busy =
        json!({"error": {"type": "es_rejected_execution_exception"}, "status": 429}).to_string();
    let gate = Gate::in_front_of(lab.target.addr(), move |_| {
        asked.load(Ordering::SeqCst).then(|| Gate::answer("429 Too Many Requests", "", &busy))
    });
    let gate = gate.await.unwrap();
    let began = Instant::now();
    let replay = async {
        let summary = lab.replay(|settings| {
            settings.target.url = gate.url();
            settings.pace = Pace::Rate(50.0);
        });
        (summary.await.unwrap(), began.elapsed())
    };
    let refusals = async {
        lab.wait_for(&lab.index, "60").await;
        refusing.store(true, Ordering::SeqCst);
        tokio::time::sleep(length).await;
        refusing.store(false, Ordering::SeqCst);
    };
    tokio::join!(replay, refusals).0
}

/// The `n` of a document of the target.
pub async fn on_target(lab: &Lab, id: &str) -> Value {
    let path = format!("/{}/_doc/{id}", lab.index);
    lab.on_target(Method::GET, &path).await["_source"]["n"].clone()
}
