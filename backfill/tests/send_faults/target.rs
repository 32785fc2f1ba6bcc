//! A target that does what the test says.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use backfill::send::{SendSettings, Sender};
use cluster::{Cluster, Retry, Settings};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What the target does with a request.
pub(super) enum Act {
    /// Each item as the closure says; `None` is taken.
    Items(fn(&Item, usize) -> Option<Value>),
    Status(u16, &'static str),
    /// Takes all, and says so with an answer that breaks off.
    LoseAnswer,
    /// Takes nothing and closes the connection.
    Close,
    /// Takes all and answers for one item fewer.
    AnswerFewer,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub id: String,
    pub index: Option<String>,
    pub version: u64,
    pub source: String,
}

/// What the target got and holds.
#[derive(Default)]
pub(super) struct Held {
    pub requests: Vec<(Vec<Item>, usize, bool)>,
    pub versions: BTreeMap<String, u64>,
    /// So many times more nobody is there when it is asked who is.
    pub away: usize,
}

type Script = Box<dyn Fn(usize, &[Item], usize) -> Act + Send + Sync>;

pub(super) struct Target {
    pub url: String,
    pub held: Arc<Mutex<Held>>,
}

struct Shared {
    script: Script,
    held: Arc<Mutex<Held>>,
}

impl Target {
    /// `script` gets the number of the request, its items and its length.
    pub(super) async fn start(
        script: impl Fn(usize, &[Item], usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let held = Arc::<Mutex<Held>>::default();
        let shared = Arc::new(Shared { script: Box::new(script), held: held.clone() });
        let app = axum::Router::new().fallback(answer).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, held }
    }

    pub(super) async fn sender(&self, settings: SendSettings) -> Sender {
        sender(&self.url, settings).await
    }

    pub(super) fn requests(&self) -> usize {
        self.held.lock().requests.len()
    }
}

pub(super) async fn sender(url: &str, settings: SendSettings) -> Sender {
    let retry = Retry::for_at_most(Duration::from_secs(5));
    let cluster = Cluster::connect(Settings { retry, ..Settings::new(url) }).await.unwrap();
    Sender::new(cluster, settings)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let with = |status: u16, body: Body| {
        let json = (header::CONTENT_TYPE, "application/json");
        let builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
        builder.header(json.0, json.1).body(body).unwrap()
    };
    let broken = || {
        let parts = [Ok(Bytes::from_static(b"{\"took\":1,")), Err(std::io::Error::other("cut"))];
        Body::from_stream(futures::stream::iter(parts))
    };
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/" {
        let mut held = shared.held.lock();
        if held.away > 0 {
            held.away -= 1;
            return with(503, Body::empty());
        }
        return with(200, r#"{"cluster_name":"c","version":{"number":"7.10.2"}}"#.into());
    }
    let gzip = parts.headers.get("content-encoding").is_some_and(|coding| coding == "gzip");
    let Ok(raw) = axum::body::to_bytes(body, usize::MAX).await else {
        return with(400, Body::empty());
    };
    let mut plain = Vec::new();
    match gzip {
        true => drop(flate2::bufread::GzDecoder::new(&raw[..]).read_to_end(&mut plain).unwrap()),
        false => plain.extend_from_slice(&raw),
    }
    let items = items(&plain);
    let mut held = shared.held.lock();
    held.requests.push((items.clone(), plain.len(), gzip));
    let number = held.requests.len() - 1;
    let act = (shared.script)(number, &items, plain.len());
    let mut take = |item: &Item| -> Value {
        let version = held.versions.get(&item.id).copied();
        if version.is_some_and(|version| version > item.version) {
            return refusal(409, "version_conflict_engine_exception");
        }
        held.versions.insert(item.id.clone(), item.version);
        json!({"status": if version.is_some() { 200 } else { 201 }})
    };
    let reply = |answers: Vec<Value>| {
        let errors = answers.iter().any(|answer| answer.get("error").is_some());
        let items: Vec<_> = answers.into_iter().map(|answer| json!({"index": answer})).collect();
        json!({"took": 1, "errors": errors, "items": items}).to_string()
    };
    match act {
        Act::Status(status, body) => with(status, body.into()),
        Act::Close => with(200, broken()),
        Act::Items(judge) => {
            let answers =
                items.iter().map(|item| judge(item, number).unwrap_or_else(|| take(item)));
            with(200, reply(answers.collect()).into())
        }
        Act::LoseAnswer => {
            items.iter().for_each(|item| drop(take(item)));
            with(200, broken())
        }
        Act::AnswerFewer => {
            let answers: Vec<_> = items.iter().map(take).collect();
            with(200, reply(answers[1..].to_vec()).into())
        }
    }
}

fn items(body: &[u8]) -> Vec<Item> {
    assert!(body.ends_with(b"\n"));
    let lines: Vec<_> = std::str::from_utf8(body).unwrap().lines().collect();
    let item = |pair: &[&str]| {
        let action: Value = serde_json::from_str(pair[0]).unwrap();
        Item {
            id: action["index"]["_id"].as_str().unwrap().to_owned(),
            index: action["index"]["_index"].as_str().map(str::to_owned),
            version: action["index"]["version"].as_u64().unwrap(),
            source: pair[1].to_owned(),
        }
    };
    lines.chunks(2).map(item).collect()
}

pub(super) fn refusal(status: u16, kind: &str) -> Value {
    json!({"status": status, "error": {"type": kind, "reason": "because"}})
}
