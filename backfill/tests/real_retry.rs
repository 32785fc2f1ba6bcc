//! Failed documents that are sent again, and units that are read again: the accounts say what is true, whatever a
//! retry dies at.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod faults;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use backfill::{
    Sweep,
    accounts::Accounts,
    coordinator::{Claim, Coordinator, Lease, RunSettings, Settings},
    failed::{FailedDocument, FailedStore, Source, plain_name},
    send::{Class, SendSettings, Sender},
    work::{RunName, Unit},
};
use cluster::{Cluster, Method, Request};
use deletes::Deletes;
use faults::{
    Damageable, SNAPSHOT,
    stage::{Documents, Stage, assert_accounts, execute, said, snapshot_at, words},
};
use serde_json::{Value, json};
use telemetry::Shutdown;

/// Documents of a unit.
const DOCUMENTS: u64 = 50;

/// A document that failed: what a retry can make of it.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The target takes it now.
    Good,
    /// The target takes it when its mapping is mended.
    Bad,
    /// It has to be read again.
    Unread,
}

use Kind::{Bad, Good, Unread};

/// A run whose workers are this test.
struct Run<'s> {
    stage: &'s Stage,
    name: RunName,
    coordinator: Coordinator,
    store: FailedStore,
}

impl<'s> Run<'s> {
    async fn new(stage: &'s Stage, name: &str) -> Self {
        let cluster = Cluster::connect(cluster::Settings::new(stage.server.url())).await.unwrap();
        let (name, store) = (name.parse::<RunName>().unwrap(), stage.failed());
        let coordinator = Coordinator::new(cluster, name.clone(), Settings::here()).unwrap();
        let run = Self {
            stage,
            name,
            coordinator,
            store: FailedStore::open(store.to_str().unwrap()).unwrap(),
        };
        run.mapping("long").await;
        run
    }

    async fn planned(stage: &'s Stage, name: &str, units: u32) -> Self {
        let run = Self::new(stage, name).await;
        let units: Vec<Unit> = (0..units).map(|number| run.unit(number)).collect();
        run.coordinator.plan(&RunSettings::default(), &units).await.unwrap();
        run
    }

    fn unit(&self, number: u32) -> Unit {
        Unit {
            id: Unit::id_of(&self.name, "source", "uuid", 0, number),
            index: "source".into(),
            target_index: self.name.to_string(),
            uuid: "uuid".into(),
            shard: 0,
            segments: number..number + 1,
            bytes: 1000,
            documents: DOCUMENTS,
        }
    }

    /// Makes the target's index anew.
    async fn mapping(&self, kind: &str) {
        let index = self.name.as_str();
        let path = format!("/{index}?ignore_unavailable=true");
        self.stage.call(Method::DELETE, &path, None).await;
        let body = json!({"mappings": {"properties": {"n": {"type": kind}}},
            "settings": {"number_of_replicas": 0}});
        self.stage.call(Method::PUT, &format!("/{index}"), Some(body)).await;
    }

    async fn claim(&self) -> Lease {
        match self.coordinator.claim().await.unwrap() {
            Claim::Leased(lease) => *lease,
            other => panic!("{other:?}"),
        }
    }

    /// Keeps failed documents as a worker does, in a part of their own.
    async fn keep(&self, unit: &str, documents: &[(u32, Kind)]) {
        let mut writer = self.store.writer(self.name.as_str(), unit, "host:1", 8 << 20);
        for (document, kind) in documents {
            let id = format!("{unit}-{document}");
            let action = json!({"index": {"_index": self.name.as_str(), "_id": id}}).to_string();
            let source = match kind {
                Good => json!({"n": document}),
                Bad | Unread => json!({"n": "no number"}),
            };
            let source = Source(source.to_string().into());
            let is_read = *kind != Unread;
            let kept = FailedDocument {
                run: self.name.to_string(),
                index: "source".into(),
                shard: 0,
                segment: "_0".into(),
                document: *document,
                id: Some(id),
                routing: None,
                version: None,
                class: if is_read { Class::Mapping } else { Class::Unreadable },
                status: 400,
                kind: String::new(),
                reason: String::new(),
                attempts: 1,
                at: jiff::Timestamp::now(),
                action: is_read.then_some(action),
                source: is_read.then_some(source),
            };
            writer.push(&kept).await.unwrap();
        }
        writer.flush().await.unwrap();
    }

