//! A document of 100 MB: written where the target takes it, failed where it doesn't, and never more memory for it than
//! is said.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod faults;
mod target_faults;

use cluster::Method;
use faults::{
    random,
    stage::{
        Documents, Stage, assert_accounts, assert_shards, execute, kept, said, snapshot_at, words,
    },
};
use serde_json::{Value, json};
use target_faults::{load, sources};
use testbed::Testbed;

const LARGE: usize = 100 << 20;

/// `--memory`, as it is by itself.
const MEMORY: usize = 256 << 20;

/// The document is held as it is compressed, as it is stored, as it is sent, and as it is kept when it failed.
fn assert_memory(most: usize) {
    eprintln!("{} MiB", most >> 20);
    assert!(most < MEMORY + 3 * LARGE, "{most} bytes");
}

/// A server that takes what is larger than servers usually do.
async fn roomy() -> Stage {
    let lines = "http.max_content_length: 400mb\nindexing_pressure.memory.limit: 80%";
    Stage::on(Testbed::configured("opensearch-2", lines, "3g").await.unwrap()).await
}

fn is_large(source: &Value) -> bool {
    source.get("parts").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_100_megabytes() {
    let mut random = random("a document of 100 MB");
    let roomy = roomy().await;
    let mut all = sources(&mut random, 300, 1000);
    // Longer texts than 50 MB no server takes.
    let parts: Vec<Value> = sources(&mut random, 10, LARGE / 10)
        .into_iter()
        .map(|mut part| part["text"].take())
        .collect();
    all.insert(150, json!({"parts": parts}));
    let expected = load(&roomy, "big", all.into_iter()).await;
    taken(&roomy, &expected).await;
    refused(&roomy, &expected).await;
    limited(&roomy, &expected).await;
}

fn arguments(from: &Stage, to: &Stage, run: &str, more: &str) -> Vec<String> {
    let snapshot = snapshot_at(&from.repository(), "big", "big");
    [to.target(run), snapshot, words(more)].concat()
}

async fn taken(stage: &Stage, expected: &Documents) {
    let arguments = arguments(stage, stage, "taken", "");
    let (code, log, memory) = stage.start("taken", &arguments, &[]).end_with_memory().await;
    assert_eq!(code, 0, "{log}");
    assert_memory(memory);
    assert_accounts(&stage.status("taken"), expected.len() as u64);
    stage.call(Method::POST, "/big/_refresh", None).await;
    assert!(stage.documents("big").await == *expected);
    stage.delete("big").await;
}

async fn refused(from: &Stage, expected: &Documents) {
    let stage = Stage::boot().await;
    let arguments = arguments(from, &stage, "refused", "");
    let (code, log, memory) = stage.start("refused", &arguments, &[]).end_with_memory().await;
    assert_memory(memory);
    assert_eq!(code, 1, "{log}");
    let status = stage.status("refused");
    assert_shards(&status);
    let failures = kept(&stage.failed());
    let [failed] = failures.as_slice() else { panic!("{} failed", failures.len()) };
    let what = (&failed["class"], &failed["status"], &failed["error"], &failed["attempts"]);
    eprintln!("{what:?}");
    assert_eq!((what.0, what.1), (&json!("too_large"), &json!(413)), "{what:?}");
    let id = failed["id"].as_str().unwrap();
    assert!(is_large(&expected[id].source) && failed["source"] == expected[id].source);
    stage.call(Method::POST, "/big/_refresh", None).await;
    let mut written = expected.clone();
    written.retain(|_, document| !is_large(&document.source));
    assert!(stage.documents("big").await == written);

    let again =
        [from.target("refused"), words("--failed"), vec![stage.failed().display().to_string()]];
    let mut again = again.concat();
    again.drain(4..6);
    let output = execute("retry", &again, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    from.call(Method::POST, "/big/_refresh", None).await;
    assert_eq!(from.documents("big").await.get(id), expected.get(id));
    from.delete("big").await;
}

async fn limited(stage: &Stage, expected: &Documents) {
    let arguments = arguments(stage, stage, "limited", "--document-limit 50MiB");
    let (code, log, memory) = stage.start("limited", &arguments, &[]).end_with_memory().await;
    // What isn't held takes no memory.
    assert!(memory < MEMORY, "{memory}");
    assert_eq!(code, 1, "{log}");
    let status = stage.status("limited");
    assert_shards(&status);
    assert_eq!(status["accounts"]["read"], expected.len(), "{status}");
    assert_eq!(status["accounts"]["failed"], json!({"unreadable": 1}), "{status}");
    assert_eq!(status["units"]["refused"], 0, "{status}");
    let failures = kept(&stage.failed());
    let [failed] = failures.as_slice() else { panic!("{failures:?}") };
    let (class, id) = (&failed["class"], failed["id"].as_str().unwrap());
    assert!(class == "unreadable" && is_large(&expected[id].source), "{failed}");
    let reason = failed["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("raise --document-limit"), "{reason}");
    stage.call(Method::POST, "/big/_refresh", None).await;
    let mut written = expected.clone();
    written.retain(|_, document| !is_large(&document.source));
    assert!(stage.documents("big").await == written);
}
