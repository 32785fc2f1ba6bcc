use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::Method;

const INFO: &str = r#"{"version":{"number":"7.10.2"}}"#;

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A server that answers each connection's requests with what `answers` has for the connection's number, in turn, and
/// closes it then. `GET /` of [`Cluster::connect`] is connection 0.
async fn serve(answers: Vec<Vec<String>>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut all = Vec::new();
        for answers in std::iter::once(vec![ok(INFO)]).chain(answers) {
            let (stream, _) = listener.accept().await.unwrap();
            all.push(converse(stream, answers).await);
        }
        all
    });
    (url, serving)
}

async fn converse(mut stream: TcpStream, answers: Vec<String>) -> String {
    let mut received = Vec::new();
    for answer in answers {
        let before = received.len();
        while !received[before..].windows(4).any(|four| four == b"\r\n\r\n") {
            assert!(stream.read_buf(&mut received).await.unwrap() > 0);
        }
        // In two pieces, so that a reply is never whole at once.
        let (one, two) = answer.split_at(answer.len() / 2);
        for part in [one, two] {
            stream.write_all(part.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
    }
    String::from_utf8(received).unwrap()
}

async fn pool(url: &str, change: impl FnOnce(&mut Settings)) -> Pool {
    let mut settings = Settings::new(url);
    change(&mut settings);
    let cluster = Cluster::connect(settings.clone()).await.unwrap();
    Pool::new(&cluster, &settings, 1).unwrap()
}

async fn get(pool: &Pool, path: &str) -> Result<Reply, ClusterError> {
    pool.lease().await.send(&Request::new(Method::GET, path)).await
}

#[tokio::test]
async fn a_connection_is_kept_until_it_is_closed() {
    let chunked =
        "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end";
    let (url, serving) = serve(vec![
        vec![ok("one"), chunked.into(), closing.into()],
        vec!["HTTP/1.1 100 Continue\r\n\r\n".to_owned() + &ok("two")],
    ])
    .await;
    let pool = pool(&url, |_| {}).await;
    assert_eq!(get(&pool, "/1").await.unwrap().body, "one");
    assert_eq!(pool.idle(), 1);
    let reply = get(&pool, "/2").await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (404, &b"abc"[..]));
    assert_eq!(reply.headers["x"], "y");
    assert_eq!(get(&pool, "/3").await.unwrap().body, "to the end");
    assert_eq!(pool.idle(), 0);
    assert_eq!(get(&pool, "/4").await.unwrap().body, "two");
    let received = serving.await.unwrap();
    assert_eq!(received[1].matches("GET /").count(), 3);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_that_says_so() {
    let lying = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".to_owned();
    let (url, serving) = serve(vec![
        vec![lying],
        vec!["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".into()],
        vec![ok("12345")],
    ])
    .await;
    let pool = pool(&url, |settings| settings.response_limit = 64).await;
    assert!(matches!(get(&pool, "/1").await, Err(ClusterError::NoAnswer { .. })));
    let error = get(&pool, "/2").await.unwrap_err();
    assert!(error.to_string().contains("/2") && error.to_string().contains("ended"), "{error}");
    assert_eq!(get(&pool, "/3").await.unwrap().body, "12345");
    serving.await.unwrap();
    // Nobody listens any more.
    assert!(get(&pool, "/4").await.unwrap_err().never_arrived());
}

#[tokio::test]
async fn a_long_answer_is_not_kept() {
    let (url, serving) = serve(vec![vec![ok(&"x".repeat(5000))]]).await;
    let pool = pool(&url, |settings| settings.response_limit = 1000).await;
    let error = get(&pool, "/1").await.unwrap_err();
    assert!(matches!(error, ClusterError::TooLong { limit: 1000, .. }), "{error}");
    serving.abort();
}

#[tokio::test]
async fn idle_connections_are_closed_and_silence_has_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        converse(stream, vec![ok(INFO)]).await;
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        stream.read_buf(&mut received).await.unwrap();
        stream.write_all(ok("one").as_bytes()).await.unwrap();
        // Closed by the pool.
        assert_eq!(stream.read_buf(&mut received).await.unwrap(), 0);
        listener.accept().await.unwrap()
    });
    let pool = pool(&url, |settings| {
        settings.idle_timeout = Duration::from_millis(20);
        settings.request_timeout = Duration::from_millis(500);
    })
    .await;
    get(&pool, "/1").await.unwrap();
    while pool.idle() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = get(&pool, "/2").await.unwrap_err();
    assert!(error.to_string().contains("nothing within"), "{error}");
    serving.await.unwrap();
}

#[tokio::test]
async fn fewer_and_more_are_allowed_at_once() {
    let (url, serving) = serve(Vec::new()).await;
    let settings = Settings::new(url);
    let cluster = Cluster::connect(settings.clone()).await.unwrap();
    serving.await.unwrap();
    let pool = Pool::new(&cluster, &settings, 4).unwrap();
    let free = || pool.0.places.available_permits();
    let leases = [pool.lease().await, pool.lease().await, pool.lease().await];
    pool.allow(1);
    assert_eq!(free(), 0);
    // Two of those that are taken are owed; one is paid for again.
    pool.allow(2);
    let [one, two, three] = leases;
    drop(one);
    assert_eq!(free(), 0);
    drop(two);
    assert_eq!(free(), 1);
    pool.allow(4);
    drop(three);
    assert_eq!(free(), 4);
}
