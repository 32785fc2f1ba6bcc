//! Indices of several types: each type becomes an index of its own, or what was asked for, and the target ends with the
//! documents of the source's, by type and id.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::{collections::BTreeMap, sync::Arc};

use cluster::{Method, Request};
use journal::StartFrom;
use lab::Lab;
use serde_json::{Value, json};
use telemetry::Shutdown;
use traffic_replayer::{Settings, Summary, TypeMapping, TypeNames};

const ALL: &str = "_search?size=1000";

async fn between(name: &str) -> Arc<Lab> {
    Lab::between(name, "5.6", "1").await
}

/// Documents by id.
type Documents = BTreeMap<String, Value>;

fn documents(answer: &Value) -> Documents {
    let hits = answer["hits"]["hits"].as_array().expect("a search's answer");
    let document = |hit: &Value| {
        let id = hit["_id"].as_str().unwrap().to_owned();
        (id, json!([hit["_source"], hit["_routing"]]))
    };
    let found: Documents = hits.iter().map(document).collect();
    assert_eq!(found.len(), hits.len(), "two of one id: {answer}");
    found
}

/// What the source has of an index's type.
async fn on_source(lab: &Lab, index: &str, doc_type: &str) -> Documents {
    lab.directly(Method::POST, &format!("/{index}/_refresh"), &Value::Null).await;
    let path = format!("/{index}/{doc_type}/{ALL}");
    let reply = lab.send_to_source(Request::new(Method::GET, path)).await;
    documents(&serde_json::from_slice(&reply.body).unwrap())
}

/// What an index of the target has.
async fn on_target(lab: &Lab, index: &str) -> Documents {
    lab.change_target(Method::POST, &format!("/{index}/_refresh"), &Value::Null).await;
    documents(&lab.on_target(Method::GET, &format!("/{index}/{ALL}")).await)
}

/// The target's indices whose names begin so.
async fn indices(lab: &Lab, prefix: &str) -> Vec<String> {
    let found = lab.on_target(Method::GET, &format!("/{prefix}*")).await;
    found.as_object().unwrap().keys().cloned().collect()
}

async fn assert_split(lab: &Lab, index: &str, types: &[&str]) {
    for doc_type in types {
        let wanted = on_source(lab, index, doc_type).await;
        let found = on_target(lab, &format!("{index}-{doc_type}")).await;
        assert_eq!(found, wanted, "{doc_type} of {index}");
    }
}

fn beginning(settings: &mut Settings) {
    settings.from = StartFrom::Beginning;
}

