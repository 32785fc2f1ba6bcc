//! Answers that come when the proxy has no more requests for the source: they reach the client, and in order.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::Duration;

use stage::{Stage, read_all};
use testbed::{ScriptedSource, Step};
use tokio::io::AsyncWriteExt;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn put(length: usize) -> Vec<u8> {
    let head = format!("PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; length]].concat()
}

/// A journal that takes small requests and no large one.
fn small(flags: &mut capture_proxy::Flags) {
    flags.journal_limit = Some(settings::Size(16 << 10));
}

#[tokio::test]
async fn a_client_that_uploads_gets_the_answer_of_a_source_that_has_had_enough() {
    let enough = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let source = ScriptedSource::new(move |seen| match seen.received.len() {
        ..200_000 => vec![],
        // With bytes unread, this is a reset.
        _ => vec![Step::Send(enough.to_vec()), Step::Close],
    });
    let stage = Stage::new(source.await.unwrap()).await;
    for _ in 0..20 {
        let mut client = stage.client().await;
        // The proxy takes the rest for a moment; on a busy machine it may hang up on the last of it.
        let _ = client.write_all(&put(4 << 20)).await;
        assert_eq!(read_all(&mut client).await, enough);
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    for connection in 0..20 {
        assert_eq!(captured.answers(connection), enough);
    }
}

#[tokio::test]
async fn a_head_that_comes_too_late_is_refused_behind_the_answer_to_the_request_before() {
    let source = ScriptedSource::silent().await.unwrap();
    let stage = Stage::with(source, |flags| {
        flags.head_timeout = Some(settings::Span(Duration::from_millis(100)));
    })
    .await;
    let mut client = stage.client().await;
    client.write_all(&put(2)).await.unwrap();
    stage.source.wait_for(0, put(2).len()).await.unwrap();
    client.write_all(b"GET /_search HTTP/1.1\r\nho").await.unwrap();
    // The connection, the request, and the half head, which is given up.
    stage.until("godwit_capture_proxy_records_total 3").await;
    stage.source.act(0, Step::Send(OK.to_vec())).unwrap();
    let answers = String::from_utf8(read_all(&mut client).await).unwrap();
    let refusal = answers.strip_prefix(std::str::from_utf8(OK).unwrap()).unwrap();
    assert!(refusal.starts_with("HTTP/1.1 408 "), "{answers}");
    stage.until("refused_requests_total{reason=\"head\"} 1").await;
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.answers(0), OK);
}

#[tokio::test]
async fn a_write_that_the_journal_does_not_take_is_refused_behind_the_answer_to_the_one_before() {
    let source = ScriptedSource::silent().await.unwrap();
    let stage = Stage::with(source, small).await;
    let mut client = stage.client().await;
    client.write_all(&put(2)).await.unwrap();
    stage.source.wait_for(0, put(2).len()).await.unwrap();
    // And one behind it, which is answered by the end of the connection.
    client.write_all(&[put(32 << 10), put(2)].concat()).await.unwrap();
    stage.until("dropped_records_total{reason=\"journal\"} 1").await;
    stage.source.act(0, Step::Send(OK.to_vec())).unwrap();
    let answers = String::from_utf8(read_all(&mut client).await).unwrap();
    let refusal = answers.strip_prefix(std::str::from_utf8(OK).unwrap()).unwrap();
    assert!(
        refusal.starts_with("HTTP/1.1 503 ") && refusal.ends_with("not sent on\"}"),
        "{answers}"
    );
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), put(2));
}

/// The source is asked to answer, and does not: then nobody may answer what came behind.
#[tokio::test]
async fn nothing_is_answered_out_of_turn() {
    let source = ScriptedSource::silent().await.unwrap();
    let stage = Stage::with(source, |flags| {
        flags.head_timeout = Some(settings::Span(Duration::from_millis(100)));
        flags.answer_patience = Some(settings::Span(Duration::from_millis(100)));
    })
    .await;
    let mut client = stage.client().await;
    client.write_all(&[&put(2)[..], b"GET /_search HTTP/1.1\r\nho"].concat()).await.unwrap();
    assert_eq!(read_all(&mut client).await, b"");
    stage.until("source_failures_total{kind=\"answer\"} 1").await;
}

/// A recent source executes a bulk while it comes: whoever repeats such a request has to know that.
#[tokio::test]
async fn a_write_of_which_the_source_has_a_part_is_not_called_unsent() {
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), small).await;
    let whole = put(32 << 10);
    let (first, rest) = whole.split_at(1000);
    let mut client = stage.client().await;
    client.write_all(first).await.unwrap();
    assert_eq!(stage.source.wait_for(0, first.len()).await.unwrap(), first);
    client.write_all(rest).await.unwrap();
    let answer = String::from_utf8(read_all(&mut client).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(!answer.contains("retry-after") && answer.contains("is not known"), "{answer}");
    stage.until("refused_requests_total{reason=\"midway\"} 1").await;
    // What the source has, the journal has, and neither has all; no answer is on record.
    let sent = stage.source.wait_for_end(0).await.unwrap();
    let captured = stage.finish().await;
    let recorded = captured.requests(0);
    assert!(recorded.starts_with(&sent) && recorded.len() < whole.len());
    assert_eq!((captured.answers(0), captured.ends()), (vec![], 0));
}
