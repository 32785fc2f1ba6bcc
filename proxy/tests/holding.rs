//! What is held, what is not, and what never reaches the journal.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use capture_proxy::Flags;
use stage::{Stage, read_all, read_exact};
use testbed::{ScriptedSource, Step};
use tokio::io::AsyncWriteExt;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn put(extra: &str) -> String {
    format!("PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\n{extra}content-length: 2\r\n\r\n{{}}")
}

/// A journal that refuses what comes after its first few records.
fn tiny(flags: &mut Flags) {
    flags.journal_limit = Some(settings::Size(200));
}

#[tokio::test]
async fn when_the_journal_refuses_a_write_is_answered_503_and_the_source_gets_nothing_of_it() {
    let stage = Stage::with(ScriptedSource::answering(OK).await.unwrap(), tiny).await;
    let mut client = stage.client().await;
    client.write_all(put("").as_bytes()).await.unwrap();
    let answer = String::from_utf8(read_all(&mut client).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), b"");
    let metrics = stage.metrics().await;
    assert!(metrics.contains("refused_requests_total{reason=\"journal\"} 1"), "{metrics}");
}

#[tokio::test]
async fn when_the_journal_refuses_a_read_is_served() {
    let stage = Stage::with(ScriptedSource::answering(OK).await.unwrap(), tiny).await;
    let mut client = stage.client().await;
    client.write_all(b"GET /i/_search HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
}

#[tokio::test]
async fn with_forward_a_write_goes_through_uncaptured_and_is_counted() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        tiny(flags);
        flags.when_full = Some("forward".into());
    })
    .await;
    let mut client = stage.client().await;
    client.write_all(put("").as_bytes()).await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    let expected = format!("uncaptured_bytes_total {}", put("").len());
    assert!(stage.metrics().await.contains(&expected));
}

#[tokio::test]
async fn with_hold_exchange_and_forward_the_answer_goes_through_uncaptured_and_is_counted() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        tiny(flags);
        flags.when_full = Some("forward".into());
        flags.hold = Some("exchange".into());
    })
    .await;
    let mut client = stage.client().await;
    client.write_all(put("").as_bytes()).await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    let expected = format!("uncaptured_bytes_total {}", put("").len() + OK.len());
    assert!(stage.metrics().await.contains(&expected));
}

#[tokio::test]
async fn secrets_reach_the_source_and_not_the_journal_wherever_the_head_is_cut() {
    let request = put("Authorization: Basic c2VjcmV0\r\nx-api-key: k3y\r\nCookie: sid=s3ss\r\n");
    let answer = b"HTTP/1.1 200 OK\r\nset-cookie: sid=s3ss\r\ncontent-length: 0\r\n\r\n";
    let stage = Stage::new(ScriptedSource::answering(&answer[..]).await.unwrap()).await;
    let head = request.len() - 2;
    for cut in 1..head {
        let mut client = stage.client().await;
        stage::send_cut(&mut client, request.as_bytes(), &[cut]).await;
        assert_eq!(read_exact(&mut client, answer.len()).await, answer);
        drop(client);
        let arrived = stage.source.wait_for_end(cut - 1).await.unwrap();
        assert_eq!(arrived, request.as_bytes(), "cut at {cut}");
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    let expected = put("Authorization: Basic ********\r\nx-api-key: ***\r\nCookie: ********\r\n");
    for cut in 1..head {
        let recorded = String::from_utf8(captured.requests(cut - 1)).unwrap();
        assert_eq!(recorded, expected, "cut at {cut}");
        assert!(!String::from_utf8(captured.answers(cut - 1)).unwrap().contains("s3ss"));
    }
    let folder = captured.folder.as_ref().unwrap().path().join("j");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(path).unwrap() } else { vec![] };
        for secret in [&b"c2Vjc"[..], b"k3y", b"s3ss"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}

/// A source that answers a request without asking for its body may take the body for a request: so
/// no byte of it may pass before its record, though the request only reads.
#[tokio::test]
async fn a_read_that_expects_100_continue_is_held() {
    let read =
        "GET /_search HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}";
    let stage = Stage::with(ScriptedSource::answering(OK).await.unwrap(), tiny).await;
    let mut client = stage.client().await;
    client.write_all(read.as_bytes()).await.unwrap();
    let answer = String::from_utf8(read_all(&mut client).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), b"");
}

