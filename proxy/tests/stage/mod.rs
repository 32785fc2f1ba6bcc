//! A proxy on port 0 between raw sockets and a scripted source, and its journal read back.
#![allow(dead_code, unreachable_pub)] // each test file uses its part
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

pub mod framed;
pub mod network;
pub mod outage;
pub mod secure;
pub mod slow;
pub mod smuggled;
pub mod upgrades;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use capture_proxy::{CaptureProxy, Flags, Settings};
use codec::record::{Kind, Record};
use journal::{JournalUrl, Reader, StartFrom};
use telemetry::Shutdown;
use tempfile::TempDir;
use testbed::ScriptedSource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Long enough for a loaded machine; tests wait for things, not for this.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// As good as no connection is recorded.
pub fn unrecorded(flags: &mut Flags) {
    flags.capture_only = Some("0.0001%".into());
}

pub struct Stage {
    pub proxy: std::net::SocketAddr,
    pub admin: std::net::SocketAddr,
    pub source: ScriptedSource,
    pub folder: TempDir,
    journal: JournalUrl,
    shutdown: Shutdown,
    running: JoinHandle<Result<(), capture_proxy::RunError>>,
}

impl Stage {
    pub async fn new(source: ScriptedSource) -> Stage {
        Stage::with(source, |_| {}).await
    }

    pub async fn with(source: ScriptedSource, change: impl FnOnce(&mut Flags)) -> Stage {
        let folder = TempDir::new().unwrap();
        let mut flags = Flags {
            listen: Some("127.0.0.1:0".into()),
            admin: Some("127.0.0.1:0".into()),
            source: Some(source.url()),
            journal: Some(format!("file://{}", folder.path().join("j").display())),
            threads: Some(1),
            drain_idle: Some(settings::Span(Duration::from_millis(50))),
            ..Flags::default()
        };
        change(&mut flags);
        let settings = Settings::load(flags, []).unwrap();
        let nowhere = || JournalUrl::File(folder.path().join("j"));
        let journal = settings.journal.clone().unwrap_or_else(nowhere);
        let proxy = CaptureProxy::start(settings).await.unwrap();
        let (address, admin) = (proxy.address, proxy.admin.unwrap());
        let shutdown = Shutdown::new();
        let running = tokio::spawn(proxy.run(shutdown.clone()));
        Stage { proxy: address, admin, source, folder, journal, shutdown, running }
    }

    pub async fn client(&self) -> TcpStream {
        let stream = TcpStream::connect(self.proxy).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub async fn metrics(&self) -> String {
        self.ask_admin("/metrics").await
    }

    /// Waits until the metrics say so.
    pub async fn until(&self, said: &str) {
        let since = std::time::Instant::now();
        loop {
            let metrics = self.metrics().await;
            if metrics.contains(said) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{said}\n{metrics}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The admin listener's whole answer.
    pub async fn ask_admin(&self, path: &str) -> String {
        let mut admin = TcpStream::connect(self.admin).await.unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        admin.write_all(ask.as_bytes()).await.unwrap();
        String::from_utf8(read_all(&mut admin).await).unwrap()
    }

    pub fn journal_url(&self) -> JournalUrl {
        self.journal.clone()
    }

    pub fn begin_drain(&self) {
        self.shutdown.drain();
    }

    /// Waits until the proxy takes no new connections, and those that are open know.
    pub async fn drains(&self) {
        self.until("godwit_capture_proxy_draining 1").await;
        assert!(TcpStream::connect(self.proxy).await.is_err(), "it goes on accepting");
    }

    /// Drains the proxy, and waits for nothing that it would wait for.
    pub async fn end_at_once(self) {
        self.shutdown.now();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap().unwrap();
    }

    /// Drains the proxy and gives back everything in its journal but heartbeats.
    pub async fn finish(self) -> Captured {
        self.shutdown.drain();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap().unwrap();
        let mut captured = Captured::read(&self.journal).await;
        captured.folder = Some(self.folder);
        captured
    }

    /// The same while it runs on: what is there now.
    pub async fn captured(&self) -> Captured {
        Captured::read(&self.journal).await
    }
}

/// What a journal holds.
pub struct Captured {
    pub records: Vec<Record>,
    /// Where it lies, after the proxy has ended.
    pub folder: Option<TempDir>,
}

impl Captured {
    pub async fn read(url: &JournalUrl) -> Captured {
        let mut reader = Reader::open(url, "test", StartFrom::Beginning, &[]).await.unwrap();
        let ends = reader.ends().await.unwrap();
        let mut records = Vec::new();
        while !reader.has_reached(&ends) {
            let record = reader.next().await.unwrap().record.unwrap();
            if record.heartbeat.is_none() {
                records.push(record);
            }
        }
        Captured { records, folder: None }
    }

    /// As readers take it: what a spill has brought twice is there once.
    pub fn once(mut self) -> Captured {
        let mut last: HashMap<String, u64> = HashMap::new();
        self.records.retain(|record| {
            let last = last.entry(record.connection.clone()).or_default();
            let is_new = record.number > *last;
            *last = record.number.max(*last);
            is_new
        });
        self
    }

    /// The connections in the order of their coming.
    pub fn connections(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for record in &self.records {
            if !found.contains(&record.connection) {
                found.push(record.connection.clone());
            }
        }
        found
    }

    fn all(&self, connection: usize, pick: impl Fn(&Kind) -> Option<&Bytes>) -> Vec<u8> {
        let id = &self.connections()[connection];
        let records = self.records.iter().filter(|record| &record.connection == id);
        let observations = records.flat_map(|record| &record.observations);
        observations.filter_map(|o| pick(&o.kind)).flat_map(|data| data.to_vec()).collect()
    }

    pub fn requests(&self, connection: usize) -> Vec<u8> {
        self.all(connection, |kind| match kind {
            Kind::Read(data) => Some(data),
            _ => None,
        })
    }

    pub fn answers(&self, connection: usize) -> Vec<u8> {
        self.all(connection, |kind| match kind {
            Kind::Write(data) => Some(data),
            _ => None,
        })
    }

    pub fn ends(&self) -> usize {
        let observations = self.records.iter().flat_map(|record| &record.observations);
        observations.filter(|o| matches!(o.kind, Kind::EndOfMessage { .. })).count()
    }

    /// Each connection's numbers are 1, 2, 3 … to one that is the last.
    pub fn assert_complete(&self) {
        for id in self.connections() {
            let mut records = self.records.iter().filter(|record| record.connection == id);
            let numbers: Vec<u64> = records.clone().map(|record| record.number).collect();
            assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{id}");
            assert!(records.next_back().is_some_and(|record| record.last), "{id}");
        }
    }
}

/// Sends `bytes` in pieces cut at `cuts`; each piece is on the wire before the next is written.
pub async fn send_cut(client: &mut TcpStream, bytes: &[u8], cuts: &[usize]) {
    let mut start = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        client.write_all(&bytes[start..cut]).await.unwrap();
        // Let the proxy's thread take the piece before the next is there.
        tokio::task::yield_now().await;
        start = cut;
    }
}

pub async fn read_exact(client: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    tokio::time::timeout(PATIENCE, client.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

pub async fn read_all(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset after the last byte is an end too.
    let _ = tokio::time::timeout(PATIENCE, client.read_to_end(&mut bytes)).await.unwrap();
    bytes
}
