//! Writers that every version understands: types where there are any, and no scripts. Each knows what it was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cluster::{Cluster, ClusterError, Flavour, Method, Reply, Request};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::stage::send;

pub(crate) const INDEX: &str = "plain";
/// How long a proxy may be away.
const PATIENCE: Duration = Duration::from_secs(60);
/// Documents that one writer has.
const IDS: u32 = 300;

/// What may be found of each document, and of those whose id the source made up.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// `None`: absent.
    allowed: BTreeMap<String, Vec<Option<Value>>>,
    /// By what is in them: must be found, or may be.
    nameless: BTreeMap<u64, bool>,
    pub(crate) acknowledged: u64,
    pub(crate) unanswered: u64,
}

impl Promises {
    fn write(&mut self, id: &str, state: Option<Value>, answered: bool) {
        let allowed = self.allowed.entry(id.to_owned()).or_insert_with(|| vec![None]);
        match answered {
            true => {
                self.acknowledged += 1;
                // The last is the one that is certain; the others were never answered.
                allowed.pop();
            }
            false => {
                self.unanswered += 1;
                let certain = allowed.pop().unwrap_or_default();
                allowed.push(state);
                allowed.push(certain);
                return;
            }
        }
        allowed.push(state);
    }

    /// What a cluster holds that nobody wrote, or lacks.
    pub(crate) async fn broken(&self, cluster: &Cluster) -> Vec<String> {
        let (mut broken, mut seen) = (Vec::new(), BTreeSet::new());
        let mut nameless: BTreeMap<u64, u32> = BTreeMap::new();
        let mut scan = cluster.scan(INDEX, 1_000).await.unwrap();
        loop {
            let page = scan.next_page().await.unwrap();
            if page.is_empty() {
                break;
            }
            for document in page {
                let source: Value = serde_json::from_slice(&document.source).unwrap();
                match self.allowed.get(&document.id) {
                    Some(allowed) if allowed.contains(&Some(source.clone())) => {}
                    Some(allowed) => {
                        broken.push(format!("{}: {source}, not one of {allowed:?}", document.id))
                    }
                    None => *nameless.entry(source["serial"].as_u64().unwrap()).or_default() += 1,
                }
                seen.insert(document.id);
            }
        }
        for (id, allowed) in &self.allowed {
            if !seen.contains(id) && !allowed.contains(&None) {
                broken.push(format!("{id} is missing"));
            }
        }
        for (serial, must) in &self.nameless {
            let count = nameless.remove(serial).unwrap_or(0);
            if count > 1 || *must && count == 0 {
                broken.push(format!("the document {serial} without an id is there {count} times"));
            }
        }
        broken.extend(nameless.keys().map(|serial| format!("nobody wrote {serial}")));
        broken
    }
}

/// Makes the index, with several shards.
pub(crate) async fn create(cluster: &Cluster) {
    let fields = json!({"properties": {"serial": {"type": "long"}, "text": {"type": "text"}}});
    let mappings = if is_typed(cluster) { json!({"_doc": fields}) } else { fields };
    let settings = json!({"number_of_shards": 3, "number_of_replicas": 0});
    let body = json!({"settings": settings, "mappings": mappings});
    send(cluster, Method::PUT, &format!("/{INDEX}"), body).await;
}

fn is_typed(cluster: &Cluster) -> bool {
    cluster.info().flavour == Flavour::Elasticsearch && cluster.info().major < 7
}

/// A writer with documents of its own.
pub(crate) struct Writer {
    to: Cluster,
    number: u32,
    random: StdRng,
    serial: u64,
}

impl Writer {
    pub(crate) fn new(to: Cluster, number: u32, seed: u64) -> Writer {
        let serial = u64::from(number) << 32;
        Writer { to, number, random: StdRng::seed_from_u64(seed + u64::from(number)), serial }
    }

    fn id(&mut self) -> String {
        format!("{}-{}", self.number, self.random.random_range(0..IDS))
    }

    fn document(&mut self) -> Value {
        self.serial += 1;
        json!({"serial": self.serial, "text": format!("written by {}", self.number)})
    }

    /// `None`: sent, and no answer. While nobody listens it waits.
    async fn send(&self, request: Request) -> Option<Reply> {
        let began = Instant::now();
        loop {
            match self.to.send(request.clone()).await {
                Ok(reply) if reply.status >= 500 => return None,
                Ok(reply) => return Some(reply),
                Err(ClusterError::Connect { .. }) => {
                    assert!(began.elapsed() < PATIENCE, "nothing listens at {}", self.to.url());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(_) => return None,
            }
        }
    }

    /// Some writes of every kind.
    pub(crate) async fn round(&mut self, promises: &mut Promises) {
        for _ in 0..10 {
            let (id, document) = (self.id(), self.document());
            let path = format!("/{INDEX}/_doc/{id}");
            let put = Request::json(Method::PUT, path.clone(), document.to_string());
            let reply = self.send(put).await;
            promises.write(&id, Some(document), is_done(reply.as_ref()));
            if self.random.random_ratio(1, 4) {
                let reply = self.send(Request::new(Method::DELETE, path)).await;
                promises.write(&id, None, is_done(reply.as_ref()));
            }
        }
        self.update(promises).await;
        self.nameless(promises).await;
        self.bulk(promises).await;
    }

    /// The source makes the document of what it has and what is sent.
    async fn update(&mut self, promises: &mut Promises) {
        let (id, document) = (self.id(), self.document());
        let path = match is_typed(&self.to) {
            true => format!("/{INDEX}/_doc/{id}/_update"),
            false => format!("/{INDEX}/_update/{id}"),
        };
        let body = json!({"doc": document, "doc_as_upsert": true});
        let reply = self.send(Request::json(Method::POST, path, body.to_string())).await;
        promises.write(&id, Some(document), is_done(reply.as_ref()));
    }

    async fn nameless(&mut self, promises: &mut Promises) {
        let document = self.document();
        let path = format!("/{INDEX}/_doc");
        let reply = self.send(Request::json(Method::POST, path, document.to_string())).await;
        let answered = is_done(reply.as_ref());
        promises.nameless.insert(self.serial, answered);
        promises.acknowledged += u64::from(answered);
    }

    /// As Beats write: the answer says only whether there were errors.
    async fn bulk(&mut self, promises: &mut Promises) {
        let (mut lines, mut written) = (String::new(), BTreeMap::new());
        for _ in 0..40 {
            let (id, document) = (self.id(), self.document());
            let action = match is_typed(&self.to) {
                true => json!({"index": {"_index": INDEX, "_type": "_doc", "_id": id}}),
                false => json!({"index": {"_index": INDEX, "_id": id}}),
            };
            lines.push_str(&format!("{action}\n{document}\n"));
            // Items of one bulk that write one document are done in their order.
            written.insert(id, document);
        }
        let reply =
            self.send(Request::ndjson(Method::POST, "/_bulk?filter_path=errors", lines)).await;
        let fine = reply.as_ref().is_some_and(|reply| {
            let answer: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(answer["errors"], false);
            reply.is_success()
        });
        for (id, document) in written {
            promises.write(&id, Some(document), fine);
        }
    }
}

/// An answer that isn't a success is a bug of the test, but for a delete of what isn't there.
fn is_done(reply: Option<&Reply>) -> bool {
    let Some(reply) = reply else { return false };
    assert!(reply.is_success() || reply.status == 404, "{}: {}", reply.status, reply.excerpt());
    true
}
