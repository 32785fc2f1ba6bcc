//! Capture switched off and on while clients go on.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use capture_proxy::audit::Auditor;
use journal::{Reader, StartFrom};
use stage::{Stage, read_all, read_exact};
use testbed::ScriptedSource;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn put(id: &str) -> String {
    format!("PUT /i/_doc/{id} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{{}}")
}

async fn write(client: &mut TcpStream, id: &str) {
    client.write_all(put(id).as_bytes()).await.unwrap();
    assert_eq!(read_exact(client, OK.len()).await, OK);
}

/// What the admin listener answers to a POST.
async fn post(stage: &Stage, path: &str) -> String {
    let mut admin = TcpStream::connect(stage.admin).await.unwrap();
    let ask = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    admin.write_all(ask.as_bytes()).await.unwrap();
    String::from_utf8(read_all(&mut admin).await).unwrap()
}

#[tokio::test]
async fn what_passes_while_capture_is_off_is_not_recorded_and_the_journal_says_when_that_was() {
    let stage = Stage::new(ScriptedSource::answering(OK).await.unwrap()).await;
    let mut client = stage.client().await;
    write(&mut client, "before").await;
    let off = post(&stage, "/capture/off").await;
    assert!(off.contains(r#""capture":"off""#) && off.contains(r#""marked":true"#), "{off}");
    assert!(stage.ask_admin("/capture").await.contains(r#""since":"20"#));
    write(&mut client, "meanwhile").await;
    let mut other = stage.client().await;
    write(&mut other, "meanwhile").await;
    let on = post(&stage, "/capture/on").await;
    assert!(on.contains(r#""capture":"on""#) && on.contains(r#""marked":true"#), "{on}");
    write(&mut client, "after").await;
    write(&mut other, "after").await;
    let metrics = stage.metrics().await;
    let line = "left_out_requests_total{reason=\"off\",writes=\"true\"} 2";
    assert!(metrics.contains(line), "{metrics}");
    let url = stage.journal_url();
    let captured = stage.finish().await;
    captured.assert_complete();
    let requests = |connection| String::from_utf8(captured.requests(connection)).unwrap();
    assert_eq!(requests(0), [put("before"), put("after")].concat());
    assert_eq!(requests(1), put("after"));
    let mut reader = Reader::open(&url, "audit", StartFrom::Beginning, &[]).await.unwrap();
    let ends = reader.ends().await.unwrap();
    let mut auditor = Auditor::default();
    while !reader.has_reached(&ends) {
        auditor.take(&reader.next().await.unwrap());
    }
    let audit = auditor.finish();
    assert_eq!((audit.missing, audit.findings.len(), audit.whole), (0, 1, false), "{audit}");
    assert!(audit.findings[0].contains("did not capture from 20"), "{audit}");
    assert!(audit.findings[0].contains(" until 20"), "{audit}");
}

#[tokio::test]
async fn a_client_that_sends_nothing_leaves_nothing() {
    let stage = Stage::new(ScriptedSource::answering(OK).await.unwrap()).await;
    for _ in 0..3 {
        let mut client = stage.client().await;
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut client).await, b"");
    }
    assert!(stage.finish().await.records.is_empty());
}
