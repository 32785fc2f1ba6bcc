//! Awkward requests to every source, replayed to every target.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use lab::{Lab, SOURCES, TARGETS, awkward::awkward};

#[tokio::test(flavor = "multi_thread")]
async fn every_source_converges_with_every_target() {
    let mut wrong = Vec::new();
    for (number, (source, _)) in (1..).zip(&SOURCES) {
        for (target, _) in &TARGETS {
            let name = format!("all-{}-{target}", source.replace('.', "-"));
            let lab = Lab::between(&name, source, target).await;
            awkward(&lab, number, 8, 100).await;
            lab.stop_proxy().await;
            let summary = lab.replay(|_| {}).await.unwrap();
            println!("{source} to {target}\n{summary}");
            let differences = lab.differences().await;
            if !differences.is_empty() || !summary.is_converged() {
                wrong.push(format!("{source} to {target}: {summary}\n{}", differences.join("\n")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
