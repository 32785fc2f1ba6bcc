//! Data streams: their backing indices are no system indices, and their documents go to the target's stream.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use backfill::{ReadSettings, RunSettings, run};
use cluster::{Cluster, Method, Request};
use serde_json::{Value, json};
use snapshot::Location;
use telemetry::Shutdown;
use testbed::{Server, Testbed};

async fn connect(server: &Server) -> Cluster {
    Cluster::connect(cluster::Settings::new(server.url())).await.unwrap()
}

async fn ask(cluster: &Cluster, method: Method, path: &str, body: &Value) -> Value {
    let reply = cluster.call(Request::json(method, path, body.to_string())).await.unwrap();
    serde_json::from_slice(&reply.body).unwrap()
}

async fn make_stream(cluster: &Cluster) {
    let template = json!({
        "index_patterns": ["logs-*"], "data_stream": {},
        "template": {"settings": {"number_of_shards": 2, "number_of_replicas": 0}},
    });
    ask(cluster, Method::PUT, "/_index_template/logs", &template).await;
    ask(cluster, Method::PUT, "/_data_stream/logs-app", &json!({})).await;
}

async fn fill(cluster: &Cluster, from: u32, to: u32) {
    let mut lines = String::new();
    for n in from..to {
        let document = json!({"@timestamp": "2026-01-02T03:04:05Z", "n": n});
        lines.push_str(&format!("{{\"create\":{{\"_id\":\"id-{n}\"}}}}\n{document}\n"));
    }
    let path = "/logs-app/_bulk?refresh=true";
    let reply = cluster.call(Request::ndjson(Method::POST, path, lines)).await.unwrap();
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["errors"], false, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_stream_is_moved_into_a_data_stream() {
    let (source, target) = tokio::join!(Testbed::opensearch("2"), Testbed::opensearch("3"));
    let (source, target) = (source.unwrap(), target.unwrap());
    let cluster = connect(&source).await;
    make_stream(&cluster).await;
    fill(&cluster, 0, 60).await;
    ask(&cluster, Method::POST, "/logs-app/_rollover", &json!({})).await;
    fill(&cluster, 60, 100).await;
    let folder = source.folder().join("repo");
    let repository = json!({"type": "fs", "settings": {"location": folder}});
    ask(&cluster, Method::PUT, "/_snapshot/r", &repository).await;
    let path = "/_snapshot/r/s?wait_for_completion=true";
    ask(&cluster, Method::PUT, path, &json!({"indices": "*,.ds-*"})).await;
    source.stop().await.unwrap();

    let failed = tempfile::tempdir().unwrap();
    let location = Location::parse(folder.to_str().unwrap()).unwrap();
    let settings = RunSettings::new(
        ReadSettings::new(location, "s"),
        target.url(),
        failed.path().to_str().unwrap(),
    );
    let refused = run(settings.clone(), Shutdown::new()).await.unwrap_err().to_string();
    assert!(refused.contains("no data stream logs-app"), "{refused}");

    let cluster = connect(&target).await;
    make_stream(&cluster).await;
    // Twice: a document that is there already is superseded, not written again.
    for (name, written, superseded) in [("first", 100, 0), ("second", 0, 100)] {
        let mut settings = settings.clone();
        settings.run = name.parse().unwrap();
        let summary = run(settings, Shutdown::new()).await.unwrap();
        assert!(summary.is_complete(), "{}", summary.status);
        let accounts = &summary.status.accounts;
        assert_eq!((accounts.written, accounts.superseded), (written, superseded), "{name}");
    }
    let mut scan = cluster.scan("logs-app", 1000).await.unwrap();
    let mut found: Vec<u64> = Vec::new();
    loop {
        let page = scan.next_page().await.unwrap();
        if page.is_empty() {
            break;
        }
        for document in page {
            let source: Value = serde_json::from_slice(&document.source).unwrap();
            assert_eq!(document.id, format!("id-{}", source["n"]));
            found.push(source["n"].as_u64().unwrap());
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..100).collect::<Vec<u64>>());
}
