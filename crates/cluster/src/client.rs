//! One request, one answer; and the same with patience.

use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use tokio::time::Instant;

use crate::{Auth, ClusterError, Info, Repeat, Retry, Settings, retry};

/// A request as bytes. `path` begins with `/`, is percent-encoded and may carry a query.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// Without headers or body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// With a JSON body.
    pub fn json(method: Method, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let mut request = Self::new(method, path);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = body.into();
        request
    }

    /// With a body of JSON lines, for `_bulk`.
    pub fn ndjson(method: Method, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let mut request = Self::new(method, path);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        request.body = body.into();
        request
    }
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// From the moment of sending to the first bytes of the answer.
    pub waited: Duration,
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The status in words, where it is a known one.
    pub fn reason(&self) -> &'static str {
        reqwest::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or("")
    }

    /// 429, 502, 503, 504: the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        retry::is_transient(self.status)
    }

    /// The beginning of the body, for messages.
    pub fn excerpt(&self) -> String {
        String::from_utf8_lossy(self.body.get(..500).unwrap_or(&self.body)).into_owned()
    }
}

/// A cluster that has answered `GET /` once.
#[derive(Clone, Debug)]
pub struct Cluster {
    client: Client,
    base: String,
    authorization: Option<HeaderValue>,
    retry: Retry,
    response_limit: usize,
    info: Info,
}

impl Cluster {
    /// Connects and asks who is there; waits for a cluster that isn't up yet as long as `settings.retry` says.
    pub async fn connect(settings: Settings) -> Result<Self, ClusterError> {
        let client = build(&settings)?;
        let mut cluster = Self {
            client,
            base: settings.url.trim_end_matches('/').to_owned(),
            authorization: authorization(&settings.auth)?,
            retry: settings.retry,
            response_limit: settings.response_limit,
            info: Info {
                flavour: crate::Flavour::Elasticsearch,
                major: 0,
                minor: 0,
                version: String::new(),
                cluster_name: String::new(),
                cluster_uuid: None,
            },
        };
        let reply = cluster.call(Request::new(Method::GET, "/")).await?;
        cluster.info =
            Info::parse(&reply.body).map_err(|reason| cluster.answer_error("/", reason))?;
        Ok(cluster)
    }

    pub fn info(&self) -> &Info {
        &self.info
    }

    pub fn url(&self) -> &str {
        &self.base
    }

    /// Sends once. `Err` means that no whole answer was read; any status is `Ok`.
    pub async fn send(&self, request: Request) -> Result<Reply, ClusterError> {
        let Request { method, path, headers, body } = request;
        let mut builder =
            self.client.request(method.clone(), format!("{}{path}", self.base)).headers(headers);
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if !body.is_empty() {
            builder = builder.body(body);
        }
        let no_answer = |e: reqwest::Error| {
            let reason = causes(&e);
            if e.is_connect() {
                return ClusterError::Connect { url: self.base.clone(), reason };
            }
            let (url, path) = (self.base.clone(), path.clone());
            ClusterError::NoAnswer { url, method: method.to_string(), path, reason }
        };
        let began = Instant::now();
        let mut response = builder.send().await.map_err(no_answer)?;
        let waited = began.elapsed();
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len().saturating_add(chunk.len()) > self.response_limit {
                let (url, limit) = (self.base.clone(), self.response_limit);
                return Err(ClusterError::TooLong { url, path, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: body.freeze(), waited })
    }

    /// Sends until an answer that isn't "not now" is there, or until `retry` gives up; then the last answer or
    /// error is returned.
    pub async fn send_retrying(
        &self,
        request: Request,
        repeat: Repeat,
        retry: Retry,
    ) -> Result<Reply, ClusterError> {
        let mut attempts = retry.begin();
        loop {
            let outcome = self.send(request.clone()).await;
            let again = match &outcome {
                Ok(reply) if repeat == Repeat::Safe => reply.is_transient(),
                Ok(reply) => reply.status == 429,
                Err(e) if repeat == Repeat::Safe => e.is_transient(),
                Err(e) => e.never_arrived(),
            };
            if !again || !attempts.again().await {
                return outcome;
            }
            tracing::debug!(
                url = self.base,
                path = request.path,
                attempt = attempts.count,
                "cluster not ready, trying again"
            );
        }
    }

    /// A call on our own behalf that may be repeated: anything but a success is an error.
    pub async fn call(&self, request: Request) -> Result<Reply, ClusterError> {
        let (method, path) = (request.method.to_string(), request.path.clone());
        let reply = self.send_retrying(request, Repeat::Safe, self.retry).await?;
        if reply.is_success() {
            return Ok(reply);
        }
        let url = self.base.clone();
        Err(ClusterError::Status { url, method, path, status: reply.status, body: reply.excerpt() })
    }

    /// As [`Cluster::call`], with `None` for 404.
    pub async fn find(&self, request: Request) -> Result<Option<Reply>, ClusterError> {
        match self.call(request).await {
            Ok(reply) => Ok(Some(reply)),
            Err(e) if e.status() == Some(404) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// How long the client tries on its own behalf.
    pub fn patience(&self) -> Retry {
        self.retry
    }

    /// What is asked for could not be had for as long as patience says.
    pub(crate) fn unavailable(&self, path: &str, reason: String) -> ClusterError {
        ClusterError::Unavailable { url: self.base.clone(), path: path.to_owned(), reason }
    }

    /// An answer of this cluster to `path` that isn't understood; why.
    pub fn answer_error(&self, path: &str, reason: impl ToString) -> ClusterError {
        ClusterError::Answer {
            url: self.base.clone(),
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn build(settings: &Settings) -> Result<Client, ClusterError> {
    let refuse = |what: String| ClusterError::Settings(what);
    if !settings.url.starts_with("http://") && !settings.url.starts_with("https://") {
        return Err(refuse(format!(
            "cluster url `{}`: begin it with http:// or https://",
            settings.url
        )));
    }
    let mut builder = Client::builder()
        .no_proxy()
        .http1_only()
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.request_timeout)
        .pool_max_idle_per_host(settings.idle_connections)
        .tls_danger_accept_invalid_certs(settings.danger_accept_invalid_certs);
    if let Some(path) = &settings.ca {
        let pem = std::fs::read(path)
            .map_err(|e| refuse(format!("certificate authority {}: {e}", path.display())))?;
        for certificate in reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|e| refuse(format!("certificate authority {}: {e}", path.display())))?
        {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|e| refuse(format!("cluster url `{}`: {}", settings.url, causes(&e))))
}

pub(crate) fn authorization(auth: &Auth) -> Result<Option<HeaderValue>, ClusterError> {
    let text = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { user, password } => {
            let pair = format!("{user}:{}", password.reveal());
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        }
        Auth::ApiKey(key) => format!("ApiKey {}", key.reveal()),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        ClusterError::Settings("the api key holds characters no header may hold".into())
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The error and its causes: reqwest's own message says only that sending failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
