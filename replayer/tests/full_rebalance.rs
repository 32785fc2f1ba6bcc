//! A replayer that comes and goes every two seconds, for a minute, beside one that stays.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::{Duration, Instant};

use cluster::Method;
use lab::group::{lab, member, write};
use serde_json::json;
use telemetry::Shutdown;

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_every_two_seconds_loses_and_stalls_nothing() {
    let lab = lab("rebalance").await;
    let stays = Shutdown::new();
    let until = Instant::now() + Duration::from_secs(60);
    let clients = async {
        while Instant::now() < until {
            write(&lab, 1).await;
        }
    };
    let visitors = async {
        let mut visits = 0;
        while Instant::now() < until {
            let shutdown = Shutdown::new();
            let leaves = async {
                // Not to wait for something: this is the rhythm of the fault.
                tokio::time::sleep(Duration::from_secs(2)).await;
                shutdown.drain();
            };
            let (visitor, ()) = tokio::join!(lab.share_until(&shutdown), leaves);
            let visitor = visitor.unwrap();
            assert_eq!(visitor.failed, 0, "{visitor}");
            visits += 1;
        }
        visits
    };
    let faults = async {
        let ((), visits) = tokio::join!(clients, visitors);
        lab.ok(Method::PUT, &format!("/{}/_doc/last", lab.index), &json!({"n": 1})).await;
        lab.wait_for(&lab.index, "last").await;
        lab.stop_proxy().await;
        stays.drain();
        visits
    };
    let stayed = async { lab.share_until(&stays).await.unwrap() };
    let (stayed, visits) = tokio::join!(stayed, faults);
    assert!(stayed.failed == 0 && visits >= 10, "{visits} visits: {stayed}");
    let last = member(&lab, "last", None).await;
    assert!(last.is_converged() && last.reached_end, "{last}");
    assert_eq!(lab.differences().await, Vec::<String>::new());
}
