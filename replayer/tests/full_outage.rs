//! A target that is away for five minutes, or has no room for one: the replayer waits, and goes on.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use lab::{Lab, faults};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_for_five_minutes_is_waited_for() {
    let lab = Lab::start("minutes").await;
    let length = Duration::from_secs(300);
    let (summary, took) = lab.replay_through_outages(1, length).await;
    assert!(summary.is_converged(), "{summary}");
    assert!(took > length, "it went on without its target");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_no_room_for_a_minute_is_waited_for() {
    let lab = Lab::start("busy-minute").await;
    let length = Duration::from_secs(60);
    let (summary, took) = faults::replay_through_refusals(&lab, length).await;
    assert!(summary.is_converged(), "{summary}");
    assert!(took > length, "it went on without its target");
    lab.assert_equal().await;
}
