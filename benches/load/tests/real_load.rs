//! The load and its ledger against a real Elasticsearch, without anything between: what the ledger
//! says was acknowledged is what the cluster has.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use indicatif::ProgressBar;
use load::compare::{clusters, with_ledger};
use load::{Cities, Ledger, LoadSettings, Mix, create_indices, run};
use serde_json::json;
use testbed::{Relay, Server, Testbed};

fn settings(url: &str, mix: Mix) -> LoadSettings {
    LoadSettings {
        url: url.to_owned(),
        mix,
        clients: 8,
        cities: Cities::made_up(6_000),
        seed: 7,
        patience: Duration::from_secs(10),
        progress: ProgressBar::hidden(),
    }
}

async fn violations(server: &Server, ledger: &Ledger) -> Vec<load::ledger::Violation> {
    with_ledger(&server.url(), ledger, &ProgressBar::hidden()).await.unwrap().differences
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_knows_what_a_real_cluster_has() {
    let es = Testbed::elasticsearch("7.10").await.unwrap();
    create_indices(&es.url()).await.unwrap();
    let (ledger, stats) = run(&settings(&es.url(), Mix::Inserts), Ledger::default()).await.unwrap();
    assert_eq!(ledger.unanswered, 0);
    assert!(ledger.acknowledged > 6_000 && ledger.refused > 10, "{}", ledger.acknowledged);
    assert!(stats.requests() > 300);
    assert_eq!(violations(&es, &ledger).await, []);

    let (ledger, _) = run(&settings(&es.url(), Mix::Updates), ledger).await.unwrap();
    assert_eq!(violations(&es, &ledger).await, []);

    // And it sees what is not as acknowledged: one lost, one that nobody wrote.
    let http = reqwest::Client::new();
    let found: serde_json::Value = http
        .get(format!("{}/events/_search?size=1&q=writer:inserts*", es.url()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let hit = &found["hits"]["hits"][0];
    let routing = hit["_routing"].as_str().unwrap_or("").replace(' ', "%20");
    let lost =
        format!("{}/events/_doc/{}?routing={routing}", es.url(), hit["_id"].as_str().unwrap());
    let lost = lost.trim_end_matches("?routing=");
    assert!(http.delete(lost).send().await.unwrap().status().is_success());
    let stranger = format!("{}/cities/_doc/stranger", es.url());
    assert!(http.put(stranger).json(&json!({})).send().await.unwrap().status().is_success());
    let wrong = violations(&es, &ledger).await;
    let whats: Vec<_> = wrong.iter().map(|violation| violation.what).collect();
    assert_eq!(whats, ["nobody wrote it", "is missing"], "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_leaves_either_outcome_and_nothing_twice() {
    let es = Testbed::elasticsearch("7.10").await.unwrap();
    let relay = Relay::in_front_of(es.addr()).await.unwrap();
    create_indices(&es.url()).await.unwrap();
    let (url, cutting) = (
        relay.url(),
        tokio::spawn(async move {
            let mut rounds = tokio::time::interval(Duration::from_millis(150));
            for _ in 0..20 {
                rounds.tick().await;
                relay.cut();
            }
            relay
        }),
    );
    let (ledger, _) = run(&settings(&url, Mix::Inserts), Ledger::default()).await.unwrap();
    let relay = cutting.await.unwrap();
    assert!(ledger.unanswered > 0);
    assert_eq!(violations(&es, &ledger).await, []);
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_differ_where_they_differ() {
    let (es, os) = tokio::join!(Testbed::elasticsearch("7.10"), Testbed::opensearch("3"));
    let (es, os) = (es.unwrap(), os.unwrap());
    let http = reqwest::Client::new();
    let put = async |server: &Server, path: &str, document: serde_json::Value| {
        let url = format!("{}/{path}", server.url());
        let answer = http.put(url).json(&document).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    };
    for server in [&es, &os] {
        put(server, "things", json!({"settings": {"number_of_shards": 3}})).await;
        put(server, "things/_doc/same", json!({"a": {"x": 1, "y": 2}})).await;
    }
    let compare = async || {
        let compared = clusters(&es.url(), &os.url(), &ProgressBar::hidden()).await.unwrap();
        let differences = compared.differences.into_iter();
        (compared.documents, differences.map(|d| (d.id, d.what)).collect::<Vec<_>>())
    };
    assert_eq!(compare().await, (1, vec![]));

    put(&es, "things/_doc/here", json!({})).await;
    put(&os, "things/_doc/there", json!({})).await;
    put(&es, "things/_doc/routed?routing=a", json!({})).await;
    put(&os, "things/_doc/routed?routing=b", json!({})).await;
    put(&es, "things/_doc/other", json!({"n": 1})).await;
    put(&os, "things/_doc/other", json!({"n": 2})).await;
    put(&os, "extra", json!({})).await;
    let (documents, differences) = compare().await;
    let expected = [
        ("here", "is missing on the target"),
        ("other", "has another _source on the target"),
        ("routed", "has another routing on the target"),
        ("there", "is on the target only"),
        ("*", "the index is on the target only"),
    ];
    assert_eq!(documents, 4);
    assert_eq!(differences, expected.map(|(id, what)| (id.to_owned(), what)));
}
