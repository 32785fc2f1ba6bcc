//! The stream of failed documents: nothing in it is ever forgotten.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::sync::Arc;

use backfill::action::{Action, Operation};
use backfill::failed::{
    FailedDocument, FailedError, FailedStore, FailedWriter, Origin, Part, plain_name,
};
use backfill::send::{Batch, BatchBuilder, Class, FailedItem, Place};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

fn batch() -> Batch {
    let mut builder = BatchBuilder::new(Some("target".into()));
    for (document, source) in (0..).zip(["{\"a\":1}", "{\"a\":", "{}"]) {
        let action = Action {
            operation: Operation::Index,
            index: None,
            id: &format!("i\"{document}"),
            routing: Some("r"),
            version: Some(5),
        };
        builder.push(&action, source.as_bytes(), Place { segment: 0, document });
    }
    builder.take()
}

fn at() -> jiff::Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn origin(document: u32) -> Origin<'static> {
    Origin { index: "source", shard: 2, segment: "_a", document }
}

async fn refuse(writer: &mut FailedWriter, batch: &Batch, position: usize) {
    let failed = FailedItem {
        position,
        class: Class::Mapping,
        status: 400,
        kind: "mapper_parsing_exception".into(),
        reason: "no".into(),
        attempts: 2,
    };
    writer.refused(origin(position as u32), batch, &failed, at()).await.unwrap();
}

/// All documents of a run, by their numbers.
async fn all(store: &FailedStore) -> Vec<u32> {
    let mut found = Vec::new();
    for name in store.parts("run").await.unwrap() {
        found.extend(store.read(name).await.unwrap().documents.iter().map(|d| d.document));
    }
    found.sort_unstable();
    found
}

async fn parts(store: &FailedStore) -> Vec<Part> {
    let mut parts = Vec::new();
    for name in store.parts("run").await.unwrap() {
        parts.push(store.read(name).await.unwrap());
    }
    parts
}

async fn check(store: FailedStore) {
    assert!(all(&store).await.is_empty());
    let batch = batch();
    let mut writer = store.writer("run", "source/2", "host:1", 1 << 20);
    refuse(&mut writer, &batch, 0).await;
    refuse(&mut writer, &batch, 1).await;
    assert!(writer.held() == 2 && all(&store).await.is_empty());
    writer.flush().await.unwrap();
    assert_eq!((writer.held(), all(&store).await), (0, vec![0, 1]));
    writer.flush().await.unwrap();
    writer.unreadable(origin(7), None, "checksum", at()).await.unwrap();
    writer.flush().await.unwrap();

    // The same worker, started again, and another run.
    let mut again = store.writer("run", "source/2", "host:1", 1 << 20);
    refuse(&mut again, &batch, 2).await;
    again.flush().await.unwrap();
    let mut other = store.writer("other run", "source/2", "host:1", 1 << 20);
    refuse(&mut other, &batch, 2).await;
    other.flush().await.unwrap();
    assert_eq!(all(&store).await, [0, 1, 2, 7]);

    let read = parts(&store).await;
    let first = read.iter().find(|part| part.documents.len() == 2).unwrap();
    let FailedDocument { id, routing, version, action, source, attempts, .. } = &first.documents[1];
    assert_eq!((id.as_deref(), routing.as_deref()), (Some("i\"1"), Some("r")));
    assert_eq!((*version, *attempts), (Some(5), 2));
    let line = r#"{"index":{"_index":"target","_id":"i\"1","routing":"r","version":5,"version_type":"external_gte"}}"#;
    assert_eq!(action.as_deref(), Some(line));
    assert_eq!(&source.as_ref().unwrap().0[..], b"{\"a\":");
    let unread = read.iter().flat_map(|part| &part.documents).find(|d| d.document == 7).unwrap();
    assert_eq!((unread.class, unread.source.is_none()), (Class::Unreadable, true));

    store.delete(&first.name).await.unwrap();
    store.delete(&first.name).await.unwrap();
    assert_eq!(all(&store).await, [2, 7]);
    let mut discarded = store.retrying("run", "source/2", 1 << 20);
    refuse(&mut discarded, &batch, 0).await;
    discarded.flush().await.unwrap();
    assert_eq!(all(&store).await, [0, 2, 7]);
    discarded.discard().await.unwrap();
    assert_eq!(all(&store).await, [2, 7]);
}

#[tokio::test]
async fn in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    check(FailedStore::open(folder.path().join("a b").to_str().unwrap()).unwrap()).await;
    let url = url::Url::from_file_path(folder.path().join("c")).unwrap();
    check(FailedStore::open(url.as_str()).unwrap()).await;
}

