//! Ambiguous requests to real servers: source and journal agree.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use stage::smuggled::executes_what_the_journal_says;
use testbed::Testbed;

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_7_10_executes_what_the_journal_says() {
    executes_what_the_journal_says(&Testbed::elasticsearch("7.10").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opensearch_2_executes_what_the_journal_says() {
    executes_what_the_journal_says(&Testbed::opensearch("2").await.unwrap()).await;
}
