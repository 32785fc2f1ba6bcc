//! Data streams: the target's ends with the documents of the source's, whatever their backing indices are called.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::collections::BTreeMap;

use cluster::Method;
use journal::StartFrom;
use lab::Lab;
use serde_json::{Value, json};
use traffic_replayer::Settings;

/// Every document by id.
fn documents(answer: &Value) -> BTreeMap<String, Value> {
    let hits = answer["hits"]["hits"].as_array().unwrap();
    let document = |hit: &Value| {
        let id = hit["_id"].as_str().unwrap().to_owned();
        (id, hit["_source"].clone())
    };
    hits.iter().map(document).collect()
}

fn document(n: u64) -> Value {
    json!({"@timestamp": "2026-11-28T00:00:00Z", "n": n})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_stream_ends_with_the_same_documents() {
    let lab = Lab::between("streams", "opensearch-2", "3").await;
    let (index, stream) = (&lab.index, format!("stream-of-{}", lab.index));
    let template = json!({"index_patterns": [stream], "data_stream": {}, "priority": 500});
    lab.ok(Method::PUT, &format!("/_index_template/{stream}"), &template).await;
    for n in 0..10 {
        lab.ok(Method::PUT, &format!("/{stream}/_create/own-{n}"), &document(n)).await;
    }
    lab.ok(Method::POST, &format!("/{stream}/_doc"), &document(100)).await;
    let lines = |first: u64| {
        let line = |n: u64| format!("{{\"create\":{{\"_id\":\"bulk-{n}\"}}}}\n{}\n", document(n));
        (first..first + 5).map(line).collect::<String>()
    };
    lab.bulk(&format!("/{stream}/_bulk"), lines(200)).await;
    lab.bulk(&format!("/{stream}/_bulk?filter_path=errors"), lines(300)).await;
    lab.ok(Method::POST, &format!("/{stream}/_rollover"), &json!({})).await;
    lab.bulk(&format!("/{stream}/_bulk"), lines(400)).await;
    lab.directly(Method::POST, &format!("/{stream}/_refresh"), &json!({})).await;
    // Updates and deletes: by query, and in the backing index by sequence number.
    let query = |n: u64| json!({"query": {"term": {"n": n}}});
    let path = format!("/{stream}/_delete_by_query?refresh=true");
    lab.ok(Method::POST, &path, &query(203)).await;
    let mut change = query(204);
    change["script"] = json!({"source": "ctx._source.changed = true"});
    let path = format!("/{stream}/_update_by_query?refresh=true");
    lab.ok(Method::POST, &path, &change).await;
    let found = json!({"seq_no_primary_term": true, "size": 10_000});
    let search = format!("/{stream}/_search");
    lab.ok(Method::POST, &format!("/{stream}/_refresh"), &json!({})).await;
    let answer = lab.ok(Method::POST, &search, &found).await;
    for hit in answer["hits"]["hits"].as_array().unwrap() {
        let (backing, id) = (hit["_index"].as_str().unwrap(), hit["_id"].as_str().unwrap());
        let (number, term) = (&hit["_seq_no"], &hit["_primary_term"]);
        let path = format!("/{backing}/_doc/{id}?if_seq_no={number}&if_primary_term={term}");
        match id {
            "own-1" => drop(lab.ok(Method::PUT, &path, &document(1_001)).await),
            "own-2" => drop(lab.ok(Method::DELETE, &path, &json!(null)).await),
            _ => {}
        }
    }
    lab.ok(Method::PUT, &format!("/{index}/_doc/1"), &json!({"n": 1})).await;
    lab.directly(Method::POST, &format!("/{stream}/_refresh"), &json!({})).await;
    let wanted = documents(&lab.ok(Method::POST, &search, &found).await);
    assert_eq!(wanted.len(), 10 + 1 + 15 - 2);
    lab.stop_proxy().await;

    for again in [false, true] {
        let summary = lab
            .replay(|settings: &mut Settings| {
                if again {
                    settings.from = StartFrom::Beginning;
                }
            })
            .await
            .unwrap();
        println!("{summary}");
        assert!(summary.is_converged() && summary.failed == 0, "{summary}");
        lab.change_target(Method::POST, &format!("/{stream}/_refresh"), &json!({})).await;
        let found = lab.on_target(Method::GET, &format!("/{stream}/_search?size=10000")).await;
        assert_eq!(documents(&found), wanted);
        assert_eq!(lab.differences().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_stream_that_the_target_cannot_have_is_named() {
    let lab = Lab::between("streamless", "opensearch-2", "3").await;
    let stream = format!("stream-of-{}", lab.index);
    // Past the proxy: the target gets no such template.
    let template = json!({"index_patterns": [stream], "data_stream": {}, "priority": 500});
    lab.directly(Method::PUT, &format!("/_index_template/{stream}"), &template).await;
    lab.ok(Method::POST, &format!("/{stream}/_doc"), &document(1)).await;
    let line = format!("{{\"create\":{{}}}}\n{}\n", document(2));
    lab.bulk(&format!("/{stream}/_bulk?filter_path=errors"), line).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    println!("{summary}");
    // One that the journal proves, one that only the source knows.
    assert_eq!((summary.failed, summary.doubt_left), (1, 1), "{summary}");
    let orphans = lab.on_target(Method::GET, &format!("/.ds-{stream}*?expand_wildcards=all")).await;
    assert_eq!(orphans, json!({}));
}
