//! What the source goes on doing after its answer, and what comes into the journal long after it was captured.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use cluster::{Method, Request};
use lab::{
    Lab,
    handmade::{answered_at, append, asked, asked_at, heartbeat, heartbeat_at, now},
};
use serde_json::{Value, json};
use testbed::SharedKafka;

static KAFKA: SharedKafka = SharedKafka::new();

const MINUTE: u64 = 60_000_000_000;

/// Documents that a reindex takes twenty seconds for.
const DOCUMENTS: usize = 600;
const SLOWLY: &str = "/_reindex?wait_for_completion=false&requests_per_second=30";

fn reindex(from: &str, to: &str) -> Value {
    json!({"source": {"index": from, "size": 100}, "dest": {"index": to}})
}

fn documents() -> String {
    (0..DOCUMENTS).fold(String::new(), |mut lines, id| {
        let _ = write!(lines, "{{\"index\":{{\"_id\":\"{id}\"}}}}\n{{\"n\":{id}}}\n");
        lines
    })
}

async fn count_on_target(lab: &Lab) -> Value {
    lab.change_target(Method::POST, &format!("/{}/_refresh", lab.index), &Value::Null).await;
    lab.on_target(Method::GET, &format!("/{}/_count", lab.index)).await["count"].take()
}

fn request(method: &str, path: &str, body: &Value) -> String {
    let (body, head) = (body.to_string(), "host: s\r\ncontent-type: application/json");
    format!("{method} {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reindex_that_no_client_waits_for_is_walked_when_it_is_over() {
    let lab = Lab::start("task").await;
    let from = format!("{}-from", lab.index);
    lab.bulk(&format!("/{from}/_bulk?refresh=true"), documents()).await;
    let answer = lab.ok(Method::POST, SLOWLY, &reindex(&from, &lab.index)).await;
    assert!(answer["task"].is_string(), "{answer}");
    lab.stop_proxy().await;

    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt["reindex"], 1, "{summary}");
    assert_eq!(count_on_target(&lab).await, DOCUMENTS);
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reindex_whose_answer_nobody_has_is_walked_when_it_is_over() {
    let lab = Lab::start("lost-answer").await;
    let from = format!("{}-from", lab.index);
    lab.bulk(&format!("/{from}/_bulk?refresh=true"), documents()).await;
    lab.stop_proxy().await;
    let wanted = reindex(&from, &lab.index);
    lab.directly(Method::POST, SLOWLY, &wanted).await;
    let asked = asked("slow", 1, &request("POST", "/_reindex", &wanted));
    append(&lab.journal(), &[("slow", 1, asked), ("beat", 1, heartbeat())]).await;

    let give_up = |settings: &mut traffic_replayer::Settings| {
        settings.connection_expiry = Duration::ZERO;
    };
    let summary = lab.replay(give_up).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!((summary.doubt["reindex"], summary.awaited), (1, 0), "{summary}");
    assert_eq!(count_on_target(&lab).await, DOCUMENTS);
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doubt_about_an_index_that_nobody_answers_for_holds_up_no_other() {
    let lab = Lab::start("red").await;
    lab.stop_proxy().await;
    let red = format!("{}-red", lab.index);
    let nowhere = json!({"settings": {"index": {"number_of_replicas": 0, "routing.allocation.require._name": "nobody"}}});
    lab.directly(Method::PUT, &format!("/{red}?wait_for_active_shards=0"), &nowhere).await;
    lab.directly(Method::PUT, &format!("/{}/_doc/1", lab.index), &json!({"n": 1})).await;
    let asked = |index: &str| {
        asked(index, 1, &request("PUT", &format!("/{index}/_doc/1"), &json!({"n": 1})))
    };
    let records =
        [(&*red, 1, asked(&red)), (&*lab.index, 1, asked(&lab.index)), ("beat", 1, heartbeat())];
    append(&lab.journal(), &records).await;

    let change = |seconds: u64| {
        move |settings: &mut traffic_replayer::Settings| {
            settings.connection_expiry = Duration::ZERO;
            settings.target.retry.give_up_after = Duration::from_secs(seconds);
            settings.source.as_mut().unwrap().retry.give_up_after = Duration::from_secs(1);
        }
    };
    let summary = lab.replay(change(3)).await.unwrap();
    assert!(summary.reached_end && !summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt["no answer"], 2, "{summary}");
    assert!(summary.open.len() == 1 && summary.open[0].contains(&red), "{summary}");
    assert_eq!(count_on_target(&lab).await, 1);

    // Its record was kept.
    let everywhere = json!({"index.routing.allocation.require._name": null});
    lab.directly(Method::PUT, &format!("/{red}/_settings"), &everywhere).await;
    lab.directly(Method::PUT, &format!("/{red}/_doc/1"), &json!({"n": 1})).await;
    let summary = lab.replay(change(60)).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt["no answer"], 2, "{summary}");
    assert_eq!(lab.on_target(Method::GET, &format!("/{red}/_doc/1")).await["found"], true);
}

/// Writes three documents, and replays all but the third; deletes the first, which the target then forgets. Returns the writes as
/// a proxy has them that captured them at `at` and brings them after that.
async fn written_and_forgotten(lab: &Lab, at: u64) -> Vec<(&'static str, u64, Bytes)> {
    let path = |id: u32| format!("/{}/_doc/{id}", lab.index);
    let body = json!({"n": 1});
    let answer = lab.ok(Method::PUT, &path(1), &body).await;
    let kept = lab.ok(Method::PUT, &path(2), &body).await;
    // Of this one the journal has only what comes late.
    lab.directly(Method::PUT, &path(3), &body).await;
    let found = lab.send_to_source(Request::new(Method::GET, path(3))).await;
    let mut new: Value = serde_json::from_slice(&found.body).unwrap();
    new["result"] = "created".into();
    lab.ok(Method::DELETE, &path(1), &Value::Null).await;
    lab.stop_proxy().await;
    assert!(lab.replay(|_| {}).await.unwrap().is_converged());
    // An index that is opened again remembers no deletes.
    for path in ["_flush?force=true", "_close", "_open?wait_for_active_shards=1"] {
        let path = format!("/{}/{path}", lab.index);
        lab.change_target(Method::POST, &path, &Value::Null).await;
    }

    let mut records = Vec::new();
    for (number, (id, answer)) in (0..).zip([(1, answer), (2, kept), (3, new)]) {
        let answer = answer.to_string();
        let response = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        let request = request("PUT", &path(id), &body);
        let (first, second) = (2 * number + 1, 2 * number + 2);
        records.push(("late", first, asked_at(at, "late", first, &request)));
        records.push(("late", second, answered_at(at, "late", second, &response)));
    }
    records
}

async fn assert_late(lab: &Lab) {
    let summary = lab.replay(|_| {}).await.unwrap();
    assert_eq!(count_on_target(lab).await, 2);
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt["late"], 3, "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_a_proxy_brings_a_minute_late_does_not_bring_its_document_back() {
    let lab = Lab::start("late").await;
    let at = now();
    let late = written_and_forgotten(&lab, at).await;
    // Others have been heard of for a minute more: whose records these are wasn't waited for.
    let heard = |number| ("beat", number, heartbeat_at(at + MINUTE));
    let records = [vec![heard(1)], late, vec![heard(2)]].concat();
    append(&lab.journal(), &records).await;
    assert_late(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_where_a_replayer_begins_with_it() {
    let kafka = KAFKA.get().await.unwrap();
    kafka.create_topic("late-first", 1).await.unwrap();
    let lab = Lab::on("late-first", &kafka.journal("late-first")).await;
    // Nobody is heard of before, but when they came is known.
    let mut records = written_and_forgotten(&lab, now() - MINUTE).await;
    records.push(("beat", 1, heartbeat()));
    append(&lab.journal(), &records).await;
    assert_late(&lab).await;
}
