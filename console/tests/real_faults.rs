//! Bad input and faults: each is said with what happened, why, and what to type next; and repeated, each step works.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod guard;
mod stage;

use std::time::Duration;

use cluster::Method;
use guard::Guard;
use rand::Rng;
use serde_json::{Value, json};
use stage::{Stage, send};
use testbed::{Relay, Server, Shared};

static SOURCE: Shared = Shared::elasticsearch("7.10");
static TARGET: Shared = Shared::opensearch("2");

async fn servers() -> (&'static Server, &'static Server) {
    let (source, target) = tokio::join!(SOURCE.get(), TARGET.get());
    (source.unwrap(), target.unwrap())
}

/// A migration of the indices of one test, with a file journal.
async fn stage(name: &str) -> Stage {
    let (source, target) = servers().await;
    let mut stage = Stage::new(source, target, None).await;
    stage.file.push_str(&format!("indices: ['{name}*']\n"));
    stage.write();
    stage
}

async fn documents(stage: &Stage, index: &str, ids: std::ops::Range<u32>) {
    for id in ids {
        send(&stage.source, Method::PUT, &format!("/{index}/_doc/{id}"), json!({"n": id})).await;
    }
}

/// A step that is refused: its exit code, and what it says.
async fn refused(stage: &Stage, step: &str, code: i32, words: &[&str]) {
    let said = stage.say(step).await;
    assert_eq!(said.code, code, "godwit {step}\n{}\n{}", said.out, said.err);
    let all = format!("{}\n{}", said.out, said.err);
    for word in words.iter().chain(&["next: "]) {
        assert!(all.contains(word), "godwit {step}: no `{word}` in\n{all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_named_at_each_step() {
    let mut stage = stage("credentials").await;
    documents(&stage, "credentials", 0..3).await;
    let (source, target) = servers().await;
    let (guarded, guarded_target) =
        (Guard::start(source.url()).await, Guard::start(target.url()).await);
    let (open, folder) = (stage.file.clone(), stage.folder.path().to_owned());
    let with = |side: &str, url: String, guard: &Guard| {
        let secret = folder.join(format!("{side}.secret"));
        let at = format!(
            "url: '{}', auth: 'basic:ann', secret-file: '{}'",
            guard.url(),
            secret.display()
        );
        open.replace(&format!("{side}: {{url: '{url}'"), &format!("{side}: {{{at}"))
    };
    let secret = |side: &str, secret: &str| {
        std::fs::write(folder.join(format!("{side}.secret")), secret).unwrap();
    };
    stage.file = with("source", source.url(), &guarded);
    stage.write();
    secret("source", "guess");
    let words = ["the source refused the credentials", "source.secret-file"];
    refused(&stage, "setup check", 78, &words).await;
    secret("source", guard::SECRET);
    stage.ok("setup check").await;
    // The secret expires: every step that asks a cluster says so.
    secret("source", "guess");
    for step in [
        "capture start",
        "snapshot create",
        "metadata migrate",
        "backfill start",
        "replay start",
        "verify",
        "cutover check",
    ] {
        let words = ["the source refused the credentials", "`godwit setup check`"];
        refused(&stage, step, 78, &words).await;
    }
    stage.file = with("target", target.url(), &guarded_target);
    secret("target", "guess");
    stage.write();
    for step in ["setup check", "metadata evaluate", "verify", "cutover check"] {
        refused(&stage, step, 78, &["the target refused the credentials", "GODWIT_TARGET_SECRET"])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_replaced_under_its_address_is_noticed() {
    let (source, target) = servers().await;
    let mut stage = stage("replaced").await;
    let relay = Relay::in_front_of(source.addr()).await.unwrap();
    stage.file = stage.file.replace(&source.url(), &relay.url());
    stage.write();
    stage.ok("setup check").await;
    relay.point_at(target.addr());
    relay.cut(); // connections that are kept
    for step in ["setup check", "capture start", "snapshot create", "cutover check"] {
        let words = ["is another cluster than before", "its uuid was", "begin a new migration"];
        refused(&stage, step, 78, &words).await;
    }
    relay.point_at(source.addr());
    relay.cut();
    stage.ok("setup check").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_holds_data_is_said_and_asked() {
    let stage = stage("holds").await;
    send(&stage.target, Method::PUT, "/holds-it/_doc/1?refresh=true", json!({"a": 1})).await;
    refused(
        &stage,
        "setup check",
        1,
        &["1 documents in 1 indices: holds-it", "--accept-target-data"],
    )
    .await;
    stage.ok("setup check --accept-target-data").await;
    stage.ok("setup check").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_ends_partial_is_an_error() {
    // A source of its own: one of its shards is damaged.
    let (source, target) =
        (testbed::Testbed::elasticsearch("7.10").await.unwrap(), TARGET.get().await.unwrap());
    let stage = Stage::new(&source, target, None).await;
    documents(&stage, "partial-sound", 0..5).await;
    documents(&stage, "partial-damaged", 0..5).await;
    send(&stage.source, Method::POST, "/_flush", Value::Null).await;
    let definitions = stage.source.index_definitions("partial-damaged").await.unwrap();
    let uuid = definitions["partial-damaged"].uuid().unwrap().to_owned();
    stage.ok("setup check --accept-target-data").await;
    stage.ok("capture start").await;
    stage.ok("capture verify").await;
    let removed = damage(source.folder(), &uuid);
    assert!(removed > 0, "no segment of {uuid} under {}", source.folder().display());
    let words = ["is not whole", "partial-damaged", "godwit reset snapshot"];
    refused(&stage, "snapshot create", 65, &words).await;
    refused(&stage, "metadata migrate", 75, &["too early", "`godwit snapshot create`"]).await;
    // The cause is mended, and what it says is next works.
    send(&stage.source, Method::DELETE, "/partial-damaged", Value::Null).await;
    stage.ok("reset snapshot --yes").await;
    stage.ok("snapshot create").await;
}

/// Takes the files of an index's segments away; how many.
fn damage(folder: &std::path::Path, uuid: &str) -> usize {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            removed += damage(&path, uuid);
        } else if path.to_string_lossy().contains(uuid)
            && path
                .extension()
                .is_some_and(|ending| ["cfs", "fdt", "si"].iter().any(|e| ending == *e))
        {
            std::fs::remove_file(&path).unwrap();
            removed += 1;
        }
    }
    removed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_may_be_stopped_and_repeated() {
    let stage = stage("stopped").await;
    documents(&stage, "stopped", 0..50).await;
    let mut stopped = 0;
    for step in [
        "setup check",
        "capture start",
        "capture verify",
        "snapshot create",
        "metadata evaluate",
        "metadata migrate",
        "backfill start",
        "replay start",
        "verify",
        "cutover check",
    ] {
        for _ in 0..2 {
            let mut running = stage.command(step).spawn().unwrap();
            let moment = rand::rng().random_range(20..400);
            // Not to wait for something: the moment is what is random.
            tokio::time::sleep(Duration::from_millis(moment)).await;
            let pid = running.id().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            }
            let status = running.wait().await.unwrap();
            // Before the handler is there the signal itself ends it.
            let code = status.code().unwrap_or(75);
            let too_soon = step == "cutover check" || step == "verify";
            assert!([0, 75].contains(&code) || code == 1 && too_soon, "godwit {step}: {status}");
            stopped += u32::from(code == 75);
        }
        if step == "verify" || step == "cutover check" {
            backfilled(&stage).await;
        }
        stage.ok(step).await;
    }
    assert!(stopped > 0, "none was stopped in its middle");
    stage.ok("status").await;
}

async fn backfilled(stage: &Stage) {
    let began = std::time::Instant::now();
    while stage.process("backfill").is_some() {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", stage.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if stage.say("backfill status").await.code != 0 {
        // It was stopped: it goes on.
        stage.ok("backfill start").await;
        Box::pin(backfilled(stage)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_found_and_repaired_and_what_went_around_is_counted() {
    let mut stage = stage("differs").await;
    documents(&stage, "differs", 0..40).await;
    stage.ok("run").await;
    // Twice says so, and does no harm.
    for (step, words) in [
        ("capture start", "runs already"),
        ("snapshot create", "done already"),
        ("backfill start", "done already"),
        ("replay start", "runs already"),
    ] {
        let said = stage.ok(step).await;
        assert!(said.out.contains(words), "godwit {step}: {}", said.out);
    }
    stage.ok("metadata migrate").await;
    stage.ok("run").await;
    // Or the target remembers for a minute what was deleted by hand, and takes nothing older.
    let forgetful = json!({"index.gc_deletes": "0s"});
    send(&stage.target, Method::PUT, "/differs/_settings", forgetful).await;
    // Somebody writes to the target: one more, one less, one other. Versions stay what they were.
    send(&stage.target, Method::PUT, "/differs/_doc/extra?refresh=true", json!({"n": 1})).await;
    let other = "/differs/_doc/7?version=9000000000000000&version_type=external_gte";
    send(&stage.target, Method::PUT, other, json!({"n": 7777})).await;
    let by_query = json!({"query": {"ids": {"values": ["9"]}}});
    send(&stage.target, Method::POST, "/differs/_delete_by_query?refresh=true", by_query).await;
    stage.file = stage.file.replace("settle: 20s", "settle: 1s");
    stage.write();
    let said = stage.say("verify --output json").await;
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let mut found: Vec<String> = report["listed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| format!("{} {}", difference["id"], difference["kind"]))
        .collect();
    found.sort();
    assert_eq!(found, [r#""7" "differs""#, r#""9" "missing""#, r#""extra" "extra""#]);
    assert_eq!((said.code, &report["differences"]), (1, &json!(3)), "{report:#}");
    assert!(said.err.contains("next: "), "{}", said.err);
    // The foreign document that is newer than the source's stays, with a word on it; the others are mended.
    let said = stage.say("verify --repair --output json").await;
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (said.code, &report["repaired"], &report["differences"]),
        (1, &json!(2), &json!(1)),
        "{report:#}"
    );
    assert!(said.out.contains("something newer than the source"), "{}", said.out);
    send(
        &stage.target,
        Method::POST,
        "/differs/_delete_by_query?refresh=true",
        json!({"query": {"ids": {"values": ["7"]}}}),
    )
    .await;
    stage.ok("verify --repair").await;
    stage.ok("cutover check").await;
    // Writes that don't pass the proxy reach nobody but the source.
    documents(&stage, "differs", 100..105).await;
    let said = stage.say("cutover check").await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("5 writes did not pass the proxy: differs (5)"), "{}", said.out);
    assert!(said.out.contains("NOT READY"), "{}", said.out);
    // What was made is taken away by name; the source keeps all that is its own.
    for program in ["replay stop", "capture stop"] {
        stage.ok(program).await;
    }
    stage.ok("reset backfill replay notes target snapshot repository journal state --yes").await;
    let left = stage.target.index_definitions("differs").await.unwrap();
    assert!(left.is_empty());
    let counted = send(&stage.source, Method::GET, "/differs/_count", Value::Null).await;
    assert_eq!(counted["count"], 45);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_exported_imported_and_audited() {
    let stage = stage("journal").await;
    stage.ok("setup check").await;
    stage.ok("capture start").await;
    let through = stage::connect(&stage.proxy()).await;
    for id in 0..20 {
        send(&through, Method::PUT, &format!("/journal/_doc/{id}"), json!({"n": id})).await;
    }
    stage.ok("capture verify").await;
    let tail = stage.ok("journal tail --number 200").await;
    assert!(tail.out.contains("> PUT /journal/_doc/19 "), "{}", tail.out);
    refused(
        &stage,
        "journal import nothing.gz",
        75,
        &["the journal is in use", "`godwit capture stop`"],
    )
    .await;
    drop(through);
    stage.ok("capture stop").await;
    let audit = |said: stage::Said| serde_json::from_str::<Value>(&said.out).unwrap();
    let before = audit(stage.ok("journal audit --output json").await);
    stage.ok("journal export all.gz").await;
    // Into a journal of its own: the same records, and nothing missing.
    let file = stage.file.clone();
    let mut stage = stage;
    stage.file = format!("{file}journal: 'file://{}'\n", stage.path("other").display());
    stage.write();
    stage.ok("journal import all.gz").await;
    let after = audit(stage.ok("journal audit --output json").await);
    for count in ["records", "connections", "missing"] {
        assert_eq!(before[count], after[count], "{count}");
    }
    // And again: what comes twice is told, and no loss.
    stage.ok("journal import all.gz").await;
    let twice = audit(stage.ok("journal audit --output json").await);
    assert_eq!((&twice["repeats"], &twice["whole"]), (&before["records"], &json!(true)));
}
