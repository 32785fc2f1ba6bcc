//! What the journal does not get to know, while the source gets every byte.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::Duration;

use capture_proxy::Flags;
use codec::record::Kind;
use settings::Span;
use stage::{Captured, Stage, read_exact, send_cut};
use testbed::{ScriptedSource, Step};
use tokio::io::AsyncWriteExt as _;

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

/// A key, and the folder that it lies in.
fn keyed(flags: &mut Flags) -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    flags.redact_key_file = Some(key);
    folder
}

/// Sends both parts, the second after the proxy has read the first: it has read `before` bytes so far.
async fn send_apart(
    stage: &Stage,
    client: &mut tokio::net::TcpStream,
    before: usize,
    parts: [&[u8]; 2],
) {
    client.write_all(parts[0]).await.unwrap();
    let read = before + parts[0].len();
    stage.until(&format!("bytes_total{{direction=\"request\"}} {read}\n")).await;
    client.write_all(parts[1]).await.unwrap();
}

#[tokio::test]
async fn fields_behind_a_body_are_covered_as_those_in_front_of_it_wherever_reads_are_cut() {
    let request = "POST /i/_doc HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\
        Authorization: Basic s3cret\r\nsum: 1\r\nX-Customer: ann\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\
        set-cookie: s3cret\r\nX-Customer: ann\r\n\r\n";
    for has_key in [false, true] {
        let mut folder = None;
        let stage = Stage::with(ScriptedSource::silent().await.unwrap(), |flags| {
            flags.redact_headers = vec!["X-Customer".into()];
            folder = has_key.then(|| keyed(flags));
        })
        .await;
        let trailers = |message: &str| message.find("\r\n0\r\n").unwrap() + 5;
        let cuts = (trailers(request)..request.len()).step_by(3).enumerate();
        for (connection, cut) in cuts {
            let mut client = stage.client().await;
            let (first, second) = request.as_bytes().split_at(cut);
            send_apart(&stage, &mut client, connection * request.len(), [first, second]).await;
            let received = stage.source.wait_for(connection, request.len()).await.unwrap();
            assert_eq!(received, request.as_bytes());
            let cut = (trailers(answer) + connection).min(answer.len() - 1);
            let (first, second) = answer.as_bytes().split_at(cut);
            for part in [first, second] {
                stage.source.act(connection, Step::Send(part.to_vec())).unwrap();
                assert_eq!(read_exact(&mut client, part.len()).await, part);
            }
        }
        let captured = stage.finish().await;
        captured.assert_complete();
        assert_hidden(&captured);
        assert_eq!(captured.ends(), captured.connections().len());
        let first = texts(&captured, 0);
        assert_eq!((first.0.len(), first.1.len()), (request.len(), answer.len()));
        if !has_key {
            assert!(
                first
                    .0
                    .ends_with("Authorization: Basic ******\r\nsum: 1\r\nX-Customer: ***\r\n\r\n")
            );
            assert!(first.1.ends_with("set-cookie: ******\r\nX-Customer: ***\r\n\r\n"));
        }
        for connection in 1..captured.connections().len() {
            assert_eq!(texts(&captured, connection), first, "{connection}");
        }
    }
}

/// Whoever leaves in the midst of them has told the journal nothing either.
#[tokio::test]
async fn fields_behind_a_body_that_never_end_are_covered_too() {
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), redacted).await;
    let body = "POST /i/_doc HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n";
    let mut client = stage.client().await;
    let trailer = b"authorization: Basic s3cret";
    send_apart(&stage, &mut client, 0, [body.as_bytes(), trailer]).await;
    let all = body.len() + trailer.len();
    stage.until(&format!("bytes_total{{direction=\"request\"}} {all}\n")).await;
    assert_eq!(stage.source.received(0), body.as_bytes());
    drop(client);
    let captured = stage.finish().await;
    captured.assert_complete();
    let expected = format!("{body}authorization: Basic ******");
    assert_eq!(String::from_utf8(captured.requests(0)).unwrap(), expected);
}

