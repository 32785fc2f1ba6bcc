//! The conformance suite on a real broker, and what only a broker can do.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use bytes::Bytes;
use conformance::PATIENCE;
use journal::*;
use testbed::Testbed;

#[tokio::test]
async fn a_real_topic_keeps_the_promises_of_a_journal() {
    let kafka = Testbed::kafka().await.unwrap();
    let url = |topic: &str| kafka.journal(topic).parse::<JournalUrl>().unwrap();
    conformance::what_is_durable_is_read_in_order(&url("order")).await;
    conformance::a_group_goes_on_where_it_committed(&url("groups")).await;
    conformance::a_reader_at_the_end_is_given_what_comes(&url("tail")).await;
    conformance::a_full_queue_gives_the_record_back(&url("full")).await;
    bytes_are_handed_over_where_they_lie(&url("pointers")).await;

    // A broker that is paused acknowledges nothing; when it goes on, everything gets there once.
    let stalled = url("stalled");
    let appender = conformance::open(&stalled).await;
    let lane = appender.lane("stalled");
    kafka.pause();
    for number in 1..=50 {
        let record = conformance::record("stalled", number, 100);
        appender.append(&lane, number, record, Urgency::Held).unwrap();
    }
    assert_eq!(lane.durable().durable(), 0);
    assert!(appender.waiting_bytes() > 0);
    kafka.resume();
    tokio::time::timeout(PATIENCE, lane.durable().reached(50)).await.unwrap().unwrap();
    let found = conformance::read_all(&stalled, "g", StartFrom::Beginning).await;
    let numbers: Vec<u64> = found.into_iter().map(|(_, _, number)| number).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());

    // A broker that is killed loses nothing that it had acknowledged, and takes the rest later.
    let killed = url("killed");
    let appender = conformance::open(&killed).await;
    let lane = appender.lane("killed");
    let append = |number| {
        let record = conformance::record("killed", number, 100);
        appender.append(&lane, number, record, Urgency::Held).unwrap();
    };
    append(1);
    tokio::time::timeout(PATIENCE, lane.durable().reached(1)).await.unwrap().unwrap();
    let mut reader = Reader::open(&killed, "held", StartFrom::Beginning, &[]).await.unwrap();
    let mut next = async || {
        let entry = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        entry.record.unwrap().number
    };
    assert_eq!(next().await, 1);
    kafka.kill().await.unwrap();
    append(2);
    // A reader that waits sees its broker go, and waits on.
    let (second, started) = tokio::join!(next(), kafka.start());
    started.unwrap();
    assert_eq!(second, 2);
    append(3);
    tokio::time::timeout(PATIENCE, lane.durable().reached(3)).await.unwrap().unwrap();
    let found = conformance::read_all(&killed, "g", StartFrom::Beginning).await;
    let numbers: Vec<u64> = found.into_iter().map(|(_, _, number)| number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

/// Every delivery report names the address that was handed over: no record was moved on the way.
async fn bytes_are_handed_over_where_they_lie(url: &JournalUrl) {
    let appender = conformance::open(url).await;
    let lane = appender.lane("p");
    let mut last = 0;
    for length in [1, 100, 4096, 65_535, 65_536, 500_000] {
        for _ in 0..10 {
            last += 1;
            let record: Bytes = conformance::record("p", last, length);
            appender.append(&lane, last, record, Urgency::Held).unwrap();
        }
    }
    tokio::time::timeout(PATIENCE, lane.durable().reached(last)).await.unwrap().unwrap();
    assert_eq!(appender.moved(), 0);
}
