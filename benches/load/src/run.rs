//! A load: many clients at once, and what they were promised.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinSet;

use crate::cities::Cities;
use crate::client::{Class, Figures};
use crate::ledger::Ledger;
use crate::writer::{CITIES, EVENTS, Writer};
use crate::{inserts, updates};

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// What the journal alone proves; see [`crate::inserts`].
    Inserts,
    /// What needs the source; see [`crate::updates`].
    Updates,
}

impl Mix {
    /// Goes into the documents, so that no two loads write the same one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inserts => "inserts",
            Self::Updates => "updates",
        }
    }
}

/// How to load.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// Where to write; through a proxy or straight.
    pub url: String,
    pub mix: Mix,
    /// How many write at once; each has one connection.
    pub clients: usize,
    /// The documents; [`Cities::first`] for a shorter load.
    pub cities: Cities,
    /// The same seed makes the same requests (but not the same answers).
    pub seed: u64,
    /// How long a client tries to connect where nobody listens (a proxy that was killed).
    pub patience: Duration,
    /// Counts writes; [`ProgressBar::hidden`] for none.
    pub progress: ProgressBar,
}

/// What a load did.
#[derive(Debug, Default, Clone)]
pub struct LoadStats {
    pub figures: Figures,
    pub took: Duration,
}

/// Makes the two indices that loads write to, with explicit mappings and several shards.
///
/// # Errors
/// When the cluster refuses.
pub async fn create_indices(url: &str) -> anyhow::Result<()> {
    let mappings = json!({"properties": {
        "name": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "country": {"type": "keyword"},
        "admin": {"type": "keyword"},
        "location": {"type": "geo_point"},
        "writer": {"type": "keyword"},
        "visits": {"type": "integer"},
        "note": {"type": "text"},
    }});
    for (index, shards) in [(CITIES, 4), (EVENTS, 2)] {
        let settings = json!({"number_of_shards": shards, "number_of_replicas": 0});
        let body = json!({"settings": settings, "mappings": mappings});
        let request = reqwest::Client::new().put(format!("{url}/{index}")).json(&body);
        let answer = request.send().await.with_context(|| format!("creating {index} at {url}"))?;
        let status = answer.status();
        ensure!(status.is_success(), "creating {index}: {status} {}", answer.text().await?);
    }
    Ok(())
}

/// Runs the clients to their end. The ledger of an earlier load on the same cluster goes in and
/// comes out with this load's promises added.
///
/// # Errors
/// When nothing listens for longer than `patience`, or a write is refused that shouldn't be. Broken
/// connections and 5xx are no errors: the ledger knows these writes as unanswered.
pub async fn run(settings: &LoadSettings, ledger: Ledger) -> anyhow::Result<(Ledger, LoadStats)> {
    ensure!(settings.clients > 0, "a load needs a client");
    ensure!(settings.cities.len() >= settings.clients, "fewer cities than clients");
    let began = Instant::now();
    let ledger = Arc::new(Mutex::new(ledger));
    let mut clients = JoinSet::new();
    for number in 0..settings.clients {
        let mut writer = Writer::new(settings, number, Arc::clone(&ledger))?;
        let mix = settings.mix;
        clients.spawn(async move {
            match mix {
                Mix::Inserts => inserts::run(&mut writer).await,
                Mix::Updates => updates::run(&mut writer).await,
            }
            .with_context(|| format!("client {number}"))?;
            anyhow::Ok(writer.client.figures)
        });
    }
    let mut stats = LoadStats::default();
    while let Some(ended) = clients.join_next().await {
        stats.figures.add(&ended.context("a client panicked")??);
    }
    stats.took = began.elapsed();
    let ledger = Arc::into_inner(ledger).context("all clients have ended")?.into_inner();
    Ok((ledger, stats))
}

impl LoadStats {
    /// All requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        Class::ALL.iter().map(|class| self.figures.requests(*class)).sum()
    }
}
