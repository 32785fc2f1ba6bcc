//! Every pair of source and target, start to end.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;
mod whole;

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_6_8_to_opensearch_2_19() {
    whole::migrate("es-6.8", "opensearch-2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_7_10_to_opensearch_3() {
    whole::migrate("es-7.10", "opensearch-3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_8_19_to_opensearch_3() {
    whole::migrate("es-8.19", "opensearch-3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opensearch_1_3_to_opensearch_3() {
    whole::migrate("opensearch-1", "opensearch-3").await;
}
