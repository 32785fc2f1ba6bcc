//! As `real_clients`, with the clients of Elasticsearch 8, and a program that copies whole indices.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod lab;

use lab::Lab;
use testbed::Client;

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_elasticsearch_8() {
    let (lab, taps) = Lab::tapped("clients-8", "8.19", "2").await;
    for name in ["elasticsearch-py-8", "elasticsearch-js-8", "rest-client-8"] {
        if let Some(client) = Client::get(name).await.unwrap() {
            client.work(taps.front.addr(), &lab.index).await.unwrap();
        }
    }
    taps.assert_replayed(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticdump_out_of_a_cluster_and_into_it() {
    let Some(dump) = Client::get("elasticdump").await.unwrap() else { return };
    let (lab, taps) = Lab::tapped("dump", "7.10", "2").await;
    let index = &lab.index;
    let line =
        |n| format!("{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"n\":{n},\"text\":\"some words\"}}\n");
    lab.bulk(&format!("/{index}/_bulk?refresh=true"), (0..2_000).map(line).collect()).await;
    let file = lab.tuples().with_file_name("dump");
    for kind in ["mapping", "data"] {
        let file = format!("{}-{kind}.json", file.display());
        let indexed = format!("{}/{index}", taps.front.url());
        let run = |input: String, output: String| {
            let input = format!("--input={input}");
            let arguments = [input, format!("--output={output}"), format!("--type={kind}")];
            let dump = &dump;
            async move { dump.dump(&[&arguments[..], &["--limit=300".into()]].concat()).await.unwrap() }
        };
        run(indexed.clone(), file.clone()).await;
        run(file, format!("{indexed}-copy")).await;
    }
    taps.assert_replayed(&lab).await;
}
