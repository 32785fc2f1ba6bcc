//! What a journal has lost is told by every run until somebody forgets it.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use bytes::Bytes;
use codec::record::{self, Heartbeat, Switched};
use journal::JournalUrl;
use lab::handmade::{append, asked};
use telemetry::Shutdown;
use traffic_replayer::{Pace, Settings, Summary, forget_lost};

/// The heartbeat that says that capture was switched off, and when it was on again.
fn switched(off: u64, on: u64) -> Bytes {
    let switched = Some(Switched { off, on });
    let beat = Heartbeat { clock: off.max(on), switched, ..Heartbeat::default() };
    Bytes::copy_from_slice(&record::heartbeat("node", &beat))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_told_until_it_is_forgotten() {
    let target = lab::TARGETS[2].1.get().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let journal: JournalUrl =
        format!("file://{}", folder.path().join("journal").display()).parse().unwrap();
    let settings = || {
        let mut settings =
            Settings::new(journal.clone(), target.url(), folder.path().join("tuples"));
        settings.exit_at_end = true;
        settings.pace = Pace::Free;
        settings
    };
    let replay =
        async || -> Summary { traffic_replayer::run(settings(), Shutdown::new()).await.unwrap() };
    append(
        &journal,
        &[
            ("gap", 1, asked("gap", 1, "")),
            ("gap", 4, asked("gap", 4, "")),
            ("opaque", 1, asked("opaque", 1, "no request at all\r\n\r\n")),
            ("bad", 1, Bytes::from_static(b"no record at all")),
            ("beat", 1, switched(7, 0)),
            ("beat", 2, switched(7, 9)),
        ],
    )
    .await;
    let first = replay().await;
    assert_eq!((first.lost, first.gaps, first.bad_records), (4, 1, 1), "{first}");
    assert!(!first.is_converged(), "{first}");
    let told = |summary: &Summary, reason: &str| {
        summary.open.iter().filter(|line| line.contains(reason)).count()
    };
    for reason in ["(gap)", "(opaque)", "(bad-record)", "(capture-off)"] {
        assert_eq!(told(&first, reason), 1, "{reason}: {first}");
    }

    // Everything is committed: a later run meets none of it, and says so all the same. A new loss comes on top.
    let second = replay().await;
    assert_eq!((second.lost, second.gaps, second.bad_records), (4, 0, 0), "{second}");
    assert!(!second.is_converged(), "{second}");
    append(&journal, &[("bad", 2, Bytes::from_static(b"another"))]).await;
    assert_eq!(replay().await.lost, 5);

    // Read again from the beginning, the losses are the same.
    let mut again = settings();
    again.from = journal::StartFrom::Beginning;
    let again = traffic_replayer::run(again, Shutdown::new()).await.unwrap();
    assert_eq!((again.lost, again.bad_records), (5, 2), "{again}");

    // Another journal has lost nothing.
    let mut other = settings();
    other.journal = format!("file://{}", folder.path().join("other").display()).parse().unwrap();
    append(&other.journal, &[("fine", 1, asked("fine", 1, ""))]).await;
    let other = traffic_replayer::run(other, Shutdown::new()).await.unwrap();
    assert!(other.is_converged(), "{other}");

    assert_eq!(forget_lost(&settings()).await.unwrap(), 5);
    let last = replay().await;
    assert!(last.is_converged() && last.lost == 0, "{last}");
}
