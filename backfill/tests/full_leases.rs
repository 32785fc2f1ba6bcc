//! The other versions that coordinate.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod workers;

use testbed::Testbed;

#[tokio::test(flavor = "multi_thread")]
async fn leases_work_on_every_version() {
    for version in ["1", "2"] {
        workers::take_over(&Testbed::opensearch(version).await.unwrap()).await;
    }
    workers::take_over(&Testbed::elasticsearch("8.19").await.unwrap()).await;
}
