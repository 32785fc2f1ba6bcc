//! A backfill that runs beside a replay: what was deleted meanwhile stays deleted.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use backfill::{ReadSettings, RunSettings, RunSummary};
use cluster::Method;
use lab::Lab;
use serde_json::json;
use snapshot::Location;
use telemetry::Shutdown;

/// Writes 60 documents past the proxy, takes a snapshot, and then deletes in every way that there is.
async fn delete_after_snapshot(lab: &Lab, name: &str) -> RunSettings {
    let index = &lab.index;
    lab.directly(Method::PUT, &format!("/{index}"), &json!({"settings": {"number_of_shards": 3}}))
        .await;
    for id in 0..60 {
        let path = format!("/{index}/_doc/{id}");
        lab.directly(Method::PUT, &path, &json!({"n": id, "group": id / 10})).await;
    }
    lab.directly(Method::POST, &format!("/{index}/_refresh"), &json!(null)).await;
    let folder = lab.snapshot(name).await;
    for id in 0..10 {
        lab.any(Method::DELETE, &format!("/{index}/_doc/{id}"), &json!(null)).await;
    }
    // As Beats and Logstash write: the answer proves nothing.
    let lines: String =
        (10..20).map(|id| format!("{{\"delete\":{{\"_id\":\"{id}\"}}}}\n")).collect();
    lab.bulk(&format!("/{index}/_bulk?filter_path=errors&refresh=true"), lines).await;
    let query = json!({"query": {"term": {"group": 2}}});
    let path = format!("/{index}/_delete_by_query");
    assert_eq!(lab.ok(Method::POST, &path, &query).await["deleted"], 10);
    // Made again, and to stay.
    for id in [3, 13, 23] {
        lab.ok(Method::PUT, &format!("/{index}/_doc/{id}"), &json!({"n": id, "again": true})).await;
    }
    lab.stop_proxy().await;
    let read = ReadSettings::new(Location::parse(folder.to_str().unwrap()).unwrap(), name);
    let read = ReadSettings { indices: vec![index.clone()], ..read };
    let failed = lab.tuples().join("failed");
    let mut settings = RunSettings::new(read, lab.target.url(), failed.to_str().unwrap());
    settings.run = name.parse().unwrap();
    settings
}

async fn run(settings: &RunSettings) -> RunSummary {
    backfill::run(settings.clone(), Shutdown::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_during_a_backfill_stays_deleted() {
    let lab = Lab::start("beside").await;
    let mut settings = delete_after_snapshot(&lab, "beside").await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");

    // All of the snapshot's documents are written now, and the unproven deletes have left no trace there.
    let first = run(&settings).await;
    assert!(first.status.is_finished() && !first.is_complete(), "{first}");
    assert_eq!(first.status.accounts.failures(), 0, "{first}");
    let sweep = first.status.sweep.unwrap();
    assert_eq!((sweep.deletes, sweep.gone), (10, 0), "{first}");
    // Nine by id (the tenth was made again before it was asked for), and one walk.
    assert_eq!(sweep.unresolved, 9 + 1, "{first}");

    settings.source = Some(cluster::Settings::new(lab.source_url()));
    let second = run(&settings).await;
    assert!(second.is_complete(), "{second}");
    // 10 to 29 came back, but for the two that were made again.
    assert_eq!(second.status.sweep.unwrap().gone, 18, "{second}");
    lab.assert_equal().await;
    let third = run(&settings).await;
    assert!(third.is_complete() && third.status.sweep == second.status.sweep, "{third}");
}

#[tokio::test(flavor = "multi_thread")]
async fn proven_deletes_that_the_target_forgot_are_sent_again() {
    let lab = Lab::start("forgot").await;
    let index = lab.index.clone();
    let settings = delete_after_snapshot(&lab, "forgot").await;
    // The target's index is made by hand, so that it forgets deletes at once, and taken over by the replayer.
    let forgetful = json!({"settings": {"number_of_shards": 3, "index.gc_deletes": "0s"}});
    lab.change_target(Method::PUT, &format!("/{index}"), &forgetful).await;
    // Without the source: only what the journal proves.
    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert_eq!(summary.operations["journal"], 10 + 3, "{summary}");
    // Closing and opening drops what an index remembers of deletes.
    lab.change_target(Method::POST, &format!("/{index}/_flush"), &json!(null)).await;
    lab.change_target(Method::POST, &format!("/{index}/_close"), &json!(null)).await;
    lab.change_target(Method::POST, &format!("/{index}/_open"), &json!(null)).await;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while lab.on_target(Method::GET, &format!("/_cluster/health/{index}")).await["status"] == "red"
    {
        assert!(std::time::Instant::now() < until);
    }
    let ran = run(&settings).await;
    let written = ran.status.accounts.written;
    // All but those that were made again: the nine that were deleted were written, and deleted again.
    assert_eq!(written, 57, "{ran}");
    assert_eq!(ran.status.sweep.unwrap().deletes, 10, "{ran}");
    for id in 0..10 {
        let found =
            lab.on_target(Method::GET, &format!("/{index}/_doc/{id}")).await["found"] == true;
        assert_eq!(found, id == 3, "document {id}");
    }
}