    /// Does a unit in which these fail.
    async fn done(&self, documents: &[(u32, Kind)]) -> String {
        let lease = self.claim().await;
        let unit = lease.unit().id.clone();
        self.keep(&unit, documents).await;
        lease.complete(&accounts(documents)).await.unwrap();
        unit
    }

    fn retry(&self, more: &str) -> (i32, Value) {
        retry(self.stage, self.name.as_str(), more)
    }

    fn failed(&self) -> Value {
        let status = self.stage.status(self.name.as_str());
        let count = |name: &str| status["accounts"][name].as_u64().unwrap();
        let failed = status["accounts"]["failed"].as_object().unwrap().values();
        let failed: u64 = failed.flat_map(Value::as_u64).sum();
        assert_eq!(count("read"), count("written") + count("superseded") + failed, "{status}");
        status["accounts"]["failed"].clone()
    }

    /// All that is missing is what comes at the end of a run.
    async fn assert_written(&self) {
        let status = self.coordinator.status().await.unwrap();
        assert!(status.is_finished() && !status.is_complete(), "{status}");
        assert!(status.shards.iter().all(|shard| shard.is_written()), "{status}");
        let swept = self.coordinator.set_sweep(&status, Sweep::default()).await.unwrap();
        assert_eq!(swept, Some(Sweep::default()));
        assert!(self.coordinator.status().await.unwrap().is_complete());
        // Unless something was written since it began.
        self.coordinator.unsweep().await.unwrap();
        let swept = self.coordinator.set_sweep(&status, Sweep::default()).await.unwrap();
        assert_eq!(swept, None);
        assert!(!self.coordinator.status().await.unwrap().is_complete());
    }

    fn folder(&self) -> PathBuf {
        self.stage.failed().join(plain_name(self.name.as_str()))
    }

