//! A whole migration, with writers on all the time and each program killed once.

mod plain;
mod same;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use testbed::Testbed;

use crate::stage::Stage;
use writers::Writers;

/// Acknowledged writes for the comparison to mean something.
const ENOUGH: u64 = 1_000;

/// Far more than a migration of this size takes on a busy machine.
const LONGEST: Duration = Duration::from_secs(300);

fn seed() -> u64 {
    let seed = std::env::var("GODWIT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("seed {seed}: repeat with GODWIT_SEED={seed}");
    seed
}

/// Moves `from` to `to`, by name as [`Testbed::cluster`] takes them.
pub(crate) async fn migrate(from: &str, to: &str) {
    let (seed, began) = (seed(), Instant::now());
    let mut random = StdRng::seed_from_u64(seed);
    let (source, target, kafka) =
        tokio::join!(Testbed::cluster(from), Testbed::cluster(to), Testbed::kafka());
    let (source, target, kafka) = (source.unwrap(), target.unwrap(), kafka.unwrap());
    println!("servers after {:.1} s", began.elapsed().as_secs_f64());
    let stage = Arc::new(Stage::new(&source, &target, Some(&kafka)).await);

    // History: from before anything is captured.
    let writers = Writers::begin(&stage.source, seed).await;

    stage.ok("setup check").await;
    stage.ok("capture start").await;
    // From now on somebody writes, until everything is moved.
    let done = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (done, proxy) = (Arc::clone(&done), stage.proxy());
        async move { writers.go_on(&proxy, || done.load(Ordering::Relaxed)).await }
    });
    stage.ok("capture verify").await;

    let running = stage.command("run").spawn().unwrap();
    let kills = tokio::spawn({
        let stage = Arc::clone(&stage);
        let moments: Vec<u64> = (0..3).map(|_| random.random_range(0..1_500)).collect();
        async move {
            let names = ["backfill", "traffic-replayer", "capture-proxy"];
            for (name, moment) in names.into_iter().zip(moments) {
                stage.until_runs(name).await;
                // Not to wait for something: the moment is what is random.
                tokio::time::sleep(Duration::from_millis(moment)).await;
                let killed = stage.kill(name);
                println!(
                    "{name}: {}",
                    if killed { "killed" } else { "had ended before its moment" }
                );
            }
        }
    });
    let output = tokio::time::timeout(LONGEST, running.wait_with_output()).await;
    let output =
        output.unwrap_or_else(|_| panic!("seed {seed}: not moved\n{}", stage.logs())).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        output.status.code(),
        Some(0),
        "seed {seed}\n{}\n{}\n{}",
        text(&output.stdout),
        text(&output.stderr),
        stage.logs()
    );
    kills.await.unwrap();
    println!("{}\nmoved after {:.1} s", text(&output.stdout), began.elapsed().as_secs_f64());

    // The cut-over: the writers stop, and the verdict is asked for once more.
    done.store(true, Ordering::Relaxed);
    let writers = writing.await.unwrap();
    for program in ["capture start", "replay start"] {
        stage.ok(program).await; // it may have been killed at the very end
    }
    let last_write = Instant::now();
    let said = stage.ok("cutover check --output json").await;
    let verdict: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(verdict["passed"], true, "{verdict:#}");
    let (acknowledged, unanswered) = writers.counts();
    println!(
        "verdict {:.1} s after the last write; {acknowledged} acknowledged, {unanswered} without answer",
        last_write.elapsed().as_secs_f64(),
    );

    let (documents, different) = same::compared(&stage.source, &stage.target).await;
    assert_eq!(different, Vec::<String>::new(), "seed {seed}\n{}", stage.logs());
    assert_eq!(writers.broken(&stage.target).await, Vec::<String>::new(), "seed {seed}");
    let enough = documents as u64 > ENOUGH / 4 && acknowledged > ENOUGH;
    assert!(enough, "{documents} documents, {acknowledged} acknowledged");
    assert!(stage.path("migration.state/report.html").is_file());

    for program in ["replay stop", "capture stop"] {
        stage.ok(program).await;
    }
    stage.ok("journal audit").await;
    println!("all after {:.1} s", began.elapsed().as_secs_f64());
}
