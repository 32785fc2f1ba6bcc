//! Targets that refuse, are blocked and go away in the middle of a run: each document once, true accounts, a clear end.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod faults;
mod target_faults;

use std::time::Duration;

use faults::{random, stage::Stage};
use target_faults::{
    DOCUMENTS, away, busy, clocks, disk_stays_full, full_disk, load, no_room_at_the_start, sources,
    too_large,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_misbehaves_in_the_middle() {
    let mut random = random("a target that misbehaves in the middle");
    let stage = Stage::boot().await;
    let all = sources(&mut random, DOCUMENTS, 1000);
    let one = load(&stage, "one", all.iter().cloned()).await;
    let two = load(&stage, "two", all.into_iter()).await;
    busy(&stage, &mut random, "one", &one).await;
    too_large(&stage, &mut random).await;
    no_room_at_the_start(&stage, "one", &one).await;
    full_disk(&stage, "one", &one).await;
    disk_stays_full(&stage, "one", &one).await;
    clocks(&stage, "one", &one).await;
    away(&stage, [("one", &one), ("two", &two)], Duration::from_secs(20)).await;
}
