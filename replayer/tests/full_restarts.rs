//! A target that is flushed and killed again and again, at random moments, while clients go on and a replay follows.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use cluster::Method;
use lab::{Lab, awkward};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use telemetry::Shutdown;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_comes_and_goes_ends_equal() {
    let lab = Lab::start("restarts").await;
    let shutdown = Shutdown::new();
    let faults = async {
        let mut rng = StdRng::seed_from_u64(11);
        let count = format!("/{}-a/_count", lab.index);
        // Not before there is something to lose.
        while lab.on_target(Method::GET, &count).await["count"].as_u64().unwrap_or(0) == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for round in 0..5 {
            // At any moment: that is what is tried.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..3_000))).await;
            if round % 2 == 0 {
                let flush = format!("/{}*/_flush?force=true", lab.index);
                lab.change_target(Method::POST, &flush, &json!(null)).await;
            }
            match rng.random_bool(0.5) {
                true => lab.target.kill().await.unwrap(),
                false => lab.target.stop().await.unwrap(),
            }
            lab.target.start().await.unwrap();
        }
    };
    let history = async {
        tokio::join!(awkward::awkward(&lab, 11, 6, 200), faults);
        lab.stop_proxy().await;
        shutdown.drain();
    };
    let (followed, ()) = tokio::join!(lab.replay_until(&shutdown), history);
    let followed = followed.unwrap();
    assert_eq!(followed.failed, 0, "{followed}");
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert_eq!(lab.differences().await, Vec::<String>::new());
}
