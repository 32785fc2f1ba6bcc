//! Real clients through the proxy, tapped on both sides: every byte arrives, and what they did converges on another cluster.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod lab;

use lab::{Lab, curl::Curl};
use testbed::Client;

async fn converges(source: &str, clients: &[&str]) {
    let name = format!("clients-{}", source.replace('.', "-"));
    let (lab, taps) = Lab::tapped(&name, source, "2").await;
    for name in clients {
        let began = std::time::Instant::now();
        if let Some(client) = Client::get(name).await.unwrap() {
            client.work(taps.front.addr(), &lab.index).await.unwrap();
            println!("{name} on {source}: {:?}", began.elapsed());
        }
    }
    taps.assert_replayed(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_elasticsearch_7() {
    converges("7.17", &["elasticsearch-py-7", "elasticsearch-js-7", "rest-client-7"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_opensearch() {
    converges("opensearch-2", &["opensearch-py", "opensearch-js"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_with_every_orderly_flag() {
    let (lab, taps) = Lab::tapped("curl", "7.17", "2").await;
    Curl::new(taps.front.url(), lab.index.clone()).orderly().await;
    taps.assert_replayed(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_with_odd_flags_and_cut_off() {
    let (lab, taps) = Lab::tapped("curl-odd", "7.17", "2").await;
    Curl::new(taps.front.url(), lab.index.clone()).odd().await;
    lab.stop_proxy().await;
    taps.assert_same_as_far_as_it_came().await;
}
