//! Thousands of slow clients, and a slow source: others go on, memory stays small.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::{Duration, Instant};

use stage::slow::{Alone, Slow, others, slow_clients};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LARGE: usize = 256 << 10;

/// A source that costs little: answers each read with `OK`, one that asks for it with [`LARGE`] bytes, and a request with a long
/// body with nothing.
async fn quick_source() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let mut buffer = [0; 1 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    let answer = match &buffer[..count] {
                        read if read.starts_with(b"GET /large") => {
                            let head =
                                format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
                            [head.as_bytes(), &vec![b'x'; LARGE]].concat()
                        }
                        read if read.ends_with(b"{}") || read.starts_with(b"GET") => OK.to_vec(),
                        _ => continue,
                    };
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_slow_clients_disturb_nobody() {
    testbed::allow_open_files(10_000).unwrap();
    let proxy = Alone::start(&quick_source().await).await;
    let (address, length) = (proxy.address, Duration::from_secs(8));
    others(address, 16, Duration::from_secs(2)).await;
    let without = others(address, 16, length).await;
    println!("without: {without:?}");
    let mut slow = Vec::new();
    // What each may cost: a read's worth of an answer that doesn't get on, next to nothing for a byte of a request.
    for (kind, count, most) in [
        (Slow::Head, 1_200, 32 << 10),
        (Slow::Body, 1_200, 32 << 10),
        (Slow::Answer, 600, 192 << 10),
    ] {
        let before = proxy.memory();
        slow.push(slow_clients(address, kind, count).await);
        // The kernel takes as much of all answers as it has room for at once: that burst is not what is slow.
        others(address, 16, Duration::from_secs(4)).await;
        let with = others(address, 16, length).await;
        let each = proxy.memory().saturating_sub(before) / count as u64;
        println!("{count} more, slow at their {kind:?}: {each} bytes each, others {with:?}");
        assert!(each < most, "{kind:?}: {each} bytes each");
        let bound = 4 * without.p99 + Duration::from_millis(25);
        assert!(with.p99 < bound, "{kind:?}: {with:?}, without {without:?}");
    }
    for clients in &mut slow {
        // None of them was turned away.
        assert!(clients.try_join_next().is_none(), "a slow client has ended");
    }
    drop(slow);
    let after = others(address, 16, Duration::from_secs(2)).await;
    println!("after: {after:?}, {} bytes", proxy.memory());
    proxy.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_reads_nothing_holds_its_clients_back_and_no_memory() {
    const CLIENTS: usize = 32;
    const BODY: usize = 24 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Alone::start(&format!("http://{}", listener.local_addr().unwrap())).await;
    let (go, going) = tokio::sync::watch::channel(false);
    let source = tokio::spawn(async move {
        let mut streams = tokio::task::JoinSet::new();
        // One more: the proxy was asked whether it is there.
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut going = going.clone();
            streams.spawn(async move {
                going.wait_for(|going| *going).await.unwrap();
                let (mut seen, mut buffer) = (0, vec![0; 64 << 10]);
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    seen += count;
                    if seen >= BODY && stream.write_all(OK).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let before = proxy.memory();
    let address = proxy.address;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!("PUT /i/_doc/{number} HTTP/1.1\r\nhost: a\r\ncontent-length: ");
            let head = format!("{head}{BODY}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; BODY]).await.unwrap();
            let mut answer = vec![0; OK.len()];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, OK);
        });
    }
    // Until nothing moves any more: the memory is the same in ten looks.
    let (mut most, mut same, until) = (0, 0, Instant::now() + Duration::from_secs(60));
    while same < 10 {
        assert!(Instant::now() < until, "memory grows on and on: {most}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = proxy.memory();
        same = if now > most { 0 } else { same + 1 };
        most = most.max(now);
    }
    let each = (most - before) / CLIENTS as u64;
    println!("{CLIENTS} clients with {BODY} bytes each: {each} bytes of memory each");
    // A window of a mebibyte, a read, and what the allocator keeps of records that are durable by now.
    assert!(each < 5 << 19, "{each}");
    go.send(true).unwrap();
    clients.join_all().await;
    source.abort();
    proxy.end().await;
}
