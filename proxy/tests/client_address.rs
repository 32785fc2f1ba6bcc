//! Whose a connection is: the PROXY protocol in front of it, plain and before TLS.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use capture_proxy::Flags;
use settings::Span;
use stage::secure::{Files, SecureClient, exchange};
use stage::{Stage, read_all, read_exact};
use testbed::{Authority, ScriptedSource};
use tokio::io::AsyncWriteExt as _;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const PUT: &[u8] = b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const FIRST: &[u8] = b"PROXY TCP4 203.0.113.5 10.0.0.1 51234 9200\r\n";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// 203.0.113.5:51234, and values behind it.
fn second() -> Vec<u8> {
    let addresses = [203, 0, 113, 5, 10, 0, 0, 1, 0xC8, 0x22, 0x23, 0xF0];
    let values = b"\x03\x00\x04crc!\x20\x00\x05\x01\0\0\0\0";
    let length = (addresses.len() + values.len()) as u16;
    let signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11";
    [&signature[..], &length.to_be_bytes(), &addresses, values].concat()
}

async fn stage(what: &'static str, change: impl FnOnce(&mut Flags)) -> Stage {
    Stage::with(ScriptedSource::answering(OK).await.unwrap(), |flags| {
        flags.proxy_protocol = Some(what.into());
        flags.trusted_proxies = Some("127.0.0.0/8".into());
        change(flags);
    })
    .await
}

/// The clients of all connections in the journal.
async fn clients(stage: Stage) -> Vec<String> {
    let captured = stage.finish().await;
    captured.assert_complete();
    for connection in 0..captured.connections().len() {
        assert_eq!(captured.requests(connection), PUT, "without the header");
    }
    let named = captured.records.iter().filter(|record| !record.client.is_empty());
    named.map(|record| record.client.clone()).collect()
}

#[tokio::test]
async fn the_header_is_for_the_proxy_alone_however_it_comes() {
    let stage = stage("required", |_| {}).await;
    for (number, header) in [FIRST, &second()].into_iter().enumerate() {
        let mut client = stage.client().await;
        client.write_all(&[header, PUT].concat()).await.unwrap();
        assert_eq!(read_exact(&mut client, OK.len()).await, OK);
        drop(client);
        assert_eq!(stage.source.wait_for_end(2 * number).await.unwrap(), PUT);
        // Byte by byte.
        let mut client = stage.client().await;
        let cuts: Vec<usize> = (1..header.len()).collect();
        stage::send_cut(&mut client, &[header, PUT].concat(), &cuts).await;
        assert_eq!(read_exact(&mut client, OK.len()).await, OK);
        drop(client);
        assert_eq!(stage.source.wait_for_end(2 * number + 1).await.unwrap(), PUT);
    }
    assert_eq!(clients(stage).await, ["203.0.113.5:51234"; 4]);
}

#[tokio::test]
async fn a_balancer_that_speaks_for_itself_is_the_client() {
    let stage = stage("required", |_| {}).await;
    for header in [LOCAL, b"PROXY UNKNOWN\r\n"] {
        let mut client = stage.client().await;
        client.write_all(&[header, PUT].concat()).await.unwrap();
        assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    }
    // A health check may leave it at that, or look at the port alone.
    let mut client = stage.client().await;
    client.write_all(LOCAL).await.unwrap();
    drop(client);
    drop(stage.client().await);
    let clients = clients_but_empty(stage).await;
    assert!(clients.iter().all(|client| client.starts_with("127.0.0.1:")), "{clients:?}");
}

async fn clients_but_empty(stage: Stage) -> Vec<String> {
    let captured = stage.finish().await;
    captured.assert_complete();
    captured.records.iter().filter(|r| !r.client.is_empty()).map(|r| r.client.clone()).collect()
}

#[tokio::test]
async fn it_stands_before_tls() {
    let (authority, files) = (Authority::new("ours").unwrap(), Files::new());
    let (certificate, key) = files.issue("proxy", &authority.server(&["127.0.0.1"]).unwrap());
    let stage = stage("required", |flags| {
        (flags.tls_certificate, flags.tls_key) = (Some(certificate), Some(key));
    })
    .await;
    for header in [FIRST, &second()] {
        let mut socket = stage.client().await;
        socket.write_all(header).await.unwrap();
        let secure = SecureClient::trusting(&authority).connect_over(socket).await;
        assert_eq!(exchange(&mut secure.unwrap(), PUT, OK.len()).await.unwrap(), OK);
    }
    assert_eq!(clients(stage).await, ["203.0.113.5:51234"; 2]);
}

#[tokio::test]
async fn optional_is_with_and_without() {
    let stage = stage("optional", |_| {}).await;
    for header in [FIRST, b"", &second()] {
        let mut client = stage.client().await;
        client.write_all(&[header, PUT].concat()).await.unwrap();
        assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    }
    let clients = clients(stage).await;
    assert_eq!((&clients[0][..], &clients[2][..]), ("203.0.113.5:51234", "203.0.113.5:51234"));
    assert!(clients[1].starts_with("127.0.0.1:"), "{clients:?}");
}

#[tokio::test]
async fn what_is_no_header_is_refused_where_one_is_required() {
    let stage = stage("required", |flags| {
        flags.handshake_timeout = Some(Span(std::time::Duration::from_millis(300)));
    })
    .await;
    let long = [&b"PROXY "[..], &[b'x'; 200]].concat();
    let huge = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF";
    for begins in [PUT, b"PROXY TCP4 nobody\r\n", &long, huge, &FIRST[..20], b"PROX", b""] {
        let mut client = stage.client().await;
        client.write_all(begins).await.unwrap();
        assert_eq!(read_all(&mut client).await, b"", "{begins:?}");
    }
    // It ends in the middle.
    let mut client = stage.client().await;
    client.write_all(&FIRST[..20]).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, b"");
    assert_eq!(stage.source.connections(), 0);
    for (reason, count) in
        [("no_proxy_header", 1), ("bad_proxy_header", 3), ("handshake_timeout", 3), ("gone", 1)]
    {
        let said = format!("refused_connections_total{{reason=\"{reason}\"}} {count}");
        stage.until(&said).await;
    }
}

#[tokio::test]
async fn nobody_but_the_balancer_is_believed() {
    let elsewhere = |flags: &mut Flags| flags.trusted_proxies = Some("192.0.2.0/24".into());
    let required = stage("required", elsewhere).await;
    let mut client = required.client().await;
    client.write_all(&[FIRST, PUT].concat()).await.unwrap();
    assert_eq!(read_all(&mut client).await, b"");
    assert_eq!(required.source.connections(), 0);
    required.until("{reason=\"untrusted\"} 1").await;
    // Where it is optional, it is the source's to say what it thinks of such a request.
    let optional = stage("optional", elsewhere).await;
    let mut client = optional.client().await;
    let sent = [FIRST, PUT].concat();
    client.write_all(&sent).await.unwrap();
    assert_eq!(optional.source.wait_for(0, sent.len()).await.unwrap(), sent);
}
