//! Readers of a group that share a topic: partitions move, and no record is missed.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use std::collections::BTreeSet;
use std::time::Duration;

use conformance::PATIENCE;
use journal::*;
use testbed::Testbed;

const PARTITIONS: i32 = 4;

/// One of the group, with what it reads and has read.
struct Member {
    reader: Reader,
    mine: BTreeSet<i32>,
    seen: Vec<(i32, u64)>,
}

impl Member {
    async fn join(url: &JournalUrl) -> Member {
        let reader = Reader::open_shared(url, "g", &[]).await.unwrap();
        assert_eq!((reader.partition_count(), reader.partitions().len()), (4, 0));
        Member { reader, mine: BTreeSet::new(), seen: Vec::new() }
    }

    /// Takes one thing, if one comes soon.
    async fn step(&mut self) {
        let taken = tokio::time::timeout(Duration::from_millis(20), self.reader.take()).await;
        match taken {
            Err(_) => {}
            Ok(Ok(Taken::Entry(entry))) => {
                assert!(self.mine.contains(&entry.partition), "of a partition of another");
                self.seen.push((entry.partition, entry.offset));
            }
            Ok(Ok(Taken::Gained(partitions))) => self.mine.extend(partitions),
            Ok(Ok(Taken::Lost(partitions))) => self.mine.retain(|p| !partitions.contains(p)),
            Ok(Err(error)) => panic!("{error}"),
        }
    }
}

async fn until(members: &mut [&mut Member], done: impl Fn(&[&mut Member]) -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !done(members) {
        let state =
            |one: &&mut Member| format!("reads {:?}, has read {}", one.mine, one.seen.len());
        let states = || members.iter().map(state).collect::<Vec<_>>();
        assert!(tokio::time::Instant::now() < end, "it does not come: {:?}", states());
        for member in members.iter_mut() {
            member.step().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_to_who_comes_and_from_who_goes() {
    let kafka = Testbed::kafka().await.unwrap();
    kafka.create_topic("shared", PARTITIONS).await.unwrap();
    let url: JournalUrl = kafka.journal("shared").parse().unwrap();
    let appender = conformance::open(&url).await;
    let write = async |from: u64, to: u64| {
        for partition in 0..PARTITIONS {
            let name = format!("c{partition}");
            let lane = appender.lane_in(partition, &name);
            for number in from..to {
                let record = conformance::record(&name, number, 50);
                appender.append(&lane, number, record, Urgency::Held).unwrap();
            }
            lane.durable().reached(to - 1).await.unwrap();
        }
    };
    write(1, 11).await;
    let mut first = Member::join(&url).await;
    until(&mut [&mut first], |all| all[0].seen.len() == 40).await;
    for partition in 0..PARTITIONS {
        first.reader.commit(partition, 5).await.unwrap();
    }

    // Another comes while nothing may be read: partitions move all the same, and begin where the group has committed.
    first.reader.flow(false).unwrap();
    write(11, 21).await;
    let mut second = Member::join(&url).await;
    until(&mut [&mut first, &mut second], |all| all.iter().all(|one| one.mine.len() == 2)).await;
    until(&mut [&mut first, &mut second], |all| all[1].seen.len() == 30).await;
    assert_eq!(first.seen.len(), 40, "nothing was read while it stood still");
    first.reader.flow(true).unwrap();
    until(&mut [&mut first, &mut second], |all| all[0].seen.len() == 60).await;
    let offsets = |partition: i32| (5..20).map(move |offset| (partition, offset));
    let expected: Vec<_> = second.mine.iter().flat_map(|partition| offsets(*partition)).collect();
    second.seen.sort_unstable();
    assert_eq!(second.seen, expected);

    // It goes: what it had not committed is read again.
    drop(second);
    until(&mut [&mut first], |all| all[0].mine.len() == 4 && all[0].seen.len() == 90).await;
}
