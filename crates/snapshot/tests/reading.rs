//! Bytes of files: parts, ranges, streams, and stores that throttle, stall, cut short or refuse.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod made;
mod misbehaving;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use made::{ID, entry, lucene_file, put, repository, settings, shard};
use misbehaving::{Fault, Misbehaving};
use object_store::memory::InMemory;
use serde_json::json;
use snapshot::{Blocks, Repository, Settings, Shard, SnapshotError};

const BLOCK: usize = 4096;
const PART: u64 = 10_000;

/// A repository with the file `_0.cfs` of four parts and the empty `_1.cfs`; its bytes.
async fn parts() -> (InMemory, Vec<u8>) {
    let store = repository(|_, _, _| ()).await;
    let bytes = lucene_file(35_001);
    let directory = format!("indices/{ID}/0");
    let mut empty = entry("_1.cfs", "__b", &bytes, PART);
    empty["length"] = json!(0);
    shard(&store, &directory, json!([entry("_0.cfs", "__a", &bytes, PART), empty])).await;
    for (number, part) in bytes.chunks(10_000).enumerate() {
        put(&store, &format!("{directory}/__a.part{number}"), part).await;
    }
    (store, bytes)
}

async fn open(store: Misbehaving, settings: Settings) -> (Repository, Shard) {
    let repository = Repository::open_in(Arc::new(store), settings).await.unwrap();
    let snapshot = repository.snapshot("snap").await.unwrap();
    let shard = snapshot.index("logs").await.unwrap().shard(0).await.unwrap();
    (repository, shard)
}

fn small_blocks() -> Settings {
    let mut settings = settings();
    settings.reading.block = BLOCK;
    settings
}

async fn collect(mut blocks: Blocks) -> Result<Vec<u8>, SnapshotError> {
    let mut all = Vec::new();
    while let Some(block) = blocks.next().await {
        let block: Bytes = block?;
        assert!(block.len() <= BLOCK);
        all.extend_from_slice(&block);
    }
    Ok(all)
}

#[tokio::test]
async fn a_file_of_parts_reads_whole_in_ranges_and_as_a_stream() {
    let (store, bytes) = parts().await;
    let (repository, shard) = open(Misbehaving::new(store), small_blocks()).await;
    let file = shard.file("_0.cfs").unwrap();
    assert_eq!(shard.read(file, 1 << 20).await.unwrap(), bytes);
    for range in [0..1, 9_999..10_001, 10_000..20_000, 5..34_999, 35_000..35_001, 7..7] {
        let found = shard.read_range(file, range.clone()).await.unwrap();
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert_eq!(found, &bytes[range.clone()], "{range:?}");
    }
    for from in [0, 1, 9_999, 10_000, 35_000, 35_001] {
        let found = collect(shard.stream(file, from).unwrap()).await.unwrap();
        assert_eq!(found, &bytes[usize::try_from(from).unwrap()..], "{from}");
    }
    for (start, end) in [(0, 35_002), (35_002, 35_002), (2, 1)] {
        let error = shard.read_range(file, start..end).await.unwrap_err();
        assert!(matches!(error, SnapshotError::Range { length: 35_001, .. }), "{error}");
        assert!(shard.stream_range(file, start..end).is_err());
    }
    let empty = shard.file("_1.cfs").unwrap();
    assert_eq!(shard.read_range(empty, 0..0).await.unwrap(), "");
    assert!(collect(shard.stream(empty, 0).unwrap()).await.unwrap().is_empty());
    assert_eq!(repository.traffic().retries, 0);
}

