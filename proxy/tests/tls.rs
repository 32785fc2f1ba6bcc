//! TLS on both sides, with certificates made for the test.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use stage::secure::{Files, SecureClient, der, exchange, shown};
use stage::{Stage, read_all};
use testbed::{Authority, ScriptedSource, TlsFront};
use tokio::io::AsyncWriteExt as _;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const PUT: &[u8] = b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const HERE: &[&str] = &["127.0.0.1"];

async fn answering() -> ScriptedSource {
    ScriptedSource::answering(OK).await.unwrap()
}

/// A proxy with a certificate of this authority, and the files that it lies in.
async fn secured(authority: &Authority, source: ScriptedSource) -> (Stage, Files) {
    let files = Files::new();
    let (certificate, key) = files.issue("proxy", &authority.server(HERE).unwrap());
    let stage = Stage::with(source, |flags| {
        (flags.tls_certificate, flags.tls_key) = (Some(certificate), Some(key));
    });
    (stage.await, files)
}

#[tokio::test]
async fn a_client_with_the_ca_is_served_over_tls_and_captured_in_the_clear() {
    let authority = Authority::new("ours").unwrap();
    let answer = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n\
        content-length: 2\r\n\r\n{}";
    let source = ScriptedSource::answering(answer).await.unwrap();
    let (stage, _files) = secured(&authority, source).await;
    let trusted = reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    let url = format!("https://{}/i/_doc/1", stage.proxy);
    let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let body = "x".repeat(200_000);
    let answered = client.put(&url).body(body.clone()).send().await.unwrap();
    assert_eq!((answered.status().as_u16(), answered.version()), (201, reqwest::Version::HTTP_11));
    assert!(reqwest::Client::new().put(&url).send().await.is_err(), "an unknown CA is refused");
    drop((answered, client));
    let captured = stage.finish().await;
    captured.assert_complete();
    let request = String::from_utf8(captured.requests(0)).unwrap();
    assert!(request.starts_with("PUT /i/_doc/1 HTTP/1.1\r\n") && request.ends_with(&body));
    assert_eq!(captured.answers(0), answer.as_bytes());
}

/// As a process does that is killed, and many a client library.
#[tokio::test]
async fn a_client_that_leaves_without_ending_its_tls_has_sent_what_it_sent() {
    let authority = Authority::new("ours").unwrap();
    let (stage, _files) = secured(&authority, answering().await).await;
    let client = SecureClient::trusting(&authority);
    for connection in 0..20 {
        let mut stream = client.connect(stage.proxy).await.unwrap();
        exchange(&mut stream, PUT, OK.len()).await.unwrap();
        stream.write_all(PUT).await.unwrap();
        drop(stream);
        let sent = [PUT, PUT].concat();
        assert_eq!(stage.source.wait_for(connection, sent.len()).await.unwrap(), sent);
    }
    let captured = stage.finish().await;
    captured.assert_complete();
    for connection in 0..20 {
        assert_eq!(captured.answers(connection), [OK, OK].concat());
    }
}