fn action(verb: &str, index: &str, doc_type: &str, id: u64) -> String {
    let line = json!({verb: {"_index": index, "_type": doc_type, "_id": id.to_string()}});
    match verb {
        "delete" => format!("{line}\n"),
        _ => format!("{line}\n{}\n", json!({"n": id, "by": doc_type})),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_becomes_an_index() {
    let lab = between("split-types").await;
    let index = lab.index.clone();
    let body = json!({
        "mappings": {
            "first": {"properties": {"by": {"type": "keyword"}}},
            "second": {"properties": {"n": {"type": "long"}}},
        },
        "aliases": {format!("alias-of-{index}"): {}},
    });
    lab.ok(Method::PUT, &format!("/{index}"), &body).await;
    for doc_type in ["first", "second"] {
        for id in 0..5 {
            let path = format!("/{index}/{doc_type}/{id}");
            lab.ok(Method::PUT, &path, &json!({"n": id, "by": doc_type})).await;
        }
        lab.ok(Method::POST, &format!("/{index}/{doc_type}"), &json!({"by": doc_type})).await;
    }
    let both = |verb: &str, id| {
        ["first", "second"].map(|doc_type| action(verb, &index, doc_type, id)).concat()
    };
    lab.bulk("/_bulk", both("index", 10) + &both("index", 11)).await;
    lab.bulk("/_bulk?filter_path=errors", both("create", 12) + &both("index", 13)).await;
    // The target has them before they are deleted.
    lab.replay(|_| {}).await.unwrap();
    assert_split(&lab, &index, &["first", "second"]).await;
    lab.bulk("/_bulk", action("delete", &index, "first", 10)).await;
    let path = format!("/{index}/first/routed?routing=elsewhere");
    lab.ok(Method::PUT, &path, &json!({"n": 7})).await;
    lab.ok(Method::DELETE, &format!("/{index}/first/2"), &Value::Null).await;
    lab.ok(Method::POST, &format!("/{index}/second/4/_update"), &json!({"doc": {"x": 1}})).await;
    let path = format!("/{index}/second/_delete_by_query?refresh=true");
    lab.directly(Method::POST, &format!("/{index}/_refresh"), &Value::Null).await;
    lab.ok(Method::POST, &path, &json!({"query": {"term": {"n": 3}}})).await;

    let later = json!({"properties": {"later": {"type": "keyword"}}});
    lab.ok(Method::PUT, &format!("/{index}/_mapping/second"), &later).await;
    let other = format!("other-of-{index}");
    let actions = json!({"actions": [{"add": {"index": index, "alias": other}}]});
    lab.ok(Method::POST, "/_aliases", &actions).await;
    let settings = json!({"index": {"refresh_interval": "7s"}});
    lab.ok(Method::PUT, &format!("/{index}/_settings"), &settings).await;
    for path in [ALL.to_owned(), format!("first/{ALL}"), "second/_count".to_owned()] {
        lab.ok(Method::GET, &format!("/{index}/{path}"), &Value::Null).await;
    }
    lab.ok(Method::GET, &format!("/{index}/second/1"), &Value::Null).await;
    let docs = json!({"docs": [{"_index": index, "_type": "first", "_id": "1"}]});
    lab.ok(Method::POST, "/_mget", &docs).await;
    lab.stop_proxy().await;

    for again in [false, true] {
        let change = |settings: &mut Settings| {
            if again {
                beginning(settings)
            }
        };
        let summary = lab.replay(change).await.unwrap();
        println!("{summary}");
        assert!(summary.is_converged() && summary.failed == 0, "{summary}");
        assert_split(&lab, &index, &["first", "second"]).await;
        assert_eq!(on_target(&lab, &format!("{index}-first")).await.len(), 5 + 1 + 4 + 1 - 2);
        let names = [format!("{index}-first"), format!("{index}-second")];
        assert_eq!(indices(&lab, &index).await, names);
        for name in &names {
            let made = lab.on_target(Method::GET, &format!("/{name}")).await[name].clone();
            assert!(made["aliases"].get(&other).is_some(), "{made}");
            assert!(made["aliases"].get(format!("alias-of-{index}")).is_some(), "{made}");
            assert_eq!(made["settings"]["index"]["refresh_interval"], "7s", "{made}");
            assert_eq!(made["mappings"]["_meta"]["godwit"]["source_index"], index, "{made}");
            let is_second = name.ends_with("second");
            assert_eq!(made["mappings"]["properties"].get("later").is_some(), is_second, "{made}");
        }
    }
    let (mut reads, mut statuses) = (Vec::new(), Vec::new());
    for tuple in tuples::read(&lab.tuples()).unwrap().map(Result::unwrap) {
        let request = &tuple["sourceRequest"];
        let uri = request["Request-URI"].as_str().unwrap_or_default();
        if request["Method"] == "GET" && uri != "/" || uri == "/_mget" {
            reads.push(tuple["targetRequest"].clone());
            statuses.push(tuple["targetResponses"][0]["Status-Code"].clone());
        }
    }
    let uris: Vec<_> =
        reads.iter().map(|read| read["Request-URI"].as_str().unwrap().to_owned()).collect();
    for path in [
        format!("/{index}-first,{index}-second/{ALL}"),
        format!("/{index}-first/{ALL}"),
        format!("/{index}-second/_count"),
        format!("/{index}-second/_doc/1"),
        "/_mget".to_owned(),
    ] {
        assert_eq!(uris.iter().filter(|uri| uri.starts_with(&path)).count(), 2, "{path}: {uris:?}");
    }
    assert!(statuses.iter().all(|status| *status == 200), "{uris:?} {statuses:?}");
    assert!(reads.iter().any(|read| read.to_string().contains(&format!("\"{index}-first\""))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_may_come_late_and_an_index_be_made_again() {
    let lab = between("late-types").await;
    let (index, again) = (lab.index.clone(), format!("{}-again", lab.index));
    let said = |by: &str| json!({"said": format!("by the {by}")});
    for id in ["1", "2"] {
        lab.ok(Method::PUT, &format!("/{index}/first/{id}"), &said("first")).await;
        lab.ok(Method::PUT, &format!("/{again}/first/{id}"), &said("first")).await;
        lab.ok(Method::PUT, &format!("/{again}/second/{id}"), &said("second")).await;
    }
    let shutdown = Shutdown::new();
    let clients = async {
        lab.wait_for(&index, "2").await;
        lab.wait_for(&format!("{again}-second"), "2").await;
        lab.ok(Method::PUT, &format!("/{index}/second/1"), &said("second")).await;
        lab.ok(Method::DELETE, &format!("/{again}"), &Value::Null).await;
        lab.ok(Method::PUT, &format!("/{again}/third/1"), &said("third")).await;
        lab.ok(Method::PUT, &format!("/{again}/second/3"), &said("second again")).await;
        lab.wait_for(&format!("{index}-first"), "2").await;
        lab.wait_for(&format!("{again}-third"), "1").await;
        // The source has nothing that this names; of the target's it would be one.
        lab.any(Method::DELETE, &format!("/{index}-fir*"), &Value::Null).await;
        lab.stop_proxy().await;
        shutdown.drain();
    };
    let (live, ()) = tokio::join!(lab.replay_until(&shutdown), clients);
    live.unwrap();
    for from in [StartFrom::Group, StartFrom::Beginning] {
        let last = lab.replay(|settings| settings.from = from).await.unwrap();
        println!("{last}");
        assert!(last.is_converged() && last.failed == 0, "{last}");
        assert_split(&lab, &index, &["first", "second"]).await;
        assert_split(&lab, &again, &["second", "third"]).await;
        let names = ["-again-second", "-again-third", "-first", "-second"];
        let names: Vec<_> = names.iter().map(|end| format!("{index}{end}")).collect();
        assert_eq!(indices(&lab, &index).await, names);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_united_on_request_unless_two_have_one_id() {
    let lab = between("united-types").await;
    let index = lab.index.clone();
    let lines = [("first", 1), ("second", 2), ("first", 3), ("second", 4)]
        .map(|(doc_type, id)| action("index", &index, doc_type, id));
    lab.bulk("/_bulk", lines.concat()).await;
    lab.ok(Method::DELETE, &format!("/{index}/second/4"), &Value::Null).await;
    let union = |settings: &mut Settings| settings.types = TypeMapping::Union;
    let summary = lab.replay(union).await.unwrap();
    println!("{summary}");
    assert!(summary.is_converged() && summary.failed == 0, "{summary}");
    let mut wanted = on_source(&lab, &index, "first").await;
    wanted.extend(on_source(&lab, &index, "second").await);
    assert_eq!(on_target(&lab, &index).await, wanted);
    assert_eq!(wanted.len(), 3);

    lab.ok(Method::PUT, &format!("/{index}/second/3"), &json!({"by": "the other"})).await;
    lab.ok(Method::PUT, &format!("/{index}/second/5"), &json!({"by": "nobody else"})).await;
    lab.stop_proxy().await;
    let summary = lab.replay(union).await.unwrap();
    println!("{summary}");
    assert!(summary.doubt_left == 1 && !summary.is_converged(), "{summary}");
    let named =
        summary.open.iter().any(|line| line.contains("/3") && line.contains("first, second"));
    assert!(named, "{summary}");
    let found = on_target(&lab, &index).await;
    assert_eq!(found["3"][0]["by"], "first", "nothing is written over: {found:?}");
    assert!(found.contains_key("5"));

    // Split after all: everything comes again, and the united index goes.
    let summary = lab.replay(beginning).await.unwrap();
    println!("{summary}");
    assert!(summary.is_converged() && summary.failed == 0, "{summary}");
    assert_split(&lab, &index, &["first", "second"]).await;
    assert_eq!(indices(&lab, &index).await, ["first", "second"].map(|of| format!("{index}-{of}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_source_has_an_index_of_is_not_taken() {
    let lab = between("taken-types").await;
    let (index, first) = (lab.index.clone(), format!("{}-first", lab.index));
    lab.ok(Method::PUT, &format!("/{first}/doc/1"), &json!({"of": "its own"})).await;
    for doc_type in ["first", "second"] {
        lab.ok(Method::PUT, &format!("/{index}/{doc_type}/1"), &json!({"of": doc_type})).await;
    }
    let summary = lab.replay(|_| {}).await.unwrap();
    println!("{summary}");
    assert_eq!(summary.doubt_left, 2, "{summary}");
    assert!(summary.open.iter().all(|line| line.contains(&format!("goes to `{first}`"))));
    assert_eq!(on_target(&lab, &first).await, on_source(&lab, &first, "doc").await);
    // Once it is gone on the target too, nothing stands in the way.
    lab.ok(Method::DELETE, &format!("/{first}"), &Value::Null).await;
    lab.stop_proxy().await;
    lab.replay(beginning).await.unwrap();
    let summary = lab.replay(|_| {}).await.unwrap();
    println!("{summary}");
    assert!(summary.is_converged() && summary.failed == 0, "{summary}");
    assert_split(&lab, &index, &["first", "second"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_proves_goes_where_its_type_goes() {
    let lab = Lab::between("numbered-types", "6.8", "2").await;
    let (index, named) = (lab.index.clone(), format!("docs-of-{}", lab.index));
    let names = json!({
        "regex_mappings": [{"sourceIndexPattern": "(.+)", "sourceTypePattern": "(.+)", "targetIndexPattern": "$2s-of-$1"}],
    });
    let names = TypeNames::parse(&names).unwrap();
    for id in 0..6 {
        lab.ok(Method::PUT, &format!("/{index}/doc/{id}"), &json!({"n": id})).await;
    }
    lab.bulk("/_bulk?filter_path=errors", action("index", &index, "doc", 7)).await;
    lab.ok(Method::DELETE, &format!("/{index}/doc/1"), &Value::Null).await;
    lab.ok(Method::POST, &format!("/{index}/doc/2/_update"), &json!({"doc": {"x": 1}})).await;
    lab.directly(Method::POST, &format!("/{index}/_refresh"), &Value::Null).await;
    let path = format!("/{index}/_delete_by_query?refresh=true");
    lab.ok(Method::POST, &path, &json!({"query": {"term": {"n": 3}}})).await;
    lab.stop_proxy().await;
    for again in [false, true] {
        let summary = converged(&lab, &names, again).await;
        assert!(summary.operations["journal"] >= 6, "{summary}");
        let found = on_target(&lab, &named).await;
        assert_eq!(found, on_source(&lab, &index, "doc").await);
        assert_eq!(found.len(), 5);
        assert_eq!(indices(&lab, &index).await, [""; 0]);
    }
}

/// Replays with a configuration of types, to the end, from the beginning if it is done `again`.
async fn converged(lab: &Lab, names: &TypeNames, again: bool) -> Summary {
    let summary = lab
        .replay(|settings: &mut Settings| {
            settings.types = TypeMapping::Named(names.clone());
            if again {
                beginning(settings);
            }
        })
        .await
        .unwrap();
    println!("{summary}");
    assert!(summary.is_converged() && summary.failed == 0, "{summary}");
    summary
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_says_where_types_go() {
    let lab = between("named-types").await;
    let (index, other) = (lab.index.clone(), format!("other-{}", lab.index));
    let names = json!({
        "index_mappings": {&index: {"user": format!("{index}-people"), "admin": format!("{index}-people"), "post": "posts-of-a-lab"}},
        "regex_mappings": [{"sourceIndexPattern": "(other)-(.*)", "sourceTypePattern": "(a|b)", "targetIndexPattern": "$3-of-$1-$2"}],
    });
    let names = TypeNames::parse(&names).unwrap();
    let lines = [("user", 1), ("admin", 2), ("post", 1), ("none", 1), ("none", 2)]
        .map(|(doc_type, id)| action("index", &index, doc_type, id));
    lab.bulk("/_bulk", lines.concat()).await;
    let lines = [("a", 1), ("b", 1), ("c", 1)].map(|(of, id)| action("index", &other, of, id));
    lab.bulk("/_bulk", lines.concat()).await;
    lab.ok(Method::DELETE, &format!("/{other}/b/1"), &Value::Null).await;
    lab.ok(Method::PUT, &format!("/{other}/b/2"), &json!({"n": 2})).await;
    lab.directly(Method::POST, &format!("/{other}/_refresh"), &Value::Null).await;
    // By name and by pattern.
    lab.ok(Method::POST, &format!("/{other}/_search"), &json!({})).await;
    lab.stop_proxy().await;
    for again in [false, true] {
        let summary = converged(&lab, &names, again).await;
        assert_eq!(summary.nothing["type left out"], 3, "{summary}");
        let mut people = on_source(&lab, &index, "user").await;
        people.extend(on_source(&lab, &index, "admin").await);
        assert_eq!(on_target(&lab, &format!("{index}-people")).await, people);
        assert_eq!(on_target(&lab, "posts-of-a-lab").await, on_source(&lab, &index, "post").await);
        for of in ["a", "b"] {
            let found = on_target(&lab, &format!("{of}-of-{other}")).await;
            assert_eq!(found, on_source(&lab, &other, of).await, "{of}");
        }
        assert_eq!(indices(&lab, &index).await, [format!("{index}-people")]);
        assert_eq!(indices(&lab, &other).await, [""; 0]);
    }
    lab.change_target(Method::DELETE, "/posts-of-a-lab", &Value::Null).await;
}
