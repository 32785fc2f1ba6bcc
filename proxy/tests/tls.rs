//! TLS on the listener, with a certificate made for the test.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::process::Command;

use stage::Stage;
use testbed::ScriptedSource;

#[tokio::test]
async fn a_client_with_the_ca_is_served_over_tls_and_captured_in_the_clear() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &file("key.pem"), "-out", &file("cert.pem")])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let answer = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n\
        content-length: 2\r\n\r\n{}";
    let stage = Stage::with(ScriptedSource::answering(answer).await.unwrap(), |flags| {
        flags.tls_certificate = Some(file("cert.pem").into());
        flags.tls_key = Some(file("key.pem").into());
    })
    .await;
    let certificate = std::fs::read(file("cert.pem")).unwrap();
    let trusted = reqwest::Certificate::from_pem(&certificate).unwrap();
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
