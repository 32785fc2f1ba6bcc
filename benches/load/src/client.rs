//! One client: one keep-alive connection, one request after the other, never the same write twice.

use std::time::{Duration, Instant};

use anyhow::bail;
use hdrhistogram::Histogram;
use reqwest::{Method, StatusCode};

/// What a request is for the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    Bulk,
    Write,
    Update,
    Delete,
    Read,
}

impl Class {
    pub const ALL: [Self; 5] = [Self::Bulk, Self::Write, Self::Update, Self::Delete, Self::Read];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Write => "index, create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Read => "search, get",
        }
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum Reply {
    Answered {
        status: StatusCode,
        body: Vec<u8>,
    },
    /// The connection broke, or the answer is a 5xx: the request may have been executed.
    Unanswered,
}

/// Requests and how long they took, in microseconds, per class.
#[derive(Debug, Clone)]
pub struct Figures {
    latency: [Histogram<u64>; 5],
    pub documents: [u64; 5],
}

impl Default for Figures {
    fn default() -> Self {
        // Up to 10 minutes with 2 digits; the bounds are constants that the histogram accepts.
        let empty = Histogram::new_with_max(600_000_000, 2).expect("valid bounds of a histogram");
        Self { latency: std::array::from_fn(|_| empty.clone()), documents: [0; 5] }
    }
}

impl Figures {
    /// Counts a request of `class` that carried `documents`.
    pub fn record(&mut self, class: Class, took: Duration, documents: u64) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency[class as usize].saturating_record(took);
        self.documents[class as usize] += documents;
    }

    /// Adds another's figures.
    pub fn add(&mut self, other: &Self) {
        for class in Class::ALL {
            let (mine, theirs) = (class as usize, &other.latency[class as usize]);
            // Same bounds on both sides, so nothing is out of range.
            let _ = self.latency[mine].add(theirs);
            self.documents[mine] += other.documents[mine];
        }
    }

    /// Requests of a class.
    #[must_use]
    pub fn requests(&self, class: Class) -> u64 {
        self.latency[class as usize].len()
    }

    /// A quantile (0 to 1) in milliseconds; `None` without requests.
    #[must_use]
    pub fn millis(&self, class: Class, quantile: f64) -> Option<f64> {
        let latency = &self.latency[class as usize];
        let micros = Duration::from_micros(latency.value_at_quantile(quantile));
        (!latency.is_empty()).then_some(micros.as_secs_f64() * 1000.0)
    }
}

/// A client.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    patience: Duration,
    pub figures: Figures,
}

impl Client {
    /// A client of `base`; while nothing listens there it tries again for `patience`.
    ///
    /// # Errors
    /// When the HTTP client can't be made.
    pub fn new(base: &str, patience: Duration) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(1)
            .timeout(Duration::from_secs(120))
            .retry(reqwest::retry::never())
            .build()?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http, base, patience, figures: Figures::default() })
    }

    /// Sends one request, at most once. `documents` is what it carries, for the figures.
    ///
    /// # Errors
    /// When nothing listens for longer than the client's patience.
    pub async fn send(
        &mut self,
        class: Class,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
        documents: u64,
    ) -> anyhow::Result<Reply> {
        let first = Instant::now();
        loop {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
            if let Some((kind, body)) = &body {
                request = request.header("content-type", *kind).body(body.clone());
            }
            let began = Instant::now();
            let reply = match request.send().await {
                // Nothing was sent, so nothing can have happened: this alone may be tried again.
                Err(error) if error.is_connect() => {
                    if first.elapsed() > self.patience {
                        bail!("nothing listens at {}: {error}", self.base);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                Err(_) => Reply::Unanswered,
                Ok(answer) => {
                    let status = answer.status();
                    match answer.bytes().await {
                        Ok(_) if status.is_server_error() => Reply::Unanswered,
                        Ok(body) => Reply::Answered { status, body: body.to_vec() },
                        Err(_) => Reply::Unanswered,
                    }
                }
            };
            self.figures.record(class, began.elapsed(), documents);
            return Ok(reply);
        }
    }
}
