//! What a target can do to a batch, by a target that does it on purpose: every document is accounted for.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod target;

use std::sync::Arc;
use std::time::Duration;

use backfill::action::{Action, Operation};
use backfill::failed::{FailedStore, Origin};
use backfill::send::{
    Batch, BatchBuilder, Class, Gzip, Limits, Obstacle, Outcome, Place, SendError, SendSettings,
};
use object_store::memory::InMemory;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use telemetry::Shutdown;

use target::{Act, Item, Target, refusal, sender};

const TAKE: Act = Act::Items(|_, _| None);

fn impatient() -> SendSettings {
    SendSettings {
        retry_for: Duration::from_secs(20),
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        ..SendSettings::default()
    }
}

fn batch_of(sources: impl IntoIterator<Item = String>) -> Batch {
    batch_with(Some("logs".into()), sources)
}

fn batch_with(index: Option<String>, sources: impl IntoIterator<Item = String>) -> Batch {
    let named = if index.is_none() { Some("other") } else { None };
    let mut builder = BatchBuilder::new(index);
    for (document, source) in (0..).zip(sources) {
        let action = Action {
            operation: Operation::Index,
            index: named,
            id: &format!("id-{document}"),
            routing: None,
            version: Some(7),
        };
        builder.push(&action, source.as_bytes(), Place { segment: 0, document });
    }
    builder.take()
}

fn documents(number: usize) -> Batch {
    batch_of((0..number).map(|at| json!({ "at": at }).to_string()))
}

#[track_caller]
fn all_written(outcome: &Outcome, number: u64) {
    assert_eq!(
        (outcome.written, outcome.superseded, outcome.failed.as_slice()),
        (number, 0, &[][..])
    );
}

