//! One pair, start to end. The others are in `full_migration.rs`.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;
mod whole;

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_moved_while_clients_write_and_programs_die() {
    whole::migrate("es-7.10", "opensearch-2").await;
}
