//! Awkward requests to every source, replayed to every target.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use lab::{Lab, OPENSEARCH, SOURCES, TARGETS, awkward::awkward};

#[tokio::test(flavor = "multi_thread")]
async fn every_source_converges_with_every_target() {
    let mut wrong = Vec::new();
    let newest = &TARGETS[TARGETS.len() - 1..];
    let elasticsearch = SOURCES.iter().map(|(source, _)| (source, &TARGETS[..]));
    let opensearch = OPENSEARCH.iter().map(|(source, _)| (source, newest));
    for (number, (source, targets)) in (1..).zip(elasticsearch.chain(opensearch)) {
        for (target, _) in targets {
            let name = format!("all-{}-{target}", source.replace('.', "-"));
            let lab = Lab::between(&name, source, target).await;
            awkward(&lab, number, 8, 100).await;
            lab.stop_proxy().await;
            if let Err(what) = lab.replay_and_compare().await {
                wrong.push(format!("{source} to {target}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
