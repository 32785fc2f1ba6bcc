//! A whole migration, with writers on all the time and each program killed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use load::compare::{clusters, with_ledger};
use load::{Cities, Ledger, LoadSettings, Mix, create_indices, run};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use testbed::Testbed;

use crate::stage::Stage;

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
    create_indices(&source.url()).await.unwrap();
    let (ledger, _) =
        run(&load(&source.url(), Mix::Inserts, 4, 2_000, seed), Ledger::default()).await.unwrap();

    stage.ok("setup check").await;
    stage.ok("capture start").await;
    // From now on somebody writes, until everything is moved.
    let done = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (done, proxy) = (Arc::clone(&done), stage.proxy());
        async move {
            let (mut ledger, mut round) = (ledger, 0);
            while !done.load(Ordering::Relaxed) {
                round += 1;
                let settings = load(&proxy, Mix::Updates, 2, 500, seed.wrapping_add(round));
                ledger = run(&settings, ledger).await.unwrap().0;
                // As clients do: some hundred writes a second, not all that a machine can take.
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            (ledger, round)
        }
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
    let (ledger, rounds) = writing.await.unwrap();
    for program in ["capture start", "replay start"] {
        stage.ok(program).await; // it may have been killed at the very end
    }
    let last_write = Instant::now();
    let said = stage.ok("cutover check --output json").await;
    let verdict: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(verdict["passed"], true, "{verdict:#}");
    println!(
        "verdict {:.1} s after the last write; {rounds} rounds, {} acknowledged, {} without answer",
        last_write.elapsed().as_secs_f64(),
        ledger.acknowledged,
        ledger.unanswered
    );

    let hidden = ProgressBar::hidden();
    let compared = clusters(&source.url(), &target.url(), &hidden).await.unwrap();
    assert_eq!(compared.differences, [], "seed {seed}\n{}", stage.logs());
    let kept = with_ledger(&target.url(), &ledger, &hidden).await.unwrap();
    assert_eq!(kept.differences, [], "seed {seed}");
    assert!(compared.documents > ENOUGH && ledger.acknowledged > ENOUGH, "{}", compared.documents);
    assert!(stage.path("migration.state/report.html").is_file());

    for program in ["replay stop", "capture stop"] {
        stage.ok(program).await;
    }
    stage.ok("journal audit").await;
    println!("all after {:.1} s", began.elapsed().as_secs_f64());
}
