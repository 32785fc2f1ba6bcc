//! Repositories and targets that are cut off, stall, refuse or go away while a backfill goes on: the same documents,
//! true accounts and a clear end.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod faults;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use backfill::coordinator::{Coordinator, RunStatus, Settings};
use cluster::{Cluster, Method, Request};
use faults::{
    Damageable, SNAPSHOT, by_id, random, read_lines, split,
    stage::{
        Documents, Stage, Worker, Written, assert_accounts, assert_shards, execute, kept, said,
        snapshot_at, words,
    },
};
use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use testbed::{Relay, S3, Testbed};

const PREFIX: &str = "snapshots of ours";

/// A snapshot in a bucket, behind a relay.
struct Bucket {
    server: S3,
    relay: Relay,
    secret: String,
}

impl Bucket {
    async fn with(repository: &Damageable) -> Self {
        let server = Testbed::s3().await.unwrap();
        server.put_folder(&repository.path(), PREFIX).unwrap();
        let relay = Relay::in_front_of(server.addr()).await.unwrap();
        let secret = server.secret_key().to_owned();
        Self { server, relay, secret }
    }

    fn arguments(&self, more: &str) -> Vec<String> {
        let (bucket, url) = (S3::BUCKET, self.relay.url());
        let prefix = PREFIX.replace(' ', "%20");
        let all = format!(
            "--repository s3://{bucket}/{prefix} --snapshot {SNAPSHOT} --repository-endpoint {url} \
             --repository-region us-east-1 --repository-path-style --repository-allow-http {more}"
        );
        words(&all)
    }

    fn environment(&self) -> [(&str, &str); 2] {
        [
            ("AWS_ACCESS_KEY_ID", self.server.access_key()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.as_str()),
        ]
    }
}

/// Does something to a relay while a program runs; gives the program's output.
async fn meanwhile(
    arguments: Vec<String>,
    environment: [(&str, &str); 2],
    mut disturb: impl AsyncFnMut(),
) -> std::process::Output {
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut program = tokio::task::spawn_blocking(move || {
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        execute("read", &arguments, &environment)
    });
    loop {
        tokio::select! {
            output = &mut program => return output.unwrap(),
            () = disturb() => {}
        }
    }
}