#[tokio::test]
async fn both_versions_are_spoken_and_no_other_protocol_is_offered() {
    let authority = Authority::new("ours").unwrap();
    let (stage, _files) = secured(&authority, answering().await).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let versions = vec![version];
        let client = SecureClient { versions, ..SecureClient::trusting(&authority) };
        let mut stream = client.connect(stage.proxy).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(exchange(&mut stream, PUT, OK.len()).await.unwrap(), OK);
    }
    // Plain bytes where a handshake is expected.
    let mut plain = stage.client().await;
    plain.write_all(PUT).await.unwrap();
    let alert = read_all(&mut plain).await;
    assert!(!alert.starts_with(b"HTTP"), "{alert:?}");
    stage.until("refused_connections_total{reason=\"tls\"} 1").await;
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_what_is_wrong_is_not_taken() {
    let (authority, files) = (Authority::new("ours").unwrap(), Files::new());
    let first = authority.server(HERE).unwrap();
    let (certificate, key) = files.issue("proxy", &first);
    let stage = Stage::with(answering().await, |flags| {
        (flags.tls_certificate, flags.tls_key) = (Some(certificate), Some(key));
    })
    .await;
    let client = SecureClient::trusting(&authority);
    let mut open = client.connect(stage.proxy).await.unwrap();
    assert_eq!(exchange(&mut open, PUT, OK.len()).await.unwrap(), OK);
    let second = authority.server(HERE).unwrap();
    files.issue("proxy", &second);
    stage.until("tls_reloads_total{outcome=\"taken\",side=\"listener\"}").await;
    assert_eq!(exchange(&mut open, PUT, OK.len()).await.unwrap(), OK, "it goes on");
    assert_eq!(shown(&open), der(&first.certificate));
    let mut new = client.connect(stage.proxy).await.unwrap();
    assert_eq!(shown(&new), der(&second.certificate));
    assert_eq!(exchange(&mut new, PUT, OK.len()).await.unwrap(), OK);
    // Expired; not its key; no certificate; gone.
    let stale = "tls_stale{side=\"listener\"} 1";
    let refused =
        |count| format!("tls_reloads_total{{outcome=\"refused\",side=\"listener\"}} {count}");
    files.issue("proxy", &authority.expired_server(HERE).unwrap());
    stage.until(&refused(1)).await;
    files.write("proxy.pem", &second.certificate);
    stage.until(&refused(2)).await;
    files.write("proxy.pem", "no certificate");
    stage.until(&refused(3)).await;
    std::fs::remove_file(files.path("proxy.pem")).unwrap();
    stage.until(&refused(4)).await;
    stage.until(stale).await;
    let still = client.connect(stage.proxy).await.unwrap();
    assert_eq!(shown(&still), der(&second.certificate), "the last that was right stays");
    let third = authority.server(HERE).unwrap();
    files.issue("proxy", &third);
    stage.until("tls_stale{side=\"listener\"} 0").await;
    let again = client.connect(stage.proxy).await.unwrap();
    assert_eq!(shown(&again), der(&third.certificate));
    assert_eq!(exchange(&mut open, PUT, OK.len()).await.unwrap(), OK, "after all of it");
    drop((open, new, still, again));
    stage.finish().await.assert_complete();
}

#[tokio::test]
async fn clients_show_certificates_of_the_authority_that_they_have_to() {
    let (authority, other) = (Authority::new("ours").unwrap(), Authority::new("other").unwrap());
    let clients = Authority::new("clients").unwrap();
    let bare = SecureClient::trusting(&authority);
    let right = SecureClient::trusting(&authority).showing(clients.client("c").unwrap());
    let wrong = SecureClient::trusting(&authority).showing(other.client("c").unwrap());
    for (auth, without) in [("required", false), ("optional", true)] {
        let files = Files::new();
        let (certificate, key) = files.issue("proxy", &authority.server(HERE).unwrap());
        let ca = files.write("clients.pem", &clients.certificate());
        let stage = Stage::with(answering().await, |flags| {
            (flags.tls_certificate, flags.tls_key) = (Some(certificate), Some(key));
            (flags.tls_client_ca, flags.tls_client_auth) = (Some(ca), Some(auth.into()));
        })
        .await;
        assert_eq!(right.ask(stage.proxy, PUT, OK.len()).await.unwrap(), OK, "{auth}");
        assert_eq!(bare.ask(stage.proxy, PUT, OK.len()).await.is_ok(), without, "{auth}");
        assert!(wrong.ask(stage.proxy, PUT, OK.len()).await.is_err(), "{auth}");
        assert_eq!(stage.source.connections(), 1 + usize::from(without), "{auth}");
        // Another authority takes its place.
        files.write("clients.pem", &other.certificate());
        stage.until("tls_reloads_total{outcome=\"taken\",side=\"listener\"} 1").await;
        assert!(right.ask(stage.proxy, PUT, OK.len()).await.is_err(), "{auth}");
        assert_eq!(wrong.ask(stage.proxy, PUT, OK.len()).await.unwrap(), OK, "{auth}");
    }
}