#[tokio::test]
async fn a_part_of_another_length_or_none_is_an_error_that_names_it() {
    let (store, bytes) = parts().await;
    put(&store, &format!("indices/{ID}/0/__a.part2"), &bytes[..9_999]).await;
    let (repository, shard) = open(Misbehaving::new(store), small_blocks()).await;
    let file = shard.file("_0.cfs").unwrap();
    let error = shard.read(file, 1 << 20).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Length { expected: 10_000, found: 9_999, .. }));
    assert!(
        error.to_string().contains("file `_0.cfs`: blob `indices/IxId/0/__a.part2`"),
        "{error}"
    );
    assert!(collect(shard.stream(file, 0).unwrap()).await.is_err());
    assert_eq!(repository.traffic().retries, 0, "trying again would not help");

    // A store only says that there is no such range.
    let (store, bytes) = parts().await;
    put(&store, &format!("indices/{ID}/0/__a.part2"), &bytes[..10]).await;
    let (_, shard) = open(Misbehaving::new(store), small_blocks()).await;
    let file = shard.file("_0.cfs").unwrap();
    let error = shard.read_range(file, 20_100..20_200).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Length { expected: 10_000, found: 10, .. }), "{error}");

    let store = repository_without_parts().await;
    let (_, shard) = open(Misbehaving::new(store), small_blocks()).await;
    let error = shard.read(shard.file("_0.cfs").unwrap(), 1 << 20).await.unwrap_err();
    assert!(error.is_missing() && error.to_string().contains("__a.part0"), "{error}");
}

async fn repository_without_parts() -> InMemory {
    let store = repository(|_, _, _| ()).await;
    let list = json!([entry("_0.cfs", "__a", &lucene_file(35_001), PART)]);
    shard(&store, &format!("indices/{ID}/0"), list).await;
    store
}

