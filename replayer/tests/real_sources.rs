//! Awkward requests to a source of every version, replayed: the target ends equal, document by document.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use lab::{Lab, awkward::awkward};

/// Six clients, some 400 requests.
async fn converges(source: &str, target: &str) {
    let name = format!("from-{}-to-{target}", source.replace('.', "-"));
    let lab = Lab::between(&name, source, target).await;
    awkward(&lab, 1, 6, 60).await;
    lab.stop_proxy().await;
    lab.replay_and_compare().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_elasticsearch_5_6() {
    converges("5.6", "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_elasticsearch_6_8() {
    converges("6.8", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_elasticsearch_7_10() {
    converges("7.10", "3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_elasticsearch_7_17() {
    converges("7.17", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_elasticsearch_8_19() {
    converges("8.19", "3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_opensearch_2() {
    converges("opensearch-2", "3").await;
}
