//! Crashes and damage, made by hand on real files.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codec::record::{self, Envelope};
use tempfile::TempDir;

use super::{Named, segment};
use crate::*;

fn url(folder: &Path) -> JournalUrl {
    JournalUrl::File(folder.to_owned())
}

fn connect(connection: &str, number: u64) -> Bytes {
    Bytes::copy_from_slice(&record::connect(&Envelope::new(connection, "node"), 7, number))
}

/// Appends records numbered `from..to` of one connection and waits until they are durable.
async fn fill(folder: &Path, settings: &AppendSettings, from: u64, to: u64) {
    let appender = Appender::open(&url(folder), settings).unwrap();
    let lane = appender.lane("c");
    for number in from..to {
        appender.append(&lane, number, connect("c", number), Urgency::Held).unwrap();
    }
    lane.durable().reached(to - 1).await.unwrap();
}

/// Everything that is there now: numbers, and what can't be read.
async fn read(folder: &Path) -> (Vec<u64>, Vec<BadRecord>) {
    let mut reader = Reader::open(&url(folder), "g", StartFrom::Beginning, &[]).await.unwrap();
    let ends = reader.ends().await.unwrap();
    let (mut numbers, mut bad) = (Vec::new(), Vec::new());
    while !reader.has_reached(&ends) {
        match reader.next().await.unwrap().record {
            Ok(record) => numbers.push(record.number),
            Err(record) => bad.push(record),
        }
    }
    (numbers, bad)
}

fn small() -> AppendSettings {
    AppendSettings { segment_bytes: 300, ..AppendSettings::default() }
}

#[tokio::test]
async fn a_torn_end_is_cut_off_at_every_length_and_what_follows_is_read() {
    let whole = TempDir::new().unwrap();
    fill(whole.path(), &AppendSettings::default(), 1, 4).await;
    let first = segment::list(whole.path()).unwrap().remove(0);
    let bytes = fs::read(&first.path).unwrap();
    let frame = (bytes.len() - 24) / 3;
    for cut in 0..=bytes.len() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(first.path.file_name().unwrap()), &bytes[..cut]).unwrap();
        fill(folder.path(), &AppendSettings::default(), 10, 12).await;
        let kept = cut.saturating_sub(24) as u64 / frame as u64;
        let expected: Vec<u64> = (1..=kept).chain(10..12).collect();
        assert_eq!(read(folder.path()).await, (expected, vec![]), "cut at {cut}");
    }
}

#[tokio::test]
async fn another_programs_file_is_refused_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let foreign = folder.path().join("00000000000000000007.seg");
    for bytes in [&b"short"[..], b"something else, of another program, that is longer", &[7; 5000]]
    {
        fs::write(&foreign, bytes).unwrap();
        let refused = Appender::open(&url(folder.path()), &small()).unwrap_err().to_string();
        assert!(refused.contains("00000000000000000007.seg is no segment"), "{refused}");
        assert_eq!(fs::read(&foreign).unwrap(), bytes);
        assert_eq!(segment::list(folder.path()).unwrap().len(), 1);
    }
    // What a crash leaves of one that had just been begun, and a header that was damaged.
    let mut damaged = super::format::segment_header(7);
    damaged[12] ^= 1;
    for bytes in [&[0; 9][..], &[0; 5000], &damaged] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("00000000000000000007.seg"), bytes).unwrap();
        fill(folder.path(), &small(), 1, 3).await;
        assert_eq!(read(folder.path()).await, (vec![1, 2], vec![]));
    }
}

#[tokio::test]
async fn a_flipped_bit_is_reported_with_its_place_and_the_rest_is_read() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), &AppendSettings::default(), 1, 4).await;
    let first = segment::list(folder.path()).unwrap().remove(0);
    let bytes = fs::read(&first.path).unwrap();
    let frame = (bytes.len() - 24) / 3;
    let file = fs::OpenOptions::new().write(true).open(&first.path).unwrap();
    for (at, byte) in bytes.iter().enumerate().skip(24).take(2 * frame) {
        for bit in 0..8 {
            file.write_all_at(&[byte ^ (1 << bit)], at as u64).unwrap();
            let (numbers, bad) = read(folder.path()).await;
            let hit = (at - 24) / frame;
            let expected: Vec<u64> = (1..4).filter(|number| *number != hit as u64 + 1).collect();
            assert_eq!(numbers, expected, "bit {bit} of byte {at}");
            assert_eq!(bad.len(), 1, "bit {bit} of byte {at}: {bad:?}");
            assert_eq!(bad[0].offset, (24 + hit * frame) as u64);
            assert_eq!(bad[0].length, frame as u64);
        }
        file.write_all_at(&[*byte], at as u64).unwrap();
    }
}