/// Of what is left out nothing is kept back, and nothing of it is in the journal that could be covered.
#[tokio::test]
async fn fields_behind_a_body_that_is_left_out_cover_nothing_of_the_message_behind() {
    let left_out = "POST /logs/_doc HTTP/1.1\r\nhost: a\r\nx-probe: yes\r\n\
        transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nauthorization: Basic s3cret\r\n\r\n";
    let put = "PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    let its_answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\
        set-cookie: s3cret=1; secure; httponly\r\n\r\n";
    let created = "HTTP/1.1 201 Created\r\nlocation: /i/_doc/1\r\ncontent-length: 2\r\n\r\n{}";
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), |flags| {
        flags.leave_out_headers = vec!["x-probe=yes".into()];
    })
    .await;
    let requests = [left_out, put].concat();
    let answers = [its_answer, created].concat();
    for (connection, back) in (1..20).enumerate() {
        let mut client = stage.client().await;
        let parts = requests.as_bytes().split_at(left_out.len() - back);
        send_apart(&stage, &mut client, connection * requests.len(), parts.into()).await;
        let received = stage.source.wait_for(connection, requests.len()).await.unwrap();
        assert_eq!(received, requests.as_bytes());
        let (first, second) = answers.as_bytes().split_at(its_answer.len() - back);
        for part in [first, second] {
            stage.source.act(connection, Step::Send(part.to_vec())).unwrap();
            assert_eq!(read_exact(&mut client, part.len()).await, part);
        }
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    for connection in 0..captured.connections().len() {
        let came = texts(&captured, connection);
        assert_eq!(came, (put.to_owned(), created.to_owned()), "{connection}");
    }
}

/// With a frame of settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A HEADERS frame with credentials, as HPACK writes what it doesn't compress.
const FRAME: &[u8] = b"\0\0\x22\x01\x05\0\0\0\x01\x40\x0dauthorization\x12Basic example-s3cret";

fn assert_says(captured: &Captured, message: &str) {
    let mut kinds =
        captured.records.iter().flat_map(|record| &record.observations).map(|o| &o.kind);
    let says = |kind: &Kind| matches!(kind, Kind::Exception(said) if said == message);
    assert!(kinds.any(says), "{message}");
}

#[tokio::test]
async fn of_http2_the_journal_gets_nothing_but_that_it_was_spoken_wherever_reads_are_cut() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let sent = [PREFACE, FRAME].concat();
    let cuts: Vec<usize> = (1..sent.len()).step_by(3).collect();
    for (connection, cut) in cuts.iter().enumerate() {
        let mut client = stage.client().await;
        let (first, second) = sent.split_at(*cut);
        send_apart(&stage, &mut client, connection * sent.len(), [first, second]).await;
        assert_eq!(stage.source.wait_for(connection, sent.len()).await.unwrap(), sent);
        stage.source.act(connection, Step::Send(FRAME.to_vec())).unwrap();
        assert_eq!(read_exact(&mut client, FRAME.len()).await, FRAME);
    }
    let counted = format!("opaque_connections_total{{reason=\"http2_preface\"}} {}", cuts.len());
    stage.until(&counted).await;
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_says(&captured, "opaque: http2_preface");
    let covered = "*".repeat(sent.len());
    let expected = [&PREFACE[..28], &covered.as_bytes()[28..]].concat();
    for connection in 0..cuts.len() {
        assert_eq!(captured.requests(connection), expected);
        assert_eq!(captured.answers(connection), covered.as_bytes()[..FRAME.len()]);
    }
}

const OFFER: &[u8] = b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\n\
    upgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n";

