//! The kernel looks after the connections on both sides of the proxy, so that peers that are gone are noticed.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::{Duration, Instant};

use stage::{PATIENCE, Stage, read_exact};
use testbed::ScriptedSource;
use tokio::io::AsyncWriteExt as _;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Seconds until the kernel asks the peer of this connection whether it is there, if it will. `local`: `None` for any.
fn asked_in(local: Option<u16>, remote: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |address: &str| u16::from_str_radix(address.split_once(':').unwrap().1, 16).unwrap();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = fields[3] == "01"
            && local.is_none_or(|local| port(fields[1]) == local)
            && port(fields[2]) == remote;
        // 02 is the timer of keep-alives; in hundredths of a second.
        let due = fields[5].strip_prefix("02:").filter(|_| is_it)?;
        Some(u64::from_str_radix(due, 16).unwrap() / 100)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peers_are_asked_after_a_minute_on_both_sides() {
    let stage = Stage::new(ScriptedSource::answering(OK).await.unwrap()).await;
    let mut client = stage.client().await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_exact(&mut client, OK.len()).await, OK);
    let ours = client.local_addr().unwrap().port();
    let source = stage.source.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let began = Instant::now();
    loop {
        let due = [asked_in(Some(stage.proxy.port()), ours), asked_in(None, source)];
        if due.iter().all(|due| due.is_some_and(|due| (30..=60).contains(&due))) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{due:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
