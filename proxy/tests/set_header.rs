//! Fields that the source gets instead of the client's; the journal has the client's.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use stage::{Stage, read_exact, send_cut, unrecorded};
use testbed::ScriptedSource;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn request(fields: &str, body: &str) -> String {
    format!("PUT /i/_doc/1 HTTP/1.1\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn the_source_gets_them_and_the_journal_what_the_client_sent() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        flags.set_headers = vec!["Host=es".into(), "authorization=ApiKey cHJveHk=".into()];
    })
    .await;
    let large = "b".repeat(30_000);
    let mut connection = 0;
    let mut check = async |bodies: &[&str], cuts: &[usize]| {
        let (mut sent, mut expected, mut recorded) = (String::new(), String::new(), String::new());
        for body in bodies {
            sent += &request("hOst: proxy\r\nAuthorization: Basic c2VjcmV0\r\na: 1\r\n", body);
            let set = "Host: es\r\nauthorization: ApiKey cHJveHk=\r\na: 1\r\n";
            expected += &request(set, body);
            recorded += &request("hOst: proxy\r\nAuthorization: Basic ********\r\na: 1\r\n", body);
        }
        let mut client = stage.client().await;
        send_cut(&mut client, sent.as_bytes(), cuts).await;
        let answers = read_exact(&mut client, OK.len() * bodies.len()).await;
        assert_eq!(answers, OK.repeat(bodies.len()));
        drop(client);
        let arrived = stage.source.wait_for_end(connection).await.unwrap();
        assert_eq!(String::from_utf8(arrived).unwrap(), expected, "{cuts:?}");
        let captured = stage.captured().await;
        let requests = String::from_utf8(captured.requests(connection)).unwrap();
        assert!(recorded.starts_with(&requests), "{requests}");
        connection += 1;
    };
    check(&["{}"], &[]).await;
    check(&[&large], &[]).await;
    check(&["{}", &large, "{}"], &[]).await;
    for cut in (1..97).step_by(3) {
        check(&["{}"], &[cut]).await;
    }
    check(&["{}", "[]"], &(1..180).collect::<Vec<_>>()).await;
    stage.finish().await.assert_complete();
}

#[tokio::test]
async fn so_does_the_source_of_connections_that_are_not_recorded() {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let stage = Stage::with(source, |flags| {
        flags.set_headers = vec!["authorization=ApiKey cHJveHk=".into()];
        unrecorded(flags);
    })
    .await;
    let large = "b".repeat(30_000);
    for (connection, cuts) in [&[][..], &[3, 40, 90, 20_000]].into_iter().enumerate() {
        let of = |authorization: &str| {
            let fields = format!("Authorization: {authorization}\r\n");
            ["{}", &large, "[]"].map(|body| request(&fields, body)).concat()
        };
        let mut client = stage.client().await;
        send_cut(&mut client, of("Basic c2VjcmV0").as_bytes(), cuts).await;
        assert_eq!(read_exact(&mut client, OK.len() * 3).await, OK.repeat(3));
        drop(client);
        let arrived = stage.source.wait_for_end(connection).await.unwrap();
        let expected = of("Basic c2VjcmV0")
            .replace("Authorization: Basic c2VjcmV0", "authorization: ApiKey cHJveHk=");
        assert_eq!(String::from_utf8(arrived).unwrap(), expected, "{cuts:?}");
    }
    assert_eq!(stage.finish().await.records.len(), 0);
}
