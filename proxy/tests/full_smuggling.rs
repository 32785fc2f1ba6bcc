//! As `real_smuggling`, with the other servers that have documents without types.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use stage::smuggled::executes_what_the_journal_says;
use testbed::Testbed;

#[tokio::test(flavor = "multi_thread")]
async fn every_server_executes_what_the_journal_says() {
    for name in ["es-6.8", "es-7.17", "es-8", "es-8.19", "opensearch-1", "opensearch-3"] {
        executes_what_the_journal_says(&Testbed::cluster(name).await.unwrap()).await;
    }
}
