//! Several replayers of one group share a topic: they come, go and are killed, and the target ends equal.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use cluster::Method;
use lab::group::{lab, member, on_connections_of_their_own, write};
use serde_json::json;
use telemetry::Shutdown;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use traffic_replayer::Settings;

#[tokio::test(flavor = "multi_thread")]
async fn two_share_the_work_and_end_together() {
    let lab = lab("two").await;
    write(&lab, 8).await;
    on_connections_of_their_own(&lab, 40).await;
    lab.stop_proxy().await;
    // Slowly: the one that comes first isn't to be done before the other has its share. By then it has read everything.
    let comes_later = async {
        lab.wait_for_index(&lab.index).await;
        member(&lab, "other", Some(15.0)).await
    };
    let (one, other) = tokio::join!(member(&lab, "one", Some(15.0)), comes_later);
    assert!(one.is_converged() && one.reached_end, "{one}");
    assert!(other.is_converged() && other.reached_end, "{other}");
    println!("requests: {} and {}", one.requests, other.requests);
    assert!(one.requests > 0 && other.requests > 0, "{one}\n{other}");
    assert_eq!(lab.differences().await, Vec::<String>::new());
    // Next to nothing is left to do: what both sent within two seconds may be read again, where a group that shares its
    // partitions anew refused to commit it.
    let last = member(&lab, "last", None).await;
    assert!(last.is_converged() && last.reached_end, "{last}");
    assert!(last.operations["journal"] <= 60, "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_killed_under_load_with_two_others_in_the_group_and_another_comes() {
    let lab = lab("killed-one").await;
    let (stays, too, comes) = (Shutdown::new(), Shutdown::new(), Shutdown::new());
    let clients = async {
        // A session of 6 s is the shortest that a broker takes.
        let arguments = ["--share", "true", "--speedup", "0", "--member-timeout", "5s"];
        let short = ["--kafka", "session.timeout.ms=6000"];
        let mut killed = lab.live_program(&[&arguments[..], &short].concat());
        write(&lab, 4).await;
        lab.ok(Method::PUT, &format!("/{}/_doc/before", lab.index), &json!({"n": 1})).await;
        lab.wait_for(&lab.index, "before").await;
        let under_load = async {
            lab.ok(Method::PUT, &format!("/{}/_doc/amid", lab.index), &json!({"n": 1})).await;
            lab.wait_for(&lab.index, "amid").await;
            killed.kill().await.unwrap();
        };
        tokio::join!(write(&lab, 6), under_load);
        let ends = async {
            write(&lab, 2).await;
            lab.ok(Method::PUT, &format!("/{}/_doc/after", lab.index), &json!({"n": 1})).await;
            lab.wait_for(&lab.index, "after").await;
            lab.stop_proxy().await;
            comes.drain();
        };
        let (comes, ()) = tokio::join!(lab.share_until(&comes), ends);
        stays.drain();
        too.drain();
        comes.unwrap()
    };
    let (stays, too, comes) = tokio::join!(lab.share_until(&stays), lab.share_until(&too), clients);
    let (stays, too) = (stays.unwrap(), too.unwrap());
    let failed = [&stays, &too, &comes].map(|one| one.failed);
    assert_eq!(failed, [0; 3], "{stays}\n{too}\n{comes}");
    let last = member(&lab, "last", None).await;
    assert!(last.is_converged() && last.reached_end, "{last}");
    assert_eq!(lab.differences().await, Vec::<String>::new());
}

/// Seconds that requests have waited for what other replayers read, and for their turn, as the metrics say after a while.
async fn waited(admin: SocketAddr) -> Option<[f64; 2]> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut stream = TcpStream::connect(admin).await.ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let of = |what: &str| {
        let name = format!("godwit_replayer_order_wait_seconds_total{{for=\"{what}\"}} ");
        answer.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())
    };
    Some([of("journal")?, of("replayers")?])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_holder_is_dead_is_passed_on() {
    let lab = lab("dead").await;
    write(&lab, 1).await;
    lab.stop_proxy().await;
    // It has the turn, a partition that it has read nothing of, and a control that it will never send.
    let control = json!({"began": 1, "answered": null, "deletes": ["*"]});
    let board = json!({"turns": ["dead"], "members": {"dead": {
        "beat": 7, "partitions": [0], "read": 0, "done": 0, "began": 0, "held": 0, "controls": {"c:0": control},
    }}});
    // As a member makes it: a mapping that grows by itself would take marks for signed numbers.
    lab.make_on_target(".godwit-group", &json!({"dynamic": false})).await;
    let path = "/.godwit-group/_doc/board:dead:godwit?refresh=true";
    lab.change_target(Method::PUT, path, &board).await;
    let began = Instant::now();
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let share = |settings: &mut Settings| {
        settings.share = true;
        settings.member_timeout = Duration::from_secs(3);
        settings.admin = Some(admin);
    };
    let replay = tokio::time::timeout(Duration::from_secs(120), lab.replay(share));
    let mut replay = std::pin::pin!(replay);
    let mut told = [0.0; 2];
    let summary = loop {
        tokio::select! {
            ended = &mut replay => break ended.expect("it ends").unwrap(),
            waited = waited(admin) => told = waited.unwrap_or(told),
        }
    };
    // The dead one has read nothing, and has the turn.
    assert!(told[0] > 1.0 && told[1] > 0.0, "{told:?}");
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert!(summary.controls > 0, "{summary}");
    assert!(began.elapsed() >= Duration::from_secs(3), "the dead one was waited for");
    assert_eq!(lab.differences().await, Vec::<String>::new());
}
