//! What becomes of the source's indices without a request through the proxy.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use cluster::Method;
use lab::Lab;
use serde_json::json;
use telemetry::Shutdown;

#[tokio::test(flavor = "multi_thread")]
async fn a_rollover_that_no_proxy_saw_moves_the_writing_of_its_alias() {
    let lab = Lab::start("policy").await;
    let (index, alias) = (&lab.index, format!("{}-alias", lab.index));
    let first = json!({"aliases": {&alias: {"is_write_index": true}}});
    lab.ok(Method::PUT, &format!("/{index}-000001"), &first).await;
    lab.ok(Method::PUT, &format!("/{alias}/_doc/1"), &json!({"n": 1})).await;
    let shutdown = Shutdown::new();
    let clients = async {
        // The target has the first index before the second one is there.
        lab.wait_for(&format!("{index}-000001"), "1").await;
        lab.directly(Method::POST, &format!("/{alias}/_rollover"), &json!({})).await;
        lab.ok(Method::PUT, &format!("/{alias}/_doc/2"), &json!({"n": 2})).await;
        lab.wait_for(&format!("{index}-000002"), "2").await;
        lab.stop_proxy().await;
        shutdown.drain();
    };
    let (live, ()) = tokio::join!(lab.replay_until(&shutdown), clients);
    live.unwrap();
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert!(lab.differences().await.is_empty());
    let found = lab.on_target(Method::GET, &format!("/_alias/{alias}")).await;
    let writes = |number: u32| {
        found[format!("{index}-00000{number}")]["aliases"][&alias]["is_write_index"].as_bool()
    };
    assert_eq!((writes(1), writes(2)), (Some(false), Some(true)), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_deleted_without_the_proxy_is_deleted_on_the_target_too() {
    let lab = Lab::start("deleted-around").await;
    let (index, gone) = (&lab.index, format!("{}-gone", lab.index));
    lab.ok(Method::PUT, &format!("/{index}/_doc/1"), &json!({"n": 1})).await;
    lab.ok(Method::PUT, &format!("/{gone}/_doc/1"), &json!({"n": 1})).await;
    // One that the source never had is nobody's to delete.
    let own = format!("{gone}-own");
    lab.change_target(Method::PUT, &format!("/{own}"), &json!({})).await;
    let shutdown = Shutdown::new();
    let clients = async {
        lab.wait_for(&gone, "1").await;
        lab.directly(Method::DELETE, &format!("/{gone}"), &json!(null)).await;
        lab.wait_until_gone(&gone).await;
        shutdown.drain();
    };
    let (live, ()) = tokio::join!(lab.replay_until(&shutdown), clients);
    live.unwrap();
    lab.stop_proxy().await;
    assert!(lab.replay(|_| {}).await.unwrap().is_converged());
    lab.assert_equal().await;
    assert!(lab.on_target(Method::GET, &format!("/{own}")).await["error"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_sent_is_sent_where_it_is_asked_for() {
    let lab = Lab::start("also").await;
    let setting = json!({"transient": {"search.max_buckets": 12_345}});
    lab.ok(Method::PUT, "/_cluster/settings?flat_settings=true", &setting).await;
    lab.ok(Method::GET, "/_cluster/health", &json!(null)).await;
    lab.stop_proxy().await;
    let sent = async |also: &[&str]| {
        let also: Vec<String> = also.iter().map(|path| (*path).to_owned()).collect();
        let change = |settings: &mut traffic_replayer::Settings| {
            settings.also = traffic_replayer::Also::parse(&also).unwrap();
            settings.from = journal::StartFrom::Beginning;
        };
        let summary = lab.replay(change).await.unwrap();
        assert!(summary.is_converged(), "{summary}");
        // The number of requests that weren't.
        summary.not_sent.values().sum::<u64>()
    };
    let on_target = async || {
        let settings = lab.on_target(Method::GET, "/_cluster/settings?flat_settings=true").await;
        settings["transient"]["search.max_buckets"].clone()
    };
    let not_sent = sent(&[]).await;
    assert_eq!(on_target().await, json!(null));
    assert_eq!(sent(&["/_cluster/settings"]).await, not_sent - 1);
    assert_eq!(on_target().await, json!("12345"));
    // The servers are others' too.
    let unset = json!({"transient": {"search.max_buckets": null}});
    lab.directly(Method::PUT, "/_cluster/settings", &unset).await;
    lab.change_target(Method::PUT, "/_cluster/settings", &unset).await;
}
