//! The relay's faults, seen from both of its sides.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use testbed::{Relay, ScriptedSource, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn pair() -> (ScriptedSource, Relay) {
    let source = ScriptedSource::answering(ANSWER).await.unwrap();
    let relay = Relay::in_front_of(source.addr()).await.unwrap();
    (source, relay)
}

async fn ask(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    client.write_all(REQUEST).await?;
    let mut answer = vec![0; ANSWER.len()];
    client.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn passes_bytes_and_waits_while_paused() {
    let (source, relay) = pair().await;
    let mut client = TcpStream::connect(relay.addr()).await.unwrap();
    assert_eq!(ask(&mut client).await.unwrap(), ANSWER);

    relay.pause();
    let waiting = tokio::time::timeout(Duration::from_millis(200), ask(&mut client)).await;
    assert!(waiting.is_err());
    assert_eq!(source.received(0).len(), REQUEST.len());

    relay.resume();
    let mut answer = vec![0; ANSWER.len()];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, ANSWER);
    assert_eq!(source.received(0), [REQUEST, REQUEST].concat());
}

#[tokio::test]
async fn cuts_open_connections_and_takes_new_ones() {
    let (source, relay) = pair().await;
    let mut client = TcpStream::connect(relay.addr()).await.unwrap();
    ask(&mut client).await.unwrap();
    relay.cut();
    assert_eq!(
        client.read(&mut [0; 1]).await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    source.wait_for_end(0).await.unwrap();
    let mut client = TcpStream::connect(relay.addr()).await.unwrap();
    assert_eq!(ask(&mut client).await.unwrap(), ANSWER);
}

#[tokio::test]
async fn cuts_after_exactly_so_many_bytes_once() {
    let (_source, relay) = pair().await;
    for allowed in [0, 1, ANSWER.len() - 1, ANSWER.len()] {
        relay.cut_after(allowed as u64);
        let mut client = TcpStream::connect(relay.addr()).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        let mut came = Vec::new();
        client.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, &ANSWER[..allowed]);
    }
    let mut client = TcpStream::connect(relay.addr()).await.unwrap();
    assert_eq!(ask(&mut client).await.unwrap(), ANSWER);
}

#[tokio::test]
async fn refuses_until_it_accepts_again() {
    let (_source, relay) = pair().await;
    let mut open = TcpStream::connect(relay.addr()).await.unwrap();
    ask(&mut open).await.unwrap();
    relay.refuse().await;
    let refused = TcpStream::connect(relay.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(ask(&mut open).await.unwrap(), ANSWER);
    relay.accept().await;
    let mut client = TcpStream::connect(relay.addr()).await.unwrap();
    assert_eq!(ask(&mut client).await.unwrap(), ANSWER);
}

#[tokio::test]
async fn a_scripted_source_does_what_the_test_says() {
    let source = ScriptedSource::silent().await.unwrap();
    let mut client = TcpStream::connect(source.addr()).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    assert_eq!(source.wait_for(0, REQUEST.len()).await.unwrap(), REQUEST);
    source.act(0, Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())).unwrap();
    let mut interim = [0; 25];
    client.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    source.act(0, Step::Reset).unwrap();
    assert!(client.read(&mut [0; 1]).await.is_err());
    assert_eq!(source.connections(), 1);
}

#[tokio::test]
async fn a_scripted_source_answers_pipelined_requests_one_each() {
    let answers = vec![b"first".to_vec(), b"second".to_vec()];
    let source = ScriptedSource::answering_each(answers).await.unwrap();
    let mut client = TcpStream::connect(source.addr()).await.unwrap();
    client.write_all(&[REQUEST, REQUEST, REQUEST].concat()).await.unwrap();
    client.shutdown().await.unwrap();
    source.wait_for_end(0).await.unwrap();
    source.act(0, Step::Close).unwrap();
    let mut came = Vec::new();
    client.read_to_end(&mut came).await.unwrap();
    assert_eq!(came, b"firstsecond");
}
