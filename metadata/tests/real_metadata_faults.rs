//! What goes wrong on the way to a real target: a clear answer, nothing half-done in silence, and a repeat completes.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod gate;
mod stage;

use std::{sync::Arc, time::Duration};

use gate::{Gate, Rule};
use metadata::{
    Kind, Line, MetadataError, Numbers, OnExisting, Outcome, Renames, Report, Selection, Settings,
    State, Verified, evaluate, migrate,
};
use rules::{Handed, Rules};
use serde_json::{Value, json};
use stage::{
    SNAPSHOT, clear, connect, fill, from_cluster, from_snapshot, plan, put, run, send,
    take_snapshot,
};
use telemetry::Shutdown;
use testbed::{Server, Testbed};

/// A source with something of every kind that both have, and a target.
async fn both() -> (Server, Server) {
    let source = Testbed::opensearch("2").await.unwrap();
    fill(&source, "opensearch-2").await;
    (source, Testbed::opensearch("2").await.unwrap())
}

fn line<'r>(report: &'r Report, kind: Kind, name: &str) -> &'r Line {
    report.items.iter().find(|line| line.item.kind == kind && line.item.name == name).unwrap()
}

fn refused(line: &Line) -> &metadata::Refused {
    match &line.outcome {
        Some(Outcome::Refused(refused)) => refused,
        other => panic!("{}: {other:?}", line.item.name),
    }
}