#[tokio::test]
async fn not_now_is_waited_for() {
    for (status, body) in [
        (429, r#"{"error":{"type":"circuit_breaking_exception","reason":"x"}}"#),
        (502, "<html>"),
        (503, ""),
        (504, ""),
        (403, r#"{"error":{"type":"cluster_block_exception","reason":"read-only"}}"#),
        (500, ""),
    ] {
        let script = move |number, _: &[Item], _| match number {
            0 | 1 => Act::Status(status, body),
            _ => TAKE,
        };
        let target = Target::start(script).await;
        let sender = target.sender(impatient()).await;
        all_written(&sender.send(&documents(10)).await.unwrap(), 10);
        // A 500 is suspected to be about the request, which is halved the second time.
        let requests = if status == 500 { 4 } else { 3 };
        assert_eq!(target.requests(), requests, "{status}");
        assert_eq!(target.held.lock().requests[0].0.len(), 10);
    }
}

#[tokio::test]
async fn only_what_was_refused_for_now_is_sent_again() {
    let judge = |item: &Item, number: usize| match (item.id.as_str(), number) {
        ("id-1", 0) => Some(refusal(429, "es_rejected_execution_exception")),
        ("id-2", _) => Some(refusal(400, "mapper_parsing_exception")),
        ("id-3", 0 | 1) => Some(refusal(403, "cluster_block_exception")),
        ("id-4", 0) => Some(refusal(500, "node_closed_exception")),
        ("id-5", _) => Some(refusal(500, "translog_exception")),
        ("id-6", _) => Some(refusal(409, "version_conflict_engine_exception")),
        ("id-7", _) => Some(refusal(400, "index_closed_exception")),
        _ => None,
    };
    let target = Target::start(move |_, _, _| Act::Items(judge)).await;
    let sender = target.sender(impatient()).await;
    let outcome = sender.send(&documents(9)).await.unwrap();
    assert_eq!((outcome.written, outcome.superseded, outcome.accounted()), (5, 1, 9));
    let failed: Vec<_> =
        outcome.failed.iter().map(|f| (f.position, f.class, f.status, f.attempts)).collect();
    assert_eq!(
        failed,
        [(2, Class::Mapping, 400, 1), (5, Class::Other, 500, 5), (7, Class::IndexClosed, 400, 1)]
    );
    assert_eq!(outcome.failed[0].reason, "because");
    let sizes: Vec<_> = target.held.lock().requests.iter().map(|r| r.0.len()).collect();
    assert_eq!(sizes, [9, 4, 2, 1, 1]);
    assert_eq!(sender.sent().repeated_items, 8);
}

#[tokio::test]
async fn too_large_is_halved_until_it_fits() {
    const LIMIT: usize = 2000;
    let script = |_, _: &[Item], bytes| match bytes > LIMIT {
        true => Act::Status(413, ""),
        false => TAKE,
    };
    let target = Target::start(script).await;
    let sender = target.sender(impatient()).await;
    let sources = (0..100).map(|at| {
        let length = if at == 42 { 3000 } else { 60 };
        json!({ "text": "x".repeat(length) }).to_string()
    });
    let outcome = sender.send(&batch_of(sources)).await.unwrap();
    assert_eq!((outcome.written, outcome.accounted()), (99, 100));
    let failed = &outcome.failed[0];
    assert_eq!((failed.position, failed.class, failed.status), (42, Class::TooLarge, 413));
    // Later batches are made to fit from the beginning.
    assert!(sender.batch_bytes() <= LIMIT, "{}", sender.batch_bytes());
}

#[tokio::test]
async fn a_large_document_that_there_is_never_room_for_does_not_stop_the_run() {
    let script = |_, _: &[Item], bytes| match bytes > 9 << 20 {
        true => Act::Status(429, r#"{"error":{"type":"circuit_breaking_exception","reason":"x"}}"#),
        false => TAKE,
    };
    let target = Target::start(script).await;
    let sender = target.sender(impatient()).await;
    let sources = [1, 10 << 20, 1].map(|length| json!({ "text": "x".repeat(length) }).to_string());
    let outcome = sender.send(&batch_of(sources)).await.unwrap();
    assert_eq!((outcome.written, outcome.failed[0].class), (2, Class::TooLarge));
    assert_eq!((outcome.failed[0].position, outcome.failed[0].status), (1, 429));
}

#[tokio::test]
async fn a_malformed_line_is_found_by_halving() {
    let script =
        |_, items: &[Item], _| match items.iter().any(|item| item.source.contains("poison")) {
            true => Act::Status(
                400,
                r#"{"error":{"type":"illegal_argument_exception","reason":"Malformed"}}"#,
            ),
            false => TAKE,
        };
    let target = Target::start(script).await;
    let sender = target.sender(impatient()).await;
    let sources = (0..1024).map(|at| match at {
        3 | 700 => r#"{"poison":1}"#.to_owned(),
        _ => "{}".to_owned(),
    });
    let outcome = sender.send(&batch_of(sources)).await.unwrap();
    assert_eq!((outcome.written, outcome.accounted()), (1022, 1024));
    let failed: Vec<_> = outcome.failed.iter().map(|f| (f.position, f.class)).collect();
    assert_eq!(failed, [(3, Class::Malformed), (700, Class::Malformed)]);
    assert_eq!(outcome.failed[0].reason, "Malformed");
    // Two ways down a tree of ten levels.
    assert!(target.requests() <= 2 * 2 * 11, "{}", target.requests());
}

#[tokio::test]
async fn a_target_that_refuses_everything_alone_ends_the_run() {
    let target = Target::start(|_, _, _| Act::Status(400, "no such parameter")).await;
    let sender = target.sender(impatient()).await;
    let error = sender.send(&documents(300)).await.unwrap_err();
    assert!(
        matches!(error, SendError::EverythingRefused { refused: 16, status: 400, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_answer_changes_nothing() {
    let script = |number, _: &[Item], _| if number == 0 { Act::LoseAnswer } else { TAKE };
    let target = Target::start(script).await;
    let sender = target.sender(impatient()).await;
    all_written(&sender.send(&documents(20)).await.unwrap(), 20);
    assert_eq!(target.held.lock().versions.len(), 20);
    assert_eq!(sender.sent().repeated_items, 20);
}

#[tokio::test]
async fn an_answer_for_other_items_is_not_believed() {
    let script = |number, _: &[Item], _| if number == 0 { Act::AnswerFewer } else { TAKE };
    let target = Target::start(script).await;
    let sender = target.sender(impatient()).await;
    all_written(&sender.send(&documents(20)).await.unwrap(), 20);
}

#[tokio::test]
async fn a_connection_cut_within_a_request_or_an_answer_is_made_anew() {
    let target = Target::start(|_, _, _| TAKE).await;
    let addr = target.url.strip_prefix("http://").unwrap().parse().unwrap();
    let relay = testbed::Relay::in_front_of(addr).await.unwrap();
    let sender = sender(&relay.url(), impatient()).await;
    let sources = (0..200).map(|_| json!({ "text": "x".repeat(50_000) }).to_string());
    let batch = batch_of(sources);
    relay.cut_after(1000);
    all_written(&sender.send(&batch).await.unwrap(), 200);
    assert_eq!(sender.sent().refused, 1);

    relay.pause();
    let before = sender.sent().requests;
    let (sending, cutting) = (sender.send(&batch), async {
        while sender.sent().requests == before {
            tokio::task::yield_now().await;
        }
        relay.cut();
        relay.resume();
    });
    let (outcome, ()) = tokio::join!(sending, cutting);
    all_written(&outcome.unwrap(), 200);
}

#[tokio::test]
async fn a_document_that_no_answer_comes_to_is_found() {
    let script = |_, items: &[Item], _| match items.iter().any(|item| item.id == "id-5") {
        true => Act::Close,
        false => TAKE,
    };
    let target = Target::start(script).await;
    let sender = target.sender(impatient()).await;
    let outcome = sender.send(&documents(8)).await.unwrap();
    assert_eq!((outcome.written, outcome.accounted()), (7, 8));
    let failed = &outcome.failed[0];
    assert_eq!(
        (failed.position, failed.class, failed.kind.as_str()),
        (5, Class::Other, "no_answer")
    );
}

#[tokio::test]
async fn an_outage_is_not_held_against_a_document() {
    let target = Target::start(|number, _, _| if number < 8 { Act::Close } else { TAKE }).await;
    let sender = target.sender(impatient()).await;
    // It is back between the last request that it lost and the question whether it is there.
    target.held.lock().away = 7;
    all_written(&sender.send(&documents(1)).await.unwrap(), 1);

    // Failures of the server count, not what was waited for before them.
    let judge = |_: &Item, number| match number {
        0..6 => Some(refusal(429, "es_rejected_execution_exception")),
        6..8 => Some(refusal(500, "translog_exception")),
        _ => None,
    };
    let target = Target::start(move |_, _, _| Act::Items(judge)).await;
    all_written(&target.sender(impatient()).await.send(&documents(3)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_large_document_is_waited_for_while_the_target_takes_nothing_at_all() {
    const BREAKER: &str = r#"{"error":{"type":"circuit_breaking_exception","reason":"x"}}"#;
    let large = || batch_of([json!({ "text": "x".repeat(8 << 20) }).to_string()]);
    let script = |number, _: &[Item], _| match number {
        0..12 => Act::Status(503, ""),
        12..26 => Act::Status(429, BREAKER),
        _ => TAKE,
    };
    let target = Target::start(script).await;
    let settings = SendSettings { retry_for: Duration::from_secs(300), ..impatient() };
    all_written(&target.sender(settings).await.send(&large()).await.unwrap(), 1);
    assert_eq!(target.requests(), 27);

    // Not for ever: the run would end at this document each time.
    let target = Target::start(|_, _, _| Act::Status(429, BREAKER)).await;
    let settings = SendSettings { retry_for: Duration::from_secs(8), ..impatient() };
    let outcome = target.sender(settings).await.send(&large()).await.unwrap();
    assert_eq!(outcome.failed[0].class, Class::TooLarge);
}

#[tokio::test]
async fn a_target_that_stays_away_is_given_up_in_time() {
    const FLOOD: &str = r#"{"error":{"type":"cluster_block_exception","reason":"flood"}}"#;
    for (status, body) in [(503, ""), (403, FLOOD)] {
        let target = Target::start(move |_, _, _| Act::Status(status, body)).await;
        let retry_for = Duration::from_millis(60);
        let sender = target.sender(SendSettings { retry_for, ..impatient() }).await;
        let error = sender.send(&documents(3)).await.unwrap_err();
        let SendError::GaveUp { waited, obstacle, .. } = &error else { panic!("{error}") };
        assert!(*waited >= retry_for);
        assert_eq!(matches!(obstacle, Obstacle::Blocked(_)), status == 403);
        assert!(error.to_string().contains("--target-retry-for"), "{error}");
    }
    let target = Target::start(|_, _, _| TAKE).await;
    let addr = target.url.strip_prefix("http://").unwrap().parse().unwrap();
    let relay = testbed::Relay::in_front_of(addr).await.unwrap();
    let retry_for = Duration::from_millis(60);
    let sender = sender(&relay.url(), SendSettings { retry_for, ..impatient() }).await;
    relay.refuse().await;
    relay.cut();
    let error = sender.send(&documents(3)).await.unwrap_err();
    assert!(matches!(&error, SendError::GaveUp { obstacle: Obstacle::Silent(_), .. }), "{error}");
    relay.accept().await;
    all_written(&sender.send(&documents(3)).await.unwrap(), 3);
}

#[tokio::test]
async fn credentials_and_a_missing_index_end_the_run() {
    let target = Target::start(|_, _, _| Act::Status(401, "who are you")).await;
    let error = target.sender(impatient()).await.send(&documents(3)).await.unwrap_err();
    assert!(matches!(error, SendError::Credentials { status: 401, .. }), "{error}");

    let refuse = |_: &Item, _| Some(refusal(403, "security_exception"));
    let target = Target::start(move |_, _, _| Act::Items(refuse)).await;
    let error = target.sender(impatient()).await.send(&documents(3)).await.unwrap_err();
    assert!(matches!(error, SendError::Credentials { status: 403, .. }), "{error}");

    let target = Target::start(|_, _, _| Act::Status(404, "<html>")).await;
    let error = target.sender(impatient()).await.send(&documents(3)).await.unwrap_err();
    assert!(matches!(error, SendError::Unexpected { status: 404, .. }), "{error}");

    let missing = |_: &Item, _| Some(refusal(404, "index_not_found_exception"));
    let target = Target::start(move |_, _, _| Act::Items(missing)).await;
    let sender = target.sender(impatient()).await;
    let error = sender.send(&documents(3)).await.unwrap_err();
    assert!(matches!(&error, SendError::IndexMissing { index, .. } if index == "logs"), "{error}");
    // Where one batch is for several indices, it is that document's matter.
    let outcome = sender.send(&batch_with(None, ["{}".to_owned()])).await.unwrap();
    assert_eq!(outcome.failed[0].class, Class::IndexMissing);
    let last = target.held.lock().requests.last().unwrap().0[0].index.clone();
    assert_eq!(last.as_deref(), Some("other"));
}

#[tokio::test]
async fn bodies_are_compressed_when_asked_for() {
    let target = Target::start(|_, _, _| TAKE).await;
    let sender = target.sender(SendSettings { gzip: Gzip::On, ..impatient() }).await;
    let batch = documents(1000);
    all_written(&sender.send(&batch).await.unwrap(), 1000);
    let sent = sender.sent();
    assert_eq!(sent.plain_bytes, batch.bytes() as u64);
    assert!(sent.bytes * 4 < sent.plain_bytes, "{sent:?}");
    let held = target.held.lock();
    assert!(held.requests[0].2 && held.requests[0].1 == batch.bytes());
    assert_eq!(held.requests[0].0[999].source, r#"{"at":999}"#);
}

#[tokio::test]
async fn an_empty_batch_is_accounted_for_without_a_request() {
    let target = Target::start(|_, _, _| TAKE).await;
    let sender = target.sender(impatient()).await;
    assert_eq!(sender.send(&documents(0)).await.unwrap(), Outcome::default());
    assert_eq!(target.requests(), 0);
}

/// Whatever comes in whatever order, a batch ends with its documents accounted for, and the target holds
/// what is said to be written or superseded.
#[tokio::test]
async fn accounts_add_up_whatever_happens() {
    for seed in 0..20u64 {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        let script = move |_, items: &[Item], bytes: usize| {
            if bytes > 3000 {
                return Act::Status(413, "");
            }
            if items.iter().any(|item| item.source.contains("poison")) {
                return Act::Status(400, "");
            }
            match random.lock().random_range(0..12) {
                0 => Act::Status(429, ""),
                1 => Act::Status(503, ""),
                2 => Act::Status(500, ""),
                3 => Act::Close,
                4 => Act::LoseAnswer,
                5 => Act::AnswerFewer,
                6 | 7 => Act::Items(|item, number| {
                    (item.id.len() + number).is_multiple_of(2).then(|| refusal(429, "busy"))
                }),
                _ => Act::Items(|item, _| {
                    item.source.contains("odd").then(|| refusal(400, "mapper_parsing_exception"))
                }),
            }
        };
        let target = Target::start(script).await;
        let limits = Limits { least_batch: 500, ..Limits::default() };
        let sender = target.sender(SendSettings { limits, ..impatient() }).await;
        let number = 3 + (seed as usize * 7) % 100;
        let sources = (0..number).map(|at| match at % 10 {
            4 if at == 24 => r#"{"poison":1}"#.to_owned(),
            7 => r#"{"odd":1}"#.to_owned(),
            _ => json!({ "at": "x".repeat(at) }).to_string(),
        });
        let batch = batch_of(sources);
        let outcome = sender.send(&batch).await.unwrap();
        assert_eq!(outcome.accounted(), number as u64, "seed {seed}");
        let held = target.held.lock();
        let mut failed = outcome.failed.iter().map(|failed| failed.position).peekable();
        for position in 0..number {
            if failed.next_if_eq(&position).is_none() {
                assert!(held.versions.contains_key(&format!("id-{position}")), "seed {seed}");
            }
        }
        assert_eq!(failed.next(), None);
        assert!(outcome.failed.iter().all(|f| f.class != Class::Unreadable));
    }
}

#[tokio::test]
async fn what_failed_is_sent_again_until_it_is_written() {
    let script = |number, _: &[Item], _| match number {
        0 => Act::Items(|item, _| {
            matches!(item.id.as_str(), "id-1" | "id-2" | "id-3")
                .then(|| refusal(400, "mapper_exception"))
        }),
        1 => Act::Items(|item, _| match item.id.as_str() {
            "id-1" => Some(refusal(400, "strict_dynamic_mapping_exception")),
            "id-2" => Some(refusal(409, "version_conflict_engine_exception")),
            _ => None,
        }),
        _ => TAKE,
    };
    let target = Target::start(script).await;
    let sender = target.sender(impatient()).await;
    let batch = documents(5);
    let outcome = sender.send(&batch).await.unwrap();
    assert_eq!((outcome.written, outcome.failed.len()), (2, 3));

    let store = FailedStore::over(Arc::new(InMemory::new()), Default::default());
    let mut writer = store.writer("run", "unit", "worker", 1 << 20);
    let now = jiff::Timestamp::now();
    for failed in &outcome.failed {
        let document = batch.items()[failed.position].place.document;
        let origin = Origin { index: "source", shard: 0, segment: "_0", document };
        writer.refused(origin, &batch, failed, now).await.unwrap();
    }
    let lost = Origin { index: "source", shard: 0, segment: "_0", document: 9 };
    writer.unreadable(lost, Some("id-9"), "checksum", now).await.unwrap();
    writer.flush().await.unwrap();

    for (number, [written, superseded, failed]) in [[1, 1, 1], [1, 0, 0]].into_iter().enumerate() {
        let name = store.parts("run").await.unwrap().remove(0);
        let part = store.read(name.clone()).await.unwrap();
        assert_eq!(part.documents.len(), [4, 2][number]);
        let mut writer = store.retrying("run", "unit", 1 << 20);
        let parts = [name];
        let resent = store.resend(&parts, &sender, &mut writer, true, &Shutdown::new()).await;
        let resent = resent.unwrap();
        assert_eq!(
            [resent.written, resent.superseded, resent.failed],
            [written, superseded, failed]
        );
        assert_eq!(resent.unreadable, 1);
        store.delete(&parts[0]).await.unwrap();
    }
    let name = store.parts("run").await.unwrap().remove(0);
    let left = store.read(name).await.unwrap().documents;
    assert_eq!((left.len(), left[0].class), (1, Class::Unreadable));
    let last = target.held.lock().requests.last().unwrap().0[0].clone();
    assert_eq!((last.index.as_deref(), last.version, last.id.as_str()), (Some("logs"), 7, "id-1"));
    assert_eq!(last.source, r#"{"at":1}"#);
}
