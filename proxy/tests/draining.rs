//! How a proxy ends: nothing is cut off, clients are told, and what went in has come out.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::{Duration, Instant};

use capture_proxy::Flags;
use settings::Span;
use stage::{Captured, PATIENCE, Stage, read_all, read_exact, unrecorded};
use testbed::{ScriptedSource, Step};
use tokio::io::AsyncWriteExt as _;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const PUT: &[u8] = b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";

/// A client that is idle is given so long.
fn patient(flags: &mut Flags) {
    flags.drain_idle = Some(Span(PATIENCE));
}

/// What is captured of two requests, the second of which is the connection's last.
async fn told_with_the_second(change: impl FnOnce(&mut Flags)) -> Captured {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        patient(flags);
        change(flags);
    })
    .await;
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    stage.begin_drain();
    stage.drains().await;
    // The connection is idle, and open: what is sent now is served.
    client.write_all(PUT).await.unwrap();
    assert_eq!(read_exact(&mut client, LAST.len()).await, LAST);
    // It has been told; what it sends nevertheless goes nowhere.
    let _ = client.write_all(PUT).await;
    assert_eq!(read_all(&mut client).await, b"");
    drop(client);
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), [PUT, PUT].concat());
    stage.finish().await
}

#[tokio::test]
async fn the_last_answer_says_so_to_its_client_and_not_to_the_journal() {
    let captured = told_with_the_second(|_| {}).await;
    captured.assert_complete();
    assert_eq!(captured.requests(0), [PUT, PUT].concat());
    assert_eq!(captured.answers(0), [OK, OK].concat());
}

#[tokio::test]
async fn connections_that_are_not_recorded_end_as_others_do() {
    assert_eq!(told_with_the_second(unrecorded).await.records.len(), 0);
}

#[tokio::test]
async fn of_several_requests_in_a_row_the_last_is_told() {
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), patient).await;
    let mut client = stage.client().await;
    client.write_all(&PUT.repeat(3)).await.unwrap();
    stage.source.wait_for(0, 3 * PUT.len()).await.unwrap();
    stage.begin_drain();
    stage.drains().await;
    stage.source.act(0, Step::Send(OK.to_vec())).unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    stage.source.act(0, Step::Send(OK.repeat(2))).unwrap();
    assert_eq!(read_exact(&mut client, OK.len() + LAST.len()).await, [OK, LAST].concat());
    assert_eq!(read_all(&mut client).await, b"");
    drop(client);
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!((captured.answers(0), captured.ends()), (OK.repeat(3), 3));
}

#[tokio::test]
async fn an_idle_connection_that_is_not_recorded_is_closed_after_a_moment() {
    let stage = Stage::with(ScriptedSource::answering(OK).await.unwrap(), unrecorded).await;
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    stage.begin_drain();
    assert_eq!(read_all(&mut client).await, b"");
    assert_eq!(stage.finish().await.records.len(), 0);
}

/// An answer whose head can't be added to ends the connection as it is.
#[tokio::test]
async fn an_answer_that_began_before_ends_its_connection() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    stage.source.wait_for(0, PUT.len()).await.unwrap();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n1234";
    stage.source.act(0, Step::Send(answer[..30].to_vec())).unwrap();
    assert_eq!(read_exact(&mut client, 30).await, answer[..30]);
    stage.begin_drain();
    stage.drains().await;
    stage.source.act(0, Step::Send(answer[30..].to_vec())).unwrap();
    assert_eq!(read_all(&mut client).await, answer[30..]);
    stage.finish().await.assert_complete();
}

/// The answer has ended, and the client has not read it yet.
#[tokio::test]
async fn a_slow_client_gets_all_of_its_answer() {
    let length = 20 << 20;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let answer = [head.as_bytes(), &vec![b'x'; length]].concat();
    let source = ScriptedSource::answering(answer.clone()).await.unwrap();
    let stage = Stage::new(source).await;
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    assert_eq!(read_exact(&mut client, 100).await, answer[..100]);
    stage.begin_drain();
    stage.drains().await;
    let rest = read_all(&mut client).await;
    assert!(rest == answer[100..], "{} of {} bytes", rest.len(), answer.len() - 100);
    drop(client);
    stage.finish().await.assert_complete();
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_a_moment() {
    let stage = Stage::new(ScriptedSource::answering(OK).await.unwrap()).await;
    let (mut used, mut unused) = (stage.client().await, stage.client().await);
    used.write_all(PUT).await.unwrap();
    assert_eq!(read_exact(&mut used, OK.len()).await, OK);
    stage.source.wait_for(0, 0).await.unwrap();
    stage.source.wait_for(1, 0).await.unwrap();
    stage.begin_drain();
    assert_eq!((read_all(&mut used).await, read_all(&mut unused).await), (vec![], vec![]));
    stage.finish().await.assert_complete();
}

fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name}\n{metrics}")).parse().unwrap()
}

/// At rest, what went in has come out, or had nowhere to go.
#[tokio::test]
async fn bytes_in_and_bytes_out_are_equal_at_rest() {
    let long =
        [&b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n"[..], &vec![b'a'; 20_000_000]]
            .concat();
    let source = ScriptedSource::answering(long.clone()).await.unwrap();
    let stage = Stage::new(source).await;
    let counts = async |what: &str, direction: &str| {
        let name = format!("godwit_capture_proxy_{what}{{direction=\"{direction}\"}}");
        value(&stage.metrics().await, &name)
    };
    let mut whole = stage.client().await;
    for _ in 0..2 {
        whole.write_all(PUT).await.unwrap();
        assert_eq!(read_exact(&mut whole, long.len()).await, long);
    }
    drop(whole);
    // One goes before it has read its answer; one leaves half a head.
    let mut gone = stage.client().await;
    gone.write_all(PUT).await.unwrap();
    read_exact(&mut gone, 10).await;
    drop(gone);
    let mut half = stage.client().await;
    half.write_all(&PUT[..20]).await.unwrap();
    drop(half);
    let since = Instant::now();
    while !stage.metrics().await.contains("godwit_capture_proxy_open_connections 0")
        || counts("unsent_bytes_total", "request").await == 0
        || counts("unsent_bytes_total", "response").await == 0
    {
        assert!(since.elapsed() < PATIENCE, "{}", stage.metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for direction in ["request", "response"] {
        let read = counts("bytes_total", direction).await;
        let sent = counts("sent_bytes_total", direction).await;
        let unsent = counts("unsent_bytes_total", direction).await;
        assert_eq!(read, sent + unsent, "{direction}");
    }
    assert_eq!(counts("bytes_total", "request").await, 3 * PUT.len() as u64 + 20);
    assert_eq!(counts("unsent_bytes_total", "request").await, 20);
    let metrics = stage.metrics().await;
    let latency = "godwit_capture_proxy_added_latency_seconds_count";
    let held = format!("{latency}{{direction=\"request\",held=\"true\"}}");
    assert_eq!(value(&metrics, &held), 3, "{metrics}");
    let answers = format!("{latency}{{direction=\"response\",held=\"false\"}}");
    assert!(value(&metrics, &answers) >= 2, "{metrics}");
    stage.finish().await.assert_complete();
}