async fn milliseconds(count: u64) {
    tokio::time::sleep(Duration::from_millis(count)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_misbehaves() {
    let mut random = random("a repository that misbehaves");
    let repository = Damageable::unpack("opensearch-2");
    let (expected, _) = read_lines(&repository.settings(&[])).await;
    let bucket = Bucket::with(&repository).await;
    let relay = &bucket.relay;

    let output =
        meanwhile(bucket.arguments("--read-block 32KiB"), bucket.environment(), async || {
            // Some requests of 32 KiB are cut off, and none of them always.
            relay.cut_after(random.random_range(0..150_000));
            milliseconds(50).await;
        });
    let output = output.await;
    assert_eq!(output.status.code(), Some(0), "resets: {}", said(&output));
    assert!(split(&output.stdout) == expected, "resets: other documents");
    // What is left of the last cut must not hit the next.
    relay.cut_after(u64::MAX);

    let output = meanwhile(bucket.arguments(""), bucket.environment(), async || {
        milliseconds(100).await;
        relay.pause();
        milliseconds(700).await;
        relay.resume();
    });
    let output = output.await;
    assert_eq!(output.status.code(), Some(0), "stalls: {}", said(&output));
    assert!(split(&output.stdout) == expected, "stalls: other documents");

    // At its start and again a little later, each time for less than patience lasts.
    let mut times = 0;
    let output = meanwhile(bucket.arguments(""), bucket.environment(), async || {
        if times < 2 {
            relay.refuse().await;
            relay.cut();
            milliseconds(1500).await;
            relay.accept().await;
        }
        times += 1;
        milliseconds(300).await;
    });
    let output = output.await;
    relay.accept().await;
    assert_eq!(output.status.code(), Some(0), "away: {}", said(&output));
    assert!(split(&output.stdout) == expected, "away: other documents");

    let wrong = [("AWS_ACCESS_KEY_ID", bucket.server.access_key()), ("AWS_SECRET_ACCESS_KEY", "x")];
    let output = execute("read", &bucket.arguments(""), &wrong);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(said(&output).contains("check the credentials"), "{}", said(&output));
    assert!(output.stdout.is_empty());

    gone_for_good(&bucket, &documents(&expected, "logs")).await;
}

/// As lines of `backfill read` say that they are to be.
fn documents(lines: &[String], index: &str) -> Documents {
    let written = |document: Value| {
        let number = |name: &str| document[name].as_u64().unwrap();
        Written {
            source: document["_source"].clone(),
            routing: document["_routing"].as_str().map(str::to_owned),
            version: (number("_primary_term") << 40) + number("_seq_no") + 1,
        }
    };
    by_id(lines, index).into_iter().map(|(id, document)| (id, written(document))).collect()
}

async fn coordinator(stage: &Stage, run: &str) -> Coordinator {
    let cluster = Cluster::connect(cluster::Settings::new(stage.server.url())).await.unwrap();
    Coordinator::new(cluster, run.parse().unwrap(), Settings::here()).unwrap()
}

/// Waits until some units of a run are done.
async fn begun(stage: &Stage, worker: &mut Worker, run: &str) -> RunStatus {
    let coordinator = coordinator(stage, run).await;
    loop {
        if worker.program.ended().unwrap().is_some() {
            panic!("{run} ended too early: {}", worker.end().await.1);
        }
        match coordinator.status().await {
            Ok(status) if status.units.done > 0 => return status,
            _ => milliseconds(10).await,
        }
    }
}

async fn gone_for_good(bucket: &Bucket, expected: &Documents) {
    let stage = Stage::boot().await;
    let more = "--index logs --unit-bytes 1 --workers 1 --lease 5m";
    let arguments = [bucket.arguments(more), stage.target("gone")].concat();
    let mut worker = stage.start("gone", &arguments, &bucket.environment());
    begun(&stage, &mut worker, "gone").await;
    bucket.relay.refuse().await;
    bucket.relay.cut();
    let (code, log) = worker.end().await;
    assert_eq!(code, 69, "{log}");
    assert!(log.contains("could not be read in"), "{log}");
    let status = stage.status("gone");
    assert_eq!((&status["units"]["leased"], &status["units"]["refused"]), (&json!(0), &json!(0)));
    assert_eq!(status["complete"], false, "{status}");

    bucket.relay.accept().await;
    let (code, log) = stage.start("again", &arguments, &bucket.environment()).end().await;
    assert_eq!(code, 0, "{log}");
    assert_accounts(&stage.status("gone"), expected.len() as u64);
    stage.call(Method::POST, "/logs/_refresh", None).await;
    assert!(stage.documents("logs").await == *expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_misbehaves() {
    let mut random = random("a target that misbehaves");
    let stage = Stage::boot().await;
    let repository = Damageable::unpack("opensearch-2");
    let (lines, _) = read_lines(&repository.settings(&["logs"])).await;
    let expected = documents(&lines, "logs");
    refused(&stage).await;
    damaged(&stage, &expected).await;
    let repository = repository.path();
    superseded(&stage, &repository, expected.len()).await;
    conflicts(&stage, &mut random).await;
    cut(&stage, &repository, &expected, &mut random).await;
    blocked(&stage, &repository, &expected).await;
    away(&stage, &repository, &expected).await;
}

/// A run of many small requests.
fn small(stage: &Stage, repository: &Path, url: &str, run: &str) -> Vec<String> {
    let more = "--workers 2 --unit-bytes 1 --batch-limit 4KiB --target-connections 2 --lease 5s";
    let snapshot = snapshot_at(repository, SNAPSHOT, "logs");
    [stage.target_at(url, run), snapshot, words(more)].concat()
}

async fn check(stage: &Stage, worker: &mut Worker, run: &str, expected: &Documents) {
    let (code, log) = worker.end().await;
    assert_eq!(code, 0, "{run}: {log}");
    assert_accounts(&stage.status(run), expected.len() as u64);
    stage.call(Method::POST, "/logs/_refresh", None).await;
    assert!(stage.documents("logs").await == *expected, "{run}: {log}");
    stage.delete("logs").await;
}

/// Requests and answers are lost midway.
async fn cut(stage: &Stage, repository: &Path, expected: &Documents, random: &mut StdRng) {
    let relay = Relay::in_front_of(stage.server.addr()).await.unwrap();
    let arguments = small(stage, repository, &relay.url(), "cut");
    let mut worker = stage.start("cut", &arguments, &[]);
    let mut cuts = 0;
    while worker.program.ended().unwrap().is_none() {
        match random.random_bool(0.5) {
            true => relay.cut(),
            false => relay.cut_after(random.random_range(0..2000)),
        }
        cuts += 1;
        milliseconds(random.random_range(20..400)).await;
    }
    eprintln!("{cuts} cuts");
    check(stage, &mut worker, "cut", expected).await;
}

/// As a disk that fills up does it.
async fn blocked(stage: &Stage, repository: &Path, expected: &Documents) {
    let arguments = small(stage, repository, &stage.server.url(), "blocked");
    let mut worker = stage.start("blocked", &arguments, &[]);
    let block = |value: Value| json!({"index.blocks.read_only_allow_delete": value});
    begun(stage, &mut worker, "blocked").await;
    stage.call(Method::PUT, "/logs/_settings", Some(block(json!(true)))).await;
    let before = stage.indexed("logs").await;
    milliseconds(3000).await;
    assert!(worker.program.ended().unwrap().is_none(), "{}", worker.end().await.1);
    assert!(stage.indexed("logs").await <= before + 64, "written in spite of the block");
    stage.call(Method::PUT, "/logs/_settings", Some(block(Value::Null))).await;
    check(stage, &mut worker, "blocked", expected).await;
}

/// Longer than the leases, which are kept on it as well.
async fn away(stage: &Stage, repository: &Path, expected: &Documents) {
    let arguments = small(stage, repository, &stage.server.url(), "away");
    let mut worker = stage.start("away", &arguments, &[]);
    begun(stage, &mut worker, "away").await;
    stage.server.pause();
    milliseconds(20_000).await;
    stage.server.resume();
    check(stage, &mut worker, "away", expected).await;
}

async fn names(stage: &Stage) -> Vec<String> {
    stage.cluster.index_identities().await.unwrap().into_keys().collect()
}

/// Indices that have no whole `_source` are known before anything is written.
async fn refused(stage: &Stage) {
    let fields = json!({"name": {"type": "keyword"}, "secret": {"type": "keyword"}});
    for (index, source) in
        [("none", json!({"enabled": false})), ("partly", json!({"excludes": ["secret"]}))]
    {
        let body = json!({"mappings": {"_source": source, "properties": fields},
            "settings": {"number_of_replicas": 0}});
        stage.call(Method::PUT, &format!("/{index}"), Some(body)).await;
        let document = json!({"name": "n", "secret": "s"});
        stage.call(Method::PUT, &format!("/{index}/_doc/1"), Some(document)).await;
    }
    stage.snapshot("sourceless", "none,partly").await;
    stage.delete("none,partly").await;
    let before = names(stage).await;
    let snapshot = snapshot_at(&stage.repository(), "sourceless", "*");
    let arguments = [stage.target("refused"), snapshot].concat();
    let (code, log) = stage.start("refused", &arguments, &[]).end().await;
    assert_eq!(code, 65, "{log}");
    for named in ["none", "_source is disabled", "partly", "in part", "name, secret"] {
        assert!(log.contains(named), "{named}: {log}");
    }
    assert_eq!(names(stage).await, before);
}

/// What can't be read of a snapshot is named, and everything else is written.
async fn damaged(stage: &Stage, expected: &Documents) {
    let repository = Damageable::unpack("opensearch-2");
    let blobs = repository.blobs().await;
    let of_shard = |file: &str| {
        let found = blobs
            .iter()
            .find(|blob| blob.index == "logs" && blob.shard == 1 && blob.file.ends_with(file));
        found.unwrap().path.clone()
    };
    let compound = of_shard(".cfs");
    let bytes = std::fs::read(&compound).unwrap();
    std::fs::write(&compound, &bytes[..bytes.len() / 2]).unwrap();
    let at = |run: &str, more: &str| {
        let snapshot = snapshot_at(&repository.path(), SNAPSHOT, "logs");
        [stage.target(run), snapshot, words("--unit-bytes 1"), words(more)].concat()
    };
    let (code, log) = stage.start("damaged", &at("damaged", ""), &[]).end().await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("NOT complete") && log.contains("not read: unit"), "{log}");
    let status = stage.status("damaged");
    assert_eq!((&status["units"]["refused"], &status["units"]["leased"]), (&json!(1), &json!(0)));
    let shards = status["shards"].as_array().unwrap();
    let reasons: Vec<&Value> =
        shards.iter().flat_map(|of| of["refused"].as_object().unwrap().values()).collect();
    let [reason] = reasons.as_slice() else { panic!("{status}") };
    let reason = reason.as_str().unwrap();
    assert!(reason.contains("`logs`, shard 1") && reason.contains(".cfs"), "{reason}");
    let read = status["accounts"]["read"].as_u64().unwrap();
    assert!(read > 0 && read < expected.len() as u64, "{status}");
    check_part(stage, read, expected).await;

    // Nothing is known of a shard without its list of files.
    let list = std::fs::read_dir(compound.parent().unwrap()).unwrap().map(|entry| entry.unwrap());
    let list = list.filter(|entry| entry.file_name().to_string_lossy().starts_with("snap-"));
    list.for_each(|entry| std::fs::remove_file(entry.path()).unwrap());
    let (code, log) = stage.start("listless", &at("listless", ""), &[]).end().await;
    assert_eq!(code, 65, "{log}");
    assert!(log.contains("index `logs`, shard 1") && log.contains("is missing"), "{log}");
    let (code, log) = stage.start("partial", &at("partial", "--partial"), &[]).end().await;
    assert_eq!(code, 1, "{log}");
    let status = stage.status("partial");
    assert_eq!((&status["finished"], &status["complete"]), (&json!(true), &json!(false)));
    check_part(stage, status["accounts"]["read"].as_u64().unwrap(), expected).await;
}

/// So many of the documents, and no other.
async fn check_part(stage: &Stage, count: u64, expected: &Documents) {
    stage.call(Method::POST, "/logs/_refresh", None).await;
    let written = stage.documents("logs").await;
    assert_eq!(written.len() as u64, count);
    for (id, document) in &written {
        assert_eq!(Some(document), expected.get(id), "{id}");
    }
    stage.delete("logs").await;
}

/// An index of the same name that is the image of another one.
async fn superseded(stage: &Stage, repository: &Path, documents: usize) {
    let meta = json!({"godwit": {"source_uuid": "another", "epoch": 0, "versioning": "sequence"}});
    let body = json!({"mappings": {"_meta": meta}});
    stage.call(Method::PUT, "/logs", Some(body)).await;
    let arguments = small(stage, repository, &stage.server.url(), "superseded");
    let (code, log) = stage.start("superseded", &arguments, &[]).end().await;
    assert_eq!(code, 0, "{log}");
    let status = stage.status("superseded");
    assert_accounts(&status, documents as u64);
    assert_eq!(status["accounts"]["superseded"], documents, "{status}");
    assert_eq!(stage.indexed("logs").await, 0);
    stage.delete("logs").await;
}

/// Documents that the target's mapping has no place for.
async fn conflicts(stage: &Stage, random: &mut StdRng) {
    let body = |kind: &str| {
        json!({"mappings": {"properties": {"n": {"type": kind}}},
            "settings": {"number_of_shards": 2, "number_of_replicas": 0}})
    };
    stage.call(Method::PUT, "/conflict", Some(body("keyword"))).await;
    let (mut lines, mut bad) = (String::new(), Vec::new());
    for id in 0..300 {
        let is_bad = random.random_bool(0.2);
        let n = if is_bad { "no number".to_owned() } else { id.to_string() };
        let source = json!({"n": n});
        lines.push_str(&format!("{{\"index\":{{\"_id\":\"{id}\"}}}}\n{source}\n"));
        bad.extend(is_bad.then(|| id.to_string()));
    }
    let request = Request::ndjson(Method::POST, "/conflict/_bulk?refresh=true", lines);
    stage.cluster.call(request).await.unwrap();
    let all = stage.expected("conflict").await;
    let shards = places(stage, "conflict").await;
    stage.snapshot("conflict", "conflict").await;
    stage.delete("conflict").await;

    stage.call(Method::PUT, "/conflict", Some(body("long"))).await;
    let snapshot = snapshot_at(&stage.repository(), "conflict", "conflict");
    let arguments = [stage.target("conflict"), snapshot].concat();
    let (code, log) = stage.start("conflict", &arguments, &[]).end().await;
    assert_eq!(code, 1, "{log}");
    let status = stage.status("conflict");
    let failed: Vec<u64> = status["accounts"]["failed"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(Value::as_u64)
        .collect();
    assert_eq!(failed, [bad.len() as u64], "{status}");
    assert_eq!(status["accounts"]["written"], 300 - bad.len(), "{status}");
    assert_shards(&status);
    assert_eq!((&status["complete"], &status["finished"]), (&json!(false), &json!(true)));
    assert!(log.contains("NOT COMPLETE") && log.contains("NOT complete"), "{log}");
    let failures = kept(&stage.failed());
    let mut ids: Vec<String> = failures.iter().map(|of| text(of, "id")).collect();
    ids.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(ids, bad);
    let mut seen = BTreeSet::new();
    for failed in &failures {
        let id = text(failed, "id");
        assert_eq!((&failed["class"], &failed["status"]), (&json!("mapping"), &json!(400)), "{id}");
        assert_eq!(failed["error"]["type"], "mapper_parsing_exception", "{failed}");
        let reason = failed["error"]["reason"].as_str().unwrap();
        assert!(reason.contains("failed to parse field [n] of type [long]"), "{failed}");
        assert_eq!((&failed["index"], &failed["source"]), (&json!("conflict"), &all[&id].source));
        let (shard, segments) = &shards[&id];
        let (segment, document) = (text(failed, "segment"), failed["document"].as_u64().unwrap());
        assert_eq!(failed["shard"], *shard, "{failed}");
        assert!(document < segments[&segment], "{failed} is not in {segments:?}");
        assert!(seen.insert((*shard, segment, document)), "twice: {failed}");
    }

    let again = stage.target("conflict");
    let output = execute("retry", &again, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    stage.delete("conflict").await;
    stage.call(Method::PUT, "/conflict", Some(body("keyword"))).await;
    let output = execute("retry", &again, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains(&format!("written={} ", bad.len())), "{}", said(&output));
    assert!(kept(&stage.failed()).is_empty());
    stage.call(Method::POST, "/conflict/_refresh", None).await;
    let written = stage.documents("conflict").await;
    let expected: Documents = all.into_iter().filter(|(id, _)| bad.contains(id)).collect();
    assert!(written == expected, "{written:?}");
    stage.delete("conflict").await;
}

/// The shard of each document, and how many numbers there are in each of its segments.
async fn places(stage: &Stage, index: &str) -> BTreeMap<String, (u64, BTreeMap<String, u64>)> {
    let mut places = BTreeMap::new();
    let found = stage.call(Method::GET, &format!("/{index}/_segments"), None).await;
    for (shard, copies) in found["indices"][index]["shards"].as_object().unwrap() {
        let number = |segment: &Value, name: &str| segment[name].as_u64().unwrap();
        let segments = copies[0]["segments"].as_object().unwrap().iter();
        let segments: BTreeMap<String, u64> = segments
            .map(|(name, of)| (name.clone(), number(of, "num_docs") + number(of, "deleted_docs")))
            .collect();
        let path = format!("/{index}/_search?preference=_shards:{shard}&size=10000&_source=false");
        for hit in stage.call(Method::GET, &path, None).await["hits"]["hits"].as_array().unwrap() {
            places.insert(text(hit, "_id"), (shard.parse().unwrap(), segments.clone()));
        }
    }
    places
}

fn text(document: &Value, name: &str) -> String {
    document[name].as_str().unwrap_or_else(|| panic!("no {name}: {document}")).to_owned()
}
