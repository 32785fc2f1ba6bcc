//! Upgrades under load with a real broker: both processes write to it for a while.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use stage::upgrades::upgrade_under_load;
use testbed::Testbed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_with_a_broker_fail_no_request_and_lose_no_record() {
    let kafka = Testbed::kafka().await.unwrap();
    upgrade_under_load(&kafka.journal("upgrades"), &[], 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_with_a_spill_hand_it_over() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let spill = folder.path().display().to_string();
    upgrade_under_load(&kafka.journal("upgrades"), &["--spill", &spill], 10).await;
}
