//! What may stand in front of a real target: passes requests on, and answers some `_bulk`s itself.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::Response,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::stage::{Stage, Worker};

/// What becomes of a `_bulk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Pass,
    /// As a whole, with this status and body.
    Refuse(u16, &'static str),
    /// Every other item with 429, the rest is passed on.
    RefuseItems,
}

/// A `_bulk` that came.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// From 0.
    pub number: usize,
    pub items: usize,
    pub bytes: usize,
    pub act: Act,
}

type Script = Box<dyn FnMut(Bulk) -> Act + Send>;

/// A listener; gone when it is dropped.
pub struct Front {
    pub addr: std::net::SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

struct Shared {
    target: String,
    client: reqwest::Client,
    script: Mutex<Script>,
    seen: watch::Sender<Vec<Bulk>>,
    /// Bulks from this number on wait.
    gate: watch::Sender<usize>,
}

impl Front {
    pub async fn of(stage: &Stage) -> Self {
        let shared = Arc::new(Shared {
            target: stage.server.url(),
            client: reqwest::Client::new(),
            script: Mutex::new(Box::new(|_| Act::Pass)),
            seen: watch::Sender::default(),
            gate: watch::Sender::new(usize::MAX),
        });
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { addr, shared, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Decides from now on; bulks are counted anew.
    pub fn script(&self, script: impl FnMut(Bulk) -> Act + Send + 'static) {
        self.shared.seen.send_modify(Vec::clear);
        *self.shared.script.lock() = Box::new(script);
    }

    /// Every `_bulk` so far, and what became of it.
    pub fn seen(&self) -> Vec<Bulk> {
        self.shared.seen.borrow().clone()
    }

    /// Lets so many `_bulk`s through and holds the others, so that a run is caught in its middle however fast it is.
    pub fn hold_after(&self, bulks: usize) {
        self.shared.gate.send_replace(bulks);
    }

    pub fn let_go(&self) {
        self.hold_after(usize::MAX);
    }

    /// Waits until the first held one is there; `false`: it doesn't come.
    pub async fn holds(&self) -> bool {
        let held = *self.shared.gate.borrow();
        let mut seen = self.shared.seen.subscribe();
        let came = tokio::time::timeout(LONGEST, seen.wait_for(|seen| seen.len() > held)).await;
        came.is_ok()
    }

    /// Waits until a worker is in the middle of its run.
    pub async fn wait_until_held(&self, worker: &Worker) {
        assert!(self.holds().await, "{} bulks came: {}", self.seen().len(), worker.log());
    }
}

const LONGEST: Duration = Duration::from_secs(100);

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn reply(status: u16, body: impl Into<Body>) -> Response {
    let builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
    builder.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Whoever sends was cut off.
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return reply(400, Body::empty());
    };
    let path = parts.uri.path_and_query().unwrap().as_str();
    let pass = async |body: Bytes| {
        let url = format!("{}{path}", shared.target);
        let mut request = shared.client.request(parts.method.clone(), url).body(body);
        if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    };
    // The coordinator writes its plan by bulks of its own.
    if !parts.uri.path().ends_with("/_bulk") || parts.uri.path().starts_with("/.godwit") {
        let (status, body) = pass(body).await;
        return reply(status, body);
    }
    let lines: Vec<&[u8]> = body.split_inclusive(|byte| *byte == b'\n').collect();
    let mut bulk = Bulk { number: 0, items: lines.len() / 2, bytes: body.len(), act: Act::Pass };
    shared.seen.send_modify(|seen| {
        bulk.number = seen.len();
        bulk.act = (shared.script.lock())(bulk);
        seen.push(bulk);
    });
    let mut gate = shared.gate.subscribe();
    gate.wait_for(|gate| bulk.number < *gate).await.unwrap();
    match bulk.act {
        Act::Refuse(status, body) => reply(status, body),
        Act::Pass => {
            let (status, body) = pass(body).await;
            reply(status, body)
        }
        Act::RefuseItems => {
            let taken: Vec<&[u8]> = lines.chunks(2).step_by(2).flatten().copied().collect();
            let (status, body) = pass(taken.concat().into()).await;
            assert_eq!(status, 200);
            let answer: Value = serde_json::from_slice(&body).unwrap();
            let mut taken = answer["items"].as_array().unwrap().iter();
            let error = json!({"type": "es_rejected_execution_exception", "reason": "full"});
            let refused = json!({"index": {"status": 429, "error": error}});
            let items: Vec<&Value> = (0..bulk.items)
                .map(|at| if at % 2 == 0 { taken.next().unwrap() } else { &refused })
                .collect();
            reply(200, json!({"took": 1, "errors": true, "items": items}).to_string())
        }
    }
}