#[tokio::test]
async fn so_it_is_when_the_connection_changes_to_http2() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let mut client = stage.client().await;
    client.write_all(OFFER).await.unwrap();
    stage.source.wait_for(0, OFFER.len()).await.unwrap();
    let answer = [SWITCH, FRAME].concat();
    stage.source.act(0, Step::Send(answer.clone())).unwrap();
    assert_eq!(read_exact(&mut client, answer.len()).await, answer);
    client.write_all(PREFACE).await.unwrap();
    client.write_all(FRAME).await.unwrap();
    let sent = [OFFER, PREFACE, FRAME].concat();
    assert_eq!(stage.source.wait_for(0, sent.len()).await.unwrap(), sent);
    stage.until("opaque_connections_total{reason=\"http2_upgrade\"} 1").await;
    // A client in a hurry, before the source has said anything.
    let mut hasty = stage.client().await;
    hasty.write_all(&sent).await.unwrap();
    assert_eq!(stage.source.wait_for(1, sent.len()).await.unwrap(), sent);
    stage.source.act(1, Step::Send(answer.clone())).unwrap();
    assert_eq!(read_exact(&mut hasty, answer.len()).await, answer);
    stage.until("opaque_connections_total{reason=\"http2_preface\"} 1").await;
    drop((client, hasty));
    for connection in [0, 1] {
        stage.source.act(connection, Step::Close).unwrap();
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_hidden(&captured);
    assert_says(&captured, "opaque: http2_upgrade");
    for connection in [0, 1] {
        let requests = captured.requests(connection);
        assert!(requests.starts_with(OFFER), "{connection}");
        assert_eq!(requests.len(), sent.len());
        assert_eq!(captured.answers(connection).len(), answer.len());
    }
    assert!(captured.answers(0).starts_with(SWITCH));
}

/// A value that is hashed is kept until all of it is there; but not for as long as a client likes.
#[tokio::test]
async fn a_value_that_does_not_come_to_its_end_in_time_goes_on_and_nothing_is_told_of_it() {
    let mut folder = None;
    let source = ScriptedSource::answering(answer()).await.unwrap();
    let stage = Stage::with(source, |flags| {
        redacted(flags);
        folder = Some(keyed(flags));
        flags.head_timeout = Some(Span(Duration::from_millis(200)));
    })
    .await;
    let body = r#"{"email":"ann@example.org","email":"ann@example.org"}"#;
    let head =
        format!("POST /i/_doc HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    let request = [head.as_bytes(), body.as_bytes()].concat();
    let mut client = stage.client().await;
    let first = head.len() + r#"{"email":"ann@exam"#.len();
    client.write_all(&request[..first]).await.unwrap();
    assert_eq!(stage.source.wait_for(0, first).await.unwrap(), &request[..first]);
    client.write_all(&request[first..]).await.unwrap();
    assert_eq!(read_exact(&mut client, answer().len()).await, answer());
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_hidden(&captured);
    assert_eq!(captured.ends(), 1);
    let (stored, answered) = texts(&captured, 0);
    let hash = answered.rsplit('"').nth(1).unwrap();
    let stars = "*".repeat(hash.len());
    let expected = format!(r#"{head}{{"email":"{stars}","email":"{hash}"}}"#);
    assert_eq!(stored, expected);
}

/// Fields behind a body are kept back as a head is, and a client that stalls in them is as one that stalls in a head.
#[tokio::test]
async fn fields_behind_a_body_that_do_not_come_in_time_end_the_connection() {
    let stage = Stage::with(ScriptedSource::silent().await.unwrap(), |flags| {
        flags.head_timeout = Some(Span(Duration::from_millis(200)));
    })
    .await;
    let mut client = stage.client().await;
    let body = "POST /i/_doc HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n";
    client.write_all(body.as_bytes()).await.unwrap();
    client.write_all(b"cookie: s3cret").await.unwrap();
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), body.as_bytes());
    stage.until("refused_requests_total{reason=\"head\"} 1").await;
    assert_eq!(stage::read_all(&mut client).await, b"");
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_hidden(&captured);
}
