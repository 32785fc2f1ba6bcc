//! Workers that read nothing and write nothing, but account for it.
#![allow(unreachable_pub, dead_code)] // a module of tests that use parts of it

use std::{collections::BTreeMap, time::Duration};

use backfill::{
    accounts::Accounts,
    coordinator::{
        Claim, Coordinator, Holder, LeaseError, Lost, RunSettings, RunState, RunStatus, Settings,
    },
    work::{Position, RunName, Unit},
};
use cluster::{Cluster, Method, Request};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};
use testbed::Server;
use tokio::time::Instant;

/// A run of one test.
pub struct Bench {
    pub run: RunName,
    pub url: String,
    pub cluster: Cluster,
    lease: Duration,
}

impl Bench {
    pub async fn new(server: &Server, name: &str, lease: Duration) -> Self {
        let url = server.url();
        let cluster = Cluster::connect(cluster::Settings::new(url.clone())).await.unwrap();
        Self { run: name.parse().unwrap(), url, cluster, lease }
    }

    /// Another process, by this clock.
    pub async fn connect(&self, url: &str, clock: fn() -> Timestamp) -> Coordinator {
        let cluster = Cluster::connect(cluster::Settings::new(url)).await.unwrap();
        let holder = Holder { host: "host".into(), process: rand::random() };
        let settings = Settings { lease: self.lease, holder, clock };
        Coordinator::new(cluster, self.run.clone(), settings).unwrap()
    }

    pub async fn coordinator(&self) -> Coordinator {
        self.connect(&self.url, Timestamp::now).await
    }

    pub async fn get(&self, path: &str) -> serde_json::Value {
        let reply = self.cluster.call(Request::new(Method::GET, path)).await.unwrap();
        serde_json::from_slice(&reply.body).unwrap()
    }
}

pub fn settings() -> RunSettings {
    RunSettings {
        repository: "file:///repository".into(),
        snapshot: "snapshot".into(),
        others: BTreeMap::from([("versioning".into(), "sequence".into())]),
    }
}

/// Units of up to five indices and four shards, of 20 to 120 documents.
pub fn units(run: &RunName, count: u32, seed: u64) -> Vec<Unit> {
    let mut rng = StdRng::seed_from_u64(seed);
    let unit = |number: u32| {
        let (index, shard, first) = (format!("index-{}", number % 5), number / 5 % 4, number / 20);
        let uuid = format!("uuid-{}", number % 5);
        let documents = rng.random_range(20..120);
        Unit {
            id: Unit::id_of(run, &index, &uuid, shard, first),
            target_index: index.clone(),
            index,
            uuid,
            shard,
            segments: first..first + 1,
            bytes: documents * 1000,
            documents,
        }
    };
    (0..count).map(unit).collect()
}

pub fn position(document: u32) -> Position {
    let (chunk, offset) = (document / 10, u64::from(document) * 1000);
    Position { segment: 0, document, chunk, offset, checksum: document }
}

/// What becomes of a document; the same for whoever comes to it.
fn account(unit: &Unit, document: u64, accounts: &mut Accounts) {
    if document % 10 == 9 {
        return accounts.skip("deleted", 1);
    }
    accounts.read += 1;
    accounts.bytes += document;
    match document % 10 {
        3 => accounts.superseded += 1,
        5 if unit.index == "index-0" => accounts.fail("mapping", 1),
        7 if unit.index == "index-0" => accounts.fail("unreadable", 1),
        _ => accounts.written += 1,
    }
}

