//! The conformance suite on files.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use journal::JournalUrl;
use tempfile::TempDir;

fn journal() -> (TempDir, JournalUrl) {
    let folder = TempDir::new().unwrap();
    let url = JournalUrl::File(folder.path().join("j"));
    (folder, url)
}

#[tokio::test]
async fn what_is_durable_is_read_in_order() {
    let (_folder, url) = journal();
    conformance::what_is_durable_is_read_in_order(&url).await;
}

#[tokio::test]
async fn a_group_goes_on_where_it_committed() {
    let (_folder, url) = journal();
    conformance::a_group_goes_on_where_it_committed(&url).await;
}

#[tokio::test]
async fn a_reader_at_the_end_is_given_what_comes() {
    let (_folder, url) = journal();
    conformance::a_reader_at_the_end_is_given_what_comes(&url).await;
}

#[tokio::test]
async fn a_full_queue_gives_the_record_back() {
    let (_folder, url) = journal();
    conformance::a_full_queue_gives_the_record_back(&url).await;
}
