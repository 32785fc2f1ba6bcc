//! A mark: a request of our own that the proxy captures, found again in the journal.
//!
//! It reads (`GET /`), is never replayed, and carries its name in `X-Opaque-Id`. Being an exchange like any other, it
//! proves the whole way: client, proxy, source, journal. What was answered before it is in any snapshot asked for
//! after it; the heartbeats that follow it say which writes were still open.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::{Cluster, HeaderName, HeaderValue, Method, Request};
use codec::record::{Kind, Nanos};
use journal::StartFrom;
use settings::Exit;
use tokio::time::{Instant, timeout};

use crate::migration::Migration;
use crate::problem::{Problem, Side};
use crate::state::Mark;

/// How long the journal has to show it.
const PATIENCE: Duration = Duration::from_secs(30);
/// A proxy that beats is heard of each second.
const SILENCE: Duration = Duration::from_secs(5);
/// So far back proxies are looked for that were killed shortly before.
const BEFORE: Nanos = 60_000_000_000;
/// The clocks of proxies may differ by this, and a file journal finds times only by segment.
const SKEW: Nanos = 1_000_000_000;

#[derive(Debug, Default)]
struct Found {
    connection: Option<String>,
    at: Nanos,
    answered: bool,
    /// The last heartbeat of each proxy: its clock, and its oldest open write.
    proxies: BTreeMap<String, (Nanos, Nanos)>,
}

/// Sends a mark through the proxy and waits until the journal has it with its answer, and every proxy's word after
/// it.
///
/// # Errors
/// When the proxy doesn't answer, or the journal doesn't show it in time.
pub async fn set(migration: &Migration, name: &str) -> Result<Mark, Problem> {
    let id = format!("godwit-mark-{name}-{:016x}", fresh());
    let began = now();
    let proxy = cluster::Settings {
        url: migration.capture.url.clone(),
        ..migration.source.settings.clone()
    };
    let unreachable = |why: &dyn std::fmt::Display| {
        let what = format!("the proxy at {} does not pass a request on", migration.capture.url);
        let next =
            "`godwit capture start`, or correct `capture.url`; `godwit capture status` says more";
        Problem::new(Exit::Unavailable, what, why, next)
    };
    let through = Cluster::connect(proxy).await.map_err(|error| match error.status() {
        Some(401 | 403) => Problem::cluster(Side::Source, &error),
        _ => unreachable(&error),
    })?;
    let mut request = Request::new(Method::GET, "/");
    let header = HeaderValue::from_str(&id).map_err(|error| unreachable(&error))?;
    request.headers.insert(HeaderName::from_static("x-opaque-id"), header);
    through.call(request).await.map_err(|error| unreachable(&error))?;
    find(migration, &id, began).await
}

async fn find(migration: &Migration, id: &str, began: Nanos) -> Result<Mark, Problem> {
    let from = StartFrom::Time(began.saturating_sub(BEFORE));
    let mut reader = super::open(migration, from).await?;
    let (mut found, started) = (Found::default(), Instant::now());
    let mut answered_at = None;
    loop {
        if found.answered && answered_at.is_none() {
            answered_at = Some(Instant::now());
        }
        let silent = answered_at.is_some_and(|at| at.elapsed() > SILENCE);
        if found.answered && (found.all_heard() || silent) {
            return Ok(found.mark(id));
        }
        if started.elapsed() > PATIENCE {
            let what = "the journal does not show what was sent through the proxy";
            let why = format!(
                "{id} went through {} and is not in {} after {} s",
                migration.capture.url,
                migration.journal,
                PATIENCE.as_secs()
            );
            let next = "see that the proxy at `capture.url` writes to this `journal`: `godwit capture status`";
            return Err(Problem::new(Exit::No, what, why, next));
        }
        match timeout(Duration::from_millis(200), reader.next()).await {
            Ok(Ok(entry)) => {
                if let Ok(record) = entry.record {
                    found.take(record, id);
                }
            }
            Ok(Err(error)) => return Err(Problem::journal(&error)),
            Err(_) => {}
        }
    }
}

impl Found {
    fn take(&mut self, record: codec::record::Record, id: &str) {
        if let Some(beat) = &record.heartbeat {
            let known = self.proxies.entry(record.node).or_default();
            if beat.clock >= known.0 {
                *known = (beat.clock, beat.oldest_open_write);
            }
            return;
        }
        for observation in &record.observations {
            match &observation.kind {
                Kind::Read(bytes) | Kind::ReadSegment(bytes) => {
                    let holds = bytes.windows(id.len()).any(|window| window == id.as_bytes());
                    if holds && self.connection.is_none() {
                        self.connection = Some(record.connection.clone());
                        self.at = observation.at;
                    }
                }
                Kind::Write(_) | Kind::WriteSegment(_)
                    if self.connection.as_ref() == Some(&record.connection) =>
                {
                    self.answered |= observation.at >= self.at;
                }
                _ => {}
            }
        }
    }

    /// Every proxy has spoken since.
    fn all_heard(&self) -> bool {
        !self.proxies.is_empty() && self.proxies.values().all(|(clock, _)| *clock > self.at + SKEW)
    }

    fn mark(self, id: &str) -> Mark {
        let open = self.proxies.values().map(|(_, open)| *open).filter(|open| *open > 0).min();
        let oldest = open.map_or(self.at, |open| open.min(self.at));
        Mark {
            id: id.to_owned(),
            at: self.at,
            replay_from: oldest.saturating_sub(SKEW),
            nodes: self.proxies.into_keys().collect(),
        }
    }
}

/// Nanoseconds since 1970.
pub fn now() -> Nanos {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

/// A number that no other mark has.
fn fresh() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(now())
}