/// Works until nothing is left; `None` when it died, which happens before a batch with probability `deadly`.
/// Adds why leases were lost.
pub async fn work(
    coordinator: &Coordinator,
    rng: &mut StdRng,
    deadly: f64,
    lost: &mut Vec<Lost>,
) -> Option<RunState> {
    loop {
        let lease = match coordinator.claim().await {
            Ok(Claim::Leased(lease)) => lease,
            Ok(Claim::Wait(until)) => {
                tokio::time::sleep_until(until).await;
                continue;
            }
            Ok(Claim::Finished(state)) => return Some(state),
            Err(error) if error.is_transient() => continue,
            Err(error) => panic!("{error}"),
        };
        let unit = lease.unit().clone();
        let mut next = lease.position().map_or(0, |position| u64::from(position.document));
        let ended = loop {
            if rng.random_bool(deadly) {
                return None;
            }
            let end = unit.documents.min(next + rng.random_range(1..30));
            let mut delta = Accounts::default();
            (next..end).for_each(|document| account(&unit, document, &mut delta));
            // As long as a bulk request takes.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..10))).await;
            next = end;
            if next == unit.documents {
                break lease.complete(&delta).await;
            }
            if let Err(lost) = lease.checkpoint(position(u32::try_from(next).unwrap()), &delta) {
                break Err(lost);
            }
        };
        match ended {
            Ok(()) => {}
            Err(LeaseError::Lost(reason)) => lost.push(reason),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Every document of every unit is in the accounts once.
pub fn assert_exact(status: &RunStatus, plan: &[Unit]) {
    let mut expected: BTreeMap<(String, u32), Accounts> = BTreeMap::new();
    for unit in plan {
        let accounts = expected.entry((unit.index.clone(), unit.shard)).or_default();
        (0..unit.documents).for_each(|document| account(unit, document, accounts));
    }
    assert_eq!(status.shards.len(), expected.len());
    for shard in &status.shards {
        let accounts = &expected[&(shard.index.clone(), shard.shard)];
        assert_eq!(&shard.accounts, accounts, "{} {}", shard.index, shard.shard);
        assert!(shard.accounts.is_balanced());
        assert_eq!(shard.is_written(), shard.index != "index-0");
    }
}

const SECOND: Duration = Duration::from_secs(1);

pub fn ten_minutes_fast() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(10)
}

pub fn ten_minutes_slow() -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(10)
}

/// A unit is taken over when its holder is dead and never before, given back, and completed.
pub async fn take_over(server: &Server) {
    let bench = Bench::new(server, "takeover", SECOND).await;
    let plan = units(&bench.run, 1, 7);
    // Clocks twenty minutes apart.
    let first = bench.connect(&bench.url, ten_minutes_slow).await;
    let second = bench.connect(&bench.url, ten_minutes_fast).await;
    first.plan(&settings(), &plan).await.unwrap();
    let Claim::Leased(lease) = first.claim().await.unwrap() else { panic!("leased") };
    let some = Accounts { read: 5, written: 5, ..Accounts::default() };
    lease.checkpoint(position(5), &some).unwrap();

    let began = Instant::now();
    while began.elapsed() < 4 * SECOND {
        let Claim::Wait(until) = second.claim().await.unwrap() else { panic!("taken alive") };
        tokio::time::sleep_until(until).await;
    }
    assert_eq!(lease.reason(), None);
    let status = second.status().await.unwrap();
    assert_eq!((status.workers.len(), status.units.leased), (1, 1));
    assert!(status.workers[0].renewals >= 8 && status.accounts == some, "{status:?}");

    drop(lease);
    let died = Instant::now();
    let lease = loop {
        match second.claim().await.unwrap() {
            Claim::Leased(lease) => break lease,
            Claim::Wait(until) => tokio::time::sleep_until(until).await,
            Claim::Finished(_) => panic!("finished"),
        }
    };
    // The last renewal may have been a third of the lease ago, and was seen at most a third later.
    let waited = died.elapsed();
    assert!(waited > SECOND / 2 && waited < 3 * SECOND, "{waited:?}");
    assert_eq!((lease.position(), lease.accounts()), (Some(position(5)), &some));
    assert_eq!(lease.fruitless(), 1);

    // Given back at a shutdown, it waits for nobody.
    let one = Accounts { read: 1, written: 1, ..Accounts::default() };
    let untrue = Accounts { read: 2, ..one.clone() };
    let refused = lease.checkpoint(position(6), &untrue);
    assert!(matches!(refused, Err(LeaseError::Accounts { .. })), "{refused:?}");
    let refused = lease.checkpoint(position(4), &one);
    assert!(matches!(refused, Err(LeaseError::Backwards { .. })), "{refused:?}");
    lease.checkpoint(position(6), &one).unwrap();
    lease.release().await.unwrap();
    let Claim::Leased(lease) = first.claim().await.unwrap() else { panic!("leased") };
    assert_eq!((lease.position(), lease.fruitless()), (Some(position(6)), 0));
    let rest = plan[0].documents - 6;
    let rest = Accounts { read: rest, written: rest, ..Accounts::default() };
    lease.complete(&rest).await.unwrap();
    let finished = second.claim().await.unwrap();
    assert!(matches!(finished, Claim::Finished(RunState { done: 1, refused: 0 })));
    let status = second.status().await.unwrap();
    assert!(status.is_finished() && status.shards.iter().all(|shard| shard.is_written()));
}