#[tokio::test]
async fn a_damaged_file_is_not_given_out() {
    let store = repository(|_, _, _| ()).await;
    let good = lucene_file(200);
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    let other = made::with_footer(vec![7; 184]); // sound, but not the one that is listed
    let directory = format!("indices/{ID}/0");
    let list = [("_0.si", "__a"), ("_1.si", "__b"), ("_2.si", "__c")];
    let list = list.map(|(name, blob)| entry(name, blob, &good, 1000));
    shard(&store, &directory, json!(list)).await;
    for (blob, bytes) in [("__a", &good), ("__b", &flipped), ("__c", &other)] {
        put(&store, &format!("{directory}/{blob}"), bytes.clone()).await;
    }
    let (_, shard) = open(Misbehaving::new(store), settings()).await;
    assert_eq!(shard.read(shard.file("_0.si").unwrap(), 200).await.unwrap(), good);
    for name in ["_1.si", "_2.si"] {
        let error = shard.read(shard.file(name).unwrap(), 200).await.unwrap_err();
        assert!(matches!(error, SnapshotError::Malformed { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_passing_fault_is_overcome_and_counted() {
    for fault in
        [Fault::Throttled, Fault::Stalled, Fault::StalledMidway, Fault::Reset, Fault::Short]
            .into_iter()
            .chain([Fault::Long, Fault::WrongRange])
    {
        let (store, bytes) = parts().await;
        let store = Misbehaving::new(store);
        let faults = store.faults();
        let (repository, shard) = open(store, small_blocks()).await;
        let file = shard.file("_0.cfs").unwrap();
        faults.lock().extend([Some(fault), None, Some(fault), Some(fault), None, Some(fault)]);
        assert_eq!(shard.read(file, 1 << 20).await.unwrap(), bytes, "{fault:?}");
        faults.lock().extend([Some(fault), Some(fault), None, Some(fault)]);
        let found = collect(shard.stream(file, 3).unwrap()).await.unwrap();
        assert_eq!(found, &bytes[3..], "{fault:?}");
        assert!(faults.lock().is_empty(), "{fault:?}");
        assert_eq!(repository.traffic().retries, 7, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lasting_fault_ends_after_the_attempts_that_are_set() {
    for fault in
        [Fault::Throttled, Fault::Stalled, Fault::StalledMidway, Fault::Reset, Fault::Short]
    {
        let (store, _) = parts().await;
        let store = Misbehaving::new(store);
        let faults = store.faults();
        let mut settings = small_blocks();
        settings.retry.attempts = 3;
        let (repository, shard) = open(store, settings).await;
        let file = shard.file("_0.cfs").unwrap();
        faults.lock().extend([Some(fault); 3]);
        let error = shard.read(file, 1 << 20).await.unwrap_err();
        assert!(matches!(error, SnapshotError::Unreadable { attempts: 3, .. }), "{error}");
        assert!(error.is_transient());
        assert!(faults.lock().is_empty(), "{fault:?}");
        assert_eq!(repository.traffic().retries, 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_not_asked_again() {
    let (store, _) = parts().await;
    let store = Misbehaving::new(store);
    store.faults().lock().push_back(Some(Fault::Denied));
    let error = Repository::open_in(Arc::new(store), settings()).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("check the credentials"), "{error}");
}

/// S3 answers 403 for a blob that is missing to whoever may not list the bucket.
#[tokio::test]
async fn a_refusal_of_what_may_not_exist_is_taken_for_missing() {
    let (store, bytes) = parts().await;
    let store = Misbehaving::new(store);
    store.faults().lock().extend([None, Some(Fault::Denied)]); // `index.latest`, then `index-8`
    let (_, shard) = open(store, settings()).await;
    assert_eq!(shard.read(shard.file("_0.cfs").unwrap(), 1 << 20).await.unwrap(), bytes);
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_a_stream() {
    let (store, bytes) = parts().await;
    let store = Misbehaving::new(store);
    let faults = store.faults();
    let mut settings = small_blocks();
    settings.retry.attempts = 1;
    let (_, shard) = open(store, settings).await;
    faults.lock().extend([None, Some(Fault::Reset)]);
    let mut blocks = shard.stream(shard.file("_0.cfs").unwrap(), 0).unwrap();
    assert_eq!(blocks.next().await.unwrap().unwrap(), &bytes[..BLOCK]);
    assert!(blocks.next().await.unwrap().is_err());
    assert!(blocks.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_reads_ahead_as_far_as_is_set_and_no_farther() {
    let (store, bytes) = parts().await;
    let store = Misbehaving::new(store);
    let requests = store.requests();
    let mut settings = small_blocks();
    settings.reading.ahead = 2;
    let (_, shard) = open(store, settings).await;
    let before = *requests.lock();
    let mut blocks = shard.stream(shard.file("_0.cfs").unwrap(), 0).unwrap();
    let first = blocks.next().await.unwrap().unwrap();
    // time stands still until every task waits: what was going to be asked for has been
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // 4096..8192 is in one part, 8192..12288 in two
    assert_eq!(*requests.lock() - before, 1 + 1 + 2);
    let mut all = first.to_vec();
    all.extend(collect(blocks).await.unwrap());
    assert_eq!(all, bytes);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_asks_for_nothing_more() {
    let (store, _) = parts().await;
    let store = Misbehaving::new(store);
    let (faults, requests) = (store.faults(), store.requests());
    let (repository, shard) = open(store, small_blocks()).await;
    faults.lock().extend([None, Some(Fault::Stalled), Some(Fault::Stalled), Some(Fault::Stalled)]);
    let mut blocks = shard.stream(shard.file("_0.cfs").unwrap(), 0).unwrap();
    blocks.next().await.unwrap().unwrap();
    drop(blocks);
    let before = *requests.lock();
    tokio::time::sleep(Duration::from_secs(3600)).await; // of a clock that is paused
    assert_eq!(*requests.lock(), before);
    assert_eq!(repository.traffic().retries, 0);
}

#[tokio::test]
async fn metadata_over_its_limits_is_refused() {
    let (store, _) = parts().await;
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(store);
    let mut small = settings();
    small.limits.blob = 8; // `index.latest` just fits
    let error = Repository::open_in(Arc::clone(&store), small).await.unwrap_err();
    assert!(matches!(error, SnapshotError::TooLong { limit: 8, .. }), "{error}");
    let mut small = settings();
    small.limits.expanded = 50;
    let error = Repository::open_in(store, small).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("longer than 50 bytes when expanded"), "{error}");
}
