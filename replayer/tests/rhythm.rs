//! Made traffic against a target that writes down when each request came: order, rhythm, and what may be changed
//! while it runs.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use telemetry::Shutdown;
use testbed::{ScriptedSource, Step, Traffic};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use traffic_replayer::{Mutations, Pace, Settings, Summary, run};

const BEGAN: u64 = 1_790_000_000_000_000_000;
const MILLI: u64 = 1_000_000;
const HOUR: u64 = 3_600_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// When a request came, and its path.
type Arrivals = Arc<Mutex<Vec<(Instant, String)>>>;

/// Answers as an OpenSearch as far as it is asked, and writes down what begins with `/c`.
async fn target() -> (ScriptedSource, Arrivals) {
    refusing_target(0).await
}

/// As [`target`], but it has no room for the first so many requests.
async fn refusing_target(refusals: usize) -> (ScriptedSource, Arrivals) {
    let arrivals = Arrivals::default();
    let seen = Arc::clone(&arrivals);
    let target = answering(move |_, path| {
        if path.starts_with("/c") {
            let mut seen = seen.lock();
            seen.push((Instant::now(), path.to_owned()));
            if seen.len() <= refusals {
                return Some("429 Too Many Requests");
            }
        }
        Some("200 OK")
    });
    (target.await, arrivals)
}

