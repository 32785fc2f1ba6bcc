//! What the journal does not get to know, while the source gets every byte.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use capture_proxy::Flags;
use codec::record::Kind;
use stage::{Captured, Stage, read_exact, send_cut};
use testbed::ScriptedSource;

const BODY: &str = r#"{"index":{"_id":"1"}}
{"email":"ann@example.org","n":1,"card":{"number":4111111111111111,"ok":true}}
{"index":{"_id":"2"}}
{"email":"ann@example.org","other":"email"}
"#;

fn request(chunk: usize) -> String {
    let head = "POST /i/_bulk?token=s3cret&refresh HTTP/1.1\r\nhost: a\r\nx-customer: ann\r\n";
    if chunk == 0 {
        return format!("{head}content-length: {}\r\n\r\n{BODY}", BODY.len());
    }
    let chunks = BODY.as_bytes().chunks(chunk);
    let chunk = |part: &[u8]| format!("{:x}\r\n{}\r\n", part.len(), str::from_utf8(part).unwrap());
    let body: String = chunks.map(chunk).collect();
    format!("{head}transfer-encoding: chunked\r\n\r\n{body}0\r\n\r\n")
}

fn answer() -> Vec<u8> {
    let body = r#"{"hits":[{"_source":{"email":"ann@example.org"}}]}"#;
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn redacted(flags: &mut Flags) {
    flags.redact_headers = vec!["X-Customer".into()];
    flags.redact_parameters = vec!["token".into()];
    flags.redact_fields = vec!["email".into(), "card".into()];
}

/// Sends `request` cut in two at each of many places, on a connection each.
async fn capture(stage: Stage, request: &str) -> Captured {
    for (connection, cut) in (1..request.len()).step_by(5).enumerate() {
        let mut client = stage.client().await;
        send_cut(&mut client, request.as_bytes(), &[cut]).await;
        assert_eq!(read_exact(&mut client, answer().len()).await, answer());
        assert_eq!(stage.source.received(connection), request.as_bytes());
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.ends(), captured.connections().len());
    captured
}

/// The journal's whole content, as text, of one connection: request, and answer.
fn texts(captured: &Captured, connection: usize) -> (String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(captured.requests(connection)), text(captured.answers(connection)))
}

fn assert_hidden(captured: &Captured) {
    for record in &captured.records {
        for observation in &record.observations {
            let (Kind::Read(data) | Kind::Write(data)) = &observation.kind else { continue };
            let text = String::from_utf8_lossy(data);
            for part in ["example", "s3cret", "41111", "x-customer: a", "ann@"] {
                assert!(!text.contains(part), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn stars_stand_for_every_secret_wherever_reads_are_cut() {
    for chunk in [0, 7, 1000] {
        let source = ScriptedSource::answering(answer()).await.unwrap();
        let captured = capture(Stage::with(source, redacted).await, &request(chunk)).await;
        let first = texts(&captured, 0);
        assert_eq!(first.0.len(), request(chunk).len());
        assert!(first.0.contains("token=******&refresh") && first.0.contains("x-customer: ***"));
        assert!(first.1.ends_with(r#"{"email":"***************"}}]}"#), "{}", first.1);
        if chunk == 0 {
            assert!(first.0.contains(r#""card":{"number":1111111111111111,"ok":null}"#));
        }
        for connection in 1..captured.connections().len() {
            assert_eq!(texts(&captured, connection), first, "{chunk}, {connection}");
        }
        assert_hidden(&captured);
    }
}

#[tokio::test]
async fn under_a_key_equal_values_stay_equal_wherever_reads_are_cut() {
    let folder = tempfile::TempDir::new().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mut whole = None;
    for chunk in [0, 7] {
        let source = ScriptedSource::answering(answer()).await.unwrap();
        let stage = Stage::with(source, |flags| {
            redacted(flags);
            flags.redact_key_file = Some(key.clone());
        });
        let captured = capture(stage.await, &request(chunk)).await;
        assert_hidden(&captured);
        let first = texts(&captured, 0);
        for connection in 1..captured.connections().len() {
            assert_eq!(texts(&captured, connection), first, "{chunk}, {connection}");
        }
        let hash = first.1.rsplit('"').nth(1).unwrap().to_owned();
        assert_eq!(hash.len(), "ann@example.org".len());
        if chunk == 0 {
            assert_eq!(first.0.matches(&hash).count(), 2, "{}", first.0);
        }
        assert_eq!(whole.get_or_insert_with(|| hash.clone()), &hash);
    }
}

#[tokio::test]
async fn a_connection_without_framing_tells_nothing_when_bodies_are_covered() {
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), redacted).await;
    let bytes = b"GET /i HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{\"email\":\"ann@\"}";
    let mut client = stage.client().await;
    send_cut(&mut client, bytes, &[80]).await;
    stage.source.wait_for(0, bytes.len()).await.unwrap();
    drop(client);
    let captured = stage.finish().await;
    assert_eq!(captured.requests(0).len(), bytes.len());
    assert_hidden(&captured);
}
