//! Repositories that real servers wrote, of eleven versions: everything they say of themselves.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::path::PathBuf;

use serde_json::json;
use snapshot::{Content, Location, Repository, Settings, SnapshotError, State};

/// Directory, version of the server, version that made the indices, type of the mapping.
const VERSIONS: [(&str, &str, &str, &str); 11] = [
    ("es-1.7", "Elasticsearch 1.7.6", "Elasticsearch 1.7.6", "doc"),
    ("es-2.4", "Elasticsearch 2.4.6", "Elasticsearch 2.4.6", "doc"),
    ("es-5.6", "Elasticsearch 5.6.16", "Elasticsearch 5.6.16", "doc"),
    ("es-6.8", "Elasticsearch 6.8.23", "Elasticsearch 6.8.23", "doc"),
    ("es-7.10", "Elasticsearch 7.10.2", "Elasticsearch 7.10.2", "_doc"),
    ("es-7.17", "Elasticsearch 7.17.29", "Elasticsearch 7.17.29", "_doc"),
    ("es-8", "Elasticsearch 8.7.1", "Elasticsearch 8.7.1", "_doc"),
    (
        "es-8.19",
        "Elasticsearch 8 (index version 8537000)",
        "Elasticsearch 8 (index version 8537000)",
        "_doc",
    ),
    ("opensearch-1", "OpenSearch 1.3.20", "OpenSearch 1.3.20", "_doc"),
    ("opensearch-2", "OpenSearch 2.19.6", "OpenSearch 2.19.6", "_doc"),
    ("opensearch-3", "OpenSearch 3.8.0", "OpenSearch 3.8.0", "_doc"),
];

async fn open(name: &str) -> Repository {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/repositories").join(name);
    let location = Location::parse(path.to_str().unwrap()).unwrap();
    Repository::open(Settings::new(location)).await.unwrap()
}

#[tokio::test]
async fn snapshots_describe_themselves() {
    for (name, version, ..) in VERSIONS {
        let listed = open(name).await.snapshots().await;
        let [(listed, info)] = &listed[..] else { panic!("{name}: {listed:?}") };
        let info = info.as_ref().unwrap();
        assert_eq!((listed.name.as_str(), info.name.as_str()), ("snap1", "snap1"), "{name}");
        assert_eq!(listed.is_named_by_uuid(), !["es-1.7", "es-2.4"].contains(&name), "{name}");
        assert_eq!(info.version.unwrap().to_string(), version, "{name}");
        assert_eq!((info.state, info.is_complete()), (State::Success, true), "{name}");
        assert_eq!((info.total_shards, info.successful_shards), (4, 4), "{name}");
        assert!(info.start > 1_795_000_000_000 && info.end.unwrap() >= info.start, "{name}");
        let recorded = !["es-1.7", "es-2.4", "es-5.6"].contains(&name);
        assert_eq!(info.include_global_state, recorded.then_some(true), "{name}");
    }
}

#[tokio::test]
async fn indices_have_their_definition_in_one_form() {
    for (name, _, created, doc) in VERSIONS {
        let snapshot = open(name).await.snapshot("snap1").await.unwrap();
        assert_eq!(snapshot.indices(), ["logs", "unicode"], "{name}");
        let logs = snapshot.index("logs").await.unwrap();
        let metadata = &logs.metadata;
        assert_eq!(metadata.uuid.len(), 22, "{name}");
        assert_eq!(metadata.setting("index.uuid"), Some(metadata.uuid.as_str()), "{name}");
        assert_eq!(metadata.setting("index.refresh_interval"), Some("-1"), "{name}");
        assert!(metadata.is_open && !metadata.is_system, "{name}");
        assert_eq!(metadata.number_of_shards, 3, "{name}");
        let routing = match name {
            "es-1.7" | "es-2.4" => None,
            "es-5.6" | "es-6.8" => Some(3),
            _ => Some(768),
        };
        assert_eq!(metadata.routing_num_shards, routing, "{name}");
        let terms = if routing.is_some() { vec![1, 1, 1] } else { vec![] };
        assert_eq!(metadata.primary_terms, terms, "{name}");
        assert_eq!(metadata.created.unwrap().to_string(), created, "{name}");
        let [(of, mapping)] = &metadata.mappings[..] else { panic!("{name}") };
        assert_eq!(of, doc, "{name}");
        assert_eq!(mapping["properties"]["items"]["properties"]["qty"], json!({"type": "integer"}));
        let filter = json!({"filter": {"range": {"status": {"gte": 500}}}});
        assert_eq!(metadata.aliases["logs-5xx"], filter, "{name}");
        assert_eq!(metadata.aliases["logs-alias"], json!({}), "{name}");
        assert_eq!(logs.unsupported(), None, "{name}");
    }
}

