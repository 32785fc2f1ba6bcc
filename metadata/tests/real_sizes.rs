//! A mapping of 5 MB, from a cluster and from its snapshot.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use metadata::{Outcome, Verified};
use serde_json::{Map, Value, json};
use stage::{SNAPSHOT, connect, from_cluster, from_snapshot, plan, put, run, take_snapshot};
use testbed::Testbed;

const FIELDS: usize = 29_000;

fn wide() -> Value {
    let field = |at: usize| {
        let kind = json!({
            "type": "keyword", "ignore_above": 1024, "doc_values": at.is_multiple_of(2),
            "meta": {"says": format!("field {at:>40}")},
        });
        (format!("field_{at:05}_{:0>40}", at), kind)
    };
    let properties: Map<String, Value> = (0..FIELDS).map(field).collect();
    json!({ "properties": properties })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_of_5_mb_is_moved_and_read_back() {
    let mapping = wide();
    let bytes = mapping.to_string().len();
    assert!(bytes > 5_000_000, "{bytes}");
    let source = Testbed::opensearch("2").await.unwrap();
    let cluster = connect(&source).await;
    let settings = json!({"index.mapping.total_fields.limit": 2 * FIELDS, "number_of_replicas": 0});
    let body = json!({"settings": settings, "mappings": mapping});
    put(&cluster, "/wide", body.clone()).await;
    let template = json!({"index_patterns": ["wide-*"], "template": body});
    put(&cluster, "/_index_template/wide", template).await;
    take_snapshot(&cluster, &source, SNAPSHOT, true).await;

    let target = Testbed::opensearch("3").await.unwrap();
    let stored = from_snapshot(&source, SNAPSHOT, &target);
    let report = run(&stored).await;
    let moved: Vec<_> = report.items.iter().filter(|line| line.outcome.is_some()).collect();
    assert_eq!(moved.len(), 2, "{report}");
    for line in moved {
        assert_eq!(line.outcome, Some(Outcome::Created), "{}", line.item.name);
        assert_eq!(line.verified, Some(Verified::Equal), "{}", line.item.name);
    }
    // The cluster itself says what the snapshot says, so nothing is left to do.
    let again = plan(&from_cluster(&source, &target)).await;
    let states: Vec<String> = again
        .items
        .iter()
        .filter(|line| line.item.name == "wide")
        .map(|line| line.item.state.to_string())
        .collect();
    assert_eq!(states, ["exists equal", "exists equal"]);
}