    /// The parts, by name.
    fn parts(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(self.folder()).into_iter().flatten();
        let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// The numbers of the documents that are kept.
    fn kept(&self) -> Vec<u64> {
        let parts = self.parts();
        let lines = parts.iter().flat_map(|(_, part)| std::str::from_utf8(part).unwrap().lines());
        let number =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["document"].as_u64().unwrap();
        let mut numbers: Vec<u64> = lines.map(number).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn accounts(failed: &[(u32, Kind)]) -> Accounts {
    let mut accounts = Accounts { read: DOCUMENTS, ..Accounts::default() };
    for (_, kind) in failed {
        accounts.fail(if *kind == Unread { "no_source" } else { "mapping" }, 1);
    }
    accounts.written = DOCUMENTS - failed.len() as u64;
    accounts
}

/// The exit code and the summary of `backfill retry`.
fn retry(stage: &Stage, run: &str, more: &str) -> (i32, Value) {
    let arguments = [stage.target(run), words("--output json"), words(more)].concat();
    let output = execute("retry", &arguments, &[]);
    let summary = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (output.status.code().unwrap(), summary)
}

fn counts(summary: &Value, names: &str) -> Vec<u64> {
    let of = |name| summary[name].as_u64().unwrap_or_else(|| panic!("{name}: {summary}"));
    names.split(' ').map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_tells_the_truth() {
    let stage = Arc::new(Stage::boot().await);
    whatever_it_dies_at(&stage).await;
    several_at_once(&stage).await;
    beside_workers(&stage).await;
    what_is_kept_nowhere(&stage).await;
    without_a_run(&stage).await;
    conflicts(&stage, "conflict", false).await;
    conflicts(&stage, "beside-replay", true).await;
    damaged(&stage).await;
}

async fn whatever_it_dies_at(stage: &Stage) {
    let run = Run::planned(stage, "dying", 1).await;
    let documents = [(0, Good), (1, Good), (2, Good), (3, Bad), (4, Bad), (5, Unread)];
    let unit = run.done(&documents).await;
    // By a worker that died before its checkpoint; its successor wrote one of them, and kept the others.
    run.keep(&unit, &[(0, Good), (3, Bad), (6, Good), (5, Unread)]).await;
    assert_eq!(run.failed(), json!({"mapping": 5, "no_source": 1}));
    let before = run.parts();

    // It dies when everything is sent and written, and its accounts are not.
    let sender = Sender::new(stage.cluster.clone(), SendSettings::default());
    let names = run.store.parts("dying").await.unwrap();
    let mut writer = run.store.retrying("dying", &unit, 1 << 20);
    let resent =
        run.store.resend(&names, &sender, &mut writer, true, &Shutdown::new()).await.unwrap();
    assert_eq!((resent.written, resent.failed, resent.unreadable), (4, 2, 1));
    assert_eq!(run.parts().len(), before.len() + 1);
    assert_eq!(run.failed(), json!({"mapping": 5, "no_source": 1}));

    let (code, summary) = run.retry("");
    let names = "written failed unreadable missing settled left_alone";
    assert_eq!((code, counts(&summary, names)), (1, vec![4, 2, 1, 0, 1, 0]));
    assert_eq!(run.failed(), json!({"mapping": 2, "no_source": 1}));
    assert_eq!(run.kept(), [3, 4, 5]);

    // It dies when its accounts are written, and nothing is deleted.
    before.iter().for_each(|(path, part)| fs::write(path, part).unwrap());
    assert_eq!(run.kept().len(), 13);
    let (code, summary) = run.retry("");
    assert_eq!((code, counts(&summary, names)), (1, vec![0, 2, 1, 0, 1, 0]));
    assert_eq!(run.failed(), json!({"mapping": 2, "no_source": 1}));
    assert_eq!(run.kept(), [3, 4, 5]);

    run.mapping("keyword").await;
    let (code, summary) = run.retry("");
    assert_eq!((code, counts(&summary, names)), (1, vec![2, 0, 1, 0, 1, 0]));
    assert_eq!(run.failed(), json!({"no_source": 1}));
    // It dies as before, and nothing else is left but what was deleted too late.
    before.iter().for_each(|(path, part)| fs::write(path, part).unwrap());

    let (code, summary) = run.retry("--reread");
    assert_eq!((code, counts(&summary, "restarted settled")), (0, vec![1, 0]));
    assert!(run.parts().is_empty());
    let status = stage.status("dying");
    assert_eq!((&status["units"]["waiting"], &status["accounts"]["read"]), (&json!(1), &json!(0)));
    // It dies when the unit waits again, and nothing is deleted.
    before.iter().for_each(|(path, part)| fs::write(path, part).unwrap());
    let (code, summary) = run.retry("--reread");
    assert_eq!((code, counts(&summary, "left_alone restarted")), (0, vec![0, 0]));
    assert!(run.parts().is_empty());
    // The same, and a worker does the unit again, in which one fails.
    before.iter().for_each(|(path, part)| fs::write(path, part).unwrap());
    assert_eq!(run.claim().await.position(), None);
    let lease = run.claim().await;
    run.keep(&unit, &[(9, Good)]).await;
    lease.complete(&accounts(&[(9, Good)])).await.unwrap();
    let (code, _) = run.retry("");
    assert_eq!((code, run.failed()), (0, json!({})));
    assert!(run.parts().is_empty());
    run.assert_written().await;
}

async fn several_at_once(stage: &Arc<Stage>) {
    let run = Run::planned(stage, "several", 3).await;
    for _ in 0..3 {
        let documents: Vec<_> =
            (0..40).map(|number| (number, if number % 2 == 0 { Good } else { Bad })).collect();
        run.done(&documents[..20]).await;
    }
    for (mapping, left) in [("long", 30), ("keyword", 0)] {
        run.mapping(mapping).await;
        let at_once = (0..4).map(|_| {
            let stage = Arc::clone(stage);
            tokio::task::spawn_blocking(move || {
                execute("retry", &stage.target("several"), &[]).status.code()
            })
        });
        for code in futures::future::join_all(at_once).await {
            assert!(matches!(code.unwrap(), Some(0 | 1)));
        }
        // Whoever was first has settled each unit; the next finds what is true.
        let failed: u64 = run.failed().as_object().unwrap().values().flat_map(Value::as_u64).sum();
        assert_eq!((failed, run.kept().len() as u64), (left, left));
    }
    run.assert_written().await;
    let (code, summary) = run.retry("");
    assert_eq!((code, counts(&summary, "written settled")), (0, vec![0, 0]));
}

async fn beside_workers(stage: &Stage) {
    let run = Run::planned(stage, "beside", 3).await;
    run.done(&[(1, Good)]).await;
    let released = run.claim().await;
    run.keep(&released.unit().id, &[(2, Good)]).await;
    let leased = run.claim().await;
    run.keep(&leased.unit().id, &[(3, Good)]).await;
    released.release().await.unwrap();
    let (code, summary) = run.retry("--reread");
    let names = "written settled left_alone restarted";
    assert_eq!((code, counts(&summary, names)), (1, vec![1, 1, 2, 0]));
    assert_eq!((run.kept(), run.failed()), (vec![2, 3], json!({})));
    leased.complete(&accounts(&[(3, Good)])).await.unwrap();
    let (code, summary) = run.retry("");
    assert_eq!((code, counts(&summary, names)), (1, vec![1, 1, 1, 0]));
    assert_eq!((run.kept(), run.failed()), (vec![2], json!({})));

    // A unit that was refused, and read again.
    let lease = run.claim().await;
    lease.refuse("no").await.unwrap();
    let (code, summary) = run.retry("--reread");
    assert_eq!((code, counts(&summary, names)), (0, vec![0, 0, 0, 1]));
    // Even a worker that was there before finds it at once.
    let lease = run.claim().await;
    assert_eq!((lease.position(), lease.accounts()), (None, &Accounts::default()));
    lease.complete(&accounts(&[])).await.unwrap();
    run.assert_written().await;
}

async fn what_is_kept_nowhere(stage: &Stage) {
    let run = Run::planned(stage, "nowhere", 2).await;
    run.done(&[(1, Good), (2, Good)]).await;
    fs::remove_dir_all(run.folder()).unwrap();
    let unit = run.done(&[(1, Good), (2, Good), (3, Good)]).await;
    fs::remove_dir_all(run.folder()).unwrap();
    run.keep(&unit, &[(2, Good)]).await;
    for written in [1, 0] {
        let (code, summary) = run.retry("");
        assert_eq!((code, counts(&summary, "written missing")), (1, vec![written, 4]));
        assert_eq!(run.failed(), json!({"mapping": 4}));
    }
    let coordinator = stage.server.url();
    let (code, summary) = run.retry(&format!("--reread --coordinator {coordinator}"));
    assert_eq!((code, counts(&summary, "missing restarted")), (0, vec![0, 2]));
    assert_eq!(
        (run.failed(), stage.status("nowhere")["finished"].clone()),
        (json!({}), json!(false))
    );
}

async fn without_a_run(stage: &Stage) {
    let run = Run::new(stage, "without").await;
    run.keep("without.source.uuid.0.0", &[(1, Good), (2, Bad)]).await;
    run.keep("without.source.uuid.0.0", &[(1, Good), (3, Unread)]).await;
    let names = "written failed unreadable settled unsettled";
    let (code, summary) = run.retry("");
    assert_eq!((code, counts(&summary, names)), (1, vec![1, 1, 1, 0, 1]));
    assert_eq!(run.kept(), [2, 3]);
    run.mapping("keyword").await;
    let output = execute("retry", &stage.target("without"), &[]);
    assert!(said(&output).contains("no accounts were settled"), "{}", said(&output));
    assert_eq!(run.kept(), [3]);
    let output = execute("retry", &[stage.target("without"), words("--reread")].concat(), &[]);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert_eq!(run.kept(), [3]);
}

/// Documents that the target's mapping has no place for, until it is mended; beside a replay that notes deletes or not.
async fn conflicts(stage: &Stage, name: &str, is_beside: bool) {
    let body = |kind: &str| {
        json!({"mappings": {"properties": {"n": {"type": kind}}},
            "settings": {"number_of_shards": 2, "number_of_replicas": 0}})
    };
    let index = &*format!("/{name}");
    stage.call(Method::PUT, index, Some(body("keyword"))).await;
    let mut lines = String::new();
    for id in 0..300 {
        let n = if id % 5 == 0 { "no number".to_owned() } else { id.to_string() };
        lines.push_str(&format!("{{\"index\":{{\"_id\":\"{id}\"}}}}\n{}\n", json!({"n": n})));
    }
    let request = Request::ndjson(Method::POST, format!("{index}/_bulk?refresh=true"), lines);
    stage.cluster.call(request).await.unwrap();
    let expected = stage.expected(name).await;
    stage.snapshot(name, name).await;
    stage.delete(name).await;

    stage.call(Method::PUT, index, Some(body("long"))).await;
    let snapshot = snapshot_at(&stage.repository(), name, name);
    let arguments = [stage.target(name), snapshot, words("--batch-limit 2KiB")].concat();
    let (code, log) = stage.start(name, &arguments, &[]).end().await;
    assert_eq!(code, 1, "{log}");
    let names = "written failed missing";
    let (code, summary) = retry(stage, name, "");
    assert_eq!((code, counts(&summary, names)), (1, vec![0, 60, 0]));
    assert_eq!(stage.status(name)["accounts"]["failed"], json!({"mapping": 60}));

    if is_beside {
        Deletes::open(stage.cluster.clone()).await.unwrap();
    }
    let written = stage.documents(name).await;
    stage.delete(name).await;
    stage.call(Method::PUT, index, Some(body("keyword"))).await;
    let (code, summary) = retry(stage, name, "");
    assert_eq!((code, counts(&summary, names)), (0, vec![60, 0, 0]));
    // What a replay has deleted may have come back, so `run` has to see to that.
    assert_eq!(summary["to_sweep"], is_beside, "{summary}");
    assert_eq!(stage.status(name)["complete"], !is_beside);
    stage.call(Method::POST, &format!("{index}/_refresh"), None).await;
    let again = stage.documents(name).await;
    assert_eq!((written.len(), again.len()), (240, 60));
    assert!(written.into_iter().chain(again).collect::<Documents>() == expected);
    let (code, log) = stage.start(name, &arguments, &[]).end().await;
    assert_eq!(code, 0, "{log}");
    assert_accounts(&stage.status(name), 300);
}

/// A blob that is damaged, and mended.
async fn damaged(stage: &Stage) {
    let repository = Damageable::unpack("opensearch-2");
    let blobs = repository.blobs().await;
    let compound = blobs
        .iter()
        .find(|blob| blob.index == "logs" && blob.shard == 1 && blob.file.ends_with(".cfs"));
    let compound = &compound.unwrap().path;
    let sound = fs::read(compound).unwrap();
    fs::write(compound, &sound[..sound.len() / 2]).unwrap();
    let snapshot = snapshot_at(&repository.path(), SNAPSHOT, "logs");
    let arguments = [stage.target("damaged"), snapshot, words("--unit-bytes 1")].concat();
    let (code, log) = stage.start("damaged", &arguments, &[]).end().await;
    assert_eq!(code, 1, "{log}");
    assert_eq!(stage.status("damaged")["units"]["refused"], 1);
    let (code, _) = retry(stage, "damaged", "");
    assert_eq!(code, 0);

    fs::write(compound, sound).unwrap();
    let (code, summary) = retry(stage, "damaged", "--reread");
    assert_eq!((code, counts(&summary, "restarted")), (0, vec![1]));
    let (code, log) = stage.start("damaged", &arguments, &[]).end().await;
    assert_eq!(code, 0, "{log}");
    let (lines, _) = faults::read_lines(&repository.settings(&["logs"])).await;
    assert_accounts(&stage.status("damaged"), lines.len() as u64);
    stage.call(Method::POST, "/logs/_refresh", None).await;
    assert_eq!(stage.documents("logs").await.len(), lines.len());
}
