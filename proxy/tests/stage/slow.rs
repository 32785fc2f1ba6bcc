//! Clients that send and read a byte a second, thousands of them, and what they cost others.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// The program, so that its memory is its own.
pub struct Alone {
    pub address: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Alone {
    pub async fn start(source: &str) -> Alone {
        let folder = TempDir::new().unwrap();
        let ports = testbed::Ports::take().unwrap();
        let address = ports.addr();
        let journal = format!("file://{}", folder.path().join("j").display());
        let child = Command::new(env!("CARGO_BIN_EXE_capture-proxy"))
            .args(["--listen", &address.to_string(), "--source", source, "--journal", &journal])
            .args(["--threads", "2", "--log-level", "warn", "--drain", "5s"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < until, "the proxy does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Alone { address, folder, child }
    }

    /// Bytes of memory that it has now.
    pub fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(Path::new(&status)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Ends in order, with a journal that is whole.
    pub async fn end(mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        assert_eq!(status.unwrap().unwrap().code(), Some(0));
        let journal = format!("file://{}", self.folder.path().join("j").display());
        let audit = capture_proxy::audit::audit(&journal.parse().unwrap(), &[]).await.unwrap();
        assert!(audit.whole, "{audit}");
    }
}

/// What a slow client is slow at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// It sends its head byte by byte.
    Head,
    /// It sends a body byte by byte, which is held.
    Body,
    /// It reads its answer byte by byte.
    Answer,
}

/// Opens so many connections, each in the midst of what it is slow at, and keeps them going until the set is dropped.
pub async fn slow_clients(address: SocketAddr, kind: Slow, count: usize) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for number in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        // Nothing of an answer is to lie in the kernel's hands.
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = match kind {
            Slow::Head => {
                format!("PUT /i/_doc/{number} HTTP/1.1\r\nx-slow: {}", "x".repeat(number % 40))
            }
            Slow::Body => format!(
                "PUT /i/_doc/{number} HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n"
            ),
            Slow::Answer => "GET /large HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        };
        stream.write_all(request.as_bytes()).await.unwrap();
        clients.spawn(async move {
            // Not all of them in the same moment.
            tokio::time::sleep(Duration::from_millis(number as u64 % 1_000)).await;
            let mut second = tokio::time::interval(Duration::from_secs(1));
            loop {
                second.tick().await;
                let done = match kind {
                    Slow::Head | Slow::Body => stream.write_all(b"x").await,
                    Slow::Answer => stream.read_u8().await.map(drop),
                };
                done.unwrap();
            }
        });
    }
    clients
}

/// What others measure meanwhile: the 50th and the 99th of a hundred.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub p50: Duration,
    pub p99: Duration,
}

/// `clients` that write and read for `length`, each as soon as it has its answer and a pause is over.
pub async fn others(address: SocketAddr, clients: usize, length: Duration) -> Latency {
    let mut all = JoinSet::new();
    for _ in 0..clients {
        all.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (until, mut took) = (Instant::now() + length, Vec::new());
            while Instant::now() < until {
                for request in [
                    &b"PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"[..],
                    b"GET /i/_search HTTP/1.1\r\nhost: a\r\n\r\n",
                ] {
                    let began = Instant::now();
                    stream.write_all(request).await.unwrap();
                    let mut answer = [0; 38];
                    stream.read_exact(&mut answer).await.unwrap();
                    took.push(began.elapsed());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            took
        });
    }
    let mut took: Vec<Duration> = all.join_all().await.concat();
    took.sort_unstable();
    Latency { p50: took[took.len() / 2], p99: took[took.len() * 99 / 100] }
}
