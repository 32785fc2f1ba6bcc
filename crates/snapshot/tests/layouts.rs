//! What repositories may look like that no server of the tests wrote: hashed paths, shallow and partial snapshots,
//! old names in new repositories, a root list that must be searched.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod made;

use made::{ID, entry, lucene_file, open, put, repository, shard, wrap};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
use serde_json::json;
use snapshot::{SnapshotError, State};

async fn commit_of(store: InMemory, number: u32) -> Result<Vec<u8>, SnapshotError> {
    let snapshot = open(store).await?.snapshot("snap").await?;
    let shard = snapshot.index("logs").await?.shard(number).await?;
    let bytes = shard.read(shard.commit()?, 1000).await?;
    Ok(bytes.to_vec())
}

#[tokio::test]
async fn hashed_shard_paths_are_read_from_their_table() {
    let segments = lucene_file(100);
    for (code, table, directory) in [
        (1, format!("snapshot_path_{ID}.logs.2.1.1"), format!("Hx1/indices/{ID}/1")),
        (2, format!("{ID}.logs.2.2.1"), format!("indices/Hx1/{ID}/1")),
        (2, format!("own_prefix_{ID}.logs.2.2.0"), format!("indices/Hx1/{ID}/1")),
    ] {
        let store = repository(|root, _, _| {
            root["indices"]["logs"]["shard_path_type"] = json!(code);
        })
        .await;
        let first = directory.replace("Hx1", "Hx0").replace(&format!("{ID}/1"), &format!("{ID}/0"));
        let paths = json!({"indexId": ID, "paths": [first + "/", directory.clone() + "/"]});
        put(&store, &format!("snapshot_shard_paths/{table}"), paths.to_string()).await;
        shard(&store, &directory, json!([entry("segments_2", "__a", &segments, 1000)])).await;
        put(&store, &format!("{directory}/__a"), segments.clone()).await;
        assert_eq!(commit_of(store, 1).await.unwrap(), segments, "{table}");
    }
    let without = repository(|root, _, _| {
        root["indices"]["logs"]["shard_path_type"] = json!(1);
    });
    let error = commit_of(without.await, 1).await.unwrap_err().to_string();
    assert!(error.contains("snapshot_shard_paths/snapshot_path_IxId.logs.2.1.*"), "{error}");
}

#[tokio::test]
async fn shallow_and_searchable_snapshots_are_refused_with_the_reason() {
    let store = repository(|_, _, _| ()).await;
    put(&store, &format!("indices/{ID}/0/shallow-snap-SnUu.dat"), "x").await;
    let error = commit_of(store, 0).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("remote_store_index_shallow_copy"), "{error}");

    let store = repository(|_, info, index| {
        info["snapshot"]["remote_store_index_shallow_copy"] = json!(true);
        index["logs"]["settings"]["index.remote_store.enabled"] = json!("true");
    });
    let snapshot = open(store.await).await.unwrap().snapshot("snap").await.unwrap();
    assert!(snapshot.index("logs").await.unwrap().unsupported().unwrap().contains("shallow"));

    let store = repository(|_, _, index| {
        index["logs"]["settings"]["index.store.type"] = json!("snapshot");
    });
    let error = commit_of(store.await, 0).await.unwrap_err().to_string();
    assert!(error.contains("searchable snapshot"), "{error}");

    let store = repository(|_, _, _| ()).await;
    let error = commit_of(store, 0).await.unwrap_err();
    assert!(error.is_missing() && error.to_string().contains("/0/snap-SnUu.dat"), "{error}");
}

#[tokio::test]
async fn a_partial_snapshot_opens_and_its_failed_shard_says_why() {
    let segments = lucene_file(100);
    let store = repository(|root, info, _| {
        root["snapshots"][0]["state"] = json!(3);
        info["snapshot"]["state"] = json!("PARTIAL");
        info["snapshot"]["failures"] =
            json!([{"index": "logs", "shard_id": 1, "reason": "node left"}]);
    });
    let store = store.await;
    let list = json!([entry("segments_2", "__a", &segments, 1000)]);
    shard(&store, &format!("indices/{ID}/0"), list).await;
    put(&store, &format!("indices/{ID}/0/__a"), segments.clone()).await;
    let repository = open(store).await.unwrap();
    assert_eq!(repository.root().snapshots[0].state, Some(State::Partial));
    let snapshot = repository.snapshot("snap").await.unwrap();
    assert!(!snapshot.info().is_complete());
    let index = snapshot.index("logs").await.unwrap();
    let shard = index.shard(0).await.unwrap();
    assert_eq!(shard.read(shard.commit().unwrap(), 1000).await.unwrap(), segments);
    let error = index.shard(1).await.unwrap_err();
    assert!(matches!(error, SnapshotError::ShardFailed { .. }), "{error}");
    assert!(error.to_string().contains("node left"), "{error}");
}