#[tokio::test]
async fn the_clusters_templates_are_there() {
    for (name, _, _, doc) in VERSIONS {
        let snapshot = open(name).await.snapshot("snap1").await.unwrap();
        let global = snapshot.global().await.unwrap();
        let template = global.templates["logs-template"].template(1 << 20).unwrap();
        let host = &template["mappings"][doc]["properties"]["host"];
        let expected = match name {
            "es-1.7" | "es-2.4" => json!({"index": "not_analyzed", "type": "string"}),
            _ => json!({"type": "keyword"}),
        };
        assert_eq!(host, &expected, "{name}");
        assert_eq!(template["aliases"], json!({"all-logs": {}}), "{name}");
        assert_eq!(global.cluster_uuid.is_some(), name != "es-1.7", "{name}");
        if doc == "_doc" {
            let base = global.component_templates["base-settings"].value();
            let expected =
                json!({"template": {"settings": {"index": {"number_of_replicas": "0"}}}});
            assert_eq!(base, expected, "{name}");
            let metrics = global.index_templates["metrics-template"].template(1 << 20).unwrap();
            let v = &metrics["template"]["mappings"]["properties"]["v"];
            assert_eq!(v, &json!({"type": "double"}), "{name}");
        }
    }
}

#[tokio::test]
async fn shards_list_their_files_and_small_ones_read_whole() {
    for (name, ..) in VERSIONS {
        let snapshot = open(name).await.snapshot("snap1").await.unwrap();
        let mut read = 0;
        let mut inline = 0;
        for index in snapshot.indices() {
            let index = snapshot.index(index).await.unwrap();
            for number in 0..index.metadata.number_of_shards {
                let shard = index.shard(number).await.unwrap();
                assert!(shard.files().total_size() > 50_000, "{name}");
                let commit = shard.commit().unwrap();
                for file in shard.files().iter() {
                    assert!(file.footer_checksum().is_some(), "{name}: {file:?}");
                    let is_inline = matches!(file.content, Content::Inline(_));
                    match shard.read(file, 1 << 20).await {
                        Ok(bytes) => {
                            assert_eq!(bytes.len() as u64, file.length, "{name}");
                            read += 1;
                            inline += usize::from(is_inline);
                            let tail = shard.read_range(file, 7..file.length).await.unwrap();
                            assert_eq!(tail, &bytes[7..], "{name}");
                        }
                        Err(SnapshotError::Missing { place, blob }) => {
                            let left_out = index.metadata.name == "logs" || file.length > 4096;
                            assert!(left_out, "{name}: {blob}");
                            assert_eq!(place.file.as_ref(), Some(&file.physical_name), "{name}");
                            assert_eq!(place.shard, Some(number), "{name}");
                        }
                        Err(error) => panic!("{name}: {error}"),
                    }
                }
                let has_commit = matches!(commit.content, Content::Inline(_));
                let virtual_blobs = !["es-1.7", "es-2.4", "es-5.6", "es-6.8"].contains(&name);
                assert_eq!(has_commit, virtual_blobs, "{name}");
            }
        }
        assert!(read >= 5, "{name}: {read}");
        assert_eq!(inline > 0, name > "es-7" || name.starts_with('o'), "{name}: {inline}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let repository = open("es-7.10").await;
    let error = repository.snapshot("snap2").await.unwrap_err().to_string();
    assert!(error.contains("no snapshot `snap2`; there are: snap1"), "{error}");
    let snapshot = repository.snapshot("snap1").await.unwrap();
    let error = snapshot.index("nolog").await.unwrap_err().to_string();
    assert!(error.contains("snapshot `snap1`, index `nolog`"), "{error}");
    let error = snapshot.index("logs").await.unwrap().shard(3).await.unwrap_err().to_string();
    assert!(error.contains("index `logs`, shard 3: the index has only 3 shards"), "{error}");
    let shard = snapshot.index("logs").await.unwrap().shard(2).await.unwrap();
    assert!(shard.file("_9.cfs").unwrap_err().to_string().contains("`_9.cfs`"));
    let file = shard.files().iter().find(|file| file.length > 4999).unwrap();
    let error = shard.read(file, 1 << 20).await.unwrap_err().to_string();
    let Content::Blob { name, .. } = &file.content else { panic!("{file:?}") };
    for part in ["es-7.10", "`snap1`", "`logs`", "shard 2", &file.physical_name, "/2/", name] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let error = shard.read(file, 4999).await.unwrap_err();
    assert!(matches!(error, SnapshotError::TooLong { limit: 4999, .. }), "{error}");
}

#[tokio::test]
async fn a_place_without_a_repository_says_so() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let location = Location::parse(path.to_str().unwrap()).unwrap();
    let error = Repository::open(Settings::new(location)).await.unwrap_err();
    assert!(matches!(error, SnapshotError::NoRepository { .. }), "{error}");
}