/// An answer of it.
fn answer(status: &str) -> Vec<u8> {
    let body = r#"{"version":{"distribution":"opensearch","number":"2.19.0"},"hits":{"hits":[]},"_scroll_id":"s"}"#;
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Answers as an OpenSearch as far as it is asked, with the status that is given for connection and path, if any.
async fn answering(
    mut status: impl FnMut(usize, &str) -> Option<&'static str> + Send + 'static,
) -> ScriptedSource {
    let mut taken = std::collections::HashMap::new();
    let target = ScriptedSource::new(move |read| {
        if read.new_requests == 0 {
            return Vec::new();
        }
        // Nobody pipelines: what is new is one request.
        let from = taken.insert(read.connection, read.received.len()).unwrap_or(0);
        let text = String::from_utf8_lossy(&read.received[from..]);
        let (method, rest) = text.split_once(' ').unwrap();
        let path = rest.split(' ').next().unwrap();
        if method == "GET" && path.starts_with("/.") {
            return vec![Step::Send(answer("404 Not Found"))];
        }
        status(read.connection, path).map(|status| Step::Send(answer(status))).into_iter().collect()
    });
    target.await.unwrap()
}

/// Requests `/cN/M`, connection and number, by the milliseconds that they began at.
async fn traffic(folder: &tempfile::TempDir, requests: &[(u64, u64)]) -> Settings {
    let journal = format!("file://{}", folder.path().join("journal").display()).parse().unwrap();
    let mut made = Traffic::new(&journal).unwrap();
    let mut numbers = std::collections::HashMap::new();
    for (connection, at) in requests {
        let number = numbers.entry(connection).and_modify(|number| *number += 1).or_insert(0);
        let request = format!("GET /c{connection}/{number} HTTP/1.1\r\nHost: old\r\n\r\n");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let at = BEGAN + at * MILLI;
        let name = format!("c{connection}");
        made.exchange(&name, at, Duration::from_millis(1), request.as_bytes(), answer)
            .await
            .unwrap();
        made.heartbeat(at).await.unwrap();
    }
    made.end().await.unwrap();
    let mut settings = Settings::new(journal, "", folder.path().join("tuples"));
    settings.mutations = Mutations::Mirror;
    settings.exit_at_end = true;
    settings
}

async fn replay(mut settings: Settings, target: &ScriptedSource) -> Summary {
    settings.target.url = target.url();
    tokio::time::timeout(PATIENCE, run(settings, Shutdown::new())).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_early_and_connections_keep_their_order() {
    let requests: Vec<(u64, u64)> = (0..400).map(|n| (n % 7, n * 5)).collect();
    let (target, arrivals) = target().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = traffic(&folder, &requests).await;
    settings.pace = Pace::Speedup(4.0);
    let began = Instant::now();
    let summary = replay(settings, &target).await;
    assert_eq!((summary.requests, summary.schedule_error_ms.count), (400, 400));
    let arrivals = arrivals.lock();
    for (connection, path) in (0..7).map(|c| (c, format!("/c{c}/"))) {
        let of: Vec<&(Instant, String)> =
            arrivals.iter().filter(|(_, at)| at.starts_with(&path)).collect();
        for (number, (at, found)) in of.iter().enumerate() {
            assert_eq!(*found, format!("/c{connection}/{number}"));
            let intended = (number as u64 * 7 + connection) * 5 / 4;
            assert!(
                at.duration_since(began) >= Duration::from_millis(intended),
                "{found} is early"
            );
        }
        assert_eq!(of.len(), if connection == 0 { 58 } else { 57 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_not_exceeded() {
    let requests: Vec<(u64, u64)> = (0..100).map(|n| (n % 10, n)).collect();
    let (target, arrivals) = target().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = traffic(&folder, &requests).await;
    settings.pace = Pace::Rate(200.0);
    replay(settings, &target).await;
    let arrivals = arrivals.lock();
    let (first, last) = (arrivals.first().unwrap().0, arrivals.last().unwrap().0);
    assert_eq!(arrivals.len(), 100);
    // 99 places of 5 ms; the first may have been on its way for some time.
    assert!(last.duration_since(first) >= Duration::from_millis(450));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_room_is_asked_again_and_less_at_once() {
    let requests: Vec<(u64, u64)> = (0..100).map(|n| (n % 10, 0)).collect();
    let (target, arrivals) = refusing_target(15).await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = traffic(&folder, &requests).await;
    settings.pace = Pace::Free;
    let summary = replay(settings, &target).await;
    assert_eq!((summary.retries, summary.answers["same"]), (15, 100), "{summary}");
    assert!(summary.slowed["refused"] > 0, "{summary}");
    assert_eq!(summary.latency_ms_by_class["admin"].target.count, 100, "{summary}");
    let mut paths: Vec<String> = arrivals.lock().iter().map(|(_, path)| path.clone()).collect();
    assert_eq!(paths.len(), 115);
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_outside_of_the_times_is_not_replayed() {
    let (target, arrivals) = target().await;
    let folder = tempfile::tempdir().unwrap();
    // The last belongs to the journal and comes an hour later.
    let mut settings = traffic(&folder, &[(0, 0), (0, 10), (1, 20), (1, 30), (2, 3_600_000)]).await;
    let at = |millis| BEGAN + millis * MILLI;
    settings.from = journal::StartFrom::Time(at(5));
    settings.until = Some(at(25));
    settings.exit_at_end = false;
    let summary = replay(settings.clone(), &target).await;
    assert!(summary.reached_end);
    assert_eq!(summary.nothing["before --from"], 1);
    let paths = |found: &[(Instant, String)]| -> Vec<String> {
        found.iter().map(|(_, path)| path.clone()).collect()
    };
    assert_eq!(paths(&arrivals.lock()), ["/c0/1", "/c1/0"]);
    // What was later is still there for the group.
    settings.from = journal::StartFrom::Group;
    (settings.until, settings.exit_at_end, settings.pace) = (None, true, Pace::Free);
    replay(settings, &target).await;
    let mut later = paths(&arrivals.lock()[2..]);
    later.sort();
    assert_eq!(later, ["/c1/1", "/c2/0"]);
}

/// A number of `/metrics`, by its name and labels.
async fn metric(admin: std::net::SocketAddr, name: &str) -> Option<f64> {
    let text = all_of(admin, "GET /metrics").await;
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split(' ').nth(1)?.parse().ok()
}

/// Waits until a metric is what it should be.
async fn becomes(admin: std::net::SocketAddr, name: &str, is: impl Fn(f64) -> bool) {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = metric(admin, name).await;
        if found.is_some_and(&is) {
            return;
        }
        assert!(Instant::now() < until, "{name} is {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two controls an hour apart, on connections of their own: the second has to follow the first, which the target
/// keeps waiting.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_how_old_what_is_left_is_and_what_the_order_keeps() {
    let held = Arc::new(Mutex::new(None));
    let keeps = Arc::clone(&held);
    let target = answering(move |connection, path| {
        let is_first = path == "/_ingest/pipeline/first";
        if is_first {
            *keeps.lock() = Some(connection);
        }
        (!is_first).then_some("200 OK")
    });
    let target = target.await;
    let folder = tempfile::tempdir().unwrap();
    let journal = format!("file://{}", folder.path().join("journal").display()).parse().unwrap();
    let mut made = Traffic::new(&journal).unwrap();
    for (name, hour) in [("first", 0), ("second", 1)] {
        let request = format!(
            "PUT /_ingest/pipeline/{name} HTTP/1.1\r\nHost: old\r\ncontent-length: 17\r\n\r\n{{\"processors\":[]}}"
        );
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"acknowledged\":true}";
        let (at, took) = (BEGAN + hour * HOUR * MILLI, Duration::from_millis(1));
        made.exchange(name, at, took, request.as_bytes(), answer).await.unwrap();
        made.heartbeat(at + HOUR * MILLI).await.unwrap();
    }
    made.end().await.unwrap();
    let mut settings = Settings::new(journal, target.url(), folder.path().join("tuples"));
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    (settings.admin, settings.pace) = (Some(admin), Pace::Free);
    let shutdown = Shutdown::new();
    let running = tokio::spawn(run(settings, shutdown.clone()));
    let wait = async {
        while held.lock().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    // All has been read, and nothing is done: the first is what counts, not the newest.
    let age = |at: u64| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() - at as f64 / 1e9;
    let near = |lag: f64| (lag - age(BEGAN)).abs() < 600.0;
    becomes(admin, "godwit_replayer_lag_seconds", near).await;
    assert_eq!(metric(admin, "godwit_replayer_schedule_error_seconds_count").await, Some(0.0));
    // Not to wait for something: for so long at least the second waits.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let connection = held.lock().unwrap();
    target.act(connection, Step::Send(answer("200 OK"))).unwrap();
    becomes(admin, "godwit_replayer_requests_total", |done| done == 2.0).await;
    becomes(admin, "godwit_replayer_lag_seconds", |lag| lag == 0.0).await;
    assert_eq!(metric(admin, "godwit_replayer_schedule_error_seconds_count").await, Some(2.0));
    let waited = metric(admin, "godwit_replayer_order_wait_seconds_total{for=\"order\"}").await;
    assert!(waited.is_some_and(|waited| waited > 0.25), "{waited:?}");
    shutdown.drain();
    let summary = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    assert_eq!((summary.controls, summary.failed), (2, 0), "{summary}");
}

/// What is told, the last line of it.
async fn ask(admin: std::net::SocketAddr, what: &str) -> String {
    all_of(admin, what).await.lines().last().unwrap_or_default().to_owned()
}

async fn all_of(admin: std::net::SocketAddr, what: &str) -> String {
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let request = format!("{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_paused_and_hurried_while_it_runs() {
    let (target, arrivals) = target().await;
    let folder = tempfile::tempdir().unwrap();
    let hours = 3_600_000;
    let mut settings = traffic(&folder, &[(0, 0), (1, hours), (1, 2 * hours)]).await;
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    (settings.admin, settings.target.url) = (Some(admin), target.url());
    let running = tokio::spawn(run(settings, Shutdown::new()));
    let wait = async {
        while arrivals.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    assert_eq!(ask(admin, "GET /speed").await, r#"{"paused":false,"speedup":1.0}"#);
    assert_eq!(ask(admin, "POST /pause").await, r#"{"paused":true,"speedup":1.0}"#);
    assert_eq!(ask(admin, "POST /speed?rate=1000").await, r#"{"paused":true,"rate":1000.0}"#);
    assert!(ask(admin, "POST /speed?rate=0").await.contains("must be above 0"));
    assert_eq!(arrivals.lock().len(), 1);
    assert_eq!(ask(admin, "POST /resume").await, r#"{"paused":false,"rate":1000.0}"#);
    let summary = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    assert_eq!((summary.requests, arrivals.lock().len()), (3, 3));
}