#[tokio::test]
async fn a_snapshot_whose_description_is_gone_does_not_hide_the_others() {
    let store = repository(|root, _, _| {
        let snapshots = root["snapshots"].as_array_mut().unwrap();
        snapshots.insert(0, json!({"name": "gone", "uuid": "GoUu", "state": 1}));
    });
    let listed = open(store.await).await.unwrap().snapshots().await;
    assert_eq!(listed.len(), 2);
    assert!(listed[0].1.as_ref().unwrap_err().is_missing());
    assert_eq!(listed[1].1.as_ref().unwrap().name, "snap");
}

#[tokio::test]
async fn the_root_list_is_found_without_or_against_index_latest() {
    let other = json!({"snapshots": [{"name": "newer", "uuid": "N"}], "indices": {}}).to_string();
    let names = async |store| {
        let repository = open(store).await.unwrap();
        repository.root().snapshots.iter().map(|of| of.name.clone()).collect::<Vec<_>>()
    };
    let latest = Path::parse(format!("{}/index.latest", made::PREFIX)).unwrap();

    let store = repository(|_, _, _| ()).await; // none: the highest number counts, as a number
    store.delete(&latest).await.unwrap();
    put(&store, "index-10", other.clone()).await;
    put(&store, "index-9", "broken").await;
    assert_eq!(names(store).await, ["newer"]);

    let store = repository(|_, _, _| ()).await; // unreadable
    put(&store, "index.latest", "what").await;
    assert_eq!(names(store).await, ["snap"]);

    let store = repository(|_, _, _| ()).await; // behind
    put(&store, "index-8", other.clone()).await;
    assert_eq!(names(store).await, ["newer"]);

    let store = repository(|_, _, _| ()).await; // to a list that is gone
    put(&store, "index.latest", 3u64.to_be_bytes()).await;
    assert_eq!(names(store).await, ["snap"]);
}

#[tokio::test]
async fn old_snapshots_in_a_repository_of_a_newer_version_keep_their_names() {
    // a root list of 5.x with a snapshot of 1.x and one of 2.x in it
    let store = repository(|root, _, _| {
        root["snapshots"] = json!(["one", "two"]);
        root["indices"] = json!({"logs": {"id": "logs", "snapshots": ["one", "two"]}});
    });
    let store = store.await;
    let info = |name| {
        json!({"snapshot": {"name": name, "version_id": 2_040_699, "state": "SUCCESS",
            "indices": ["logs"], "start_time": 1, "end_time": 2}})
        .to_string()
    };
    let index = json!({"logs": {"state": "open", "settings": {"index": {"number_of_shards": 1}}}});
    let index = index.to_string();
    put(&store, "snapshot-one", info("one")).await;
    put(&store, "indices/logs/snapshot-one", index.clone()).await;
    put(&store, "metadata-one", json!({"meta-data": {"version": 1}}).to_string()).await;
    put(&store, "snap-two.dat", wrap("snapshot", info("two").as_bytes())).await;
    put(&store, "indices/logs/meta-two.dat", wrap("index-metadata", index.as_bytes())).await;
    let segments = lucene_file(60);
    let list = json!({"files": [entry("segments_1", "__0", &segments, 1000)]}).to_string();
    put(&store, "indices/logs/0/snapshot-one", list.clone()).await;
    put(&store, "indices/logs/0/snap-two.dat", wrap("snapshot", list.as_bytes())).await;
    put(&store, "indices/logs/0/__0", segments.clone()).await;
    let repository = open(store).await.unwrap();
    for name in ["one", "two"] {
        let snapshot = repository.snapshot(name).await.unwrap();
        let index = snapshot.index("logs").await.unwrap();
        assert_eq!(index.metadata.uuid, "logs", "there was none before 1.0");
        let shard = index.shard(0).await.unwrap();
        assert_eq!(shard.read(shard.commit().unwrap(), 1000).await.unwrap(), segments, "{name}");
        assert_eq!(snapshot.global().await.is_ok(), name == "one");
    }
}

#[tokio::test]
async fn an_index_that_the_root_does_not_place_is_an_error() {
    let store = repository(|root, _, _| root["indices"] = json!({})).await;
    let error = commit_of(store, 0).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
    let store = repository(|_, _, index| {
        *index = json!({"other": index["logs"]});
    });
    let error = commit_of(store.await, 0).await.unwrap_err().to_string();
    assert!(error.contains("is of index `other`"), "{error}");
}