/// The source's address has no name, so there is no SNI: its certificate is verified all the same.
#[tokio::test]
async fn the_sources_certificate_is_verified_against_its_address_too() {
    let (authority, other) = (Authority::new("ours").unwrap(), Authority::new("other").unwrap());
    let clients = Authority::new("proxies").unwrap();
    let files = Files::new();
    let ours = files.write("ours.pem", &authority.certificate());
    let others = files.write("other.pem", &other.certificate());
    let behind = answering().await;
    let front = TlsFront::in_front_of(behind.addr(), &authority, None).await.unwrap();
    let strict = TlsFront::in_front_of(behind.addr(), &authority, Some(&clients)).await.unwrap();
    let (known, known_key) = files.issue("known", &clients.client("proxy").unwrap());
    let (unknown, unknown_key) = files.issue("unknown", &other.client("proxy").unwrap());
    let ok = "HTTP/1.1 200 OK";
    let bad = "HTTP/1.1 502 ";
    let check =
        async |front: &TlsFront, expect: &str, change: &dyn Fn(&mut capture_proxy::Flags)| {
            let stage = Stage::with(answering().await, |flags| {
                flags.source = Some(front.url());
                change(flags);
            })
            .await;
            let mut client = stage.client().await;
            client.write_all(PUT).await.unwrap();
            client.shutdown().await.unwrap();
            let answer = String::from_utf8(read_all(&mut client).await).unwrap();
            assert!(answer.starts_with(expect), "{answer:?}, not {expect}");
            if expect == bad {
                let counted = "source_failures_total{kind=\"connect\"} 1";
                assert!(stage.metrics().await.contains(counted));
            }
            stage.finish().await.assert_complete();
        };
    check(&front, ok, &|flags| flags.source_ca = Some(ours.clone())).await;
    check(&front, bad, &|flags| flags.source_ca = Some(others.clone())).await;
    check(&front, bad, &|_| {}).await;
    check(&front, bad, &|flags| {
        flags.source_ca = Some(ours.clone());
        flags.source_server_name = Some("es.example".into());
    })
    .await;
    check(&front, ok, &|flags| flags.danger_accept_invalid_certs = true).await;
    let stage = Stage::with(answering().await, |flags| {
        flags.source = Some(front.url());
        flags.danger_accept_invalid_certs = true;
    })
    .await;
    let report = stage.ask_admin("/readyz").await;
    assert!(report.starts_with("HTTP/1.1 200 "), "{report}");
    assert!(report.contains("warning: --danger-accept-invalid-certs"), "{report}");
    // What wants to see a certificate of ours.
    let identity = |flags: &mut capture_proxy::Flags,
                    pair: (&std::path::Path, &std::path::Path)| {
        flags.source_ca = Some(ours.clone());
        flags.source_certificate = Some(pair.0.into());
        flags.source_key = Some(pair.1.into());
    };
    check(&strict, ok, &|flags| identity(flags, (&known, &known_key))).await;
    // With TLS 1.3 the client's handshake is over before the server has looked at its certificate.
    let stage = Stage::with(answering().await, |flags| {
        flags.source = Some(strict.url());
        identity(flags, (&unknown, &unknown_key));
    })
    .await;
    let before = behind.connections();
    let mut client = stage.client().await;
    client.write_all(PUT).await.unwrap();
    let answer = read_all(&mut client).await;
    assert!(!answer.starts_with(ok.as_bytes()), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(behind.connections(), before);
}

#[tokio::test]
async fn files_that_are_no_certificates_are_named_before_anything_is_bound() {
    let files = Files::new();
    let (authority, other) = (Authority::new("ours").unwrap(), Authority::new("other").unwrap());
    let (certificate, _) = files.issue("proxy", &authority.server(HERE).unwrap());
    let (_, wrong_key) = files.issue("other", &other.server(HERE).unwrap());
    let garbage = files.write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let error = async |certificate: &std::path::Path, key: &std::path::Path| {
        let flags = capture_proxy::Flags {
            listen: Some("127.0.0.1:0".into()),
            source: Some("http://127.0.0.1:1".into()),
            journal: Some("none".into()),
            tls_certificate: Some(certificate.into()),
            tls_key: Some(key.into()),
            ..capture_proxy::Flags::default()
        };
        let settings = capture_proxy::Settings::load(flags, []).unwrap();
        capture_proxy::CaptureProxy::start(settings).await.err().unwrap().to_string()
    };
    let mismatch = error(&certificate, &wrong_key).await;
    assert!(mismatch.contains("other.key"), "{mismatch}");
    assert!(error(&garbage, &wrong_key).await.contains("garbage.pem"));
    assert!(error(&certificate, &garbage).await.contains("no private key"));
}
