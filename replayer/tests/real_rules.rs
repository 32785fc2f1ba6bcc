//! Users' rules on captured traffic between real servers, and tuples in a real S3 server.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod lab;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cluster::{Cluster, Method, Request};
use lab::Lab;
use rules::{Handed, Rules};
use serde_json::{Value, json};
use settings::Secret;
use testbed::{S3, Testbed};
use traffic_replayer::{HeaderChanges, Pace, RecordError, RunError, TupleSettings};
use transform::Version;

fn rules(configuration: &Value) -> Option<Arc<Rules>> {
    let mut read = |name: &str| Err(name.to_owned());
    Some(Arc::new(Rules::parse(&configuration.to_string(), Handed::Message, &mut read).unwrap()))
}

fn in_store(server: &S3, endpoint: String) -> TupleSettings {
    let url = format!("s3://{}/some/tuples", S3::BUCKET);
    let mut store = Box::new(snapshot::Settings::new(snapshot::Location::parse(&url).unwrap()));
    store.endpoint = Some(endpoint);
    (store.allow_http, store.path_style) = (true, true);
    store.region = Some("us-east-1".to_owned());
    store.options = vec![
        ("aws_access_key_id".to_owned(), Secret::new(server.access_key())),
        ("aws_secret_access_key".to_owned(), Secret::new(server.secret_key())),
    ];
    TupleSettings {
        compression: tuples::Compression::Zstd,
        store: Some(store),
        ..TupleSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_go_through_the_rules_and_tuples_to_a_store() {
    let (lab, s3) = (Lab::start("ruled").await, Testbed::s3().await.unwrap());
    let index = &lab.index;
    for id in 0..5 {
        lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": id, "secret": "s"})).await;
    }
    let lines = "{\"index\":{\"_id\":\"10\"}}\n{\"n\":10,\"secret\":\"s\"}\n{\"delete\":{\"_id\":\"1\"}}\n\
                 {\"index\":{\"_id\":\"11\"}}\n{\"n\":11}\n";
    lab.bulk(&format!("/{index}/_bulk"), lines.into()).await;
    let update = json!({"doc": {"more": 1}});
    lab.ok(Method::POST, &format!("/{index}/_update/2"), &update).await;
    lab.ok(Method::POST, &format!("/{index}/_search"), &json!({"query": {"match_all": {}}})).await;
    lab.stop_proxy().await;

    // Written for OpenSearch's Migration Assistant: objects are Maps.
    let script = "(() => (bindings) => (request) => {
        const payload = request.get('payload');
        if (!payload) return request;
        const documents = payload.get('inlinedJsonSequenceBodies') ?? [payload.get('inlinedJsonBody')];
        for (const document of documents) {
            if (!document.has('n')) continue;
            document.delete('secret');
            document.set('by', bindings.by);
            if (document.get('n') == bindings.bad) throw new Error('not this one');
        }
        return request;
    })()";
    let of = |bad: i64| {
        rules(&json!([
            {"JsonJSTransformerProvider":
                {"initializationScript": script, "bindingsObject": {"by": "rule", "bad": bad}}},
            {"when": "ends_with(URI, '_search')", "jq": ".payload.inlinedJsonBody.size = 1"},
        ]))
    };
    let folder = s3.bucket_folder().join("some/tuples");
    let replay = async |bad: i64| {
        let of_store = in_store(&s3, s3.url());
        let replayed = lab.replay(|settings| {
            settings.transforms.rules = of(bad);
            settings.transforms.headers =
                HeaderChanges { user_agent: Some("godwit".into()), ..HeaderChanges::default() };
            settings.tuple = of_store;
        });
        replayed.await.unwrap()
    };
    let failing = replay(3).await;
    assert!(!failing.is_converged(), "{failing}");
    assert_eq!(failing.failed, 1, "{failing}");
    assert!(failing.open.iter().any(|line| line.contains("not this one")), "{:?}", failing.open);
    let document =
        async |id: &str| lab.on_target(Method::GET, &format!("/{index}/_doc/{id}")).await;
    assert_eq!(document("3").await["found"], false);
    assert_eq!(document("4").await["_source"], json!({"n": 4, "by": "rule"}));

    // What failed is tried again by the next run, with better rules.
    let summary = replay(-1).await;
    assert!(summary.is_converged(), "{summary}");
    for (id, source) in [
        ("0", json!({"n": 0, "by": "rule"})),
        ("3", json!({"n": 3, "by": "rule"})),
        ("10", json!({"n": 10, "by": "rule"})),
        ("11", json!({"n": 11, "by": "rule"})),
        // An update's document is read from the source, and goes the same way.
        ("2", json!({"n": 2, "more": 1, "by": "rule"})),
    ] {
        assert_eq!(document(id).await["_source"], source, "{id}");
    }
    assert_eq!(document("1").await["found"], false);

    let tuples: Vec<Value> = tuples::read(&folder).unwrap().map(Result::unwrap).collect();
    let (mut searches, mut failed) = (0, 0);
    for tuple in &tuples {
        let uri = tuple["targetRequest"]["Request-URI"].as_str().unwrap_or_default();
        if uri.ends_with("_search") {
            searches += 1;
            let sent = &tuple["targetRequest"];
            assert_eq!(sent["payload"]["inlinedJsonBody"]["size"], 1, "{tuple}");
            assert!(sent["user-agent"][0].as_str().unwrap().ends_with("godwit"), "{tuple}");
            let hits = &tuple["targetResponses"][0]["payload"]["inlinedJsonBody"]["hits"]["hits"];
            assert!(hits.as_array().unwrap().len() <= 1, "{tuple}");
            let latency = &tuple["godwit"]["latency"];
            let millis = |name: &str| latency[name].as_f64().unwrap();
            assert!(millis("from_intended_ms") >= millis("from_sent_ms"), "{tuple}");
        }
        failed += usize::from(tuple["error"].as_str().is_some_and(|e| e.contains("not this one")));
    }
    assert!(searches >= 1 && failed == 1, "{searches} {failed}");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().any(|name| name.to_string_lossy().ends_with(".log.zst")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_tuples_ends_the_run_at_once() {
    let (lab, s3) = (Lab::start("untold").await, Testbed::s3().await.unwrap());
    for id in 0..200 {
        lab.ok(Method::PUT, &format!("/{}/_doc/{id}", lab.index), &json!({"n": id})).await;
    }
    lab.stop_proxy().await;
    let began = Instant::now();
    let replayed = lab.replay(|settings| {
        settings.tuple = in_store(&s3, "http://127.0.0.1:1".into());
        settings.tuple_file_age = Duration::ZERO;
        settings.target.retry = cluster::Retry::for_at_most(Duration::from_millis(500));
        // It would take 200 s.
        settings.pace = Pace::Rate(1.0);
    });
    let error = replayed.await.unwrap_err();
    assert!(matches!(error, RunError::Tuples(RecordError::Store { .. })), "{error}");
    assert!(error.to_string().contains("s3://bucket/some/tuples"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recent_target_takes_the_searches_of_old_sources() {
    let server = Testbed::opensearch("3").await.unwrap();
    let target = Cluster::connect(cluster::Settings::new(server.url())).await.unwrap();
    let send = async |version: Version, method: Method, path: &str, body: &str| -> Value {
        let reshaped = transform::request(Some(version), method.as_str(), path, body.as_bytes());
        let typeless = transform::request_path(method.as_str(), &reshaped.path);
        let path = typeless.map_or(reshaped.path, |typeless| typeless.path);
        let body = reshaped.body.unwrap_or_else(|| body.as_bytes().to_vec());
        let request = match path.contains("_bulk") || path.contains("_msearch") {
            true => Request::ndjson(method, &path, body),
            false => Request::json(method, &path, body),
        };
        let reply = target.send(request).await.unwrap();
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.excerpt());
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert!(answer["errors"] != true, "{path}: {answer}");
        answer
    };
    let old = Version::elasticsearch;
    let mapping = r#"{"mappings": {"properties": {"n": {"type": "long", "store": true}, "t": {"type": "date"},
        "x": {"type": "keyword"}, "s": {"type": "text"}}}}"#;
    send(old(7, 10), Method::PUT, "/i", mapping).await;
    let bulk = "{\"index\":{\"_index\":\"i\",\"_type\":\"doc\",\"_id\":\"1\",\"_routing\":\"r\",\"_timestamp\":\"1\"}}\n\
                {\"n\":1,\"t\":\"2026-01-01\",\"s\":\"some words\"}\n\
                {\"index\":{\"_type\":\"doc\",\"_id\":\"2\",\"_parent\":\"p\",\"_ttl\":\"1d\"}}\n{\"n\":2,\"t\":\"2026-02-03\",\"x\":\"y\"}\n";
    send(old(2, 4), Method::POST, "/i/doc/_bulk?refresh=true&consistency=one", bulk).await;
    let found = async |version, path: &str, body: Value| {
        let answer = send(version, Method::POST, path, &body.to_string()).await;
        (answer["hits"]["total"].clone(), answer)
    };
    let filtered = json!({"query": {"filtered": {"query": {"match_all": {}},
        "filter": {"and": [{"term": {"n": 1}}, {"missing": {"field": "x"}}]}}}});
    let (total, answer) = found(old(1, 7), "/i/doc/_search?search_type=count", filtered).await;
    assert_eq!((total, &answer["hits"]["hits"]), (json!(1), &json!([])));
    let fields = json!({"fields": ["n"], "fielddata_fields": ["t"], "filter": {"term": {"n": 2}},
        "aggs": {"a": {"terms": {"field": "n", "size": 0, "order": {"_term": "desc"}}}}});
    let (total, answer) = found(old(2, 4), "/i/_search", fields).await;
    assert_eq!((total, &answer["hits"]["hits"][0]["fields"]["n"]), (json!(1), &json!([2])));
    assert_eq!(answer["aggregations"]["a"]["buckets"][0]["key"], 2);
    let script = json!({"query": {"bool": {"filter": {"script": {"script":
        {"inline": "doc['n'].value > params.least", "params": {"least": 1}}}}}}, "_source": {"include": ["n"]}});
    let (total, answer) =
        found(old(5, 6), "/i/_search?lowercase_expanded_terms=true", script).await;
    assert_eq!((total, &answer["hits"]["hits"][0]["_source"]), (json!(1), &json!({"n": 2})));
    for (interval, buckets) in [("month", 2), ("1M", 2), ("48h", 2), ("1y", 1), ("86400000", 2)] {
        let histogram = json!({"size": 0, "aggs": {"d": {"date_histogram":
            {"field": "t", "interval": interval, "min_doc_count": 1, "order": {"_time": "asc"}}}}});
        let (total, answer) = found(old(6, 8), "/i/_search", histogram).await;
        let found = answer["aggregations"]["d"]["buckets"].as_array().unwrap().len();
        assert_eq!((total, found), (json!(2), buckets), "{interval}");
    }
    let like = json!({"query": {"more_like_this": {"fields": ["s"], "min_term_freq": 1, "min_doc_freq": 1,
        "like": [{"_index": "i", "_type": "doc", "_id": "1", "_routing": "r"}]}}});
    assert_eq!(found(old(6, 8), "/i/_search", like).await.0, 0);
    let lookup = json!({"query": {"terms": {"x": {"index": "i", "type": "doc", "id": "1", "path": "x", "routing": "r"}}}});
    assert_eq!(found(old(6, 8), "/i/_search", lookup).await.0, 0);
    let (total, _) = found(old(7, 10), "/i/_search", json!({})).await;
    assert_eq!(total["value"], 2);
    let lines = "{\"index\":\"i\",\"type\":\"doc\"}\n{\"query\":{\"in\":{\"n\":[1,2]}}}\n";
    let several = send(old(2, 4), Method::POST, "/_msearch", lines).await;
    assert_eq!(several["responses"][0]["hits"]["total"], 2, "{several}");
    let documents = json!({"docs": [{"_index": "i", "_type": "doc", "_id": "1", "_routing": "r", "_source": {"include": "n"}}]});
    let documents = send(old(6, 8), Method::POST, "/_mget", &documents.to_string()).await;
    assert_eq!(documents["docs"][0]["_source"], json!({"n": 1}), "{documents}");
    let one = send(old(5, 6), Method::GET, "/i/doc/2?parent=p&_source_include=n", "").await;
    assert_eq!(one["_source"], json!({"n": 2}));
    let scrolled =
        send(old(6, 8), Method::POST, "/i/_search?scroll=1m&search_type=scan", "{}").await;
    let id = json!({"scroll": "1m", "scroll_id": scrolled["_scroll_id"]}).to_string();
    let page = send(old(6, 8), Method::POST, "/_search/scroll", &id).await;
    assert_eq!(page["hits"]["total"], 2, "{page}");
    let id = json!({"scroll_id": page["_scroll_id"]}).to_string();
    send(old(6, 8), Method::DELETE, "/_search/scroll", &id).await;
}
