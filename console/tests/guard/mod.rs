//! A door in front of a real cluster that lets in who knows the password.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "open sesame";
/// `ann:open sesame`
const BASIC: &str = "Basic YW5uOm9wZW4gc2VzYW1l";

pub(crate) struct Guard {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Guard {
    pub(crate) async fn start(cluster: String) -> Guard {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let routes = Router::new().fallback(pass).with_state(cluster);
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Guard { addr, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn may_enter(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == BASIC)
}

async fn pass(State(cluster): State<String>, request: Request) -> Response {
    if !may_enter(request.headers()) {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 64 << 20).await.unwrap();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut asked = reqwest::Client::new().request(parts.method, format!("{cluster}{path}"));
    if let Some(kind) = parts.headers.get("content-type") {
        asked = asked.header("content-type", kind);
    }
    match asked.body(body).send().await {
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
            let kind = answer.headers().get("content-type").cloned();
            let kind = kind
                .map_or("application/json".to_owned(), |kind| kind.to_str().unwrap().to_owned());
            (status, [("content-type", kind)], answer.bytes().await.unwrap()).into_response()
        }
    }
}
