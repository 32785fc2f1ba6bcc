//! Kafka goes, the proxy is killed, Kafka comes back: no acknowledged write is missing.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_killed_while_it_spills_and_drains_loses_nothing() {
    stage::outage::kill_at_moments(4, rand::random()).await;
}
