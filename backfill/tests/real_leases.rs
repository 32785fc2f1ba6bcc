//! Many workers, one run, on a real coordinator; some die, some stall, some lose their answers.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod workers;

use std::{sync::Arc, time::Duration};

use backfill::{
    accounts::Accounts,
    coordinator::{Claim, CoordinatorError, LeaseError, Lost, RunState},
};
use cluster::{Method, Request};
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use testbed::Shared;
use tokio::time::Instant;
use workers::{Bench, position, settings, units};

static SERVER: Shared = Shared::opensearch("3");
static ELASTICSEARCH: Shared = Shared::elasticsearch("7.10");

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn each_document_is_in_the_accounts_once_whoever_dies() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let bench = Bench::new(SERVER.get().await.unwrap(), "dying", SECOND).await;
    let plan = units(&bench.run, 200, seed);
    bench.coordinator().await.plan(&settings(), &plan).await.unwrap();
    let bench = Arc::new(bench);
    let worker = |number: u64| {
        let bench = bench.clone();
        let clock = if number.is_multiple_of(2) {
            workers::ten_minutes_fast
        } else {
            workers::ten_minutes_slow
        };
        tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed ^ number);
            let (mut kills, mut lost) = (0, Vec::new());
            loop {
                // A new process each time: it knows nothing of those that died.
                let coordinator = bench.connect(&bench.url, clock).await;
                match workers::work(&coordinator, &mut rng, 0.02, &mut lost).await {
                    Some(state) => return (kills, state),
                    None => kills += 1,
                }
            }
        })
    };
    let workers: Vec<_> = (0..8).map(worker).collect();
    let mut kills = 0;
    for worker in workers {
        let (died, state) = worker.await.unwrap();
        assert_eq!(state, RunState { done: 200, refused: 0 });
        kills += died;
    }
    assert!(kills > 0);
    let status = bench.coordinator().await.status().await.unwrap();
    workers::assert_exact(&status, &plan);
    assert!(status.is_finished() && !status.is_complete() && status.workers.is_empty());
    eprintln!("{kills} workers died, {} documents", status.accounts.read);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_taken_over_when_its_holder_is_dead_and_never_before() {
    for server in [&SERVER, &ELASTICSEARCH] {
        workers::take_over(server.get().await.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_cannot_renew_stops_before_anybody_takes_over() {
    let server = SERVER.get().await.unwrap();
    let bench = Bench::new(server, "cut-off", 2 * SECOND).await;
    let relay = testbed::Relay::in_front_of(server.addr()).await.unwrap();
    bench.coordinator().await.plan(&settings(), &units(&bench.run, 1, 3)).await.unwrap();
    let cut_off = bench.connect(&relay.url(), Timestamp::now).await;
    let other = bench.coordinator().await;
    let Claim::Leased(lease) = cut_off.claim().await.unwrap() else { panic!("leased") };
    let lost = lease.lost();
    relay.pause();
    let began = Instant::now();
    let taken = async {
        loop {
            match other.claim().await.unwrap() {
                Claim::Leased(lease) => return (lease, Instant::now()),
                Claim::Wait(until) => tokio::time::sleep_until(until).await,
                Claim::Finished(_) => panic!("finished"),
            }
        }
    };
    let stopped = async {
        lost.cancelled().await;
        Instant::now()
    };
    let ((theirs, taken), stopped) = tokio::join!(taken, stopped);
    assert!(stopped < taken, "stopped {:?} late", stopped - taken);
    assert!(stopped - began < 2 * SECOND);
    assert!(matches!(lease.reason(), Some(Lost::NotRenewed { .. })), "{:?}", lease.reason());
    let one = Accounts { read: 1, written: 1, ..Accounts::default() };
    let refused = lease.checkpoint(position(1), &one);
    assert!(matches!(refused, Err(LeaseError::Lost(_))), "{refused:?}");
    drop(lease);
    relay.resume();
    // What was on its way when it was cut off changes nothing.
    theirs.checkpoint(position(1), &one).unwrap();
    theirs.release().await.unwrap();
    assert_eq!(other.status().await.unwrap().accounts, one);

    // A process that lost its own lease needn't wait for it when the coordinator is back.
    let Claim::Leased(lease) = cut_off.claim().await.unwrap() else { panic!("leased") };
    relay.refuse().await;
    relay.cut();
    lease.lost().cancelled().await;
    drop(lease);
    relay.accept().await;
    let Claim::Leased(lease) = cut_off.claim().await.unwrap() else { panic!("leased") };
    assert_eq!(lease.accounts(), &one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_loses_the_lease_at_once() {
    let bench = Bench::new(SERVER.get().await.unwrap(), "conflict", 60 * SECOND).await;
    let coordinator = bench.coordinator().await;
    let plan = units(&bench.run, 1, 3);
    coordinator.plan(&settings(), &plan).await.unwrap();
    let Claim::Leased(lease) = coordinator.claim().await.unwrap() else { panic!("leased") };
    // Somebody else writes.
    let path = format!("/{}/_doc/{}", coordinator.index(), plan[0].id);
    let mut there = bench.get(&path).await["_source"].clone();
    there["nonce"] = json!("another");
    there["lease"]["holder"]["host"] = json!("elsewhere");
    bench.cluster.call(Request::json(Method::PUT, path.as_str(), there.to_string())).await.unwrap();
    let began = Instant::now();
    lease
        .checkpoint(position(1), &Accounts { read: 1, written: 1, ..Accounts::default() })
        .unwrap();
    lease.lost().cancelled().await;
    assert!(began.elapsed() < 10 * SECOND);
    let Some(Lost::TakenOver { by, .. }) = lease.reason() else { panic!("{:?}", lease.reason()) };
    assert!(by.ends_with("elsewhere"), "{by}");
    assert_eq!(bench.get(&path).await["_source"]["accounts"]["read"], 0);
    // And when the index goes away.
    drop(lease);
    let Claim::Leased(lease) = coordinator_after(&bench, &path).await else { panic!("leased") };
    let delete = Request::new(Method::DELETE, format!("/{}", coordinator.index()));
    bench.cluster.call(delete).await.unwrap();
    let gone = lease.release().await.unwrap_err();
    assert!(matches!(gone, Lost::Gone { .. } | Lost::Refused { .. }), "{gone}");
}

/// Makes the unit wait again, as if it had been given back, and takes it.
async fn coordinator_after(bench: &Bench, path: &str) -> Claim {
    let mut there = bench.get(path).await["_source"].clone();
    there["state"] = json!("waiting");
    there["lease"] = json!(null);
    let path = format!("{path}?refresh=true");
    bench.cluster.call(Request::json(Method::PUT, path, there.to_string())).await.unwrap();
    bench.coordinator().await.claim().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_planners_make_one_plan() {
    let bench = Bench::new(SERVER.get().await.unwrap(), "planning", SECOND).await;
    let plan = units(&bench.run, 2500, 11);
    let coordinator = bench.coordinator().await;
    assert!(matches!(coordinator.status().await, Err(CoordinatorError::NoRun { .. })));
    assert!(matches!(coordinator.claim().await, Err(CoordinatorError::NoRun { .. })));
    assert_eq!(coordinator.join(&settings()).await.unwrap(), None);

    // One that dies at it, when its first units are there.
    let dying = {
        let (coordinator, plan) = (coordinator.clone(), plan.clone());
        tokio::spawn(async move { coordinator.plan(&settings(), &plan).await })
    };
    while !matches!(coordinator.status().await, Ok(status) if status.units.total() > 0) {
        tokio::task::yield_now().await;
    }
    dying.abort();

    let planners = (0..4).map(|number| {
        let mut plan = plan.clone();
        plan.rotate_left(number * 500);
        let bench = &bench;
        async move { bench.coordinator().await.plan(&settings(), &plan).await.unwrap() }
    });
    let planned = futures::future::join_all(planners).await;
    assert!(planned.iter().all(|one| *one == planned[0] && one.units == 2500));
    assert_eq!(coordinator.join(&settings()).await.unwrap().as_ref(), Some(&planned[0]));
    let status = coordinator.status().await.unwrap();
    assert_eq!((status.units.waiting, status.units.total()), (2500, 2500));
    assert!(status.planned && !status.is_finished());

    let mut other = settings();
    other.others.insert("versioning".into(), "none".into());
    let refused = coordinator.join(&other).await.unwrap_err().to_string();
    assert!(refused.contains("versioning is `none` here, `sequence` in the run"), "{refused}");
    let refused = coordinator.plan(&settings(), &plan[1..]).await.unwrap_err().to_string();
    assert!(refused.contains("plan is 2499 units"), "{refused}");

    // An index that isn't ours isn't touched.
    let bench = Bench::new(SERVER.get().await.unwrap(), "foreign", SECOND).await;
    let coordinator = bench.coordinator().await;
    let create = Request::new(Method::PUT, format!("/{}", coordinator.index()));
    bench.cluster.call(create).await.unwrap();
    let refused = coordinator.plan(&settings(), &plan).await;
    assert!(matches!(refused, Err(CoordinatorError::NotARun { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_known_again() {
    let server = SERVER.get().await.unwrap();
    let bench = Bench::new(server, "known-again", 60 * SECOND).await;
    let relay = testbed::Relay::in_front_of(server.addr()).await.unwrap();
    let watching = bench.coordinator().await;
    let plan = units(&bench.run, 1, 3);
    watching.plan(&settings(), &plan).await.unwrap();
    let coordinator = bench.connect(&relay.url(), Timestamp::now).await;
    let Claim::Leased(lease) = coordinator.claim().await.unwrap() else { panic!("leased") };
    let path = format!("/{}/_doc/{}", watching.index(), plan[0].id);
    let one = Accounts { read: 1, written: 1, ..Accounts::default() };
    for count in 1..=10 {
        // Nothing else goes through the relay: what is cut is the answer to this write, or to the question
        // what became of the one before.
        relay.cut_after(1);
        lease.checkpoint(position(count), &one).unwrap();
        while bench.get(&path).await["_source"]["accounts"]["read"] != count {
            tokio::task::yield_now().await;
        }
        assert_eq!(lease.reason(), None);
    }
    relay.cut_after(1);
    lease.release().await.unwrap();
    let status = watching.status().await.unwrap();
    assert_eq!((status.accounts.read, status.units.waiting), (10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_get_lost_change_nothing() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let server = SERVER.get().await.unwrap();
    let bench = Arc::new(Bench::new(server, "lost-answers", 4 * SECOND).await);
    let relay = testbed::Relay::in_front_of(server.addr()).await.unwrap();
    let plan = units(&bench.run, 60, seed);
    let worker = |number: u64| {
        let (bench, url, plan) = (bench.clone(), relay.url(), plan.clone());
        tokio::spawn(async move {
            let coordinator = bench.connect(&url, Timestamp::now).await;
            coordinator.plan(&settings(), &plan).await.unwrap();
            let (mut rng, mut lost) = (StdRng::seed_from_u64(seed ^ number), Vec::new());
            let state = workers::work(&coordinator, &mut rng, 0.0, &mut lost).await;
            (state.unwrap(), lost)
        })
    };
    let workers: Vec<_> = (0..4).map(worker).collect();
    let cuts = async {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut cuts = 0;
        loop {
            // In the middle of an answer, mostly of one to a write that was done.
            relay.cut_after(rng.random_range(1..600));
            tokio::time::sleep(Duration::from_millis(rng.random_range(10..40))).await;
            relay.cut_after(u64::MAX);
            tokio::time::sleep(Duration::from_millis(rng.random_range(10..80))).await;
            cuts += 1;
            if workers.iter().all(tokio::task::JoinHandle::is_finished) {
                return cuts;
            }
        }
    };
    let cuts = cuts.await;
    for worker in workers {
        let (state, lost) = worker.await.unwrap();
        assert_eq!(state, RunState { done: 60, refused: 0 });
        // Nobody took his own write for that of another.
        let conflict = |lost: &&Lost| matches!(lost, Lost::TakenOver { .. });
        assert_eq!(lost.iter().find(conflict), None);
    }
    let status = bench.coordinator().await.status().await.unwrap();
    workers::assert_exact(&status, &plan);
    eprintln!("{cuts} answers cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_with_a_refused_or_unread_document_is_never_complete() {
    let bench = Bench::new(SERVER.get().await.unwrap(), "refusing", SECOND).await;
    let coordinator = bench.coordinator().await;
    let plan = units(&bench.run, 3, 5);
    coordinator.plan(&settings(), &plan).await.unwrap();
    let Claim::Leased(lease) = coordinator.claim().await.unwrap() else { panic!("leased") };
    lease.refuse("segment _0 can't be read: ü").await.unwrap();
    let Claim::Leased(lease) = coordinator.claim().await.unwrap() else { panic!("leased") };
    let some = lease.unit().documents - 1;
    let some = Accounts { read: some, written: some, ..Accounts::default() };
    let unread = lease.complete(&some).await;
    assert!(matches!(unread, Err(LeaseError::Unread { .. })), "{unread:?}");
    let Claim::Leased(lease) = coordinator.claim().await.unwrap() else { panic!("leased") };
    // Deleted ones count as well.
    let mut all = Accounts::default();
    all.skip("deleted", 2);
    all.read = lease.unit().documents - 2;
    all.superseded = all.read;
    let whole = lease.unit().clone();
    lease.complete(&all).await.unwrap();
    let finished = coordinator.claim().await.unwrap();
    assert!(matches!(finished, Claim::Finished(RunState { done: 1, refused: 2 })));
    let status = coordinator.status().await.unwrap();
    assert!(status.is_finished() && !status.is_complete());
    for shard in &status.shards {
        let complete = (&*shard.index, shard.shard) == (&*whole.index, whole.shard);
        assert_eq!(shard.is_written(), complete, "{shard:?}");
        assert_eq!(shard.refused.is_empty(), complete);
    }
    let reasons: Vec<_> = status.shards.iter().flat_map(|s| s.refused.values()).collect();
    assert!(reasons.iter().any(|reason| reason.ends_with("read: ü")), "{reasons:?}");
    assert!(serde_json::to_string(&status).is_ok());
}
