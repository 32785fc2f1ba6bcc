//! As `real_spill`, at many moments, and for long.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_killed_at_twenty_moments_loses_nothing() {
    stage::outage::kill_at_moments(20, rand::random()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_for_a_minute_is_noticed_by_no_client() {
    stage::outage::be_away(Duration::from_secs(60)).await;
}
