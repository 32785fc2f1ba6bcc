//! As `real_spill`, at many moments.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_killed_at_twenty_moments_loses_nothing() {
    stage::outage::kill_at_moments(20, rand::random()).await;
}
