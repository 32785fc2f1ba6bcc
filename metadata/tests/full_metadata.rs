//! Every source to every target.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod moved;
mod stage;

use moved::check;
use stage::{TARGETS, fill};
use testbed::{CLUSTERS, Testbed};

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_of_source_and_target() {
    let mut targets = Vec::new();
    for version in TARGETS {
        targets.push(Testbed::opensearch(version).await.unwrap());
    }
    for name in CLUSTERS {
        let source = Testbed::cluster(name).await.unwrap();
        fill(&source, name).await;
        for target in &targets {
            eprintln!("{name} to OpenSearch {}", target.version());
            check(name, &source, target).await;
        }
    }
}
