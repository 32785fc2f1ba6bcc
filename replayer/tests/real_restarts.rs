//! Servers that are killed and come back while a replay goes on.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use cluster::Method;
use lab::Lab;
use serde_json::json;
use testbed::SharedKafka;
use traffic_replayer::{Pace, Summary};

static KAFKA: SharedKafka = SharedKafka::new();

/// 300 documents, some deleted and some updated.
async fn write(lab: &Lab) {
    for id in 0..300 {
        let path = format!("/{}/_doc/{id}", lab.index);
        lab.ok(Method::PUT, &path, &json!({"n": id})).await;
        match id % 5 {
            0 => drop(lab.ok(Method::DELETE, &path, &json!(null)).await),
            1 => {
                let path = format!("/{}/_update/{id}", lab.index);
                lab.ok(Method::POST, &path, &json!({"doc": {"more": id}})).await;
            }
            _ => {}
        }
    }
    lab.stop_proxy().await;
}

async fn replay(lab: &Lab) -> Summary {
    lab.replay(|settings| settings.pace = Pace::Rate(60.0)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_is_killed_and_comes_back() {
    let kafka = KAFKA.get().await.unwrap();
    kafka.create_topic("restarted", 3).await.unwrap();
    let lab = Lab::on("restarted", &kafka.journal("restarted")).await;
    write(&lab).await;
    let restarts = async {
        lab.wait_for(&lab.index, "62").await;
        kafka.kill().await.unwrap();
        kafka.start().await.unwrap();
        lab.wait_for(&lab.index, "203").await;
        kafka.stop().await.unwrap();
        kafka.start().await.unwrap();
    };
    let (summary, ()) = tokio::join!(replay(&lab), restarts);
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert_eq!((summary.lost, summary.duplicates), (0, 0), "{summary}");
    lab.assert_equal().await;
    // What was committed is committed.
    let summary = replay(&lab).await;
    assert_eq!((summary.requests, summary.is_converged()), (0, true), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_flushed_and_killed_and_comes_back() {
    let lab = Lab::start("killed-target").await;
    write(&lab).await;
    let restarts = async {
        lab.wait_for(&lab.index, "62").await;
        let flush = format!("/{}/_flush?force=true", lab.index);
        lab.change_target(Method::POST, &flush, &json!(null)).await;
        lab.wait_for(&lab.index, "72").await;
        lab.target.kill().await.unwrap();
        lab.target.start().await.unwrap();
        lab.wait_for(&lab.index, "203").await;
        lab.change_target(Method::POST, &flush, &json!(null)).await;
    };
    let (summary, ()) = tokio::join!(replay(&lab), restarts);
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    lab.assert_equal().await;
}
