//! One request, one answer; and the same with patience.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use tokio::time::Instant;

use crate::{
    ClusterError, Info, Repeat, Retry, Settings,
    credentials::{self, Credentials},
    retry, sigv4,
    transport::{self, Known},
};

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
    /// What only this side can know of a refusal; part of the excerpt.
    pub note: Option<String>,
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
        let body = String::from_utf8_lossy(self.body.get(..500).unwrap_or(&self.body));
        match &self.note {
            Some(note) => format!("{body} ({note})"),
            None => body.into_owned(),
        }
    }
}

/// A cluster that has answered `GET /` once.
#[derive(Clone, Debug)]
pub struct Cluster {
    client: Client,
    known: Known,
    /// The url without its path: a signed request has the whole.
    origin: String,
    credentials: Credentials,
    retry: Retry,
    response_limit: usize,
    info: Info,
}

impl Cluster {
    /// Connects and asks who is there; waits for a cluster that isn't up yet as long as `settings.retry` says.
    pub async fn connect(settings: Settings) -> Result<Self, ClusterError> {
        let client = transport::build(&settings)?;
        let url = credentials::parse(&settings.url)?;
        let mut cluster = Self {
            client,
            known: Known {
                url: settings.url.trim_end_matches('/').to_owned(),
                shows_certificate: settings.identity.is_some(),
            },
            origin: format!("{}://{}", url.scheme(), credentials::host(&url)),
            credentials: Credentials::of(&settings).await?,
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
        // A certificate that isn't accepted at the start is a mistake in the settings; later it is waited out.
        let hopeless = |error: &ClusterError| matches!(error, ClusterError::Tls { .. });
        let request = Request::new(Method::GET, "/");
        let reply = cluster.send_until(&request, Repeat::Safe, cluster.retry, hopeless).await?;
        let reply = cluster.successful(&request, reply)?;
        cluster.info =
            Info::parse(&reply.body).map_err(|reason| cluster.answer_error("/", reason))?;
        Ok(cluster)
    }

    pub fn info(&self) -> &Info {
        &self.info
    }

    pub fn url(&self) -> &str {
        &self.known.url
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Sends once. `Err` means that no whole answer was read; any status is `Ok`.
    ///
    /// # Errors
    /// [`ClusterError::Connect`], [`ClusterError::Tls`], [`ClusterError::Keys`] or [`ClusterError::Signature`] when
    /// nothing was done, else [`ClusterError::NoAnswer`] or [`ClusterError::TooLong`].
    pub async fn send(&self, request: Request) -> Result<Reply, ClusterError> {
        let Request { method, path, mut headers, body } = match &self.credentials {
            Credentials::Signer(signer) => signer.sign(&request).await?.put_into(request),
            Credentials::Header(_) | Credentials::None => request,
        };
        let base = match &self.credentials {
            Credentials::Signer(_) => &self.origin,
            Credentials::Header(value) => {
                headers.insert(AUTHORIZATION, value.clone());
                &self.known.url
            }
            Credentials::None => &self.known.url,
        };
        let mut builder =
            self.client.request(method.clone(), format!("{base}{path}")).headers(headers);
        if !body.is_empty() {
            builder = builder.body(body);
        }
        let no_answer = |error: reqwest::Error| {
            transport::no_answer(&error, &self.known, method.as_str(), &path)
        };
        let began = Instant::now();
        let mut response = builder.send().await.map_err(no_answer)?;
        let waited = began.elapsed();
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len().saturating_add(chunk.len()) > self.response_limit {
                let (url, limit) = (self.known.url.clone(), self.response_limit);
                return Err(ClusterError::TooLong { url, path, limit });
            }
            body.extend_from_slice(&chunk);
        }
        let note = match &self.credentials {
            Credentials::Signer(_) => sigv4::note(status, &headers, SystemTime::now()),
            Credentials::Header(_) | Credentials::None => None,
        };
        Ok(Reply { status, headers, body: body.freeze(), waited, note })
    }

    /// Sends until an answer that isn't "not now" is there, or until `retry` gives up; then the last answer or
    /// error is returned.
    pub async fn send_retrying(
        &self,
        request: Request,
        repeat: Repeat,
        retry: Retry,
    ) -> Result<Reply, ClusterError> {
        self.send_until(&request, repeat, retry, |_| false).await
    }

    /// And gives up at once on an error that is `hopeless`.
    async fn send_until(
        &self,
        request: &Request,
        repeat: Repeat,
        retry: Retry,
        hopeless: impl Fn(&ClusterError) -> bool,
    ) -> Result<Reply, ClusterError> {
        let mut attempts = retry.begin();
        loop {
            let outcome = self.send(request.clone()).await;
            let again = match &outcome {
                Ok(reply) if repeat == Repeat::Safe => reply.is_transient(),
                Ok(reply) => reply.status == 429,
                Err(e) if hopeless(e) => false,
                Err(e) if repeat == Repeat::Safe => e.is_transient(),
                Err(e) => e.never_arrived(),
            };
            if !again || !attempts.again().await {
                return outcome;
            }
            tracing::debug!(
                url = self.known.url,
                path = request.path,
                attempt = attempts.count,
                "cluster not ready, trying again"
            );
        }
    }

    /// A call on our own behalf that may be repeated: anything but a success is an error.
    pub async fn call(&self, request: Request) -> Result<Reply, ClusterError> {
        let reply = self.send_until(&request, Repeat::Safe, self.retry, |_| false).await?;
        self.successful(&request, reply)
    }

    fn successful(&self, request: &Request, reply: Reply) -> Result<Reply, ClusterError> {
        if reply.is_success() {
            return Ok(reply);
        }
        Err(ClusterError::Status {
            url: self.known.url.clone(),
            method: request.method.to_string(),
            path: request.path.clone(),
            status: reply.status,
            body: reply.excerpt(),
        })
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
        ClusterError::Unavailable { url: self.known.url.clone(), path: path.to_owned(), reason }
    }

    /// An answer of this cluster to `path` that isn't understood; why.
    pub fn answer_error(&self, path: &str, reason: impl ToString) -> ClusterError {
        ClusterError::Answer {
            url: self.known.url.clone(),
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}
