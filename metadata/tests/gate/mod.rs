//! In front of a real server: passes requests on, cuts one, or answers one itself.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::Response,
};
use cluster::{Cluster, Method};
use testbed::Server;

/// What becomes of requests.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// The answer to this request, counted from 0, is cut; the request arrives, or it doesn't.
    Cut { at: usize, arrives: bool },
    /// Requests for this path are answered so.
    Answer { path: &'static str, status: u16, body: &'static str },
}

#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) url: String,
    seen: Arc<AtomicUsize>,
}

struct Passing {
    cluster: Cluster,
    rule: Rule,
    seen: Arc<AtomicUsize>,
}

impl Gate {
    pub(crate) async fn before(server: &Server, rule: Rule) -> Self {
        let cluster = Cluster::connect(cluster::Settings::new(server.url())).await.unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let passing = Arc::new(Passing { cluster, rule, seen: Arc::clone(&seen) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(pass).with_state(passing);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// Requests so far.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

async fn pass(State(passing): State<Arc<Passing>>, request: Request) -> Response<Body> {
    let number = passing.seen.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path_and_query().unwrap().to_string();
    if let Rule::Answer { path: wanted, status, body } = &passing.rule
        && path == *wanted
    {
        return Response::builder().status(*status).body(Body::from(*body)).unwrap();
    }
    let cut = match passing.rule {
        Rule::Cut { at, arrives } if at == number => Some(arrives),
        _ => None,
    };
    if cut == Some(false) {
        return broken();
    }
    let method = Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let body = axum::body::to_bytes(request.into_body(), 1 << 24).await.unwrap();
    let request = match body.is_empty() {
        true => cluster::Request::new(method, path),
        false => cluster::Request::json(method, path, body),
    };
    let reply = passing.cluster.send(request).await.unwrap();
    if cut == Some(true) {
        return broken();
    }
    Response::builder().status(reply.status).body(Body::from(reply.body)).unwrap()
}

/// The head of an answer, and a connection that ends before its body.
fn broken() -> Response<Body> {
    let body = futures::stream::iter([Ok(Bytes::from_static(b"{")), Err(io::Error::other("cut"))]);
    Response::new(Body::from_stream(body))
}
