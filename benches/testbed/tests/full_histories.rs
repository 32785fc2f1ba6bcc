//! The histories of all versions. `GODWIT_HISTORIES="es-1.7 es-8.19"` makes those alone, `GODWIT_SEED=…`
//! with that seed.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use testbed::{CLUSTERS, History, Testbed};

#[tokio::test]
async fn every_version_has_a_history() {
    let seed = std::env::var("GODWIT_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    let names = std::env::var("GODWIT_HISTORIES").unwrap_or_else(|_| CLUSTERS.join(" "));
    for name in names.split_whitespace() {
        let server = Testbed::cluster(name).await.unwrap();
        let began = std::time::Instant::now();
        let history = History::make(&server, seed).await.unwrap();
        for (what, reason) in &history.refused {
            let reason: String = reason.chars().take(200).collect();
            println!("{name} refuses {what}: {reason}");
        }
        assert!(history.expected.len() > 300, "{}", history.expected.len());
        let seconds = began.elapsed().as_secs();
        println!("{name}: {} documents, {seconds} s", history.expected.len());
    }
}
