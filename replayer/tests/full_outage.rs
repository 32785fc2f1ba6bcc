//! A target that is away for a minute: the replayer waits, and goes on.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use lab::Lab;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_for_a_minute_is_waited_for() {
    let lab = Lab::start("minute").await;
    let (summary, took) = lab.replay_through_outages(1, Duration::from_secs(60)).await;
    assert!(summary.is_converged(), "{summary}");
    assert!(took > Duration::from_secs(60), "it went on without its target");
    lab.assert_equal().await;
}
