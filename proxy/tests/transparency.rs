//! Every byte arrives as it was sent, both ways, however it is cut; and the journal has it.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use stage::{Stage, read_all, read_exact, send_cut};
use testbed::{ScriptedSource, Seen, Step};
use tokio::io::AsyncWriteExt;

const PUT: &[u8] = b"PUT /i/_doc/1?pretty HTTP/1.1\r\nhOsT: es\r\nX-MiXeD:  two spaces \r\n\
    X-Dup: 1\r\nX-Dup: 2\r\nTE: trailers\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\nX-elastic-Product: Elasticsearch\r\n\
    Location: /i/_doc/1\r\nwarning:  299 a\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn a_write_split_at_every_byte_arrives_as_it_was_sent() {
    let source = ScriptedSource::answering(CREATED).await.unwrap();
    let stage = Stage::new(source).await;
    for cut in 1..PUT.len() {
        let mut client = stage.client().await;
        send_cut(&mut client, PUT, &[cut]).await;
        assert_eq!(read_exact(&mut client, CREATED.len()).await, CREATED, "cut at {cut}");
        drop(client);
        assert_eq!(stage.source.wait_for_end(cut - 1).await.unwrap(), PUT, "cut at {cut}");
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    for connection in 0..PUT.len() - 1 {
        assert_eq!(captured.requests(connection), PUT);
        assert_eq!(captured.answers(connection), CREATED);
    }
    assert_eq!(captured.ends(), PUT.len() - 1);
}

#[tokio::test]
async fn an_answer_split_at_every_byte_arrives_as_it_was_sent() {
    let (head, tail) = (std::cell::Cell::new(1), CREATED);
    let mut cut = head.get();
    let source = ScriptedSource::new(move |seen: Seen<'_>| {
        if seen.new_requests == 0 {
            return vec![];
        }
        let parts = vec![Step::Send(tail[..cut].to_vec()), Step::Send(tail[cut..].to_vec())];
        cut += 1;
        parts
    });
    let stage = Stage::new(source.await.unwrap()).await;
    let mut client = stage.client().await;
    for cut in 1..CREATED.len() {
        client.write_all(PUT).await.unwrap();
        assert_eq!(read_exact(&mut client, CREATED.len()).await, CREATED, "cut at {cut}");
    }
    drop(client);
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.answers(0), CREATED.repeat(CREATED.len() - 1));
    assert_eq!(captured.ends(), CREATED.len() - 1);
}

/// Sends `requests` on one connection and expects `answers` back, both to the byte; returns how
/// many requests the journal saw end.
async fn check(requests: &[u8], answers: Vec<&[u8]>) -> usize {
    let expected = answers.concat();
    let script = answers.into_iter().map(<[u8]>::to_vec).collect();
    let stage = Stage::new(ScriptedSource::answering_each(script).await.unwrap()).await;
    let mut client = stage.client().await;
    client.write_all(requests).await.unwrap();
    assert_eq!(read_exact(&mut client, expected.len()).await, expected);
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, b"");
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), requests);
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.requests(0), requests);
    assert_eq!(captured.answers(0), expected);
    captured.ends()
}

#[tokio::test]
async fn chunks_their_extensions_and_trailers_stay() {
    let request = b"POST /_bulk HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\n\r\n\
        5;ext=\"a b\"\r\n{\"a\":\r\n003\r\n1}\n\r\n0\r\nX-Trailer: t\r\n\r\n";
    let answer =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nT: 1\r\n\r\n";
    assert_eq!(check(request, vec![answer]).await, 1);
}

#[tokio::test]
async fn pipelined_requests_are_all_answered_in_order() {
    let requests = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\nPUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\n\
        content-length: 2\r\n\r\n{}HEAD /i HTTP/1.1\r\nhost: a\r\n\r\nDELETE /i/_doc/1 HTTP/1.1\r\n\
        host: a\r\n\r\n";
    let answers: Vec<&[u8]> = vec![
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1",
        b"HTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\n2",
        b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n4",
    ];
    assert_eq!(check(requests, answers).await, 4);
}

