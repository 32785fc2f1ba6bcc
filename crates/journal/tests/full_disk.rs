//! A disk that is really full: a tmpfs of 256 KiB. Needs the right to mount, in a namespace of its
//! own; the test re-runs itself inside one.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::process::Command;

use bytes::Bytes;
use codec::record::{self, Envelope};
use journal::*;
use std::time::Duration;

const INSIDE: &str = "GODWIT_TEST_SMALL_DISK";

#[test]
fn a_full_disk_refuses_loses_nothing_acknowledged_and_recovers_when_there_is_room() {
    if let Ok(folder) = std::env::var(INSIDE) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(inside(folder.into()));
    }
    let folder = tempfile::TempDir::new().unwrap();
    let test = std::env::current_exe().unwrap();
    let script =
        "mount -t tmpfs -o size=256k none \"$0\" && exec \"$1\" --exact \"$2\" --nocapture";
    let name = "a_full_disk_refuses_loses_nothing_acknowledged_and_recovers_when_there_is_room";
    let status = Command::new("unshare")
        .args(["--map-root-user", "--user", "--mount", "sh", "-c", script])
        .args([folder.path().as_os_str(), test.as_os_str(), name.as_ref()])
        .env(INSIDE, folder.path())
        .status()
        .expect("unshare (util-linux) runs");
    assert!(status.success(), "{status}");
}

async fn inside(folder: std::path::PathBuf) {
    let url: JournalUrl = format!("file://{}/j", folder.display()).parse().unwrap();
    let settings = AppendSettings::default();
    let appender = Appender::open(&url, &settings).unwrap();
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![0; 128 << 10]).unwrap();
    let mut durable = Vec::new();
    let mut write = async |number: u64| {
        let lane = appender.lane(&format!("c{number}"));
        let envelope = Envelope::new(&format!("c{number}"), &"n".repeat(8 << 10));
        let record = Bytes::copy_from_slice(&record::connect(&envelope, 7, 1));
        appender.append(&lane, 1, record, Urgency::Held).unwrap();
        let answer = lane.durable().reached(1).await;
        if answer.is_ok() {
            durable.push(format!("c{number}"));
        }
        answer.is_ok()
    };
    let mut refused = None;
    for number in 0..100 {
        if !write(number).await {
            refused = Some(number);
            break;
        }
    }
    let refused = refused.expect("the disk gets full");
    assert!(refused > 5, "refused at {refused}");
    assert!(!write(1000).await, "still full");
    std::fs::remove_file(&ballast).unwrap();
    assert!(write(1001).await, "there is room again");
    assert_eq!(appender.close(Duration::from_secs(5)), 2, "the two that were refused");

    let mut reader = Reader::open(&url, "g", StartFrom::Beginning, &[]).await.unwrap();
    let ends = reader.ends().await.unwrap();
    let (mut found, mut offsets) = (Vec::new(), Vec::new());
    while !reader.has_reached(&ends) {
        let entry = reader.next().await.unwrap();
        offsets.push((entry.offset, entry.next));
        found.push(entry.record.unwrap().connection);
    }
    assert_eq!(found, durable);
    // What could not be written whole may have been read in part: the next has other offsets.
    let [.., (before, end), (after, _)] = offsets[..] else { panic!("{offsets:?}") };
    assert!(after >= end + (end - before), "{offsets:?}");
}
