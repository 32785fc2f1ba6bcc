//! Every version that the testbed knows boots, keeps a document and goes away.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Instant;

use serde_json::{Value, json};
use testbed::{Server, Testbed};

async fn keeps_a_document(server: Server, expected: &str, type_name: &str) {
    let stand_in = expected.starts_with("3.") && server.version().starts_with("2.19.");
    assert!(server.version().starts_with(expected) || stand_in, "{}", server.version());

    let url = format!("{}/things/{type_name}/1", server.url());
    let client = reqwest::Client::new();
    let put = client.put(&url).json(&json!({"a": 1})).send().await.unwrap();
    assert_eq!(put.status(), 201, "{expected}: {}", put.text().await.unwrap());
    let got: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(got["_source"], json!({"a": 1}), "{expected}");

    let (process, folder) = (server.process_id().unwrap(), server.folder().to_owned());
    server.stop().await.unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "{expected}");
    assert!(reqwest::get(server.url()).await.is_err(), "{expected}");
    drop(server);
    assert!(!folder.exists(), "{expected}");
}

#[tokio::test]
async fn every_elasticsearch_boots() {
    let versions = [
        ("1.7", "1.7.", "doc"),
        ("2.4", "2.4.", "doc"),
        ("5.6", "5.6.", "doc"),
        ("6.8", "6.8.", "doc"),
        ("7.10", "7.10.", "_doc"),
        ("7.17", "7.17.", "_doc"),
        ("8", "8.7.", "_doc"),
        ("8.19", "8.19.", "_doc"),
    ];
    for (version, expected, type_name) in versions {
        let began = Instant::now();
        let server = Testbed::elasticsearch(version).await.unwrap();
        keeps_a_document(server, expected, type_name).await;
        println!("Elasticsearch {version}: {:.1} s", began.elapsed().as_secs_f64());
    }
}

#[tokio::test]
async fn every_opensearch_boots() {
    for (version, expected) in [("1", "1.3."), ("2", "2.19."), ("3", "3.")] {
        let began = Instant::now();
        let server = Testbed::opensearch(version).await.unwrap();
        keeps_a_document(server, expected, "_doc").await;
        println!("OpenSearch {version}: {:.1} s", began.elapsed().as_secs_f64());
    }
}
