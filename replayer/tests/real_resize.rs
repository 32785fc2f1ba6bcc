//! Indices that the source makes of others, and brings back from a snapshot: their documents are in no request.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::fmt::Write as _;

use cluster::Method;
use lab::Lab;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn shrunk_split_cloned_and_restored_indices_have_their_documents() {
    let lab = Lab::start("resize").await;
    let index = &lab.index;
    let shards = json!({"settings": {
        "number_of_shards": 2, "number_of_routing_shards": 4, "number_of_replicas": 0, "blocks.write": false,
    }});
    lab.ok(Method::PUT, &format!("/{index}"), &shards).await;
    let lines = (0..300).fold(String::new(), |mut lines, id| {
        let _ = write!(lines, "{{\"index\":{{\"_id\":\"{id}\"}}}}\n{{\"n\":{id}}}\n");
        lines
    });
    lab.bulk(&format!("/{index}/_bulk"), lines).await;
    lab.snapshot("resized").await;
    let settings = |more: serde_json::Value| json!({"settings": more});
    let blocked = json!({"index.blocks.write": true});
    lab.ok(Method::PUT, &format!("/{index}/_settings"), &blocked).await;
    let open = json!({"index.number_of_shards": 1, "index.blocks.write": null});
    lab.ok(Method::POST, &format!("/{index}/_shrink/{index}-shrunk"), &settings(open)).await;
    let open = json!({"index.number_of_shards": 4, "index.blocks.write": null});
    lab.ok(Method::POST, &format!("/{index}/_split/{index}-split"), &settings(open)).await;
    let open = json!({"index.blocks.write": null});
    lab.ok(Method::POST, &format!("/{index}/_clone/{index}-cloned"), &settings(open)).await;
    let restore =
        json!({"indices": index, "rename_pattern": "$", "rename_replacement": "-restored"});
    // Nobody waits until it is there.
    lab.ok(Method::POST, "/_snapshot/resized/resized/_restore", &restore).await;
    lab.ok(Method::DELETE, &format!("/{index}-cloned/_doc/7"), &json!(null)).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!((summary.doubt["resize"], summary.doubt["restore"]), (3, 1), "{summary}");
    assert_eq!(lab.differences().await, Vec::<String>::new());
    let path = format!("/{index},{index}-*/_count");
    lab.change_target(Method::POST, &format!("/{index}*/_refresh"), &json!(null)).await;
    assert_eq!(lab.on_target(Method::GET, &path).await["count"], 5 * 300 - 1);
}
