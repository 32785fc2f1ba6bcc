//! What `real_send` sends, into the other servers that may be a target.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

#[allow(dead_code)] // what only `real_send` uses
mod send_stage;

use send_stage::every_kind_of_document;
use testbed::Testbed;

#[tokio::test(flavor = "multi_thread")]
async fn into_opensearch_1() {
    every_kind_of_document(&Testbed::opensearch("1").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn into_elasticsearch_7() {
    every_kind_of_document(&Testbed::elasticsearch("7.10").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn into_elasticsearch_8() {
    every_kind_of_document(&Testbed::elasticsearch("8.19").await.unwrap()).await;
}
