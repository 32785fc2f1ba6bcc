//! Each source once: a snapshot of a history on it is read exactly, and moved to one of the targets.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod versions;

use testbed::{CLUSTERS, Testbed};
use versions::{TARGETS, check_read, check_run, history};

#[tokio::test(flavor = "multi_thread")]
async fn every_source_is_read_and_moved() {
    // Another target for a source each time the test is run.
    let turn = rand::random::<u32>() as usize % TARGETS.len();
    for (at, version) in TARGETS.iter().enumerate() {
        let target = Testbed::opensearch(version).await.unwrap();
        let mine = |n: usize| (n + turn) % TARGETS.len() == at;
        for name in CLUSTERS.into_iter().enumerate().filter(|(n, _)| mine(*n)).map(|(_, name)| name)
        {
            eprintln!("{name} to OpenSearch {}", target.version());
            let source = Testbed::cluster(name).await.unwrap();
            let history = history(&source).await;
            source.stop().await.unwrap();
            check_read(name, &history).await;
            check_run(name, &history, &target).await;
        }
    }
}
