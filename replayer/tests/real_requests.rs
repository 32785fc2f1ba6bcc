//! Requests that the target takes in another form only: to a real Elasticsearch 7.17, replayed to real OpenSearches.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use cluster::{Method, Request};
use lab::Lab;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn points_in_time_go_on_with_the_ids_of_the_target() {
    for target in ["2", "3"] {
        points_in_time(target).await;
    }
}

async fn points_in_time(target: &str) {
    let lab = Lab::between(&format!("pit{target}"), "7.17", target).await;
    let index = &lab.index;
    let lines: String =
        (0..30).map(|n| format!("{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"n\":{n}}}\n")).collect();
    // On both sides from the beginning: what one connection reads doesn't wait for what another wrote.
    let bulk = Request::ndjson(Method::POST, format!("/{index}/_bulk?refresh=true"), lines);
    assert!(lab.send_to_source(bulk.clone()).await.is_success());
    assert!(lab.send_to_target(bulk).await.is_success());
    let opened = lab.ok(Method::POST, &format!("/{index}/_pit?keep_alive=1m"), &json!(null)).await;
    let (mut id, mut after, mut pages) = (opened["id"].clone(), Value::Null, 0);
    loop {
        let mut search = json!({"size": 10, "sort": [{"n": "asc"}]});
        search["pit"] = json!({"id": id, "keep_alive": "1m"});
        if !after.is_null() {
            search["search_after"] = after;
        }
        let page = lab.ok(Method::POST, "/_search", &search).await;
        id = page["pit_id"].clone();
        let Some(last) = page["hits"]["hits"].as_array().and_then(|hits| hits.last()) else {
            break;
        };
        after = last["sort"].clone();
        pages += 1;
    }
    assert_eq!(pages, 3);
    lab.ok(Method::DELETE, "/_pit", &json!({"id": id})).await;
    lab.stop_proxy().await;

    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.reads, 6, "{summary}");
    for tuple in tuples::read(&lab.tuples()).unwrap().map(Result::unwrap) {
        let Some(answer) = tuple["targetResponses"].get(0) else { continue };
        assert!(answer["Status-Code"].as_u64().unwrap() < 300, "{tuple}");
        let ids = |side: &Value| {
            let hits = side["payload"]["inlinedJsonBody"]["hits"]["hits"].as_array().cloned();
            let hits = hits.unwrap_or_default().into_iter();
            hits.map(|hit| hit["_id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&tuple["sourceResponse"]), ids(answer), "{tuple}");
    }
    // What was closed on the source is closed.
    let open = lab.on_target(Method::GET, "/_search/point_in_time/_all").await;
    assert!(open["pits"].as_array().is_none_or(Vec::is_empty), "{open}");
}
