//! Captured on a real Elasticsearch, replayed to a real OpenSearch: both end equal.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use cluster::{Method, Request};
use lab::Lab;
use serde_json::json;
use traffic_replayer::{Mutations, Settings};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_proves_needs_no_source() {
    let lab = Lab::start("proven").await;
    let index = &lab.index;
    let definition = json!({
        "settings": {"number_of_shards": 3},
        "mappings": {"properties": {"n": {"type": "long"}, "s": {"type": "keyword"}}},
    });
    lab.ok(Method::PUT, &format!("/{index}"), &definition).await;
    // Eight clients on the same thirty ids.
    let client = |number: u64| {
        let lab = &lab;
        async move {
            for step in 0..40 {
                let id = (number * 7 + step * 11) % 30;
                let path = format!("/{}/_doc/{id}", lab.index);
                match (number + step) % 4 {
                    0 => drop(lab.any(Method::DELETE, &path, &json!(null)).await),
                    1 => {
                        let path = format!("/{}/_doc", lab.index);
                        lab.ok(Method::POST, &path, &json!({"n": step, "s": "made up"})).await;
                    }
                    2 => {
                        let lines = format!(
                            "{{\"index\":{{\"_id\":\"{id}\"}}}}\n{{\"n\":{step}}}\n\
                             {{\"delete\":{{\"_id\":\"{}\"}}}}\n\
                             {{\"create\":{{\"_id\":\"{id}\"}}}}\n{{\"n\":-1}}\n\
                             {{\"index\":{{\"routing\":\"r{step}\"}}}}\n{{\"n\":{number}}}\n",
                            id + 1
                        );
                        lab.bulk(&format!("/{}/_bulk", lab.index), lines).await;
                    }
                    _ => drop(lab.ok(Method::PUT, &path, &json!({"n": step, "s": "x"})).await),
                }
            }
        }
    };
    futures::future::join_all((0..8).map(client)).await;
    let search = json!({"query": {"match_all": {}}});
    lab.ok(Method::POST, &format!("/{index}/_search"), &search).await;
    lab.stop_proxy().await;

    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    // One more than was asked: the client's own `GET /`.
    assert_eq!(summary.requests, 8 * 40 + 2 + 1);
    assert_eq!((summary.controls, summary.reads), (1, 1));
    assert!(summary.operations["journal"] > 300, "{summary}");
    lab.assert_equal().await;
    let tuples: Vec<_> = tuples::read(&lab.tuples()).unwrap().map(Result::unwrap).collect();
    assert_eq!(tuples.len() as u64, summary.requests);

    // Nothing is left: a second run has nothing to do.
    let summary = lab.replay(|_| {}).await.unwrap();
    assert_eq!((summary.requests, summary.is_converged()), (0, true), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_does_not_prove_is_read_from_the_source() {
    let lab = Lab::start("doubt").await;
    let index = &lab.index;
    for id in 0..20 {
        lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": id, "tags": ["a"]})).await;
    }
    for id in 0..10 {
        let path = format!("/{index}/_update/{id}");
        lab.ok(Method::POST, &path, &json!({"doc": {"more": id}})).await;
    }
    let script = json!({"script": "ctx._source.n += 100"});
    lab.ok(Method::POST, &format!("/{index}/_update/11"), &script).await;
    let script = json!({"script": "ctx.op = 'delete'"});
    lab.ok(Method::POST, &format!("/{index}/_update/12"), &script).await;
    // As Beats and Logstash ask: the answer names neither ids nor numbers.
    let lines: String =
        (0..50).map(|n| format!("{{\"index\":{{}}}}\n{{\"made\":{n}}}\n")).collect();
    let filtered = format!("/{index}/_bulk?filter_path=errors");
    lab.bulk(&filtered, lines).await;
    let lines = "{\"delete\":{\"_id\":\"3\"}}\n{\"index\":{\"_id\":\"4\"}}\n{\"n\":44}\n";
    lab.bulk(&filtered, lines.into()).await;
    lab.stop_proxy().await;

    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert!(!summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt_left, 10 + 1 + 50 + 2, "{summary}");
    assert_eq!(summary.open.len(), 50);

    // Unresolved doubt keeps its place in the journal: the next run has it again.
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt["update"], 11);
    assert_eq!(summary.doubt["no sequence number"], 52);
    assert_eq!(summary.operations["sweep"], 50, "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_made_again_is_another_one() {
    let lab = Lab::start("again").await;
    let index = &lab.index;
    for round in 0..3 {
        let kind = if round == 1 { "keyword" } else { "long" };
        let mapping = json!({"mappings": {"properties": {"n": {"type": kind}}}});
        lab.ok(Method::PUT, &format!("/{index}"), &mapping).await;
        for id in 0..20 - round * 5 {
            let path = format!("/{index}/_doc/{id}?refresh=false");
            lab.ok(Method::PUT, &path, &json!({"n": id, "round": round})).await;
        }
        if round < 2 {
            lab.ok(Method::DELETE, &format!("/{index}"), &json!(null)).await;
        }
    }
    lab.stop_proxy().await;
    // One proxy, one clock: no request of one client overlaps another.
    let alone = |settings: &mut Settings| {
        settings.source = None;
        settings.clock_skew = Duration::ZERO;
    };
    let summary = lab.replay(alone).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.controls, 5);
    lab.assert_equal().await;

    // From the beginning once more: what was deleted isn't brought back, nothing is deleted twice.
    for with_source in [false, true] {
        let summary = lab
            .replay(|settings| {
                if !with_source {
                    alone(settings);
                }
                settings.from = journal::StartFrom::Beginning;
            })
            .await
            .unwrap();
        assert!(summary.is_converged(), "{summary}");
        lab.assert_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_others_made_again_is_read_from_the_source() {
    let lab = Lab::start("behind").await;
    let index = &lab.index;
    for id in 0..10 {
        lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": id})).await;
    }
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    // Behind the proxy's back.
    lab.directly(Method::DELETE, &format!("/{index}"), &json!(null)).await;
    lab.directly(Method::PUT, &format!("/{index}/_doc/other"), &json!({"n": "now a word"})).await;
    lab.ok(Method::PUT, &format!("/{index}/_doc/3"), &json!({"n": "three"})).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    let found = lab.on_target(Method::GET, &format!("/{index}/_doc/3")).await;
    assert_eq!(found["_source"], json!({"n": "three"}));
    let found = lab.on_target(Method::GET, &format!("/{index}/_doc/4")).await;
    assert_eq!(found["found"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_is_waited_for() {
    let lab = Lab::start("down").await;
    let (summary, _) = lab.replay_through_outages(2, Duration::from_millis(500)).await;
    assert!(summary.is_converged(), "{summary}");
    assert!(summary.retries > 0, "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayer_that_is_killed_goes_on_where_it_was() {
    let lab = Lab::start("killed").await;
    let index = &lab.index;
    for id in 0..600 {
        let path = format!("/{index}/_doc/{}", id % 100);
        match id % 3 {
            0 => drop(lab.ok(Method::POST, &format!("/{index}/_doc"), &json!({"made": id})).await),
            1 => drop(lab.ok(Method::PUT, &path, &json!({"n": id})).await),
            _ => drop(lab.any(Method::DELETE, &path, &json!(null)).await),
        }
    }
    lab.stop_proxy().await;
    for _ in 0..3 {
        let before = lab.committed();
        let mut program = lab.program(&["--rate", "100"]);
        while lab.committed() == before {
            assert!(program.try_wait().unwrap().is_none(), "ended without a commit");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        program.kill().await.unwrap();
    }
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert!(summary.requests < 600, "what was committed isn't replayed again: {summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_requests_go_through_the_transforms_once() {
    let lab = Lab::start("controls").await;
    let index = &lab.index;
    let template = json!({
        "index_patterns": [format!("{index}*")],
        "template": {"settings": {"number_of_shards": 2}},
    });
    lab.ok(Method::PUT, &format!("/_index_template/{index}"), &template).await;
    lab.ok(Method::PUT, &format!("/{index}"), &json!({"aliases": {format!("{index}-old"): {}}}))
        .await;
    let mapping = json!({"properties": {"text": {"type": "text"}}});
    lab.ok(Method::PUT, &format!("/{index}/_mapping"), &mapping).await;
    let settings = json!({"index": {"refresh_interval": "7s"}});
    lab.ok(Method::PUT, &format!("/{index}/_settings"), &settings).await;
    let actions = json!({"actions": [
        {"add": {"index": index, "alias": format!("{index}-new"), "routing": "r"}},
        {"remove": {"index": index, "alias": format!("{index}-old")}},
    ]});
    lab.ok(Method::POST, "/_aliases", &actions).await;
    // Through an alias that adds a routing.
    lab.ok(Method::PUT, &format!("/{index}-new/_doc/1"), &json!({"text": "a"})).await;
    lab.ok(Method::PUT, &format!("/{index}/_doc/2?routing=x"), &json!({"text": "b"})).await;
    // Refused by the source: nothing.
    lab.any(Method::PUT, &format!("/{index}"), &json!({})).await;
    lab.stop_proxy().await;

    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
    let found = lab.on_target(Method::GET, &format!("/{index}?flat_settings=true")).await;
    let found = &found[index.as_str()];
    assert_eq!(found["mappings"]["properties"]["text"]["type"], "text");
    assert_eq!(found["settings"]["index.refresh_interval"], "7s");
    assert_eq!(found["settings"]["index.number_of_shards"], "2");
    let aliases: Vec<_> = found["aliases"].as_object().unwrap().keys().collect();
    assert_eq!(aliases, [&format!("{index}-new")]);
    assert_eq!(found["mappings"]["_meta"]["godwit"]["versioning"], "sequence");
}

#[tokio::test(flavor = "multi_thread")]
async fn scrolls_go_on_with_the_ids_of_the_target() {
    let lab = Lab::start("scroll").await;
    let index = &lab.index;
    let lines: String =
        (0..30).map(|n| format!("{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"n\":{n}}}\n")).collect();
    // On both sides from the beginning: what one connection reads doesn't wait for what another wrote.
    let bulk = Request::ndjson(Method::POST, format!("/{index}/_bulk?refresh=true"), lines);
    assert!(lab.send_to_source(bulk.clone()).await.is_success());
    assert!(lab.send_to_target(bulk).await.is_success());
    let mut page =
        lab.ok(Method::POST, &format!("/{index}/_search?scroll=1m"), &json!({"size": 10})).await;
    let mut pages = 0;
    while page["hits"]["hits"].as_array().is_some_and(|hits| !hits.is_empty()) {
        pages += 1;
        let next = json!({"scroll": "1m", "scroll_id": page["_scroll_id"]});
        page = lab.ok(Method::POST, "/_search/scroll", &next).await;
    }
    assert_eq!(pages, 3);
    lab.ok(Method::DELETE, "/_search/scroll", &json!({"scroll_id": page["_scroll_id"]})).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.reads, 5);
    for tuple in tuples::read(&lab.tuples()).unwrap().map(Result::unwrap) {
        let Some(answer) = tuple["targetResponses"].get(0) else { continue };
        assert!(answer["Status-Code"].as_u64().unwrap() < 300, "{tuple}");
        let hits = |side: &serde_json::Value| {
            side["payload"]["inlinedJsonBody"]["hits"]["hits"].as_array().map(Vec::len)
        };
        assert_eq!(hits(&tuple["sourceResponse"]), hits(answer), "{tuple}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mirroring_sends_requests_as_they_were() {
    let lab = Lab::start("mirror").await;
    let index = &lab.index;
    for id in 0..10 {
        lab.ok(Method::POST, &format!("/{index}/_doc"), &json!({"n": id})).await;
    }
    lab.stop_proxy().await;
    let summary = lab.replay(|settings| settings.mutations = Mutations::Mirror).await.unwrap();
    assert_eq!((summary.requests, summary.is_converged()), (11, true), "{summary}");
    lab.on_target(Method::POST, &format!("/{index}/_refresh")).await;
    let count = lab.on_target(Method::GET, &format!("/{index}/_count")).await;
    assert_eq!(count["count"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_is_behind_is_brought_up() {
    let lab = Lab::start("mapping").await;
    let index = &lab.index;
    // The first value that each side sees decides the type: here the target sees another one first.
    lab.ok(Method::PUT, &format!("/{index}/_doc/1"), &json!({"v": "word", "w": {"a": 1}})).await;
    lab.ok(Method::PUT, &format!("/{index}/_doc/1"), &json!({"v": "7", "w": {"a": 1.5}})).await;
    let strict = json!({"dynamic": "strict"});
    lab.ok(Method::PUT, &format!("/{index}/_mapping"), &strict).await;
    let field = json!({"properties": {"late": {"type": "keyword"}}});
    lab.ok(Method::PUT, &format!("/{index}/_mapping"), &field).await;
    lab.ok(Method::PUT, &format!("/{index}/_doc/2"), &json!({"late": "x"})).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_what_it_named_and_no_more() {
    let lab = Lab::start("named").await;
    let index = &lab.index;
    let day = "%3C{index}-day-%7Bnow%2Fd%7D%3E".replace("{index}", index);
    let mut today = String::new();
    for name in ["a", "b", "keep"] {
        lab.ok(Method::PUT, &format!("/{index}-{name}/_doc/1"), &json!({"n": 1})).await;
    }
    lab.ok(Method::PUT, &format!("/{index}/_doc/1"), &json!({"n": 1})).await;
    if let Some(name) = lab.ok(Method::PUT, &format!("/{day}"), &json!({})).await["index"].as_str()
    {
        today = name.to_owned();
        lab.ok(Method::PUT, &format!("/{today}/_doc/1"), &json!({"n": 1})).await;
    }
    // What is there before the deletions come.
    assert!(lab.replay(|_| {}).await.unwrap().is_converged());
    lab.ok(Method::DELETE, &format!("/{index}-*,-{index}-keep,-{index}-day*"), &json!(null)).await;
    lab.ok(Method::DELETE, &format!("/{day}"), &json!(null)).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt["indices not named"], 1, "{summary}");
    lab.assert_equal().await;
    let there = lab.on_target(Method::GET, &format!("/{index}-*")).await;
    let names: Vec<_> = there.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, [format!("{index}-keep")], "and {today} is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_emptied_is_swept_from_the_beginning() {
    let lab = Lab::start("emptied").await;
    let index = &lab.index;
    let filtered = format!("/{index}/_bulk?filter_path=errors");
    // Two shards, so that the numbers of the second life lie below those of the first.
    let settings = json!({"settings": {"number_of_shards": 2}});
    for documents in [60, 20] {
        lab.any(Method::DELETE, &format!("/{index}"), &json!(null)).await;
        lab.ok(Method::PUT, &format!("/{index}"), &settings).await;
        let line = |n| format!("{{\"index\":{{}}}}\n{{\"made\":{n}}}\n");
        lab.bulk(&filtered, (0..documents).map(line).collect()).await;
        // Not to wait for something: two heartbeats come to stand between this doubt and what follows, so that
        // it is read from the source before the deletion is replayed (by a replayer that doesn't look ahead).
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    }
    lab.stop_proxy().await;
    let summary = lab.replay(|settings| settings.lookahead_bytes = 1).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_others_make_again_during_a_replay_is_read_again() {
    let lab = Lab::start("meanwhile").await;
    let index = &lab.index;
    for id in 0..10 {
        lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": id})).await;
    }
    let shutdown = telemetry::Shutdown::new();
    let live = lab.replay_until(&shutdown);
    let clients = async {
        lab.wait_for(index, "9").await;
        lab.directly(Method::DELETE, &format!("/{index}"), &json!(null)).await;
        lab.directly(Method::PUT, &format!("/{index}"), &json!({})).await;
        // The replayer sees the source's change after some seconds; these come before that.
        for id in 100..120 {
            lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": id})).await;
        }
        lab.wait_for(index, "119").await;
        shutdown.drain();
    };
    let (summary, ()) = tokio::join!(live, clients);
    summary.unwrap();
    lab.ok(Method::PUT, &format!("/{index}/_doc/120"), &json!({"n": 120})).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_refuses_behind_an_alias_is_left() {
    let lab = Lab::start("refused").await;
    let index = &lab.index;
    let alias = format!("{index}-alias");
    // Somebody has made the index on the target, with a field that the source's words don't fit.
    let mapping = json!({"mappings": {"properties": {"n": {"type": "long"}}}});
    lab.change_target(Method::PUT, &format!("/{index}"), &mapping).await;
    let mapping = json!({"mappings": {"properties": {"n": {"type": "keyword"}}}});
    lab.ok(Method::PUT, &format!("/{index}"), &mapping).await;
    lab.ok(Method::PUT, &format!("/{index}/_alias/{alias}"), &json!(null)).await;
    let lines = "{\"index\":{}}\n{\"n\":\"a word\"}\n{\"index\":{}}\n{\"n\":\"5\"}\n";
    lab.bulk(&format!("/{alias}/_bulk?filter_path=errors"), lines.into()).await;
    lab.stop_proxy().await;
    for _ in 0..2 {
        let summary = lab.replay(|_| {}).await.unwrap();
        assert!(!summary.is_converged() && summary.doubt_left > 0, "{summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_nothing_was_written_to_in_the_end_has_an_end() {
    let lab = Lab::start("empty").await;
    lab.ok(Method::PUT, &format!("/{}/_doc/1", lab.index), &json!({"n": 1})).await;
    lab.stop_proxy().await;
    lab.begin_to_write();
    let replay = tokio::time::timeout(Duration::from_secs(60), lab.replay(|_| {}));
    let summary = replay.await.expect("it ends").unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_index_that_is_gone_is_superseded() {
    let lab = Lab::start("gone").await;
    let (index, gone) = (&lab.index, format!("{}-gone", lab.index));
    lab.ok(Method::PUT, &format!("/{index}/_doc/1"), &json!({"n": 1})).await;
    lab.ok(Method::PUT, &format!("/{gone}/_doc/1"), &json!({"n": 1})).await;
    let field = json!({"properties": {"later": {"type": "keyword"}}});
    lab.ok(Method::PUT, &format!("/{gone}/_mapping"), &field).await;
    lab.directly(Method::DELETE, &format!("/{gone}"), &json!(null)).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollover_whose_answer_says_nothing_is_settled_by_the_source() {
    let lab = Lab::start("rolled").await;
    let (index, alias) = (&lab.index, format!("{}-alias", lab.index));
    let first = json!({"aliases": {&alias: {"is_write_index": true}}});
    lab.ok(Method::PUT, &format!("/{index}-1"), &first).await;
    lab.ok(Method::PUT, &format!("/{alias}/_doc/1"), &json!({"n": 1})).await;
    let settings = json!({"settings": {"refresh_interval": "9s"}});
    let path = format!("/{alias}/_rollover/{index}-2?filter_path=acknowledged");
    lab.ok(Method::POST, &path, &settings).await;
    lab.ok(Method::PUT, &format!("/{alias}/_doc/2"), &json!({"n": 2})).await;
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    assert_eq!(summary.doubt["no sequence number"], 1, "{summary}");
    assert!(lab.differences().await.is_empty());
    let found =
        lab.on_target(Method::GET, &format!("/{index}-2/_settings?flat_settings=true")).await;
    assert_eq!(found[format!("{index}-2")]["settings"]["index.refresh_interval"], "9s");
}
