//! `transform-try` on traffic that a real proxy captured.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::process::Command;

use capture_proxy::CaptureProxy;
use cluster::{Cluster, Method, Request};
use serde_json::{Value, json};
use telemetry::Shutdown;
use testbed::ScriptedSource;

/// Answers everything as Elasticsearch answers a write.
async fn source() -> ScriptedSource {
    let body = json!({"_index": "i", "_id": "1", "_version": 1, "result": "created", "_seq_no": 0,
        "_primary_term": 1, "_shards": {"total": 1, "successful": 1, "failed": 0},
        "version": {"number": "7.10.2"}, "tagline": "You Know, for Search"})
    .to_string();
    let answer = format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    ScriptedSource::answering(answer).await.unwrap()
}

fn try_rules(journal: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_traffic-replayer"))
        .args(["transform-try", "--journal", journal])
        .args(more)
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_is_shown_without_a_target() {
    let source = source().await;
    let folder = tempfile::tempdir().unwrap();
    let journal = format!("file://{}", folder.path().join("journal").display());
    let flags = capture_proxy::Flags {
        listen: Some("127.0.0.1:0".into()),
        source: Some(format!("http://{}", source.addr())),
        journal: Some(journal.clone()),
        threads: Some(1),
        ..capture_proxy::Flags::default()
    };
    let proxy = CaptureProxy::start(capture_proxy::Settings::load(flags, []).unwrap()).await;
    let proxy = proxy.unwrap();
    let url = format!("http://{}", proxy.address);
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    let running = tokio::spawn(async move { proxy.run(stop).await.unwrap() });
    let client = Cluster::connect(cluster::Settings::new(url)).await.unwrap();
    for (method, path, body) in [
        (Method::PUT, "/i/_doc/1", r#"{"n":1.0,"old":true}"#),
        (Method::POST, "/i/doc/_search", r#"{"query":{"match_all":{}}}"#),
        (Method::POST, "/j/_search", "{}"),
    ] {
        client.send(Request::json(method, path, body)).await.unwrap();
    }
    drop(client);
    shutdown.drain();
    running.await.unwrap();

    let rules = folder.path().join("rules.yaml");
    std::fs::write(
        &rules,
        "- when: method == 'PUT'\n  jq: del(.payload.inlinedJsonBody.old)\n\
         - when: starts_with(URI, '/j/')\n  js: \"() => (m) => { throw new Error('not j'); }\"\n",
    )
    .unwrap();
    let rules = rules.to_str().unwrap();
    let (code, said) = try_rules(&journal, &["--rules", rules, "--set-header", "X-New: 1"]);
    assert_eq!(code, Some(1), "{said}");
    for expected in [
        "PUT /i/_doc/1?version=1099511627777&version_type=external_gte&pipeline=_none (write): rule 1 (jq)",
        "payload.inlinedJsonBody.old: true → null",
        "headers.x-new: null → [\"1\"]",
        // What Godwit itself changes is shown as well.
        "URI: \"/i/doc/_search\" → \"/i/_search\"",
        "(read): failed: rule 2 (js) failed: the script threw Error: not j",
        "rule 1 (jq): 1",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let json = ["--rules", rules, "--output", "json", "--mutations", "mirror", "--all"];
    let (code, said) = try_rules(&journal, &json);
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let put = lines.iter().find(|line| line["before"]["method"] == "PUT").unwrap();
    assert_eq!((&put["meaning"], &put["outcome"]), (&json!("mirror"), &json!("changed")), "{put}");
    assert_eq!(put["after"]["payload"]["inlinedJsonBody"], json!({"n": 1.0}));
    let totals = &lines.last().unwrap()["totals"];
    assert_eq!((&totals["failed"], &totals["dropped"]), (&json!(1), &json!(0)), "{totals}");
    assert_eq!(totals["exchanges"].as_u64().unwrap() as usize, lines.len() - 1);

    let (code, said) = try_rules(&journal, &["--limit", "1", "--output", "json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\"exchanges\":1"), "{said}");
    std::fs::write(rules, "- js: \"() => (\"").unwrap();
    let (code, said) = try_rules(&journal, &["--rules", rules]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("rule 1 (js)"), "{said}");
}