#[tokio::test]
async fn a_final_answer_before_the_body_makes_what_follows_opaque() {
    let refused = b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n";
    let source = ScriptedSource::new(move |seen| {
        let is_head = seen.received.ends_with(b"\r\n\r\n") && seen.requests == 0;
        if is_head { vec![Step::Send(refused.to_vec())] } else { vec![] }
    });
    let stage = Stage::new(source.await.unwrap()).await;
    let mut client = stage.client().await;
    let smuggled = put("");
    let head = format!(
        "GET /_search HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        smuggled.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_exact(&mut client, refused.len()).await, refused);
    client.write_all(smuggled.as_bytes()).await.unwrap();
    let sent = [head.as_bytes(), smuggled.as_bytes()].concat();
    assert_eq!(stage.source.wait_for(0, sent.len()).await.unwrap(), sent);
    let metrics = stage.metrics().await;
    let counted = "opaque_connections_total{reason=\"unmet_expectation\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    drop(client);
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!((captured.requests(0), captured.ends()), (sent, 0));
}

/// Small reads are recorded as a copy, larger ones where they were read to.
#[tokio::test]
async fn secrets_stay_out_of_the_journal_whatever_the_length_of_the_read() {
    let stage = Stage::new(ScriptedSource::answering(OK).await.unwrap()).await;
    let lengths = [1, 500, 1900, 2000, 2048, 2100, 5000, 9000, 70_000];
    let request = |secret: &str, length: usize| {
        let body = "b".repeat(length);
        format!(
            "PUT /i/_doc/1 HTTP/1.1\r\nx-api-key: {secret}\r\nhost: a\r\nauthorization: Basic {secret}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    for (number, length) in lengths.into_iter().enumerate() {
        let mut client = stage.client().await;
        let sent = request("c2VjcmV0", length);
        client.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(read_exact(&mut client, OK.len()).await, OK);
        drop(client);
        let arrived = stage.source.wait_for_end(number).await.unwrap();
        assert_eq!(arrived, sent.as_bytes(), "{length}");
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    for (number, length) in lengths.into_iter().enumerate() {
        let recorded = String::from_utf8(captured.requests(number)).unwrap();
        assert_eq!(recorded, request("********", length), "{length}");
    }
}

#[tokio::test]
async fn secrets_stay_out_of_the_journal_where_there_is_no_framing() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let mut client = stage.client().await;
    let two_lengths = "POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n";
    let parts = [
        two_lengths,
        "abcPUT / HTTP/1.1\r\nAuthoriza",
        "tion: Basic QQ",
        "QQ\r\nhost: a\r\n",
        "\r\n",
    ];
    let mut sent: Vec<u8> = Vec::new();
    for part in parts.into_iter().chain(["GET / HTTP/1.1\r\nauthoriza", "tion: Basic QQ\r\n"]) {
        client.write_all(part.as_bytes()).await.unwrap();
        sent.extend(part.as_bytes());
        assert_eq!(stage.source.wait_for(0, sent.len()).await.unwrap(), sent);
    }
    for part in ["HTTP/1.1 400 Bad\r\nSet-Cookie: sid=Q", "QQ; path=/\r\nx-api", "-key: QQ\r\n\r\n"]
    {
        stage.source.act(0, Step::Send(part.as_bytes().to_vec())).unwrap();
        assert_eq!(read_exact(&mut client, part.len()).await, part.as_bytes());
    }
    let captured = stage.finish().await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let requests = text(captured.requests(0));
    assert_eq!(requests.len(), sent.len());
    assert!(!requests.contains('Q') && requests.contains("host: a\r\n"), "{requests}");
    let answers = text(captured.answers(0));
    assert!(!answers.contains('Q') && answers.ends_with("\r\nx-api-key: **\r\n\r\n"), "{answers}");
}

#[tokio::test]
async fn a_head_that_turns_out_to_be_no_head_keeps_its_secrets_wherever_it_is_cut() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let sent = b"GET / HTTP/1.1\r\nauthorization: Basic QQQQ\r\nx-api-key: QQ\r\nA : b\r\n\r\n";
    for cut in 1..sent.len() {
        let mut client = stage.client().await;
        stage::send_cut(&mut client, sent, &[cut]).await;
        assert_eq!(stage.source.wait_for(cut - 1, sent.len()).await.unwrap(), sent);
    }
    let captured = stage.finish().await;
    for connection in 0..sent.len() - 1 {
        let requests = String::from_utf8(captured.requests(connection)).unwrap();
        assert!(requests.len() == sent.len() && !requests.contains('Q'), "{requests}");
    }
}

#[tokio::test]
async fn ambiguous_framing_passes_untouched_held_and_counted() {
    for (bytes, reason) in [
        (
            "POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
            "repeated_content_length",
        ),
        (
            "POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "length_and_encoding",
        ),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "bad_chunk_size"),
        (
            "GET /_search HTTP/1.1\r\nexpect: x\r\ncontent-length: 3\r\n\r\nPUT",
            "unknown_expectation",
        ),
        ("GET / HTTP/1.1\nhost: a\n\n", "bare_lf"),
        ("GET /\0 HTTP/1.1\r\n\r\n", "control_byte"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2_preface"),
    ] {
        let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
        let mut client = stage.client().await;
        client.write_all(bytes.as_bytes()).await.unwrap();
        let arrived = stage.source.wait_for(0, bytes.len()).await.unwrap();
        assert_eq!(arrived, bytes.as_bytes(), "{reason}");
        let metrics = stage.metrics().await;
        let counted = format!("opaque_connections_total{{reason=\"{reason}\"}} 1");
        assert!(metrics.contains(&counted), "{reason}: {metrics}");
        stage.source.act(0, Step::Close).unwrap();
        assert_eq!(read_all(&mut client).await, b"");
        let captured = stage.finish().await;
        captured.assert_complete();
        assert_eq!(captured.requests(0), bytes.as_bytes(), "{reason}");
        assert_eq!(captured.ends(), 0, "{reason}");
    }
}

/// Without framing nobody knows whether an answer is due: the source is told of the end, and says.
#[tokio::test]
async fn a_client_that_ends_its_side_of_an_opaque_connection_is_answered() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let mut client = stage.client().await;
    let request = b"POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd";
    client.write_all(request).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), request);
    let bad = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    stage.source.act(0, Step::Send(bad.to_vec())).unwrap();
    stage.source.act(0, Step::Close).unwrap();
    assert_eq!(read_all(&mut client).await, bad);
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.answers(0), bad);
}

