//! What has no answer at the journal's end.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use cluster::{Method, Request};
use lab::{
    Lab,
    handmade::{answered, append, asked, heartbeat},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_source_still_works_on_is_read_again() {
    let lab = Lab::start("end").await;
    let index = &lab.index;
    lab.stop_proxy().await;
    let body = json!({"n": 1}).to_string();
    let path = format!("/{index}/_doc/1");
    let head = "host: s\r\ncontent-type: application/json";
    let request =
        format!("PUT {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let records = [("slow", 1, asked("slow", 1, &request)), ("beat", 1, heartbeat())];
    append(&lab.journal(), &records).await;

    // The source is asked before it has the document: that says nothing of later.
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert_eq!((summary.awaited, summary.doubt["no answer"]), (1, 1), "{summary}");
    lab.directly(Method::PUT, &path, &json!({"n": 1})).await;
    let found = lab.send_to_source(Request::new(Method::GET, path.clone())).await;
    let mut answer: serde_json::Value = serde_json::from_slice(&found.body).unwrap();
    answer["result"] = "created".into();
    answer.as_object_mut().unwrap().retain(|name, _| name != "_source" && name != "found");
    let answer = answer.to_string();
    let response = format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let records = [("slow", 2, answered("slow", 2, &response)), ("beat", 2, heartbeat())];
    append(&lab.journal(), &records).await;

    // Its proxy writes on: the answer is found, and proves what happened.
    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!((summary.awaited, summary.operations["journal"]), (0, 1), "{summary}");
    lab.assert_equal().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert_eq!((summary.requests, summary.is_converged()), (0, true), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_waits_for_any_more_is_settled() {
    let lab = Lab::start("given-up").await;
    lab.stop_proxy().await;
    let request = format!("DELETE /{}/_doc/1 HTTP/1.1\r\nhost: s\r\n\r\n", lab.index);
    let records = [("gone", 1, asked("gone", 1, &request)), ("beat", 1, heartbeat())];
    append(&lab.journal(), &records).await;
    // The bound: a connection that has been silent for longer is given up.
    let give_up = |settings: &mut traffic_replayer::Settings| {
        settings.connection_expiry = Duration::ZERO;
    };
    let summary = lab.replay(give_up).await.unwrap();
    assert_eq!((summary.doubt["no answer"], summary.awaited), (1, 0), "{summary}");
    let summary = lab.replay(|_| {}).await.unwrap();
    assert_eq!((summary.requests, summary.is_converged()), (0, true), "{summary}");
}
