//! One bound for the memory of all connections: who comes too late waits, and nothing stands still.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::Duration;

use capture_proxy::Flags;
use settings::{Size, Span};
use stage::secure::{Files, SecureClient, exchange};
use stage::{PATIENCE, Stage, read_all, read_exact};
use testbed::{Authority, ScriptedSource, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LIMIT: u64 = 16 << 20;

fn bounded(flags: &mut Flags) {
    flags.memory = Some(Size(LIMIT));
    flags.window = Some(Size(4 << 20));
    flags.read_size = Some(Size(512 << 10));
}

/// A metric's value in what the admin listener says now.
async fn metric(stage: &Stage, name: &str) -> u64 {
    let name = format!("godwit_capture_proxy_{name} ");
    let metrics = stage.metrics().await;
    let line = metrics.lines().find(|line| line.starts_with(&name)).unwrap();
    line[name.len()..].parse().unwrap()
}

async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

/// A write with a body of `length` bytes, sent as fast as it is taken; resolves when it is answered.
fn write(stage: &Stage, length: usize) -> tokio::task::JoinHandle<Vec<u8>> {
    let proxy = stage.proxy;
    tokio::spawn(async move {
        let mut client = TcpStream::connect(proxy).await.unwrap();
        let head = format!("POST /i/_doc HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; length]).await.unwrap();
        read_exact(&mut client, OK.len()).await
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_never_end_hold_others_up_until_their_time_is_over_and_no_longer() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        bounded(flags);
        flags.head_limit = Some(Size(1 << 20));
        flags.head_timeout = Some(Span(Duration::from_secs(3)));
    })
    .await;
    // Twice as much as there is, in heads without an end.
    let mut stuck = Vec::new();
    for _ in 0..LIMIT >> 18 {
        let mut client = stage.client().await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let fields = format!("x: {}\r\n", "y".repeat(1000)).repeat(500);
        let sending = tokio::spawn(async move {
            let _ = client.write_all(fields.as_bytes()).await;
            read_all(&mut client).await
        });
        stuck.push(sending);
    }
    wait_until("the bound was never reached", async || {
        metric(&stage, "memory_waits_total").await > 0
    })
    .await;
    assert_eq!(write(&stage, 100_000).await.unwrap(), OK);
    for client in stuck {
        let answer = String::from_utf8(client.await.unwrap()).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let metrics = stage.metrics().await;
    assert!(metrics.contains("refused_requests_total{reason=\"head\"}"), "{metrics}");
    stage.finish().await.assert_complete();
}

/// Each head has its own time, also where there is none without a part of one that is kept back.
#[tokio::test]
async fn a_client_whose_reads_all_end_within_a_head_is_served() {
    // Many times what an exchange takes where all else runs at once.
    let limit = Duration::from_secs(2);
    let stage = Stage::with(ScriptedSource::answering(OK).await.unwrap(), |flags| {
        flags.head_timeout = Some(Span(limit));
    })
    .await;
    let mut client = stage.client().await;
    let (first, second) = (b"GET / HTTP/1.1\r\nho", b"st: a\r\n\r\n");
    client.write_all(first).await.unwrap();
    let began = std::time::Instant::now();
    while began.elapsed() < 2 * limit {
        client.write_all(&[&second[..], first].concat()).await.unwrap();
        assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_don_t_read_their_answers_hold_nobody_up() {
    let large =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 32 << 20, "z".repeat(32 << 20));
    let source = ScriptedSource::new(move |seen| {
        let wants_all = seen.received.starts_with(b"GET /all");
        let answer = if wants_all { large.as_bytes() } else { OK };
        vec![Step::Send(answer.to_vec()); seen.new_requests]
    });
    let stage = Stage::with(source.await.unwrap(), bounded).await;
    let mut lazy = Vec::new();
    for _ in 0..40 {
        let mut client = stage.client().await;
        client.write_all(b"GET /all/_search HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut first = [0; 100];
        client.read_exact(&mut first).await.unwrap();
        lazy.push(client);
    }
    for _ in 0..20 {
        assert_eq!(write(&stage, 1 << 20).await.unwrap(), OK);
    }
    drop(lazy);
    wait_until("memory is not given back", async || metric(&stage, "memory_bytes").await < 1 << 20)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_writes_at_once_stay_within_the_bound_and_all_are_answered() {
    let stage = Stage::with(ScriptedSource::answering(OK).await.unwrap(), bounded).await;
    let writes: Vec<_> = (0..50).map(|_| write(&stage, 2 << 20)).collect();
    let mut most = 0;
    for write in writes {
        while !write.is_finished() {
            most = most.max(metric(&stage, "memory_bytes").await);
        }
        assert_eq!(write.await.unwrap(), OK);
    }
    // What is read at the bound is 8 KiB an answer; connections are counted beside it.
    assert!(most < LIMIT + 50 * (17 << 10) + (1 << 20), "{most}");
    stage.finish().await.assert_complete();
}

/// What TLS holds of a connection, on either side, is many times what a bare one costs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_counted_with_what_their_tls_holds() {
    let authority = Authority::new("ours").unwrap();
    let files = Files::new();
    let (certificate, key) = files.issue("proxy", &authority.server(&["127.0.0.1"]).unwrap());
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        (flags.tls_certificate, flags.tls_key) = (Some(certificate), Some(key));
    })
    .await;
    let client = SecureClient::trusting(&authority);
    let mut open = Vec::new();
    for _ in 0..10 {
        let mut stream = client.connect(stage.proxy).await.unwrap();
        assert_eq!(exchange(&mut stream, b"GET / HTTP/1.1\r\n\r\n", OK.len()).await.unwrap(), OK);
        open.push(stream);
    }
    // pingora reads into a buffer of 64 KiB.
    wait_until("ten connections hold no more than bare ones", async || {
        metric(&stage, "memory_bytes").await >= 10 * ((17 + 74) << 10)
    })
    .await;
    drop(open);
    wait_until("memory is not given back", async || metric(&stage, "memory_bytes").await == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_is_shown_without_a_journal_too() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        bounded(flags);
        flags.journal = Some("none".into());
    })
    .await;
    // An eighth of it is the allocator's.
    wait_until("the limit", async || metric(&stage, "memory_limit_bytes").await == LIMIT / 8 * 7)
        .await;
    let _client = stage.client().await;
    wait_until("an open connection", async || metric(&stage, "memory_bytes").await > 0).await;
    stage.end_at_once().await;
}
