//! Many histories, replayed while they happen by replayers that are killed at random moments, with and without a
//! backfill beside. `HISTORIES` says how many, `HISTORIES_SEED` with which to begin.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use lab::{
    Lab,
    crashes::{History, replayed},
};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_end_equal() {
    let first = setting("HISTORIES_SEED", 1);
    for seed in first..first + setting("HISTORIES", 20) {
        let lab = Lab::start(&format!("histories-{seed}")).await;
        let crashes = u32::try_from(1 + seed % 5).unwrap();
        let backfill = seed.is_multiple_of(2);
        let history = History { seed, clients: 8, steps: 60, crashes, backfill };
        let differences = Box::pin(replayed(&lab, history)).await;
        assert!(differences.is_empty(), "{history:?}\n{}", differences.join("\n"));
    }
}
