//! What several replayers of a group are tried with.

use std::{sync::Arc, time::Duration};

use cluster::Method;
use serde_json::json;
use testbed::SharedKafka;
use traffic_replayer::{Pace, Settings, Summary};

use super::{Lab, wire};

static KAFKA: SharedKafka = SharedKafka::new();
const PARTITIONS: i32 = 4;

/// A lab whose journal is a topic.
pub async fn lab(name: &str) -> Arc<Lab> {
    let kafka = KAFKA.get().await.unwrap();
    kafka.create_topic(name, PARTITIONS).await.unwrap();
    Lab::on(name, &kafka.journal(name)).await
}

/// Six clients on the same documents, some of whose results only the source knows; now and then an index is deleted
/// and made again with another mapping, by whoever comes first.
pub async fn write(lab: &Lab, rounds: u64) {
    for round in 0..rounds {
        let index = &lab.index;
        let made = format!("{index}-made");
        lab.any(Method::DELETE, &format!("/{made}"), &json!(null)).await;
        let kind = if round % 2 == 0 { "keyword" } else { "long" };
        let mapping = json!({"mappings": {"properties": {"n": {"type": kind}}}});
        lab.ok(Method::PUT, &format!("/{made}"), &mapping).await;
        let client = |number: u64| {
            let made = &made;
            async move {
                for step in 0..12 {
                    let id = (number * 7 + step * 11 + round) % 40;
                    let path = format!("/{index}/_doc/{id}");
                    match (number + step) % 5 {
                        0 => drop(lab.any(Method::DELETE, &path, &json!(null)).await),
                        1 => {
                            let path = format!("/{index}/_update/{id}");
                            let body = json!({"doc": {"u": step}, "doc_as_upsert": true});
                            lab.any(Method::POST, &path, &body).await;
                        }
                        2 => {
                            let path = format!("/{made}/_doc/{id}");
                            lab.ok(Method::PUT, &path, &json!({"n": step, "round": round})).await;
                        }
                        _ => drop(lab.ok(Method::PUT, &path, &json!({"n": step})).await),
                    }
                }
            }
        };
        futures::future::join_all((0..6).map(client)).await;
    }
}

/// A document each: so many connections that every partition has some of them. The few of [`write`] are all in
/// one half of the partitions once in fifty runs.
pub async fn on_connections_of_their_own(lab: &Lab, documents: u64) {
    for id in 0..documents {
        let path = format!("/{}/_doc/own-{id}", lab.index);
        let request = wire::request("PUT", &path, "", br#"{"n": 1}"#);
        wire::pipelined(lab.proxy_address, &[request]).await;
    }
}

/// One of a group that ends with the journal; `rate`: requests a second at most.
pub async fn member(lab: &Lab, name: &str, rate: Option<f64>) -> Summary {
    let share = |settings: &mut Settings| {
        settings.share = true;
        if let Some(rate) = rate {
            settings.pace = Pace::Rate(rate);
        }
        settings.tuples = settings.tuples.join(name);
    };
    let replay = tokio::time::timeout(Duration::from_secs(120), lab.replay(share));
    replay.await.expect("it ends").unwrap()
}
