//! Each source once, to one of the targets.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod moved;
mod stage;

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use moved::check;
use stage::{TARGETS, fill};
use testbed::{CLUSTERS, Testbed};

#[tokio::test(flavor = "multi_thread")]
async fn every_source_is_inventoried_planned_moved_and_read_back() {
    // Another target for a source each time the test is run; `GODWIT_SOURCE` and `GODWIT_TURN` repeat one.
    let turn = std::env::var("GODWIT_TURN").ok().and_then(|turn| turn.parse().ok());
    let turn = turn.unwrap_or_else(|| rand::random::<u32>() as usize % TARGETS.len());
    let only = std::env::var("GODWIT_SOURCE").ok();
    let mut failed = Vec::new();
    for (at, version) in TARGETS.iter().enumerate() {
        let mine = |n: usize| (n + turn) % TARGETS.len() == at;
        let sources = CLUSTERS.into_iter().enumerate().filter(|(n, _)| mine(*n));
        let sources = sources.map(|(_, name)| name);
        let sources: Vec<_> =
            sources.filter(|name| only.as_deref().is_none_or(|only| only == *name)).collect();
        if sources.is_empty() {
            continue;
        }
        let target = Testbed::opensearch(version).await.unwrap();
        for name in sources {
            let pair = format!("turn {turn}: {name} to OpenSearch {}", target.version());
            eprintln!("{pair}");
            // All are tried, so that one run shows all that is wrong.
            let moved = AssertUnwindSafe(async {
                let source = Testbed::cluster(name).await.unwrap();
                fill(&source, name).await;
                check(name, &source, &target).await;
            });
            if moved.catch_unwind().await.is_err() {
                failed.push(pair);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
