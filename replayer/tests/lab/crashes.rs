//! A history that is replayed while it happens, by a replayer that is killed again and again, with or without a
//! backfill beside it.

use std::time::Duration;

use backfill::{ReadSettings, RunSettings};
use cluster::Method;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use snapshot::Location;
use telemetry::Shutdown;

use super::{Lab, awkward::awkward};

/// What is to happen.
#[derive(Clone, Copy, Debug)]
pub struct History {
    pub seed: u64,
    pub clients: u64,
    pub steps: u64,
    /// How often the replayer is killed.
    pub crashes: u32,
    /// A snapshot is taken in the middle, and written beside the replay.
    pub backfill: bool,
}

/// Lets it happen; gives what differs at the end, in words.
pub async fn replayed(lab: &Lab, history: History) -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(history.seed);
    let old = format!("{}-old", lab.index);
    if history.backfill {
        for id in 0..50 {
            let path = format!("/{old}/_doc/{id}");
            lab.directly(Method::PUT, &path, &json!({"n": id, "old": true})).await;
        }
    }
    let clients = async {
        tokio::join!(
            awkward(lab, history.seed, history.clients, history.steps),
            changes_of_old(lab, &old, history.seed)
        );
    };
    let snapshot = async {
        match history.backfill {
            true => Some(backfill_settings(lab, &old, history.seed).await),
            false => None,
        }
    };
    let crashes = async {
        for _ in 0..history.crashes {
            let rate = rng.random_range(20..300).to_string();
            let mut program = lab.live_program(&["--rate", &rate, "--log-level", "error"]);
            // At any moment: that is what is tried.
            let moment = Duration::from_millis(rng.random_range(500..6_000));
            let ended = tokio::time::timeout(moment, program.wait()).await;
            assert!(ended.is_err(), "the replayer ended by itself: {ended:?}");
            program.kill().await.unwrap();
        }
    };
    let ((), settings, ()) = tokio::join!(clients, snapshot, crashes);
    lab.stop_proxy().await;
    let filled = async {
        if let Some(settings) = &settings {
            let run = backfill::run(settings.clone(), Shutdown::new()).await.unwrap();
            assert_eq!(run.status.accounts.failures(), 0, "{run}");
        }
    };
    let (summary, ()) = tokio::join!(lab.replay(|_| {}), filled);
    let summary = summary.unwrap();
    println!("{history:?}\n{summary}");
    let mut differences = Vec::new();
    if let Some(settings) = &settings {
        let run = backfill::run(settings.clone(), Shutdown::new()).await.unwrap();
        if !run.is_complete() {
            differences.push(format!("the backfill isn't complete: {run}"));
        }
    }
    if !summary.is_converged() {
        differences.push(summary.to_string());
    }
    differences.extend(lab.differences().await);
    differences
}

/// Deletes, changes and makes again what the snapshot has.
async fn changes_of_old(lab: &Lab, old: &str, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for step in 0..100 {
        let path = format!("/{old}/_doc/{}", rng.random_range(0..50));
        match rng.random_range(0..3) {
            0 => drop(lab.any(Method::PUT, &path, &json!({"n": step})).await),
            _ => drop(lab.any(Method::DELETE, &path, &json!(null)).await),
        }
    }
}

async fn backfill_settings(lab: &Lab, old: &str, seed: u64) -> RunSettings {
    let name = format!("history-{seed}");
    let folder = lab.snapshot_of(old, &name).await;
    let read = ReadSettings::new(Location::parse(folder.to_str().unwrap()).unwrap(), name.clone());
    let read = ReadSettings { indices: vec![old.to_owned()], ..read };
    let failed = lab.tuples().join("failed");
    let mut settings = RunSettings::new(read, lab.target.url(), failed.to_str().unwrap());
    settings.run = format!("{}-{name}", lab.index).parse().unwrap();
    settings.source = Some(cluster::Settings::new(lab.source_url()));
    settings
}
