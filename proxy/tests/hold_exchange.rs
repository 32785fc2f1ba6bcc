//! With `--hold exchange` what a client has of an answer to a write as a whole, the journal has too.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::io::ErrorKind;

use capture_proxy::Flags;
use stage::secure::{Files, SecureClient};
use stage::{PATIENCE, Stage, read_all, read_exact};
use testbed::{Authority, ScriptedSource, Step};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const PUT: &[u8] = b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const GET: &[u8] = b"GET /i/_search HTTP/1.1\r\nhost: a\r\n\r\n";
const TWO_LENGTHS: &[u8] =
    b"PUT /i/_doc/1 HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}";

/// An answer that ends with the connection.
fn open_answer(length: usize) -> Vec<u8> {
    [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; length]].concat()
}

/// Gives this answer to whatever it gets, and closes.
async fn closing(answer: Vec<u8>) -> ScriptedSource {
    ScriptedSource::new(move |_| vec![Step::Send(answer.clone()), Step::Close]).await.unwrap()
}

fn exchange(flags: &mut Flags) {
    flags.hold = Some("exchange".into());
}

/// The journal takes a request, and no large answer.
fn small(flags: &mut Flags) {
    exchange(flags);
    flags.journal_limit = Some(settings::Size(16 << 10));
}

/// Whoever has the end of the answer finds it in the journal, at once.
async fn is_durable_at_its_end(request: &[u8], answer: Vec<u8>) {
    let stage = Stage::with(closing(answer.clone()).await, exchange).await;
    for number in 0..20 {
        let mut client = stage.client().await;
        client.write_all(request).await.unwrap();
        assert_eq!(read_all(&mut client).await, answer);
        assert_eq!(stage.captured().await.answers(number), answer, "{number}");
    }
    stage.finish().await.assert_complete();
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_durable_before_its_end() {
    is_durable_at_its_end(PUT, open_answer(0)).await;
    is_durable_at_its_end(PUT, open_answer(1)).await;
    is_durable_at_its_end(PUT, open_answer(100_000)).await;
}

#[tokio::test]
async fn what_comes_without_framing_is_durable_before_the_client_has_it() {
    let bad = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    is_durable_at_its_end(TWO_LENGTHS, bad.to_vec()).await;
}

#[tokio::test]
async fn an_answer_that_is_not_in_the_journal_never_looks_whole() {
    let answer = open_answer(32 << 10);
    let stage = Stage::with(closing(answer.clone()).await, small).await;
    breaks_off(stage.client().await, &answer).await;
}

#[tokio::test]
async fn nor_does_it_over_tls() {
    let answer = open_answer(32 << 10);
    let authority = Authority::new("ours").unwrap();
    let files = Files::new();
    let (certificate, key) = files.issue("proxy", &authority.server(&["127.0.0.1"]).unwrap());
    let stage = Stage::with(closing(answer.clone()).await, |flags| {
        small(flags);
        (flags.tls_certificate, flags.tls_key) = (Some(certificate), Some(key));
    })
    .await;
    let client = SecureClient::trusting(&authority).connect(stage.proxy).await.unwrap();
    breaks_off(client, &answer).await;
}

/// The client has not all of the answer, and no end of it: an end is what it would take for the answer's.
async fn breaks_off(mut client: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
    client.write_all(PUT).await.unwrap();
    let mut came = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, client.read_to_end(&mut came)).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(came.len() < answer.len() && answer.starts_with(&came), "{}", came.len());
}

#[tokio::test]
async fn of_an_answer_that_the_source_breaks_off_the_client_has_all_that_came() {
    let answer = open_answer(1000);
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), exchange).await;
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    stage.source.wait_for(0, PUT.len()).await.unwrap();
    stage.source.act(0, Step::Send(answer.clone())).unwrap();
    let (all_but_one, last) = answer.split_at(answer.len() - 1);
    assert_eq!(read_exact(&mut client, all_but_one.len()).await, all_but_one);
    stage.source.act(0, Step::Reset).unwrap();
    assert_eq!(read_exact(&mut client, 1).await, last);
    assert_eq!(stage.captured().await.answers(0), answer);
}

#[tokio::test]
async fn with_forward_it_goes_on_whole_and_is_counted() {
    let answer = open_answer(32 << 10);
    let stage = Stage::with(closing(answer.clone()).await, |flags| {
        small(flags);
        flags.when_full = Some("forward".into());
    })
    .await;
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    assert_eq!(read_all(&mut client).await, answer);
    stage.until(&format!("uncaptured_bytes_total {}", answer.len())).await;
}

#[tokio::test]
async fn answers_to_reads_do_not_wait() {
    let answer = open_answer(32 << 10);
    let stage = Stage::with(closing(answer.clone()).await, small).await;
    let mut client = stage.client().await;
    client.write_all(GET).await.unwrap();
    assert_eq!(read_all(&mut client).await, answer);
}
