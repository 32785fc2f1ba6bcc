//! Workers that are killed, asked to stop, and asked for one unit: each document ends up on the target once, and in
//! the accounts once.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod faults;

use std::time::{Duration, Instant};

use cluster::{Method, Request};
use faults::{
    random,
    stage::{Documents, Stage, Worker, assert_accounts, snapshot_at, words},
};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

const DOCUMENTS: usize = 20_000;
const DOCUMENT_BYTES: usize = 1000;
/// `--batch-limit` and `--target-connections` of the workers that are killed.
const BATCH: usize = 128 << 10;
const CONNECTIONS: usize = 2;
const MOST_KILLS: usize = 20;

/// Documents with updates, deletions and many segments; gives what they come to on a target. Then they are gone.
async fn load(stage: &Stage, random: &mut StdRng) -> Documents {
    let body = json!({"settings": {"number_of_shards": 3, "number_of_replicas": 0,
        "refresh_interval": -1}});
    stage.call(Method::PUT, "/many", Some(body)).await;
    let letters: Vec<char> = ('a'..='z').chain([' '; 6]).collect();
    let text: String = (0..50_000).map(|_| *letters.choose(random).unwrap()).collect();
    for part in 0..10 {
        let mut lines = String::new();
        for number in part * DOCUMENTS / 10..(part + 1) * DOCUMENTS / 10 {
            let at = random.random_range(0..text.len() - DOCUMENT_BYTES);
            let text = &text[at..at + DOCUMENT_BYTES];
            let mut write = |id: usize, text: &str| {
                lines.push_str(&json!({"index": {"_id": id.to_string()}}).to_string());
                let source = json!({"number": number, "text": text});
                lines.push_str(&format!("\n{source}\n"));
            };
            write(number, text);
            match random.random_range(0..40) {
                0 => write(random.random_range(0..=number), "updated"),
                1 => {
                    let id = random.random_range(0..=number).to_string();
                    lines.push_str(&format!("{}\n", json!({"delete": {"_id": id}})));
                }
                _ => {}
            }
        }
        let request = Request::ndjson(Method::POST, "/many/_bulk?filter_path=errors", lines);
        stage.cluster.call(request).await.unwrap();
        // Segments that merges leave alone for a while.
        stage.call(Method::POST, "/many/_flush?wait_if_ongoing=true", None).await;
    }
    stage.call(Method::POST, "/many/_refresh", None).await;
    let expected = stage.expected("many").await;
    stage.snapshot("many", "many").await;
    stage.delete("many").await;
    expected
}

