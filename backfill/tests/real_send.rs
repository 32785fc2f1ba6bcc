//! Sending to real servers: what they refuse, what they hold afterwards, and what happens when they go.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod send_stage;

use std::time::Duration;

use backfill::send::{Class, Gzip, Limits, SendError, SendSettings};
use cluster::Method;
use futures::StreamExt;
use serde_json::{Value, json};
use testbed::{Shared, Testbed};

use send_stage::{Documents, Target, classes, every_kind_of_document};

static OPENSEARCH: Shared = Shared::opensearch("3");

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_document_into_opensearch_3() {
    every_kind_of_document(OPENSEARCH.get().await.unwrap()).await;
}

/// A request of 110 MB: more than `http.max_content_length`, and its half more than the memory that the
/// server gives to indexing, which it says with 429.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_made_smaller() {
    let target = Target::of(OPENSEARCH.get().await.unwrap()).await;
    target.make("large", json!({"enabled": false})).await;
    let sender = target.sender(SendSettings::default());
    let mut documents = Documents::of("large");
    let source = json!({ "text": "x".repeat(1 << 20) }).to_string();
    for at in 0..110 {
        documents.add(&at.to_string(), Some(1), &source);
    }
    let batch = documents.batch();
    let outcome = sender.send(&batch).await.unwrap();
    assert_eq!((outcome.written, outcome.accounted()), (110, 110), "{outcome:?}");
    assert_eq!(target.count("large").await, 110);
    assert!(sender.batch_bytes() <= batch.bytes() / 2);

    let alone = json!({ "text": "x".repeat(105 << 20) }).to_string();
    let outcome = sender.send(&documents.add("alone", Some(1), &alone).batch()).await.unwrap();
    assert_eq!(classes(&outcome), [(0, Class::TooLarge)]);
    assert_eq!(outcome.failed[0].status, 413);

    // Short enough to be read, and more than the memory there is for it.
    let alone = json!({ "text": "x".repeat(60 << 20) }).to_string();
    let outcome = sender.send(&documents.add("alone", Some(1), &alone).batch()).await.unwrap();
    assert_eq!(classes(&outcome), [(0, Class::TooLarge)]);
    assert_eq!(outcome.failed[0].status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for() {
    let target = Target::of(OPENSEARCH.get().await.unwrap()).await;
    target.make("full", json!({})).await;
    let block = async |on: Value| {
        let body = json!({"index.blocks.read_only_allow_delete": on});
        target.ask(Method::PUT, "/full/_settings", body).await;
    };
    block(json!(true)).await;
    let sender = target.sender(SendSettings::default());
    let mut documents = Documents::of("full");
    for at in 0..50 {
        documents.add(&at.to_string(), Some(1), "{}");
    }
    let batch = documents.batch();
    let lifted = async {
        while sender.sent().refused < 2 {
            tokio::task::yield_now().await;
        }
        block(Value::Null).await;
    };
    let (outcome, ()) = tokio::join!(sender.send(&batch), lifted);
    assert_eq!(outcome.unwrap().written, 50);
    assert_eq!(target.count("full").await, 50);

    block(json!(true)).await;
    let settings = SendSettings { retry_for: Duration::from_secs(1), ..SendSettings::default() };
    let error = target.sender(settings).send(&batch).await.unwrap_err();
    assert!(error.to_string().contains("read_only_allow_delete"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_goes_and_comes_back_holds_each_document_once() {
    const BATCHES: usize = 40;
    const EACH: usize = 200;
    let server = Testbed::opensearch("2").await.unwrap();
    every_kind_of_document(&server).await;
    let target = Target::of(&server).await;
    target.make("back", json!({"enabled": false})).await;
    let limits = Limits { most_connections: 4, ..Limits::default() };
    let settings = SendSettings { gzip: Gzip::On, limits, ..SendSettings::default() };
    let sender = target.sender(settings);
    let send = async |number: usize| {
        let mut documents = Documents::of("back");
        let source = json!({ "text": "x".repeat(500) }).to_string();
        for at in 0..EACH {
            documents.add(&format!("{number}-{at}"), Some(1), &source);
        }
        sender.send(&documents.batch()).await.unwrap()
    };
    let sending = futures::stream::iter(0..BATCHES).map(send).buffer_unordered(6);
    let going = async {
        while sender.sent().requests < 5 {
            tokio::task::yield_now().await;
        }
        server.kill().await.unwrap();
        let refused = sender.sent().refused;
        while sender.sent().refused < refused + 3 {
            tokio::task::yield_now().await;
        }
        server.start().await.unwrap();
    };
    let (outcomes, ()) = tokio::join!(sending.collect::<Vec<_>>(), going);
    let written: u64 = outcomes.iter().map(|outcome| outcome.written).sum();
    assert_eq!(written, (BATCHES * EACH) as u64);
    assert_eq!(target.count("back").await, (BATCHES * EACH) as u64);

    // An index that nobody made is not made by writing to it, where the target is set so.
    let off = json!({"persistent": {"action.auto_create_index": "false"}});
    target.ask(Method::PUT, "/_cluster/settings", off).await;
    let batch = Documents::of("nowhere").add("1", Some(1), "{}").batch();
    let error = sender.send(&batch).await.unwrap_err();
    assert!(
        matches!(&error, SendError::IndexMissing { index, .. } if index == "nowhere"),
        "{error}"
    );
}
