//! Who writes during a migration, and what they were promised.

use std::time::Duration;

use cluster::Cluster;
use indicatif::ProgressBar;
use load::compare::with_ledger;
use load::{Cities, Ledger, LoadSettings, Mix, create_indices, run};

use super::plain::{self, Promises, Writer};
use crate::stage::connect;

/// All that was promised by now.
pub(crate) enum Writers {
    /// Bulks, updates, scripts, generated ids, several clients on the same documents.
    Load { ledger: Ledger, seed: u64, round: u64 },
    /// What every version understands.
    Plain { promises: Promises, seed: u64 },
}

fn load(url: &str, mix: Mix, clients: usize, cities: usize, seed: u64) -> LoadSettings {
    LoadSettings {
        url: url.to_owned(),
        mix,
        clients,
        cities: Cities::made_up(cities),
        seed,
        patience: Duration::from_secs(60),
        progress: ProgressBar::hidden(),
    }
}

impl Writers {
    /// Writes history to a source. Elasticsearch 6.8 has types; the servers of 8.19 and of OpenSearch
    /// 1.3 that tests boot have no scripts.
    pub(crate) async fn begin(source: &Cluster, seed: u64) -> Writers {
        let version = (source.info().major, source.info().minor);
        if matches!(version, (1, _) | (6, _) | (8, _)) {
            plain::create(source).await;
            let mut promises = Promises::default();
            let mut writer = Writer::new(source.clone(), 0, seed);
            for _ in 0..20 {
                writer.round(&mut promises).await;
            }
            return Writers::Plain { promises, seed };
        }
        create_indices(source.url()).await.unwrap();
        let settings = load(source.url(), Mix::Inserts, 4, 2_000, seed);
        let (ledger, _) = run(&settings, Ledger::default()).await.unwrap();
        Writers::Load { ledger, seed, round: 0 }
    }

    /// Writes until told to stop: some hundred writes a second, as clients do, not all that a machine can take.
    pub(crate) async fn go_on(self, url: &str, is_done: impl Fn() -> bool) -> Writers {
        let mut pace = tokio::time::interval(Duration::from_millis(600));
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        match self {
            Writers::Load { mut ledger, seed, mut round } => {
                while !is_done() {
                    round += 1;
                    let settings = load(url, Mix::Updates, 2, 500, seed.wrapping_add(round));
                    ledger = run(&settings, ledger).await.unwrap().0;
                    pace.tick().await;
                }
                Writers::Load { ledger, seed, round }
            }
            Writers::Plain { mut promises, seed } => {
                let cluster = connect(url).await;
                let writers = (1..4).map(|number| Writer::new(cluster.clone(), number, seed));
                let mut writers: Vec<Writer> = writers.collect();
                while !is_done() {
                    for writer in &mut writers {
                        writer.round(&mut promises).await;
                    }
                    pace.tick().await;
                }
                Writers::Plain { promises, seed }
            }
        }
    }

    /// Acknowledged, and without an answer.
    pub(crate) fn counts(&self) -> (u64, u64) {
        match self {
            Writers::Load { ledger, .. } => (ledger.acknowledged, ledger.unanswered),
            Writers::Plain { promises, .. } => (promises.acknowledged, promises.unanswered),
        }
    }

    /// What of the promises a cluster doesn't keep.
    pub(crate) async fn broken(&self, cluster: &Cluster) -> Vec<String> {
        match self {
            Writers::Load { ledger, .. } => {
                let kept =
                    with_ledger(cluster.url(), ledger, &ProgressBar::hidden()).await.unwrap();
                kept.differences.iter().map(|difference| format!("{difference:?}")).collect()
            }
            Writers::Plain { promises, .. } => promises.broken(cluster).await,
        }
    }
}
