//! Runs of the program against a target that refuses, is blocked or goes away in their middle.
#![allow(unreachable_pub, dead_code)] // a module of tests that use parts of it

use std::time::Duration;

use backfill::{
    ReadSettings, RunError, RunSettings, RunSummary,
    coordinator::{Holder, Settings},
};
use cluster::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use snapshot::Location;
use telemetry::Shutdown;
use testbed::Relay;
use tokio::{sync::oneshot, task::JoinHandle};

use super::faults::{
    front::{Act, Bulk, Front},
    stage::{
        Documents, Stage, Worker, assert_accounts, assert_shards, execute, kept, said, snapshot_at,
        words,
    },
};

/// Of documents of about a kilobyte in three shards, in segments that merges leave alone.
pub const DOCUMENTS: usize = 3000;

/// Puts documents into an index and that into a snapshot of the same name, and takes the index away. Gives what the
/// documents come to on a target.
pub async fn load(stage: &Stage, index: &str, sources: impl Iterator<Item = Value>) -> Documents {
    let body = json!({
        "settings": {"number_of_shards": 3, "number_of_replicas": 0, "refresh_interval": -1},
        "mappings": {"dynamic": false, "properties": {"number": {"type": "long"}}},
    });
    stage.call(Method::PUT, &format!("/{index}"), Some(body)).await;
    let sources: Vec<Value> = sources.collect();
    let part = sources.len().div_ceil(4);
    for (number, part) in sources.chunks(part).enumerate() {
        let mut lines = String::new();
        for (at, source) in part.iter().enumerate() {
            lines.push_str(&format!("{{\"index\":{{\"_id\":\"{number}-{at}\"}}}}\n{source}\n"));
        }
        let path = format!("/{index}/_bulk?filter_path=errors");
        let reply = stage.cluster.call(Request::ndjson(Method::POST, path, lines)).await.unwrap();
        assert_eq!(&reply.body[..], br#"{"errors":false}"#);
        stage.call(Method::POST, &format!("/{index}/_flush?wait_if_ongoing=true"), None).await;
    }
    stage.call(Method::POST, &format!("/{index}/_refresh"), None).await;
    let expected = stage.expected(index).await;
    assert_eq!(expected.len(), sources.len());
    stage.snapshot(index, index).await;
    stage.delete(index).await;
    expected
}

/// Sources that compress badly.
pub fn sources(random: &mut StdRng, count: usize, bytes: usize) -> Vec<Value> {
    let letters = rand::distr::Alphanumeric;
    let one = |number| {
        let text: String = random.sample_iter(letters).take(bytes).map(char::from).collect();
        json!({"number": number, "text": text})
    };
    (0..count).map(one).collect()
}

/// `backfill run` of a snapshot with many small requests.
pub fn small(stage: &Stage, url: &str, run: &str, index: &str, more: &str) -> Vec<String> {
    let snapshot = snapshot_at(&stage.repository(), index, index);
    let few = "--unit-bytes 1 --batch-limit 16KiB --target-connections 2";
    [stage.target_at(url, run), snapshot, words(few), words(more)].concat()
}

/// A run that ends complete: each document is on the target once.
pub async fn check(
    stage: &Stage,
    worker: &mut Worker,
    run: &str,
    index: &str,
    expected: &Documents,
) {
    let (code, log) = worker.end().await;
    assert_eq!(code, 0, "{run}: {log}");
    assert_accounts(&stage.status(run), expected.len() as u64);
    stage.call(Method::POST, &format!("/{index}/_refresh"), None).await;
    assert!(stage.documents(index).await == *expected, "{run}: {log}");
    stage.delete(index).await;
}

const BREAKER: &str =
    r#"{"error":{"type":"circuit_breaking_exception","reason":"Data too large"},"status":429}"#;
const REJECTED: &str =
    r#"{"error":{"type":"rejected_execution_exception","reason":"full"},"status":429}"#;

/// 429 for requests and for items, 502, 503 and 413 for some of what comes, for a while.
pub async fn busy(stage: &Stage, random: &mut StdRng, index: &str, expected: &Documents) {
    let front = Front::of(stage).await;
    let mut random: StdRng = rand::SeedableRng::seed_from_u64(random.random());
    front.script(move |bulk| match random.random_range(0..10) {
        _ if bulk.number >= 60 => Act::Pass,
        0 => Act::Refuse(429, REJECTED),
        1 => Act::Refuse(429, BREAKER),
        2 => Act::Refuse(503, ""),
        3 => Act::Refuse(502, "<html>no backend</html>"),
        4 if bulk.items > 1 => Act::Refuse(413, ""),
        5 | 6 if bulk.items > 1 => Act::RefuseItems,
        _ => Act::Pass,
    });
    let arguments = small(stage, &front.url(), "busy", index, "--workers 2");
    check(stage, &mut stage.start("busy", &arguments, &[]), "busy", index, expected).await;
    let seen = front.seen();
    let refused = seen.iter().filter(|bulk| bulk.act != Act::Pass).count();
    assert!(seen.len() > 60 && refused > 10, "{refused} of {} say little", seen.len());
}

/// Nothing beyond a size is taken, ever: what can't be made smaller fails, and nothing else does.
pub async fn too_large(stage: &Stage, random: &mut StdRng) {
    const LIMIT: usize = 300_000;
    const LARGE: usize = 5;
    let large = sources(random, LARGE, LIMIT + 1);
    let mut sources = sources(random, 2000, 2000);
    for source in large {
        sources.insert(random.random_range(0..sources.len()), source);
    }
    let expected = load(stage, "large", sources.into_iter()).await;
    let is_large = |source: &Value| source["text"].as_str().unwrap().len() > LIMIT;

    let front = Front::of(stage).await;
    front.script(|bulk| match bulk.bytes > LIMIT {
        true => Act::Refuse(413, "<html>413 Request Entity Too Large</html>"),
        false => Act::Pass,
    });
    let snapshot = snapshot_at(&stage.repository(), "large", "large");
    let arguments = [stage.target_at(&front.url(), "large"), snapshot].concat();
    let (code, log) = stage.start("large", &arguments, &[]).end().await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("NOT complete") && !log.contains("\ncomplete"), "{log}");
    let status = stage.status("large");
    assert_shards(&status);
    assert_eq!(status["accounts"]["failed"], json!({"too_large": LARGE}), "{status}");
    assert_eq!(status["accounts"]["read"], expected.len(), "{status}");
    let of_run = |failed: &Value| failed["run"] == "large";
    let failures: Vec<Value> = kept(&stage.failed()).into_iter().filter(of_run).collect();
    assert_eq!(failures.len(), LARGE);
    for failed in &failures {
        let id = failed["id"].as_str().unwrap();
        assert!(is_large(&expected[id].source) && failed["source"] == expected[id].source, "{id}");
        let class = (&failed["class"], &failed["status"]);
        assert_eq!(class, (&json!("too_large"), &json!(413)), "{id}");
    }
    stage.call(Method::POST, "/large/_refresh", None).await;
    let mut written = expected.clone();
    written.retain(|_, document| !is_large(&document.source));
    assert!(stage.documents("large").await == written);
    // What was learned is kept to: requests that are refused don't go on.
    let seen = front.seen();
    let split = |bulk: &&Bulk| bulk.items > 1 && bulk.act != Act::Pass;
    let refused = seen.iter().filter(split).count();
    assert!(refused < 20, "{refused} requests of {} were too large", seen.len());

    front.script(|_| Act::Pass);
    let output = execute("retry", &stage.target_at(&front.url(), "large"), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    stage.call(Method::POST, "/large/_refresh", None).await;
    assert!(stage.documents("large").await == expected);
    stage.delete("large").await;
}

/// As the flood stage of the disk watermark does it.
async fn block(stage: &Stage, indices: &str, on: bool) {
    let value = if on { json!(true) } else { Value::Null };
    let body = json!({"index.blocks.read_only_allow_delete": value});
    let path = format!("/{indices}/_settings?expand_wildcards=all");
    stage.call(Method::PUT, &path, Some(body)).await;
}

/// A disk that is full for longer than leases last: every index of the node is blocked, the run's own too.
pub async fn full_disk(stage: &Stage, index: &str, expected: &Documents) {
    let front = Front::of(stage).await;
    front.hold_after(10);
    let arguments = small(stage, &front.url(), "full", index, "--workers 2 --lease 2s");
    let mut worker = stage.start("full", &arguments, &[]);
    front.wait_until_held(&worker).await;
    block(stage, "_all", true).await;
    let before = stage.indexed(index).await;
    front.let_go();
    for said in ["waiting for the target", "read_only_allow_delete", "lease lost"] {
        worker.says(said).await;
    }
    worker.says("waiting for the target or its coordinator").await;
    assert_eq!(stage.indexed(index).await, before, "written in spite of the block");
    block(stage, "_all", false).await;
    check(stage, &mut worker, "full", index, expected).await;
}

/// A cluster without room makes no indices: neither the run's nor the documents'.
pub async fn no_room_at_the_start(stage: &Stage, index: &str, expected: &Documents) {
    let block = async |value: Value| {
        let body = json!({"persistent": {"cluster.blocks.create_index": value}});
        stage.call(Method::PUT, "/_cluster/settings", Some(body)).await;
    };
    block(json!(true)).await;
    let arguments = small(stage, &stage.server.url(), "no-room", index, "");
    let mut worker = stage.start("no-room", &arguments, &[]);
    worker.says("waiting for the target or its coordinator").await;
    block(Value::Null).await;
    check(stage, &mut worker, "no-room", index, expected).await;
}

/// A disk that stays full, the coordinator is elsewhere: the run ends, says why, and goes on when it is started again.
pub async fn disk_stays_full(stage: &Stage, index: &str, expected: &Documents) {
    let front = Front::of(stage).await;
    front.hold_after(10);
    let more = "--workers 2 --target-retry-for 2s";
    let arguments = small(stage, &front.url(), "stays", index, more);
    let mut worker = stage.start("stays", &arguments, &[]);
    front.wait_until_held(&worker).await;
    block(stage, index, true).await;
    front.let_go();
    let (code, log) = worker.end().await;
    assert_eq!(code, 69, "{log}");
    let error = log.lines().find(|line| line.starts_with("backfill: ")).unwrap();
    for said in [
        &format!("nothing could be written to {index} at "),
        "the index takes no writes",
        "make room",
        "remove index.blocks.read_only_allow_delete",
        "run again to go on",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    assert!(!log.contains("\ncomplete"), "{log}");
    block(stage, index, false).await;
    let status = stage.status("stays");
    assert_eq!((&status["complete"], &status["finished"]), (&json!(false), &json!(false)));
    assert_eq!(status["units"]["leased"], 0, "given back: {status}");
    assert_shards(&status);
    let mut worker = stage.start("stays-again", &arguments, &[]);
    check(stage, &mut worker, "stays", index, expected).await;
}

/// The target, which is the coordinator as well, goes away in the middle of runs with default patience and leases: one
/// finds nobody there, the other gets no answer.
pub async fn away(stage: &Stage, [first, second]: [(&str, &Documents); 2], time: Duration) {
    let mut runs = Vec::new();
    for (run, index) in [("refusing", first.0), ("silent", second.0)] {
        let front = Front::of(stage).await;
        let relay = Relay::in_front_of(front.addr).await.unwrap();
        front.hold_after(10);
        let arguments = small(stage, &relay.url(), run, index, "--workers 2");
        let worker = stage.start(run, &arguments, &[]);
        front.wait_until_held(&worker).await;
        runs.push((front, relay, worker));
    }
    let [refusing, silent] = &runs[..] else { panic!("two runs") };
    refusing.1.refuse().await;
    refusing.1.cut();
    silent.1.pause();
    for (front, ..) in &runs {
        front.let_go();
    }
    tokio::time::sleep(time).await;
    refusing.1.accept().await;
    silent.1.resume();
    for ((_front, _relay, worker), (run, (index, expected))) in
        runs.iter_mut().zip([("refusing", first), ("silent", second)])
    {
        check(stage, worker, run, index, expected).await;
    }
}

fn slow() -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(10)
}

fn fast() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(10)
}

