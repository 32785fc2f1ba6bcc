//! One source to one target: inventories, plan, migration, what the target holds, a repeat, the cut-over.

use cluster::Method;
use metadata::{Kind, Outcome, Report, State, Verified};
use serde_json::Value;
use testbed::Server;

use crate::stage::{
    SNAPSHOT, check_inventories, clear, connect, from_cluster, from_snapshot, plan, run, send,
};

/// The target takes no such thing: stored scripts where no language is installed.
fn may_be_refused(target: &Server, kind: Kind) -> bool {
    kind == Kind::Script && target.version().starts_with("1.")
}

pub(crate) async fn check(name: &str, source: &Server, target: &Server) {
    clear(target).await;
    let mut live = from_cluster(source, target);
    let stored = from_snapshot(source, SNAPSHOT, target);
    check_inventories(name, &live, &stored).await;

    let (planned, of_stored) = (plan(&live).await, plan(&stored).await);
    assert_eq!(lines(&planned), lines(&of_stored), "{name}");
    golden(name, target, &planned);

    live.adapt = 20;
    let report = run(&live).await;
    for line in &report.items {
        let item = &line.item;
        let what = format!("{name} to {}: {} {}", target.version(), item.kind, item.name);
        match (&line.outcome, &item.state) {
            (Some(Outcome::Created), State::Create) => {
                assert_eq!(line.verified, Some(Verified::Equal), "{what}");
            }
            (Some(Outcome::Refused(_)), State::Create) if may_be_refused(target, item.kind) => {}
            (None, State::Skipped(_) | State::Unsupported(_) | State::Deferred) => {}
            (outcome, state) => panic!("{what}: {state}, then {outcome:?}"),
        }
    }

    let again = plan(&live).await;
    for line in again.items.iter().filter(|line| !may_be_refused(target, line.item.kind)) {
        let item = &line.item;
        let is_settled = !matches!(item.state, State::Create | State::ExistsDifferent);
        // What `--adapt` took out is not there the second time either.
        let first =
            report.items.iter().find(|l| (l.item.kind, &l.item.name) == (item.kind, &item.name));
        let is_adapted = first.unwrap().item.changes.iter().any(|c| c.why.contains("refused it"));
        assert!(is_settled || is_adapted, "{name}: {} {}: {:?}", item.kind, item.name, item);
    }

    check_deferred(name, source, target).await;
}

/// At the cut-over the target's index gets its pipeline.
async fn check_deferred(name: &str, source: &Server, target: &Server) {
    let mut settings = from_snapshot(source, SNAPSHOT, target);
    settings.deferred = true;
    let report = run(&settings).await;
    for line in report.items.iter().filter(|line| line.outcome.is_some()) {
        let (item, outcome) = (&line.item, line.outcome.as_ref().unwrap());
        assert_eq!(outcome, &Outcome::Updated, "{name}: {} {}", item.kind, item.name);
        assert_eq!(line.verified, Some(Verified::Equal), "{name}: {} {}", item.kind, item.name);
    }
    let cluster = connect(target).await;
    let path = "/logs-1/_settings/index.default_pipeline?flat_settings=true";
    let held = send(&cluster, Method::GET, path, Value::Null).await;
    let has = held.pointer("/logs-1/settings/index.default_pipeline").is_some();
    let had = !["es-1.7", "es-2.4", "es-5.6"].contains(&name);
    assert_eq!(has, had, "{name}: {held}");
    // And that is no difference.
    let after = plan(&settings).await;
    let logs = after.items.iter().find(|line| line.item.name == "logs-1").unwrap();
    assert_eq!(logs.item.state, State::ExistsEqual, "{name}: {:?}", logs.item.differences);
}

fn lines(report: &Report) -> Value {
    serde_json::to_value(&report.items).unwrap()
}

/// The plan as it is printed, without what is another each time.
fn golden(name: &str, target: &Server, report: &Report) {
    let text = report.to_string();
    let text = text.split_once("KIND").unwrap().1;
    let word = |word: &str| -> String {
        let random =
            regex::Regex::new(r#""[A-Za-z0-9_-]{22}"|"1[6-9]\d{11}"|"[0-9a-f]{8}-[0-9a-f-]{27}""#)
                .unwrap();
        random.replace_all(word, "\"…\"").into_owned()
    };
    // The width of a column may follow from what is another each time.
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{}{}", " ".repeat(indent.min(2)), word(&words.join(" ")))
        })
        .collect();
    let major = target.version().split('.').next().unwrap();
    insta::with_settings!({snapshot_path => "../plans", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(format!("{name}-to-opensearch-{major}"), lines.join("\n"));
    });
}
