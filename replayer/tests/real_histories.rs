//! A history replayed while it happens, by a replayer that is killed at random moments.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use lab::{
    Lab,
    crashes::{History, replayed},
};

async fn ends_equal(backfill: bool) {
    let name = if backfill { "history-beside" } else { "history" };
    let lab = Lab::start(name).await;
    let history = History { seed: 1, clients: 4, steps: 60, crashes: 3, backfill };
    let differences = Box::pin(replayed(&lab, history)).await;
    assert!(differences.is_empty(), "{history:?}\n{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_crashes_interrupt_ends_equal() {
    ends_equal(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_crashes_interrupt_beside_a_backfill_ends_equal() {
    ends_equal(true).await;
}