/// A worker of its own whose clock is wrong.
fn with_clock(
    stage: &Stage,
    url: &str,
    run: &str,
    index: &str,
    clock: fn() -> Timestamp,
) -> RunSettings {
    let location = Location::parse(stage.repository().to_str().unwrap()).unwrap();
    let mut read = ReadSettings::new(location, index);
    read.indices = vec![index.to_owned()];
    let mut settings = RunSettings::new(read, url, stage.failed().to_str().unwrap());
    let holder = Holder { host: "host".into(), process: rand::random() };
    settings.lease = Settings { lease: Duration::from_secs(3), holder, clock };
    settings.run = run.parse().unwrap();
    (settings.workers, settings.unit_bytes) = (2, 1);
    let limits = &mut settings.send.limits;
    (limits.least_batch, limits.first_batch, limits.most_batch) = (16 << 10, 16 << 10, 16 << 10);
    limits.most_connections = 2;
    settings
}

/// A worker with threads of its own, as a process has them.
struct Working {
    die: oneshot::Sender<()>,
    ended: JoinHandle<Option<Result<RunSummary, RunError>>>,
}

impl Working {
    fn start(settings: RunSettings) -> Self {
        let (die, dead) = oneshot::channel::<()>();
        let ended = tokio::task::spawn_blocking(move || {
            let threads = tokio::runtime::Runtime::new().unwrap();
            threads.block_on(async {
                tokio::select! {
                    ended = backfill::run(settings, Shutdown::new()) => Some(ended),
                    Ok(()) = dead => None,
                }
            })
        });
        Self { die, ended }
    }