#[tokio::test]
async fn interim_answers_pass() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(check(PUT, vec![answer]).await, 1);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let source = ScriptedSource::new(|seen| {
        if seen.received.ends_with(b"\r\n\r\n") {
            return vec![Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())];
        }
        vec![Step::Send(CREATED.to_vec()); seen.new_requests]
    });
    let stage = Stage::new(source.await.unwrap()).await;
    let mut client = stage.client().await;
    let head =
        b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    client.write_all(head).await.unwrap();
    assert_eq!(read_exact(&mut client, 25).await, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"{}").await.unwrap();
    assert_eq!(read_exact(&mut client, CREATED.len()).await, CREATED);
    drop(client);
    assert_eq!(stage.finish().await.ends(), 1);
}

const UPGRADE: &[u8] =
    b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

/// What is captured of a connection that changes its protocol.
async fn upgraded(change: impl FnOnce(&mut capture_proxy::Flags)) -> stage::Captured {
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
        connection: Upgrade\r\n\r\n";
    let source = ScriptedSource::new(move |seen| match seen.received.strip_prefix(UPGRADE) {
        Some(b"") => vec![Step::Send(switched.to_vec())],
        Some(b"\x81\x05hello") => vec![Step::Send(b"\x81\x02ok".to_vec())],
        _ => vec![],
    });
    let stage = Stage::with(source.await.unwrap(), change).await;
    let mut client = stage.client().await;
    client.write_all(UPGRADE).await.unwrap();
    assert_eq!(read_exact(&mut client, switched.len()).await, switched);
    client.write_all(b"\x81\x05hello").await.unwrap();
    assert_eq!(read_exact(&mut client, 4).await, b"\x81\x02ok");
    assert!(stage.metrics().await.contains("opaque_connections_total{reason=\"upgraded\"} 1"));
    drop(client);
    stage.source.wait_for_end(0).await.unwrap();
    stage.source.act(0, Step::Close).unwrap();
    stage.finish().await
}

#[tokio::test]
async fn an_upgraded_connection_passes_both_ways_and_is_held() {
    let captured = upgraded(|_| {}).await;
    captured.assert_complete();
    assert_eq!(captured.requests(0), [UPGRADE, b"\x81\x05hello"].concat());
}

#[tokio::test]
async fn so_does_one_that_is_not_recorded() {
    let captured = upgraded(stage::unrecorded).await;
    assert_eq!(captured.records.len(), 0);
}

/// A client that offers another protocol and is answered as usual (Java's does, with h2c) goes on as
/// usual.
#[tokio::test]
async fn an_upgrade_that_the_source_ignores_changes_nothing() {
    let offer = b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\n\
        upgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1";
    let stage = Stage::new(ScriptedSource::answering(&answer[..]).await.unwrap()).await;
    let mut client = stage.client().await;
    for request in [&offer[..], PUT, offer, PUT] {
        client.write_all(request).await.unwrap();
        assert_eq!(read_exact(&mut client, answer.len()).await, answer);
    }
    drop(client);
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.ends(), 4);
    assert_eq!(captured.requests(0), [&offer[..], PUT, offer, PUT].concat());
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_ends_the_clients_too() {
    let answer = b"HTTP/1.0 200 OK\r\n\r\nuntil the end";
    let source = ScriptedSource::new(move |seen| match seen.new_requests {
        0 => vec![],
        _ => vec![Step::Send(answer.to_vec()), Step::Close],
    });
    let stage = Stage::new(source.await.unwrap()).await;
    let mut client = stage.client().await;
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(read_all(&mut client).await, answer);
    assert_eq!(stage.finish().await.answers(0), answer);
}

#[tokio::test]
async fn a_body_of_many_reads_is_whole() {
    let body = vec![b'x'; 3 << 20];
    let head = format!("POST /_bulk HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    let request = [head.as_bytes(), &body].concat();
    assert_eq!(check(&request, vec![CREATED]).await, 1);
}
