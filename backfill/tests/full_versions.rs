//! Every source to every target, document by document.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod versions;

use testbed::{CLUSTERS, Testbed};
use versions::{TARGETS, check_read, check_run, history};

#[tokio::test(flavor = "multi_thread")]
async fn every_source_to_every_target() {
    let mut targets = Vec::new();
    for version in TARGETS {
        targets.push(Testbed::opensearch(version).await.unwrap());
    }
    for name in CLUSTERS {
        let source = Testbed::cluster(name).await.unwrap();
        let history = history(&source).await;
        source.stop().await.unwrap();
        check_read(name, &history).await;
        for target in &targets {
            eprintln!("{name} to OpenSearch {}", target.version());
            check_run(name, &history, target).await;
        }
    }
}