#[tokio::test]
async fn many_segments_are_one_log() {
    let folder = TempDir::new().unwrap();
    for round in 0..5 {
        fill(folder.path(), &small(), round * 10 + 1, round * 10 + 11).await;
    }
    assert!(segment::list(folder.path()).unwrap().len() >= 5);
    assert_eq!(read(folder.path()).await, ((1..51).collect(), vec![]));
}

#[tokio::test]
async fn a_second_writer_is_refused() {
    let folder = TempDir::new().unwrap();
    let _first = Appender::open(&url(folder.path()), &AppendSettings::default()).unwrap();
    let second = Appender::open(&url(folder.path()), &AppendSettings::default()).unwrap_err();
    assert!(second.to_string().contains("in use by another writer"), "{second}");
}

#[tokio::test]
async fn at_its_limit_the_journal_refuses_and_says_so() {
    let folder = TempDir::new().unwrap();
    let settings = AppendSettings { limit_bytes: 500, ..AppendSettings::default() };
    let appender = Appender::open(&url(folder.path()), &settings).unwrap();
    let lane = appender.lane("c");
    let refused = (1..100)
        .find_map(|number| {
            appender.append(&lane, number, connect("c", number), Urgency::Held).err()
        })
        .unwrap();
    assert!(matches!(refused, AppendError::Limit { limit: 500 }), "{refused}");
}

#[tokio::test]
async fn at_its_limit_a_journal_with_a_retention_makes_room_by_itself() {
    let folder = TempDir::new().unwrap();
    let retention = Some(std::time::Duration::from_millis(200));
    let settings = AppendSettings { limit_bytes: 500, retention, ..AppendSettings::default() };
    let appender = Appender::open(&url(folder.path()), &settings).unwrap();
    let lane = appender.lane("c");
    let append = |number| appender.append(&lane, number, connect("c", number), Urgency::Held);
    let mut number = 1;
    while append(number).is_ok() {
        number += 1;
    }
    let room = async {
        while append(number).is_err() {
            tokio::task::yield_now().await;
        }
        lane.durable().reached(number).await.unwrap();
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), room).await.unwrap();
}

#[tokio::test]
async fn a_journal_at_its_limit_has_room_again_when_it_is_opened_after_the_retention() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), &small(), 1, 30).await;
    let settings = AppendSettings { limit_bytes: 500, ..small() };
    let appender = Appender::open(&url(folder.path()), &settings).unwrap();
    let refused = appender.append(&appender.lane("c"), 30, connect("c", 30), Urgency::Held);
    assert!(matches!(refused, Err(AppendError::Limit { .. })), "{refused:?}");
    drop(appender);
    let settings = AppendSettings { retention: Some(std::time::Duration::ZERO), ..settings };
    let appender = Appender::open(&url(folder.path()), &settings).unwrap();
    let lane = appender.lane("c");
    appender.append(&lane, 30, connect("c", 30), Urgency::Held).unwrap();
    lane.durable().reached(30).await.unwrap();
}

/// What was in the queue when the disk failed is lost too: nobody knows what is in front of it.
#[test]
fn after_a_failed_sync_nothing_more_is_written() {
    let folder = TempDir::new().unwrap();
    let mut log = super::log::Log::open(folder.path(), &AppendSettings::default()).unwrap();
    log.in_doubt = true;
    let before = log.size();
    let appender = Appender::open(&url(&folder.path().join("other")), &small()).unwrap();
    let (lane, record) = (appender.lane("c"), connect("c", 1));
    log.append(&[super::append::Pending { lane, record, number: 1, named: Named::ByKey }])
        .unwrap_err();
    assert_eq!(log.size(), before);
    let written: u64 = segment::list(folder.path())
        .unwrap()
        .iter()
        .map(|segment| fs::metadata(&segment.path).unwrap().len())
        .sum();
    assert_eq!(written, before);
}

