//! The proxy in front of a real broker: held means held.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use capture_proxy::{CaptureProxy, Flags, Settings};
use stage::{Captured, PATIENCE, Stage, read_exact};
use telemetry::Shutdown;
use testbed::{ScriptedSource, Testbed};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const PUT: &[u8] = b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn while_the_broker_is_paused_the_source_receives_no_byte_of_a_write() {
    let kafka = Testbed::kafka().await.unwrap();
    let source = ScriptedSource::answering(OK).await.unwrap();
    let flags = Flags {
        listen: Some("127.0.0.1:0".into()),
        source: Some(source.url()),
        journal: Some(kafka.journal("traffic")),
        threads: Some(1),
        ..Flags::default()
    };
    let settings = Settings::load(flags, []).unwrap();
    let journal = settings.journal.clone().unwrap();
    let proxy = CaptureProxy::start(settings).await.unwrap();
    let address = proxy.address;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(proxy.run(shutdown.clone()));

    // One write goes through, so that everything is connected and warm.
    let mut writer = TcpStream::connect(address).await.unwrap();
    writer.write_all(PUT).await.unwrap();
    assert_eq!(read_exact(&mut writer, OK.len()).await, OK);

    kafka.pause();
    let mut held = TcpStream::connect(address).await.unwrap();
    held.write_all(PUT).await.unwrap();
    // A read that comes later overtakes it: so the write was in the proxy's hands all the while.
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader.write_all(b"GET /i/_search HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_exact(&mut reader, OK.len()).await, OK);
    assert_eq!(source.received(1), b"");
    kafka.resume();
    assert_eq!(source.wait_for(1, PUT.len()).await.unwrap(), PUT);
    assert_eq!(read_exact(&mut held, OK.len()).await, OK);

    drop((writer, held, reader));
    shutdown.drain();
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    let captured = Captured::read(&journal).await;
    captured.assert_complete();
    assert_eq!((captured.connections().len(), captured.ends()), (3, 3));
}

#[tokio::test]
async fn a_body_is_handed_to_kafka_where_it_was_read_to() {
    let kafka = Testbed::kafka().await.unwrap();
    let source = ScriptedSource::answering(OK).await.unwrap();
    let flags = Flags {
        listen: Some("127.0.0.1:0".into()),
        admin: Some("127.0.0.1:0".into()),
        source: Some(source.url()),
        journal: Some(kafka.journal("pointers")),
        threads: Some(1),
        ..Flags::default()
    };
    let proxy = CaptureProxy::start(Settings::load(flags, []).unwrap()).await.unwrap();
    let body = vec![b'x'; 4 << 20];
    // With a secret in its head, which is blanked in the record and sent on.
    let head = format!(
        "POST /_bulk HTTP/1.1\r\nhost: a\r\nauthorization: Basic c2VjcmV0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    let sent = source.wait_for(0, head.len()).await.unwrap();
    assert!(sent.starts_with(head.as_bytes()));
    // Reports name the address of the slab that the socket was read into; none was another.
    assert_eq!(proxy.moved_records(), 0);
    let mut admin = TcpStream::connect(proxy.admin.unwrap()).await.unwrap();
    let ask = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    admin.write_all(ask).await.unwrap();
    let metrics = String::from_utf8(stage::read_all(&mut admin).await).unwrap();
    for reason in ["ids", "split", "redacted"] {
        let none = format!("copied_records_total{{reason=\"{reason}\"}} 0");
        assert!(metrics.contains(&none), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_has_not_acknowledged_is_shown_with_its_age() {
    let kafka = Testbed::kafka().await.unwrap();
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| flags.journal = Some(kafka.journal("waiting"))).await;
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    kafka.pause();
    client.write_all(PUT).await.unwrap();
    let shown = async |name: &str| -> f64 {
        let metrics = stage.metrics().await;
        let name = format!("godwit_capture_proxy_{name} ");
        let line = metrics.lines().find(|line| line.starts_with(&name)).unwrap();
        line[name.len()..].parse().unwrap()
    };
    let until = async |holds: &dyn Fn(f64, f64) -> bool| {
        let waiting = async {
            loop {
                let age = shown("journal_oldest_waiting_seconds").await;
                let records = shown("journal_waiting_records").await;
                if holds(age, records) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    };
    // The write, and a heartbeat each second.
    until(&|age, records| age > 2.0 && age < 60.0 && records >= 3.0).await;
    kafka.resume();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    until(&|age, records| age == 0.0 && records == 0.0).await;
    drop(client);
    stage.finish().await.assert_complete();
}