/// Nothing is tried again.
fn impatient(mut settings: cluster::Settings) -> cluster::Settings {
    settings.retry = cluster::Retry::for_at_most(Duration::ZERO);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_have_clear_answers_and_a_repeat_completes() {
    let (source, target) = both().await;
    let settings = from_snapshot(&source, SNAPSHOT, &target);
    stopped_before_it_begins(&settings).await;
    cut_at_every_request(&settings, &target).await;
    for check in 0..7 {
        clear(&target).await;
        match check {
            0 => read_only(&settings, &target).await,
            1 => no_room(&settings, &target).await,
            2 => red(&settings, &target).await,
            3 => existing(&settings, &target).await,
            4 => others_names_and_numbers(&settings).await,
            5 => rules_of_a_person(&settings).await,
            _ => sources_that_say_less(&source, &target).await,
        }
    }
}

async fn stopped_before_it_begins(settings: &Settings) {
    let shutdown = Shutdown::new();
    shutdown.drain();
    let report = migrate(settings, &shutdown).await.unwrap();
    assert!(report.stopped && !report.complete, "{report}");
    assert!(!report.items.iter().any(|line| line.outcome == Some(Outcome::Created)), "{report}");
}

async fn cut_at_every_request(settings: &Settings, target: &Server) {
    for at in 0.. {
        clear(target).await;
        let gate = Gate::before(target, Rule::Cut { at, arrives: at % 2 == 0 }).await;
        let mut cut = settings.clone();
        cut.concurrency = 1;
        cut.target.url.clone_from(&gate.url);
        cut.target = impatient(cut.target);
        match migrate(&cut, &Shutdown::new()).await {
            Err(error) => assert!(error.is_unavailable(), "{at}: {error}"),
            Ok(report) if gate.seen() <= at => {
                assert!(report.complete, "{report}");
                assert!(at > 30, "only {at} requests");
                return;
            }
            Ok(report) => assert!(!report.complete, "cut at {at}: {report}"),
        }
        let repeated = run(settings).await;
        assert!(repeated.complete, "after a cut at {at}: {repeated}");
    }
}

async fn setting(target: &Server, name: &str, value: Value) {
    let cluster = connect(target).await;
    put(&cluster, "/_cluster/settings", json!({"persistent": {name: value}})).await;
}

async fn read_only(settings: &Settings, target: &Server) {
    setting(target, "cluster.blocks.read_only", json!(true)).await;
    let report = run(settings).await;
    setting(target, "cluster.blocks.read_only", Value::Null).await;
    assert!(!report.complete);
    let first = report.items.iter().find_map(|line| match &line.outcome {
        Some(Outcome::Refused(refused)) => Some(refused),
        _ => None,
    });
    let first = first.unwrap();
    assert!(first.words.contains("read-only"), "{first:?}");
    assert!(first.what_to_do.contains("cluster.blocks.read_only"), "{first:?}");
    let created = report.items.iter().filter(|line| line.outcome == Some(Outcome::Created));
    assert_eq!(created.count(), 0, "{report}");
    let repeated = run(settings).await;
    assert!(repeated.complete, "{repeated}");
}

async fn no_room(settings: &Settings, target: &Server) {
    setting(target, "cluster.max_shards_per_node", json!(1)).await;
    let report = run(settings).await;
    setting(target, "cluster.max_shards_per_node", Value::Null).await;
    assert!(!report.complete);
    let logs = refused(line(&report, Kind::Index, "logs-1"));
    assert!(logs.what_to_do.contains("max_shards_per_node"), "{logs:?}");
    // Made now, a template would be merged into the index that the repeat makes. Which two found room is chance.
    let mut held = 0;
    for (kind, template, index) in
        [(Kind::LegacyTemplate, "old", "old-0"), (Kind::IndexTemplate, "new", "new-0")]
    {
        let made = line(&report, Kind::Index, index).outcome == Some(Outcome::Created);
        match &line(&report, kind, template).outcome {
            Some(Outcome::Created) => assert!(made, "{report}"),
            Some(Outcome::NotDone { why }) => {
                assert!(
                    !made && why.contains(&format!("the index {index} isn't there")),
                    "{report}"
                );
                held += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(held > 0, "{report}");
    let repeated = run(settings).await;
    assert!(repeated.complete, "{repeated}");
}

async fn red(settings: &Settings, target: &Server) {
    let nowhere = json!({"settings": {"index.routing.allocation.require._name": "nobody"}});
    put(&connect(target).await, "/lost?wait_for_active_shards=0", nowhere).await;
    let report = run(settings).await;
    assert!(report.complete, "{report}");
    assert!(report.notes.iter().any(|note| note.contains("the target is red")), "{report}");
}

async fn existing(settings: &Settings, target: &Server) {
    let cluster = connect(target).await;
    put(&cluster, "/logs-2", json!({"settings": {"number_of_shards": 1}})).await;
    put(&cluster, "/_template/old", json!({"index_patterns": ["older-*"]})).await;

    let planned = plan(settings).await;
    assert!(!planned.complete);
    let differs = line(&planned, Kind::Index, "logs-2");
    assert_eq!(differs.item.state, State::ExistsDifferent);
    assert_eq!(differs.item.differences[0].path, "mappings.properties");
    let report = run(settings).await;
    assert!(!report.complete);
    assert!(!report.items.iter().any(|line| line.outcome == Some(Outcome::Created)), "{report}");

    let mut skipping = settings.clone();
    skipping.on_existing = OnExisting::Skip;
    let report = run(&skipping).await;
    assert!(report.complete, "{report}");
    assert_eq!(line(&report, Kind::Index, "logs-2").outcome, Some(Outcome::Kept));
    assert_eq!(line(&report, Kind::Index, "logs-1").outcome, Some(Outcome::Created));

    let mut updating = settings.clone();
    updating.on_existing = OnExisting::UpdateCompatible;
    let report = run(&updating).await;
    assert!(report.complete, "{report}");
    assert_eq!(line(&report, Kind::Index, "logs-2").outcome, Some(Outcome::Updated));
    assert_eq!(line(&report, Kind::LegacyTemplate, "old").outcome, Some(Outcome::Updated));

    // What can't be changed is refused in the target's words.
    clear(target).await;
    let mapping = json!({"properties": {"n": {"type": "keyword"}}});
    put(&cluster, "/logs-2", json!({"settings": {"number_of_shards": 1}, "mappings": mapping}))
        .await;
    let report = run(&updating).await;
    assert!(!report.complete);
    let logs = refused(line(&report, Kind::Index, "logs-2"));
    assert!(logs.words.contains("cannot be changed from type"), "{logs:?}");

    // An image of another index is left alone.
    clear(target).await;
    let mapping = json!({"_meta": {"godwit": {"source_uuid": "other"}}, "properties": {"n": {"type": "long"}}});
    put(&cluster, "/logs-2", json!({"settings": {"number_of_shards": 1}, "mappings": mapping}))
        .await;
    let report = run(&updating).await;
    let logs = refused(line(&report, Kind::Index, "logs-2"));
    assert!(logs.words.contains("image of another index"), "{logs:?}");
}

async fn others_names_and_numbers(settings: &Settings) {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut clashing = settings.clone();
    clashing.renames = Renames::parse(&texts(&["regex:logs-.=logs"])).unwrap();
    let report = plan(&clashing).await;
    let logs: Vec<&State> =
        report.items.iter().filter(|l| l.item.name == "logs").map(|l| &l.item.state).collect();
    let both = "index logs-1 and index logs-2 would all be named logs; rename one".to_owned();
    assert_eq!(logs, [&State::Unsupported(both.clone()), &State::Unsupported(both)]);

    let mut other = settings.clone();
    other.renames = Renames::parse(&texts(&["logs-*=moved-logs-*"])).unwrap();
    other.shards = Numbers::parse(&texts(&["logs-1=2"]), 1).unwrap();
    other.replicas = Numbers::parse(&texts(&["0"]), 0).unwrap();
    let report = run(&other).await;
    assert!(report.complete, "{report}");
    let logs = line(&report, Kind::Index, "moved-logs-1");
    assert_eq!(logs.item.source_name.as_deref(), Some("logs-1"));
    let asked: Vec<&str> = logs.item.changes.iter().map(|change| &change.why[..]).collect();
    assert!(asked.contains(&"asked for by --shards"), "{asked:?}");
}

async fn rules_of_a_person(settings: &Settings) {
    let configuration = json!([
        {"when": "type == 'index' && name == 'logs-1'",
            "jq": ".body.settings.index.refresh_interval = \"7s\" | .body.mappings.properties.added = {type: \"keyword\"}"},
        {"when": "name == 'logs-2'", "js": "() => (item) => { throw new Error('not this one'); }"},
    ]);
    let rules = Rules::parse(&configuration.to_string(), Handed::Message, &mut |n| Err(n.into()));
    let mut ruled = settings.clone();
    ruled.rules = Some(Arc::new(rules.unwrap()));
    let report = run(&ruled).await;
    let changed = line(&report, Kind::Index, "logs-1");
    assert_eq!(changed.outcome, Some(Outcome::Created), "{report}");
    let changes = changed.item.changes.iter().filter(|one| one.why == "changed by rule 1 (jq)");
    let paths: Vec<&str> = changes.map(|one| &one.path[..]).collect();
    assert_eq!(paths, ["mappings.properties.added", "settings.index.refresh_interval"]);
    let failed = "rule 2 (js) failed: the script threw Error: not this one".to_owned();
    assert_eq!(line(&report, Kind::Index, "logs-2").item.state, State::Unsupported(failed));
    // All others are made, and what is read back is what the rules made; a repeat finds nothing to do.
    let different =
        |line: &&Line| line.verified.as_ref().is_some_and(|one| *one != Verified::Equal);
    assert_eq!(report.items.iter().filter(different).count(), 0, "{report}");
    let repeated = plan(&ruled).await;
    assert_eq!(line(&repeated, Kind::Index, "logs-1").item.state, State::ExistsEqual);
    let without = plan(settings).await;
    assert_eq!(line(&without, Kind::Index, "logs-1").item.state, State::ExistsDifferent);
}

async fn sources_that_say_less(source: &Server, target: &Server) {
    let cluster = connect(source).await;
    take_snapshot(&cluster, source, "indices", false).await;
    let mut settings = from_snapshot(source, "indices", target);
    let error = evaluate(&settings).await.unwrap_err();
    assert!(matches!(error, MetadataError::NoGlobalState { .. }), "{error}");
    settings.selection =
        Selection { kinds: vec![Kind::Index, Kind::Alias], ..Selection::default() };
    assert!(plan(&settings).await.complete);

    let behind = async |rule: Rule| {
        let gate = Gate::before(source, rule).await;
        let mut settings = from_cluster(source, target);
        let mut of_gate = cluster::Settings::new(gate.url);
        of_gate = impatient(of_gate);
        settings.source = metadata::Source::Cluster(Box::new(of_gate));
        evaluate(&settings).await
    };
    let answer = |path, status, body| Rule::Answer { path, status, body };
    let html = behind(answer("/", 200, "<html>hello</html>")).await.unwrap_err();
    assert!(html.to_string().contains("not understood"), "{html}");
    let denied = behind(answer("/", 401, "who are you")).await.unwrap_err();
    assert!(denied.is_configuration(), "{denied}");
    let forbidden = behind(answer("/_ingest/pipeline", 403, "no")).await.unwrap_err();
    assert!(forbidden.to_string().contains("manage_ingest_pipelines"), "{forbidden}");

    // One template spoils the list: the others are there all the same.
    let spoilt = behind(answer("/_template", 500, "{}")).await.unwrap();
    assert!(matches!(line(&spoilt, Kind::LegacyTemplate, "old").item.state, State::Create));
    send(&cluster, cluster::Method::DELETE, "/_snapshot/godwit/indices", Value::Null).await;
}
