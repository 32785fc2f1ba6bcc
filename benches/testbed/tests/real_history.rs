//! A history holds what was written and its snapshot is where it says. (`History::make` itself checks
//! each document against what was sent.)
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeSet;

use testbed::{ExpectedDocument, History, Server, Testbed};

async fn made(server: &Server) -> History {
    let seed = std::env::var("GODWIT_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    let history = History::make(server, seed).await.unwrap();
    for (what, reason) in &history.refused {
        let reason: String = reason.chars().take(300).collect();
        println!("{} refuses {what}: {reason}", server.version());
    }
    assert!(history.repository().join("index").exists() || has_generation(&history));
    history
}

fn has_generation(history: &History) -> bool {
    history.repository().join("index.latest").exists()
}

fn of<'a>(history: &'a History, index: &'a str) -> Vec<&'a ExpectedDocument> {
    history.expected.iter().filter(|document| document.index == index).collect()
}

fn check_what_all_have(history: &History) {
    for index in ["logs", "merged", "compressed", "nested", "ids", "odd", "values"] {
        assert!(of(history, index).len() > 8, "{index}: {}", of(history, index).len());
    }
    assert!(of(history, "empty").is_empty() && of(history, "emptied").is_empty());
    assert!(history.indices.iter().any(|index| index == "empty"));
    assert!(of(history, "logs").iter().any(|document| document.routing.is_some()));
    assert!(of(history, "ids").iter().any(|document| document.id.len() == 512));
    assert!(
        of(history, "values").iter().any(|document| document.source.to_string().len() > 1 << 20)
    );
    let marks = ["reborn", "updated", "replaced"];
    let marked =
        |mark| of(history, "logs").iter().any(|document| document.source.get(mark).is_some());
    assert!(marks.into_iter().all(marked));
    assert!(history.expected.iter().any(|document| document.version > 1 << 40));
    let keys: BTreeSet<_> =
        history.expected.iter().map(|d| (&d.index, &d.doc_type, &d.id)).collect();
    assert_eq!(keys.len(), history.expected.len());
}

#[tokio::test]
async fn an_elasticsearch_2_has_types_and_parents() {
    let server = Testbed::elasticsearch("2.4").await.unwrap();
    let history = made(&server).await;
    check_what_all_have(&history);
    let types: BTreeSet<_> =
        history.expected.iter().filter_map(|document| document.doc_type.as_deref()).collect();
    assert_eq!(types, BTreeSet::from(["child", "doc", "mother", "note"]));
    let family = of(&history, "family");
    assert!(family.iter().all(|d| (d.doc_type.as_deref() == Some("child")) == d.parent.is_some()));
    // A child's routing is its parent unless it brings one.
    assert!(family.iter().filter(|d| d.parent.is_some()).all(|d| d.routing.is_some()));
    assert!(family.iter().any(|d| d.parent.is_some() && d.routing != d.parent));
    assert!(history.expected.iter().all(|document| document.seq_no.is_none()));
}

#[tokio::test]
async fn an_opensearch_3_has_sequence_numbers_and_joins() {
    let server = Testbed::opensearch("3").await.unwrap();
    let history = made(&server).await;
    check_what_all_have(&history);
    assert!(history.expected.iter().all(|d| d.doc_type.is_none() && d.seq_no.is_some()));
    assert!(history.expected.iter().all(|document| document.primary_term == Some(1)));
    let family = of(&history, "family");
    assert!(family.iter().any(|document| document.source["relation"]["name"] == "child"));
    assert!(of(&history, "odd").iter().any(|document| document.id.starts_with("smile")));
}