#[tokio::test]
async fn a_client_that_vanishes_after_its_request_has_its_answer_journaled() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let mut client = stage.client().await;
    client.write_all(put("").as_bytes()).await.unwrap();
    stage.source.wait_for(0, put("").len()).await.unwrap();
    drop(client);
    stage.source.act(0, Step::Send(OK.to_vec())).unwrap();
    stage.source.wait_for_end(0).await.unwrap();
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.answers(0), OK);
}

#[tokio::test]
async fn a_client_that_vanishes_in_its_request_ends_it_at_the_source_too() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let mut client = stage.client().await;
    let half = &put("")[..put("").len() - 1];
    client.write_all(half.as_bytes()).await.unwrap();
    stage.source.wait_for(0, half.len()).await.unwrap();
    drop(client);
    assert_eq!(stage.source.wait_for_end(0).await.unwrap(), half.as_bytes());
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!((captured.requests(0), captured.ends()), (half.as_bytes().to_vec(), 0));
}

#[tokio::test]
async fn a_source_that_is_down_is_answered_for_with_502() {
    let source = ScriptedSource::silent().await.unwrap();
    let stage = Stage::with(source, |flags| {
        // A port that was free a moment ago and nobody listens on.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        flags.source = Some(format!("http://{free}"));
    })
    .await;
    let mut client = stage.client().await;
    client.write_all(put("").as_bytes()).await.unwrap();
    let answer = String::from_utf8(read_all(&mut client).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn a_source_that_vanishes_in_its_answer_is_seen_by_the_client_as_it_was() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let source = ScriptedSource::new(move |seen| match seen.new_requests {
        0 => vec![],
        _ => vec![Step::Send(half.to_vec()), Step::Close],
    });
    let stage = Stage::new(source.await.unwrap()).await;
    let mut client = stage.client().await;
    client.write_all(put("").as_bytes()).await.unwrap();
    assert_eq!(read_all(&mut client).await, half);
    let captured = stage.finish().await;
    captured.assert_complete();
    assert_eq!(captured.answers(0), half);
}

#[tokio::test]
async fn draining_lets_an_open_exchange_end_and_closes_idle_connections() {
    let stage = Stage::new(ScriptedSource::silent().await.unwrap()).await;
    let (mut busy, mut idle) = (stage.client().await, stage.client().await);
    busy.write_all(put("").as_bytes()).await.unwrap();
    stage.source.wait_for(0, put("").len()).await.unwrap();
    let (proxy, source) = (stage.proxy, stage.source.addr());
    assert_ne!(proxy, source);
    stage.begin_drain();
    assert_eq!(read_all(&mut idle).await, b"");
    stage.source.act(0, Step::Send(OK.to_vec())).unwrap();
    let last = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(read_all(&mut busy).await, last);
    stage.finish().await.assert_complete();
}

#[tokio::test]
async fn clients_are_served_while_the_balancer_has_yet_to_notice_the_drain() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let slow = |flags: &mut Flags| {
        flags.drain_delay = Some(settings::Span(std::time::Duration::from_secs(600)));
    };
    let stage = Stage::with(source, slow).await;
    assert!(stage.ask_admin("/readyz").await.starts_with("HTTP/1.1 200 "));
    let mut before = stage.client().await;
    stage.begin_drain();
    while stage.ask_admin("/readyz").await.starts_with("HTTP/1.1 200 ") {
        tokio::task::yield_now().await;
    }
    assert!(stage.ask_admin("/livez").await.starts_with("HTTP/1.1 200 "));
    let mut after = stage.client().await;
    for client in [&mut before, &mut after] {
        for _ in 0..2 {
            client.write_all(put("").as_bytes()).await.unwrap();
            assert_eq!(read_exact(client, OK.len()).await, OK);
        }
    }
    // Asked a second time, it waits no longer.
    stage.end_at_once().await;
}