#[tokio::test]
async fn offsets_that_were_read_and_lost_with_the_power_are_not_given_to_other_records() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), &AppendSettings::default(), 1, 4).await;
    let mut reader = Reader::open(&url(folder.path()), "g", StartFrom::Group, &[]).await.unwrap();
    for _ in 0..3 {
        let next = reader.next().await.unwrap().next;
        reader.commit(0, next).await.unwrap();
    }
    let first = segment::list(folder.path()).unwrap().remove(0);
    let length = fs::metadata(&first.path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&first.path).unwrap();
    for lost in [1, length - 24] {
        file.set_len(length - lost).unwrap();
        fill(folder.path(), &AppendSettings::default(), 10, 12).await;
        // The reader that had seen them goes on with what is new, and so does the next one.
        let mut numbers = Vec::new();
        for _ in 10..12 {
            numbers.push(reader.next().await.unwrap().record.unwrap().number);
        }
        let next = Reader::open(&url(folder.path()), "g", StartFrom::Group, &[]).await;
        let mut next = next.unwrap();
        numbers.push(next.next().await.unwrap().record.unwrap().number);
        assert_eq!(numbers, [10, 11, 10], "{lost} bytes were lost");
        fs::remove_file(&segment::list(folder.path()).unwrap().pop().unwrap().path).unwrap();
        reader = Reader::open(&url(folder.path()), "g", StartFrom::Group, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_deleted_before_it_was_read_is_reported_with_its_range() {
    let folder = TempDir::new().unwrap();
    for round in 0..3 {
        fill(folder.path(), &small(), round * 10 + 1, round * 10 + 11).await;
    }
    let url = url(folder.path());
    let open = |start| Reader::open(&url, "g", start, &[]);
    let mut reader = open(StartFrom::Group).await.unwrap();
    let read_to = reader.next().await.unwrap().next;
    reader.commit(0, read_to).await.unwrap();
    let segments = segment::list(folder.path()).unwrap();
    for segment in &segments[..2] {
        fs::remove_file(&segment.path).unwrap();
    }
    let first = segments[2].base;
    let expected = |from: u64| {
        let reason = format!("deleted before it was read; offset {first} is the first left");
        BadRecord { partition: 0, offset: from, length: first - from, reason }
    };
    for (start, from) in [(StartFrom::Group, read_to), (StartFrom::Offset(3), 3)] {
        let mut reader = open(start).await.unwrap();
        let entry = reader.next().await.unwrap();
        assert_eq!(
            (entry.offset, entry.next, entry.record.unwrap_err()),
            (from, first, expected(from))
        );
        assert!(reader.next().await.unwrap().record.is_ok());
    }
    assert!(open(StartFrom::Beginning).await.unwrap().next().await.unwrap().record.is_ok());
    // A reader that was slower than the retention is told as well, when its open segment ends.
    let missing = loop {
        if let Err(missing) = reader.next().await.unwrap().record {
            break missing;
        }
    };
    assert_eq!(missing, expected(segments[1].base));
    assert!(reader.next().await.unwrap().record.is_ok());
}

#[tokio::test]
async fn what_waits_is_known_and_for_how_long() {
    let folder = TempDir::new().unwrap();
    // Nobody waits for the first, so that it stays until another comes.
    let settings = AppendSettings { linger: Duration::from_secs(600), ..AppendSettings::default() };
    let appender = Appender::open(&url(folder.path()), &settings).unwrap();
    let lane = appender.lane("c");
    let mut stall = Stall::new(&appender.progress(), Instant::now());
    appender.append(&lane, 1, Bytes::from_static(b"1"), Urgency::Follows).unwrap();
    let seen = Instant::now();
    assert_eq!(appender.progress(), [(1, 0)]);
    assert_eq!(stall.age(&appender.progress(), seen), Duration::ZERO);
    let later = seen + Duration::from_secs(9);
    assert_eq!(stall.age(&appender.progress(), later), Duration::from_secs(9));
    appender.append(&lane, 2, Bytes::from_static(b"2"), Urgency::Held).unwrap();
    lane.durable().reached(2).await.unwrap();
    // It is told a moment before it is counted.
    while appender.progress() != [(2, 2)] {
        tokio::task::yield_now().await;
    }
    assert_eq!(stall.age(&appender.progress(), later), Duration::ZERO);
    appender.close(Duration::ZERO);
}
