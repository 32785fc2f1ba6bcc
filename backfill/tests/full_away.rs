//! A target that is away for five minutes.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod faults;
mod target_faults;

use std::time::Duration;

use faults::{random, stage::Stage};
use target_faults::{DOCUMENTS, away, load, sources};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_for_five_minutes() {
    let mut random = random("a target that is away for five minutes");
    let stage = Stage::boot().await;
    let all = sources(&mut random, DOCUMENTS, 1000);
    let one = load(&stage, "one", all.iter().cloned()).await;
    let two = load(&stage, "two", all.into_iter()).await;
    away(&stage, [("one", &one), ("two", &two)], Duration::from_secs(300)).await;
}
