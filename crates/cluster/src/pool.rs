//! Connections of our own to a cluster, for many small requests: HTTP/1.1, kept alive, one request at a time each.
//!
//! ```text
//! lease ─ a place among the connections ─▶ one that is idle, the warmest first, or a new one ─ request, reply ─▶ idle
//! ```
//! Opened when needed, closed when idle, never more than the pool was made for. With the general client a replay
//! of requests of 1 KB took half as much processor time again. Replies are framed as the proxy frames them, strictly: what two sane
//! programs could read in two ways is no answer.

mod connection;
mod request;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::{
    Cluster, ClusterError, Reply, Request, Settings,
    credentials::{self, Credentials},
    sigv4,
};
use connection::Connection;
use request::Heading;

/// Connections that are being opened at once. Of a crowd that comes in one moment most find one that has become idle
/// before it is their turn: to open one costs as much as ten requests.
const OPENING: usize = 16;

/// Connections to one cluster. Cheap to clone; all clones share them.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    way: Way,
    places: Semaphore,
    bound: Mutex<Bound>,
}

/// How many connections there may be at once.
#[derive(Debug)]
struct Bound {
    allowed: usize,
    /// Places that are taken and are to go when they are given back.
    owed: usize,
}

/// How requests travel.
#[derive(Debug)]
enum Way {
    Plain(Plain),
    /// Over TLS the general client's cost is small beside the encryption's.
    Tls(Cluster),
}

#[derive(Debug)]
struct Plain {
    /// For messages.
    url: String,
    host: String,
    port: u16,
    heading: Heading,
    credentials: Credentials,
    connect_timeout: Duration,
    request_timeout: Duration,
    idle_timeout: Duration,
    response_limit: usize,
    /// The one that was used last is the last.
    idle: Mutex<Vec<Idle>>,
    opening: Semaphore,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A place among the connections. Dropping it gives it back.
#[derive(Debug)]
pub struct Lease<'a> {
    shared: &'a Shared,
    /// There until it is dropped.
    place: Option<SemaphorePermit<'a>>,
}

impl Pool {
    /// Of at most so many connections. Call it within a runtime: idle connections are closed by a task, which ends with
    /// the pool.
    ///
    /// # Errors
    /// When the url or the credentials aren't any.
    pub fn new(
        cluster: &Cluster,
        settings: &Settings,
        connections: usize,
    ) -> Result<Self, ClusterError> {
        let bad =
            |why: String| ClusterError::Settings(format!("cluster url `{}`: {why}", settings.url));
        let url = credentials::parse(&settings.url)?;
        let way = match url.scheme() {
            "http" => Way::Plain(Plain {
                url: cluster.url().to_owned(),
                host: url.host_str().ok_or_else(|| bad("it has no host".into()))?.to_owned(),
                port: url.port_or_known_default().unwrap_or(80),
                heading: Heading::new(&url, cluster.credentials()),
                credentials: cluster.credentials().clone(),
                connect_timeout: settings.connect_timeout,
                request_timeout: settings.request_timeout,
                idle_timeout: settings.idle_timeout,
                response_limit: settings.response_limit,
                idle: Mutex::default(),
                opening: Semaphore::new(OPENING),
            }),
            _ => Way::Tls(cluster.clone()),
        };
        let shared = Arc::new(Shared {
            way,
            places: Semaphore::new(connections),
            bound: Mutex::new(Bound { allowed: connections, owed: 0 }),
        });
        let weak = Arc::downgrade(&shared);
        let every = settings.idle_timeout.max(Duration::from_millis(10)) / 2;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(shared) = weak.upgrade() else { return };
                if let Way::Plain(plain) = &shared.way {
                    plain.close_idle();
                }
            }
        });
        Ok(Self(shared))
    }

    /// Waits for a place among the connections.
    pub async fn lease(&self) -> Lease<'_> {
        let place = self.0.places.acquire().await;
        Lease {
            shared: &self.0,
            place: Some(place.expect("invariant: the semaphore is never closed")),
        }
    }

    /// From now on at most so many requests at once. What is on its way goes on.
    pub fn allow(&self, connections: usize) {
        let mut bound = self.0.bound.lock();
        let Bound { allowed, owed } = *bound;
        if connections >= allowed {
            let more = connections - allowed;
            bound.owed = owed.saturating_sub(more);
            self.0.places.add_permits(more.saturating_sub(owed));
        } else {
            let less = allowed - connections;
            bound.owed += less - self.0.places.forget_permits(less);
        }
        bound.allowed = connections;
    }

    /// Connections that are open and wait for something to do.
    pub fn idle(&self) -> usize {
        match &self.0.way {
            Way::Plain(plain) => plain.idle.lock().len(),
            Way::Tls(_) => 0,
        }
    }
}

impl Lease<'_> {
    /// Sends once. `Err` means that no whole answer was read; any status is `Ok`.
    ///
    /// # Errors
    /// As [`Cluster::send`].
    pub async fn send(&self, request: &Request) -> Result<Reply, ClusterError> {
        match &self.shared.way {
            Way::Plain(plain) => plain.send(request).await,
            Way::Tls(cluster) => cluster.send(request.clone()).await,
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut bound = self.shared.bound.lock();
        if bound.owed > 0 {
            bound.owed -= 1;
            if let Some(place) = self.place.take() {
                place.forget();
            }
        }
    }
}

impl Plain {
    async fn send(&self, request: &Request) -> Result<Reply, ClusterError> {
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        let signed = match &self.credentials {
            Credentials::Signer(signer) => Some(signer.sign(request).await?),
            Credentials::None | Credentials::Header(_) => None,
        };
        let signed = signed.as_ref();
        let exchanged = connection.exchange(&self.heading, request, signed, self.response_limit);
        let no_answer = |reason: String| ClusterError::NoAnswer {
            url: self.url.clone(),
            method: request.method.to_string(),
            path: request.path.clone(),
            reason,
        };
        match tokio::time::timeout(self.request_timeout, exchanged).await {
            Ok(Ok(mut reply)) => {
                if signed.is_some() {
                    reply.note = sigv4::note(reply.status, &reply.headers, SystemTime::now());
                }
                if connection.is_reusable() {
                    self.idle.lock().push(Idle { connection, since: Instant::now() });
                }
                Ok(reply)
            }
            Ok(Err(connection::Failed::TooLong)) => Err(ClusterError::TooLong {
                url: self.url.clone(),
                path: request.path.clone(),
                limit: self.response_limit,
            }),
            Ok(Err(connection::Failed::Broken(reason))) => Err(no_answer(reason)),
            Err(_) => Err(no_answer(format!("nothing within {:?}", self.request_timeout))),
        }
    }

    /// The warmest that is still good.
    fn take_idle(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, .. } = self.idle.lock().pop()?;
            if connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// A new one, or one that has become idle in the meantime.
    async fn open(&self) -> Result<Connection, ClusterError> {
        let opening = async {
            let _place = self.opening.acquire().await.expect("invariant: it is never closed");
            match self.take_idle() {
                Some(connection) => Ok(connection),
                None => Connection::open(&self.host, self.port).await,
            }
        };
        let failed = |reason| ClusterError::Connect { url: self.url.clone(), reason };
        match tokio::time::timeout(self.connect_timeout, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no connection within {:?}", self.connect_timeout))),
        }
    }

    fn close_idle(&self) {
        let mut idle = self.idle.lock();
        // The coldest are the first.
        let cold = idle.iter().take_while(|one| one.since.elapsed() >= self.idle_timeout).count();
        drop(idle.drain(..cold));
    }
}

#[cfg(test)]
mod tests;
