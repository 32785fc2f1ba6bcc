//! A body of 2 GB: what is longer than `--body-limit` is read from the source, and memory stays small.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::time::Duration;

use journal::{AppendSettings, Appender, Urgency};
use lab::{
    Lab,
    faults::{Exchanged, on_target},
    handmade::{answered, asked, heartbeat},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PIECE: usize = 1 << 20;
const PIECES: u64 = 2048;
const MOST_MIB: u64 = 400;

/// The records of a request with a body of 2 GiB and of its answer, one after the other.
async fn write_large(lab: &Lab) {
    let written = Exchanged::put(lab, "large", 1).await;
    let length = PIECES * PIECE as u64;
    let path = format!("/{}/_doc/large", lab.index);
    let kind = "content-type: application/json";
    let head =
        format!("PUT {path} HTTP/1.1\r\nhost: s\r\n{kind}\r\ncontent-length: {length}\r\n\r\n");
    let appender = Appender::open(&lab.journal(), &AppendSettings::default()).unwrap();
    let lane = appender.lane("large");
    let mut number = 0;
    let mut append = async |record| {
        number += 1;
        appender.append(&lane, number, record, Urgency::Held).unwrap();
        lane.durable().reached(number).await.unwrap();
        number
    };
    append(asked("large", 1, &head)).await;
    let piece = "x".repeat(PIECE);
    for count in 0..PIECES {
        append(asked("large", count + 2, &piece)).await;
    }
    append(answered("large", PIECES + 2, &written.response)).await;
    let later = Exchanged::put(lab, "later", 2).await;
    let [request, answer] = later.records("large", PIECES + 3);
    append(request).await;
    append(answer).await;
    append(heartbeat()).await;
    assert_eq!(appender.close(Duration::from_secs(30)), 0);
}

/// The most memory that a process had, in MiB; `None` when it is gone.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes >> 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_2_gb_is_read_from_the_source() {
    let lab = Lab::start("large").await;
    lab.stop_proxy().await;
    write_large(&lab).await;
    let bounds = ["--speedup", "0", "--lookahead-bytes", "64MiB", "--body-limit", "64MiB"];
    let mut program = lab.program(&bounds);
    let process = program.id().unwrap();
    let mut most = 0;
    let ended = loop {
        most = most.max(peak(process).unwrap_or(0));
        match tokio::time::timeout(Duration::from_millis(50), program.wait()).await {
            Ok(ended) => break ended.unwrap(),
            Err(_) => continue,
        }
    };
    assert!(ended.success(), "{ended}");
    println!("at most {most} MiB");
    assert!(most > 0 && most < MOST_MIB, "{most} MiB");
    assert_eq!(on_target(&lab, "later").await, 2);
    lab.assert_equal().await;
}

/// The source refuses it early: what the proxy captured until then is nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_2_gb_that_the_source_refuses_is_nothing() {
    let lab = Lab::start("refused-large").await;
    lab.ok(
        cluster::Method::PUT,
        &format!("/{}/_doc/small", lab.index),
        &serde_json::json!({"n": 1}),
    )
    .await;
    let socket = tokio::net::TcpStream::connect(lab.proxy_address).await.unwrap();
    let (mut from, mut to) = socket.into_split();
    let length = PIECES * PIECE as u64;
    let head = format!(
        "PUT /{}/_doc/large HTTP/1.1\r\nhost: s\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        lab.index
    );
    let writing = async move {
        let piece = vec![b' '; PIECE];
        to.write_all(head.as_bytes()).await?;
        for _ in 0..PIECES {
            to.write_all(&piece).await?;
        }
        to.flush().await
    };
    let reading = async {
        let mut answer = Vec::new();
        let mut buffer = vec![0; 4096];
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            match from.read(&mut buffer).await {
                Ok(count @ 1..) => answer.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        answer
    };
    // A client that is refused may be cut off while it writes, or be read to its end.
    let (_, answer) = tokio::join!(writing, reading);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    lab.stop_proxy().await;
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
}
