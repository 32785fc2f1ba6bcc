//! Only some indices are replayed: nothing of the others reaches the target, and nothing waits for them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use cluster::Method;
use lab::Lab;
use serde_json::json;
use traffic_replayer::{Chosen, Settings};

#[tokio::test(flavor = "multi_thread")]
async fn other_indices_are_left_alone() {
    let lab = Lab::start("chosen").await;
    let (index, other) = (&lab.index, format!("other-{}", lab.index));
    // The target's own index of that name.
    lab.make_on_target(&other, &json!({})).await;
    let own = format!("/{other}/_doc/own?refresh=true");
    lab.change_target(Method::PUT, &own, &json!({"whose": "the target's"})).await;

    for name in [index, &other, &format!("{other}-made")] {
        lab.ok(Method::PUT, &format!("/{name}"), &json!({})).await;
        for id in 0..4 {
            lab.ok(Method::PUT, &format!("/{name}/_doc/{id}"), &json!({"n": id})).await;
        }
        // Only the source knows what it made of it.
        let path = format!("/{name}/_update/1");
        lab.ok(Method::POST, &path, &json!({"doc": {"more": true}})).await;
        lab.ok(Method::DELETE, &format!("/{name}/_doc/2"), &json!(null)).await;
        let path = format!("/{name}/_delete_by_query?refresh=true");
        lab.ok(Method::POST, &path, &json!({"query": {"term": {"n": 3}}})).await;
        let mapping = json!({"properties": {"later": {"type": "keyword"}}});
        lab.ok(Method::PUT, &format!("/{name}/_mapping"), &mapping).await;
        lab.ok(Method::POST, &format!("/{name}/_search"), &json!({})).await;
    }
    let lines = |id: u64| {
        [index, &other]
            .map(|name| {
                format!(
                    "{{\"index\":{{\"_index\":\"{name}\",\"_id\":\"{id}\"}}}}\n{{\"n\":{id}}}\n"
                )
            })
            .concat()
    };
    lab.bulk("/_bulk", lines(10)).await;
    lab.bulk("/_bulk?filter_path=errors", lines(11)).await;
    let alias = |name: &str| json!({"add": {"index": name, "alias": format!("{name}-alias")}});
    let actions = json!({"actions": [alias(index), alias(&other)]});
    lab.ok(Method::POST, "/_aliases", &actions).await;
    lab.ok(Method::PUT, &format!("/{other}-alias/_doc/12"), &json!({"n": 12})).await;
    lab.ok(Method::PUT, &format!("/{index}-alias/_doc/12"), &json!({"n": 12})).await;
    // By name, and by a pattern that both meet.
    lab.ok(Method::DELETE, &format!("/{other}"), &json!(null)).await;
    lab.ok(Method::DELETE, &format!("/{other}-made"), &json!(null)).await;
    lab.stop_proxy().await;

    let only = |settings: &mut Settings| {
        settings.indices = Chosen::parse(&[format!("{index}*")]).unwrap();
    };
    let summary = lab.replay(only).await.unwrap();
    println!("{summary}");
    assert!(summary.is_converged() && summary.failed == 0, "{summary}");
    assert!(summary.nothing["index not chosen"] > 0, "{summary}");
    assert_eq!(lab.differences().await, Vec::<String>::new());
    let kept = lab.on_target(Method::GET, &format!("/{other}*/_search")).await;
    assert_eq!(kept["hits"]["total"]["value"], 1, "{kept}");
    let mapping = lab.on_target(Method::GET, &format!("/{other}/_mapping")).await;
    assert_eq!(mapping[&other]["mappings"]["properties"]["later"], json!(null), "{mapping}");
    assert_eq!(kept["hits"]["hits"][0]["_source"]["whose"], "the target's", "{kept}");
}

#[test]
fn a_load_test_is_sent_whole() {
    use clap::Parser as _;
    let arguments = "traffic-replayer --journal file:///j --target http://t --tuples none --mutations mirror --index a";
    let flags = traffic_replayer::Flags::parse_from(arguments.split(' '));
    let error = Settings::load(&flags, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("--index `a`") && error.contains("converge"), "{error}");
}