fn arguments(stage: &Stage, run: &str, more: &str) -> Vec<String> {
    let snapshot = snapshot_at(&stage.repository(), "many", "many");
    [stage.target(run), snapshot, words(more)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_document_once_whatever_happens_to_workers() {
    let mut random = random("killed workers");
    let stage = Stage::boot().await;
    let expected = load(&stage, &mut random).await;
    let longest = expected.values().map(|of| of.source.to_string().len()).max().unwrap();
    assert!(longest < 2 * DOCUMENT_BYTES && expected.len() < DOCUMENTS);
    killed(&stage, &expected, &mut random).await;
    stopped(&stage, &expected).await;
    once(&stage).await;
}

async fn killed(stage: &Stage, expected: &Documents, random: &mut StdRng) {
    let more = format!(
        "--workers 1 --lease 2s --unit-bytes 256KiB --batch-limit {BATCH} --target-connections {CONNECTIONS}"
    );
    let arguments = arguments(stage, "killed", &more);
    let start = |number: usize| stage.start(&format!("killed{number}"), &arguments, &[]);
    let mut workers: Vec<Worker> = (0..3).map(start).collect();
    let (mut kills, mut next) = (0, Instant::now());
    let pause = |random: &mut StdRng| Duration::from_millis(random.random_range(200..800));
    let began = Instant::now();
    loop {
        let mut running = Vec::new();
        for (number, worker) in workers.iter_mut().enumerate() {
            match worker.program.ended().unwrap() {
                Some(status) if status.success() => {}
                Some(_) => panic!("worker {number}: {}", worker.end().await.1),
                None => running.push(number),
            }
        }
        let Some(&number) = running.choose(random) else { break };
        assert!(began.elapsed() < Duration::from_secs(100), "{}", stage.status("killed"));
        // On a slow machine a worker that is killed too often gets nowhere.
        if kills < MOST_KILLS && next <= Instant::now() {
            workers[number].program.kill().await.unwrap();
            workers[number] = start(number);
            kills += 1;
            next = Instant::now() + pause(random);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = stage.status("killed");
    assert_accounts(&status, expected.len() as u64);
    let again = stage.indexed("many").await - expected.len() as u64;
    stage.call(Method::POST, "/many/_refresh", None).await;
    assert!(stage.documents("many").await == *expected, "{status}");
    // A batch is closed by the chunk of documents that fills it.
    let of_batch = BATCH.div_ceil(DOCUMENT_BYTES) + 128;
    // Those on the connections, and the one that is being filled or settled.
    let bound = kills * (CONNECTIONS + 1) * of_batch;
    let units = &status["units"]["done"];
    eprintln!(
        "{kills} kills in {:?}, {units} units, {again} documents again, at most {bound}",
        began.elapsed()
    );
    assert!(kills >= 5, "{kills} kills say little");
    assert!(units.as_u64().unwrap() >= 9, "{status}");
    assert!(again <= bound as u64, "{again} documents were read again after {kills} kills");
    stage.delete("many").await;
}

/// The accounts of a run that goes on, once some documents are in them. The worker is left paused: on a quick machine it
/// would be done while it is looked at.
async fn progress(stage: &Stage, worker: &mut Worker, run: &str) -> Value {
    let mut arguments = stage.target(run);
    arguments.extend(words("--output json"));
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if worker.program.ended().unwrap().is_some() {
            panic!("it ended before it was stopped: {}", worker.end().await.1);
        }
        worker.program.pause();
        let output = faults::stage::execute("status", &arguments, &[]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if status["accounts"]["read"].as_u64().is_some_and(|read| read > 0) {
            return status;
        }
        worker.program.resume();
    }
}

/// A worker that is asked to stop gives its unit back: nobody waits for the end of a lease of ten minutes.
async fn stopped(stage: &Stage, expected: &Documents) {
    let more = "--workers 1 --lease 10m --batch-limit 32KiB --target-connections 1";
    let arguments = arguments(stage, "stopped", more);
    let mut first = stage.start("stopped1", &arguments, &[]);
    let status = progress(stage, &mut first, "stopped").await;
    assert_eq!((&status["complete"], &status["finished"]), (&json!(false), &json!(false)));
    let asked = Instant::now();
    first.program.resume();
    let status = first.program.terminate(Duration::from_secs(20)).await.unwrap();
    assert_eq!(status.code(), Some(75), "{}", first.end().await.1);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let status = stage.status("stopped");
    assert_eq!((&status["units"]["leased"], &status["workers"]), (&json!(0), &json!([])));
    let read = status["accounts"]["read"].as_u64().unwrap();
    assert!(read < expected.len() as u64, "{status}");
    let (code, log) = stage.start("stopped2", &arguments, &[]).end().await;
    assert_eq!(code, 0, "{log}");
    assert_accounts(&stage.status("stopped"), expected.len() as u64);
    // Nothing was under way when it stopped, so nothing was read again.
    assert_eq!(stage.indexed("many").await, expected.len() as u64);
    stage.delete("many").await;
}

async fn once(stage: &Stage) {
    let arguments = arguments(stage, "once", "--once --unit-bytes 1 --workers 2");
    let (code, log) = stage.start("once", &arguments, &[]).end().await;
    assert_eq!(code, 75, "{log}");
    let status = stage.status("once");
    let of = |name: &str| status["units"][name].as_u64().unwrap();
    assert_eq!((of("done"), of("leased"), of("refused")), (1, 0, 0), "{status}");
    assert!(of("waiting") > 1 && status["finished"] == false, "{status}");
}
