//! The harness against the real servers.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use serde_json::{Value, json};
use testbed::{Server, Testbed};

async fn put(server: &Server, id: &str, document: Value) {
    let url = format!("{}/things/_doc/{id}?refresh=true", server.url());
    let answer = reqwest::Client::new().put(url).json(&document).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

async fn get(server: &Server, id: &str) -> Value {
    let url = format!("{}/things/_doc/{id}", server.url());
    let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    answer["_source"].clone()
}

fn gone(process: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{process}")).exists()
}

#[tokio::test]
async fn elasticsearch_keeps_data_and_port_over_a_stop_and_a_kill() {
    let es = Testbed::elasticsearch("7.10").await.unwrap();
    assert_eq!(es.version(), "7.10.2");
    let url = es.url();
    put(&es, "1", json!({"a": 1})).await;

    es.stop().await.unwrap();
    assert!(reqwest::get(es.url()).await.is_err());
    es.start().await.unwrap();
    assert_eq!(es.url(), url);
    assert_eq!(get(&es, "1").await, json!({"a": 1}));

    put(&es, "2", json!({"a": 2})).await;
    es.kill().await.unwrap();
    es.start().await.unwrap();
    assert_eq!(get(&es, "2").await, json!({"a": 2}));

    let process = es.process_id().unwrap();
    let folder = es.folder().to_owned();
    drop(es);
    assert!(gone(process) && !folder.exists());
}

#[tokio::test]
async fn two_opensearch_at_once_are_two() {
    let (three, two) = tokio::join!(Testbed::opensearch("3"), Testbed::opensearch("2"));
    let (three, two) = (three.unwrap(), two.unwrap());
    assert!(two.version().starts_with("2.19."));
    let stand_in = three.version() == two.version();
    assert!(three.version().starts_with("3.") || stand_in, "{}", three.version());
    assert_ne!(three.addr(), two.addr());

    put(&three, "1", json!({"server": 3})).await;
    put(&two, "1", json!({"server": 2})).await;
    assert_eq!(get(&three, "1").await, json!({"server": 3}));
    assert_eq!(get(&two, "1").await, json!({"server": 2}));

    // A paused server answers nothing, and goes on where it was.
    two.pause();
    let quick = reqwest::Client::builder().timeout(std::time::Duration::from_millis(300));
    assert!(quick.build().unwrap().get(two.url()).send().await.unwrap_err().is_timeout());
    two.resume();
    assert_eq!(get(&two, "1").await, json!({"server": 2}));
}

#[tokio::test]
async fn scripts_run_on_the_source_and_on_the_target() {
    let (es, os) = tokio::join!(Testbed::elasticsearch("7.10"), Testbed::opensearch("3"));
    for server in [es.unwrap(), os.unwrap()] {
        put(&server, "1", json!({"n": 1})).await;
        let url = format!("{}/things/_update/1", server.url());
        let script =
            json!({"script": {"source": "ctx._source.n += params.by", "params": {"by": 4}}});
        let answer = reqwest::Client::new().post(url).json(&script).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        assert_eq!(get(&server, "1").await, json!({"n": 5}));
    }
}

#[tokio::test]
async fn kafka_makes_topics_and_comes_back_with_them() {
    let kafka = Testbed::kafka().await.unwrap();
    kafka.create_topic("three", 3).await.unwrap();
    kafka.create_topic("three", 3).await.unwrap();
    kafka.kill().await.unwrap();
    kafka.start().await.unwrap();
    // Returns at once when the topic and its three leaders are there.
    kafka.create_topic("three", 3).await.unwrap();
    assert_eq!(kafka.journal("three"), format!("kafka://{}/three", kafka.addr()));
    let refused = kafka.create_topic("not/a/name", 1).await.unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
}
