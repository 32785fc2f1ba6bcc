//! Requests that the target takes in another form only: to a real Elasticsearch 7.17, replayed to real OpenSearches.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use cluster::{Method, Request};
use lab::Lab;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_indices_is_adapted() {
    let lab = Lab::between("beside", "7.17", "3").await;
    let index = &lab.index;
    lab.ok(Method::PUT, &format!("/{index}"), &json!({})).await;
    lab.ok(Method::PUT, &format!("/{index}/_doc/1"), &json!({"n": 1})).await;
    // Their names are in the body, that of the index too.
    let body = json!({"alias": format!("{index}-a"), "routing": "r"});
    lab.ok(Method::PUT, &format!("/{index}/_alias"), &body).await;
    let body = json!({"index": index, "alias": format!("{index}-b"), "filter": {"term": {"n": 1}}});
    lab.ok(Method::PUT, "/_alias", &body).await;
    let body = json!({"alias": format!("{index}-c"), "index": index});
    lab.ok(Method::PUT, &format!("/none/_alias/{index}-d"), &body).await;
    // OpenSearch has neither `_meta` nor `allow_auto_create`.
    let pipeline = json!({"_meta": {"by": "a test"}, "description": "none", "processors": []});
    lab.ok(Method::PUT, &format!("/_ingest/pipeline/{index}"), &pipeline).await;
    let template = json!({"index_patterns": [format!("{index}-t*")], "allow_auto_create": true,
        "template": {"settings": {"number_of_replicas": 0}}});
    lab.ok(Method::PUT, &format!("/_index_template/{index}?create=true"), &template).await;
    lab.stop_proxy().await;

    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert_eq!(summary.controls, 6, "{summary}");
    // Aliases are compared too.
    assert_eq!(lab.differences().await, Vec::<String>::new());
    let aliases = lab.on_target(Method::GET, &format!("/{index}/_alias")).await;
    let named: Vec<_> = aliases[index.as_str()]["aliases"].as_object().unwrap().keys().collect();
    assert_eq!(named, [&format!("{index}-a"), &format!("{index}-b"), &format!("{index}-c")]);
    let found = lab.on_target(Method::GET, &format!("/_ingest/pipeline/{index}")).await;
    assert_eq!(found[index.as_str()], json!({"description": "none", "processors": []}));
    let found = lab.on_target(Method::GET, &format!("/_index_template/{index}")).await;
    assert_eq!(found["index_templates"][0]["name"], index.as_str(), "{found}");
}

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