#[tokio::test]
async fn in_an_object_store() {
    check(FailedStore::over(Arc::new(InMemory::new()), Path::from("some/where"))).await;
}

#[tokio::test]
async fn a_part_is_bounded() {
    let store = FailedStore::over(Arc::new(InMemory::new()), Path::default());
    let batch = batch();
    let mut writer = store.writer("run", "u", "w", 600);
    for _ in 0..10 {
        refuse(&mut writer, &batch, 0).await;
        assert!(writer.held() < 3);
    }
    writer.flush().await.unwrap();
    assert_eq!(all(&store).await.len(), 10);
    assert!(parts(&store).await.len() >= 5);
}

#[tokio::test]
async fn parts_are_known_by_their_unit_and_count_by_their_token() {
    let store = FailedStore::over(Arc::new(InMemory::new()), Path::default());
    let batch = batch();
    let long = |shard: u32| format!("run.{}.uuid.{shard}.0", "index".repeat(40));
    for unit in [long(1), long(2), "run.a_b.u.0.0".to_owned(), "run.a.b.u.0.0".to_owned()] {
        let mut writer = store.writer("run", &unit, "host:1", 1 << 20);
        refuse(&mut writer, &batch, 0).await;
        writer.flush().await.unwrap();
        let names = store.parts("run").await.unwrap();
        let of_unit: Vec<_> = names.iter().filter(|n| n.unit() == plain_name(&unit)).collect();
        assert_eq!(of_unit.len(), 1, "{unit}");
        assert!(of_unit[0].to_string().len() < 255);
    }
    // Nor do runs meet whose names differ in what a file's name has no room for.
    assert_ne!(plain_name("a.b"), plain_name("a_b"));

    let unit = "run.c.u.0.0";
    let mut worker = store.writer("run", unit, "host:1", 1 << 20);
    let mut retry = store.retrying("run", unit, 1 << 20);
    let mut other = store.retrying("run", unit, 1 << 20);
    let mut unsettled = store.unsettled("run", unit, 1 << 20);
    for writer in [&mut worker, &mut retry, &mut other, &mut unsettled] {
        refuse(writer, &batch, 0).await;
        writer.flush().await.unwrap();
    }
    let names = store.parts("run").await.unwrap();
    let counting = |settled: Option<&str>| {
        let parts = names.iter().filter(|n| n.unit() == plain_name(unit) && n.counts(settled));
        let mut texts: Vec<String> = parts.map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    assert_eq!(counting(None).len(), 2, "the worker's, and what had no accounts");
    let settled = counting(Some(retry.token()));
    assert_eq!(settled.len(), 2, "the retry's, and what had no accounts");
    assert!(settled.iter().any(|name| name.contains(retry.token())));
    assert!(settled.iter().any(|name| name.contains(unsettled.token())));
}

#[tokio::test]
async fn nothing_is_skipped_in_silence() {
    let memory = Arc::new(InMemory::new());
    let store = FailedStore::over(memory.clone(), Path::default());
    let mut writer = store.writer("run", "u", "w", 1 << 20);
    refuse(&mut writer, &batch(), 0).await;
    refuse(&mut writer, &batch(), 1).await;
    writer.flush().await.unwrap();
    let name = store.parts("run").await.unwrap().remove(0);
    let path = Path::from(name.to_string());
    let whole = memory.get(&path).await.unwrap().bytes().await.unwrap();
    for end in 0..whole.len() {
        memory.put(&path, whole.slice(..end).into()).await.unwrap();
        match store.read(name.clone()).await {
            // A file system may tear between two lines; what is there is then whole.
            Ok(part) => assert_eq!((part.documents.len(), whole[end - 1]), (1, b'\n')),
            Err(FailedError::Line { line, .. }) => assert!(line <= 2),
            Err(error) => panic!("{error}"),
        }
    }
    for stranger in
        ["run/notes.txt", "run/a.b.c.ndjson", "run/a.b.c.d.ndjson", "run/a.b.c.1.2.ndjson"]
    {
        let stranger = Path::from(stranger);
        memory.put(&stranger, Bytes::from_static(b"x").into()).await.unwrap();
        assert!(matches!(store.parts("run").await, Err(FailedError::Name { .. })), "{stranger}");
        memory.delete(&stranger).await.unwrap();
    }
}

#[test]
fn what_is_no_place_is_refused() {
    for wrong in ["", "ftp://host/x", "s3://", "file://host/x"] {
        assert!(matches!(FailedStore::open(wrong), Err(FailedError::Url { .. })), "{wrong}");
    }
}