#[tokio::test]
async fn with_hold_exchange_an_answer_is_durable_before_the_client_has_it() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| flags.hold = Some("exchange".into())).await;
    let mut client = stage.client().await;
    for _ in 0..20 {
        client.write_all(put("").as_bytes()).await.unwrap();
        assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    }
    // No drain: what the client has seen is on disk already.
    assert_eq!(stage.captured().await.answers(0), OK.repeat(20));
}

#[tokio::test]
async fn when_a_recording_is_over_clients_are_served_on_without_a_record() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let short = |flags: &mut Flags| {
        flags.record_for = Some(settings::Span(std::time::Duration::from_millis(300)));
    };
    let stage = Stage::with(source, short).await;
    let mut recorded = stage.client().await;
    recorded.write_all(put("").as_bytes()).await.unwrap();
    assert_eq!(read_exact(&mut recorded, OK.len()).await, OK);
    // It is closed between two exchanges.
    assert_eq!(read_all(&mut recorded).await, b"");
    let mut unrecorded = stage.client().await;
    // And stays: it is not the recording's.
    for _ in 0..2 {
        unrecorded.write_all(put("").as_bytes()).await.unwrap();
        assert_eq!(read_exact(&mut unrecorded, OK.len()).await, OK);
    }
    let metrics = stage.metrics().await;
    assert!(metrics.contains("unrecorded_connections_total 1"), "{metrics}");
    let mut captured = stage.captured().await;
    while !captured.records.iter().any(|record| record.last) {
        tokio::task::yield_now().await;
        captured = stage.captured().await;
    }
    captured.assert_complete();
    assert_eq!((captured.connections().len(), captured.ends()), (1, 1));
    stage.end_at_once().await;
}
