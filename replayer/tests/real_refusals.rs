//! Targets that refuse: for a while, or some documents for good.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use cluster::{Method, Request};
use lab::{Lab, faults};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_no_room_for_seconds_is_waited_for() {
    let lab = Lab::start("busy").await;
    let length = Duration::from_secs(5);
    let (summary, took) = faults::replay_through_refusals(&lab, length).await;
    assert!(summary.is_converged() && summary.retries > 0, "{summary}");
    assert!(took > length, "it went on without its target");
    assert!(summary.slowed["refused"] > 0, "{summary}");
    lab.assert_equal().await;
}

/// The target's index is somebody else's: its `n` is a number, the source's a word.
#[tokio::test(flavor = "multi_thread")]
async fn every_tenth_document_that_does_not_fit_is_named() {
    let lab = Lab::start("conflict").await;
    let index = &lab.index;
    let words = json!({"mappings": {"properties": {"n": {"type": "keyword"}}}});
    lab.ok(Method::PUT, &format!("/{index}"), &words).await;
    let numbers = json!({"mappings": {"properties": {"n": {"type": "long"}}}});
    lab.change_target(Method::PUT, &format!("/{index}"), &numbers).await;
    let n = |id: usize| if id % 10 == 3 { json!(format!("word {id}")) } else { json!(id) };
    for id in 0..50 {
        lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": n(id)})).await;
    }
    let lines = (50..100).map(|id| {
        format!("{}\n{}\n", json!({"index": {"_id": format!("{id}")}}), json!({"n": n(id)}))
    });
    lab.bulk(&format!("/{index}/_bulk"), lines.collect()).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(!summary.is_converged() && summary.reached_end, "{summary}");
    let count = async |query: &str| {
        let refresh = Request::new(Method::POST, format!("/{index}/_refresh"));
        assert!(lab.send_to_target(refresh).await.is_success());
        lab.on_target(Method::GET, &format!("/{index}/_count{query}")).await["count"].clone()
    };
    assert_eq!(count("").await, 90, "{summary}");
    // Each one that isn't there is named.
    for id in (0..100).filter(|id| id % 10 == 3) {
        let named = summary.open.iter().any(|line| line.contains(&format!("/{id}")));
        assert!(named, "{id}: {:#?}", summary.open);
    }
    // The index put right, the next run writes them.
    lab.change_target(Method::DELETE, &format!("/{index}"), &json!(null)).await;
    let summary =
        lab.replay(|settings| settings.from = journal::StartFrom::Beginning).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
}
