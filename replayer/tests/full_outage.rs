//! A target that is away for a minute: the replayer waits, and goes on.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use cluster::Method;
use lab::Lab;
use serde_json::json;
use traffic_replayer::Pace;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_for_a_minute_is_waited_for() {
    let lab = Lab::start("minute").await;
    let index = &lab.index;
    for id in 0..200 {
        lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": id})).await;
    }
    lab.stop_proxy().await;
    let relay = testbed::Relay::in_front_of(lab.target.addr()).await.unwrap();
    let began = tokio::time::Instant::now();
    let replay = lab.replay(|settings| {
        settings.target.url = relay.url();
        settings.pace = Pace::Rate(50.0);
    });
    let faults = async {
        let before = lab.committed();
        while lab.committed() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        relay.refuse().await;
        relay.cut();
        // The length of the outage.
        tokio::time::sleep(Duration::from_secs(60)).await;
        relay.accept().await;
    };
    let (summary, ()) = tokio::join!(replay, faults);
    let summary = summary.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert!(began.elapsed() > Duration::from_secs(60), "it went on without its target");
    lab.assert_equal().await;
}
