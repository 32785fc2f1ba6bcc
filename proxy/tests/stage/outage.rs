//! A proxy that is killed again and again while its broker comes and goes, and clients that never stop writing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use codec::record::Kind;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng};
use tempfile::TempDir;
use testbed::{Kafka, ScriptedSource, Testbed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::Captured;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const CLIENTS: usize = 8;

/// A broker, a source, the program between them, and clients that never stop writing.
pub(super) struct Production {
    pub(super) kafka: Kafka,
    pub(super) source: ScriptedSource,
    folder: TempDir,
    journal: String,
    pub(super) address: SocketAddr,
    proxy: Child,
    stop: Arc<AtomicBool>,
    said: Arc<Mutex<Said>>,
    clients: Vec<JoinHandle<()>>,
}

/// What the clients were told.
#[derive(Default)]
struct Said {
    acknowledged: BTreeSet<String>,
    failures: Vec<String>,
}

impl Production {
    pub(super) async fn start() -> Production {
        let kafka = Testbed::kafka().await.unwrap();
        let source = ScriptedSource::answering(OK).await.unwrap();
        let folder = TempDir::new().unwrap();
        let journal = kafka.journal("outages");
        let address = free_address();
        let proxy = program(address, &source.url(), &journal, folder.path());
        up(address).await;
        let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let clients = (0..CLIENTS)
            .map(|client| {
                tokio::spawn(write(address, client, Arc::clone(&stop), Arc::clone(&said)))
            })
            .collect();
        Production { kafka, source, folder, journal, address, proxy, stop, said, clients }
    }

    /// `kill -9`, and a new one.
    async fn kill(&mut self) {
        self.proxy.kill().await.unwrap();
        let url = self.source.url();
        self.proxy = program(self.address, &url, &self.journal, self.folder.path());
        up(self.address).await;
    }

    /// Until every client has had another write or two acknowledged.
    pub(super) async fn goes_on(&self) {
        let so_far = || self.said.lock().acknowledged.len();
        let (enough, until) = (so_far() + 2 * CLIENTS, Instant::now() + Duration::from_secs(60));
        while so_far() < enough {
            assert!(Instant::now() < until, "writes are not acknowledged any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until all that was acknowledged by now is in the topic: the spill has been drained. How long that took.
    pub(super) async fn drained(&self) -> Duration {
        let acknowledged = self.said.lock().acknowledged.clone();
        let (began, journal) = (Instant::now(), self.journal.parse().unwrap());
        while !acknowledged.is_subset(&tokens(&Captured::read(&journal).await)) {
            assert!(began.elapsed() < Duration::from_secs(180), "the spill is not drained");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        began.elapsed()
    }

    /// Ends all of it in order: the journal is whole, and what was acknowledged, and what the source received, is in it. What
    /// failed, for the clients.
    pub(super) async fn finish(mut self) -> Vec<String> {
        self.goes_on().await;
        self.stop.store(true, Ordering::Release);
        for client in self.clients {
            client.await.unwrap();
        }
        end(&mut self.proxy).await;
        let journal = self.journal.parse().unwrap();
        let audit = capture_proxy::audit::audit(&journal, &[]).await.unwrap();
        assert!(audit.whole, "{audit}");
        let captured = tokens(&Captured::read(&journal).await);
        let said = std::mem::take(&mut *self.said.lock());
        let received: BTreeSet<String> = (0..self.source.connections())
            .flat_map(|connection| of_bytes(&self.source.received(connection)))
            .collect();
        println!(
            "{} acknowledged, {} received, {} captured, {} failed",
            said.acknowledged.len(),
            received.len(),
            captured.len(),
            said.failures.len()
        );
        let missing: Vec<_> = said.acknowledged.difference(&captured).collect();
        assert!(missing.is_empty(), "acknowledged, and not in the topic: {missing:?}");
        let unseen: Vec<_> = received.difference(&captured).collect();
        assert!(unseen.is_empty(), "on the source, and not in the topic: {unseen:?}");
        said.failures
    }
}

/// Kills the proxy at `moments` moments, half of them while the broker is away, half while the spill is drained. At the
/// end all that was acknowledged, and all that the source received, is in the topic.
pub async fn kill_at_moments(moments: usize, seed: u64) {
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut production = Production::start().await;
    for moment in 0..moments {
        production.goes_on().await;
        match moment % 4 {
            0 | 1 => production.kafka.kill().await.unwrap(),
            _ => production.kafka.pause(),
        }
        // Not before the spill is used: writes go on without a broker.
        production.goes_on().await;
        if moment % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..800))).await;
            production.kill().await;
            production.goes_on().await;
        }
        back(&production.kafka, moment % 4 < 2).await;
        if moment % 2 == 1 {
            // From before it finds the broker to after it has drained.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..600))).await;
            production.kill().await;
        }
    }
    production.finish().await;
}

/// The broker is away for `length`, twice: no client notices.
pub async fn be_away(length: Duration) {
    let production = Production::start().await;
    for killed in [true, false] {
        production.goes_on().await;
        match killed {
            true => production.kafka.kill().await.unwrap(),
            false => production.kafka.pause(),
        }
        let until = Instant::now() + length;
        while Instant::now() < until {
            production.goes_on().await;
        }
        back(&production.kafka, killed).await;
    }
    let failures = production.finish().await;
    assert!(failures.is_empty(), "{failures:?}");
}

async fn back(kafka: &Kafka, was_killed: bool) {
    match was_killed {
        true => kafka.start().await.unwrap(),
        false => kafka.resume(),
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn program(address: SocketAddr, source: &str, journal: &str, folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_capture-proxy"))
        .args(["--listen", &address.to_string(), "--source", source, "--journal", journal])
        .args(["--spill-after", "300ms", "--threads", "1", "--log-level", "warn", "--spill"])
        .arg(folder.join("spill"))
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Until it accepts connections.
async fn up(address: SocketAddr) {
    let until = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < until, "the proxy does not come up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ends as it does on a host that goes down in order.
async fn end(proxy: &mut Child) {
    let pid = proxy.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = tokio::time::timeout(Duration::from_secs(60), proxy.wait()).await.unwrap();
    assert_eq!(status.unwrap().code(), Some(0));
}

/// Writes one document after the other; a write whose connection breaks is not tried again.
async fn write(address: SocketAddr, client: usize, stop: Arc<AtomicBool>, said: Arc<Mutex<Said>>) {
    let mut connection = None;
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Some(stream) = &mut connection else {
            connection = TcpStream::connect(address).await.ok();
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let token = format!("<{client}-{number}>");
        match put(stream, &token).await {
            Ok(()) => drop(said.lock().acknowledged.insert(token)),
            Err(error) => {
                said.lock().failures.push(format!("{token}: {error}"));
                connection = None;
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn put(stream: &mut TcpStream, token: &str) -> std::io::Result<()> {
    let (length, head) = (token.len(), "PUT /i/_doc/1 HTTP/1.1\r\nhost: a\r\ncontent-length");
    stream.write_all(format!("{head}: {length}\r\n\r\n{token}").as_bytes()).await?;
    let mut answer = vec![0; OK.len()];
    stream.read_exact(&mut answer).await?;
    match answer == OK {
        true => Ok(()),
        false => Err(std::io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
    }
}

fn tokens(captured: &Captured) -> BTreeSet<String> {
    let observations = captured.records.iter().flat_map(|record| &record.observations);
    observations
        .filter_map(|observation| match &observation.kind {
            Kind::Read(data) => Some(of_bytes(data)),
            _ => None,
        })
        .flatten()
        .collect()
}

/// `<client-number>`, wherever it stands.
fn of_bytes(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let ends = text.match_indices('>').map(|(end, _)| end);
    ends.filter_map(|end| text[..end].rfind('<').map(|start| text[start..=end].to_owned()))
        .collect()
}