    async fn dies(self) {
        self.die.send(()).unwrap();
        assert!(self.ended.await.unwrap().is_none());
    }

    async fn ends_complete(self) {
        let summary = self.ended.await.unwrap().unwrap().unwrap();
        assert!(summary.is_complete(), "{summary}");
    }
}

/// Workers whose clocks are twenty minutes apart: none takes what another one holds, and what a dead one held is taken
/// over as soon as its lease is over.
pub async fn clocks(stage: &Stage, index: &str, expected: &Documents) {
    let start = |front: &Front, run, clock| {
        Working::start(with_clock(stage, &front.url(), run, index, clock))
    };
    let check = async |run, workers: [Working; 2]| {
        for worker in workers {
            worker.ends_complete().await;
        }
        assert_accounts(&stage.status(run), expected.len() as u64);
        stage.call(Method::POST, &format!("/{index}/_refresh"), None).await;
        assert!(stage.documents(index).await == *expected);
    };
    let front = Front::of(stage).await;
    check("clocks", [start(&front, "clocks", slow), start(&front, "clocks", fast)]).await;
    // Each unit once.
    assert_eq!(stage.indexed(index).await, expected.len() as u64);
    stage.delete(index).await;

    let clocks = [slow as fn() -> Timestamp, fast];
    for (run, [dying, other]) in [("slow-dies", clocks), ("fast-dies", [clocks[1], clocks[0]])] {
        let front = Front::of(stage).await;
        front.hold_after(10);
        let dead = start(&front, run, dying);
        assert!(front.holds().await);
        dead.dies().await;
        front.let_go();
        check(run, [start(&front, run, other), start(&front, run, dying)]).await;
        stage.delete(index).await;
    }
}
