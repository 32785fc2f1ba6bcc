//! The program is upgraded again and again under load, and no client notices.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use codec::record::Kind;
use stage::{Captured, PATIENCE};
use testbed::ScriptedSource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_capture-proxy");
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// The program, and whatever process has taken over from it.
struct Service {
    first: Child,
    process: u32,
    address: SocketAddr,
    log: Receiver<String>,
    lines: Vec<String>,
}

impl Service {
    fn start(program: &Path, arguments: &[&str]) -> Service {
        let mut command = Command::new(program);
        let mut first = command.args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let (say, log) = channel();
        let stderr = BufReader::new(first.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        let (process, address) = (first.id(), ([0, 0, 0, 0], 0).into());
        let mut service = Service { first, process, address, log, lines: Vec::new() };
        let said = service.hears("capture-proxy serves");
        service.address = field(&said, "\"address\":\"").parse().unwrap();
        service
    }

    /// The next line with these words.
    fn hears(&mut self, words: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{words}\n{}", self.lines.join("\n")));
            self.lines.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// A new process takes over, and the old one ends.
    fn upgrade(&mut self) {
        self.signal("-QUIT");
        let (mut serves, mut drained) = (false, false);
        while !serves || !drained {
            let line = self.hears("capture-proxy ");
            drained |= line.contains("has drained");
            if line.contains("capture-proxy serves") {
                serves = true;
                self.process = field(&line, "\"process\":").parse().unwrap();
                assert_eq!(field(&line, "\"address\":\""), self.address.to_string());
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.process.to_string()]).output();
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let rest = line.split(name).nth(1).unwrap_or_else(|| panic!("{name} in {line}"));
    rest.split(['"', ',', '}']).next().unwrap()
}

/// Writes until told to stop, and connects anew when it is told that an answer is the last. Every failure is one.
async fn write(address: SocketAddr, stop: Arc<AtomicBool>, written: Arc<AtomicUsize>) {
    let mut connection: Option<TcpStream> = None;
    while !stop.load(Ordering::Relaxed) {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => TcpStream::connect(address).await.unwrap(),
        };
        let number = written.fetch_add(1, Ordering::Relaxed);
        let request = format!("PUT /i/_doc/{number} HTTP/1.1\r\ncontent-length: 2\r\n\r\n{{}}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"{}") {
            let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await.unwrap();
            assert!(read.unwrap() > 0, "closed on request {number}");
        }
        let answer = String::from_utf8(answer).unwrap();
        if !answer.contains("connection: close") {
            assert_eq!(answer.as_bytes(), OK);
            connection = Some(stream);
        }
    }
}

fn audit(journal: &str) {
    let audit = Command::new(PROGRAM).args(["audit", "--journal", journal]).output().unwrap();
    let said = String::from_utf8_lossy(&audit.stdout);
    assert_eq!(audit.status.code(), Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_upgrades_under_load_fail_no_request_and_lose_no_record() {
    let folder = tempfile::TempDir::new().unwrap();
    let journal = format!("file://{}", folder.path().join("j").display());
    let source = ScriptedSource::answering(OK).await.unwrap();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--source",
        &source.url(),
        "--journal",
        &journal,
        "--threads",
        "2",
    ];
    let mut service = Service::start(Path::new(PROGRAM), &arguments);
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| tokio::spawn(write(service.address, Arc::clone(&stop), Arc::clone(&written))))
        .collect();
    let mut before = 0;
    for _ in 0..20 {
        tokio::task::block_in_place(|| service.upgrade());
        // Each of the processes has something to do.
        let since = std::time::Instant::now();
        while written.load(Ordering::Relaxed) < before + 50 {
            assert!(since.elapsed() < PATIENCE);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        before = written.load(Ordering::Relaxed);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    service.signal("-TERM");
    tokio::task::block_in_place(|| service.hears("has drained"));
    let captured = Captured::read(&journal.parse().unwrap()).await;
    captured.assert_complete();
    assert_eq!(captured.ends(), written.load(Ordering::Relaxed));
    let nodes: std::collections::BTreeSet<_> = captured.records.iter().map(|r| &r.node).collect();
    assert_eq!(nodes.len(), 21, "each process is a node of its own");
    let answers = captured.records.iter().flat_map(|record| &record.observations);
    for observation in answers {
        if let Kind::Write(data) = &observation.kind {
            assert_eq!(&data[..], OK, "as the source gave it");
        }
    }
    audit(&journal);
}

/// Nothing is captured, so that both processes may serve at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_takes_long_ends_on_the_old_process_while_the_new_one_serves() {
    let source = ScriptedSource::silent().await.unwrap();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--source",
        &source.url(),
        "--journal",
        "none",
        "--threads",
        "1",
    ];
    let mut service = Service::start(Path::new(PROGRAM), &arguments);
    let mut long = TcpStream::connect(service.address).await.unwrap();
    long.write_all(b"GET /long HTTP/1.1\r\n\r\n").await.unwrap();
    source.wait_for(0, 10).await.unwrap();
    service.signal("-QUIT");
    let line = tokio::task::block_in_place(|| service.hears("capture-proxy serves"));
    let old = service.process;
    service.process = field(&line, "\"process\":").parse().unwrap();
    tokio::task::block_in_place(|| service.hears("a new process takes over"));
    tokio::task::block_in_place(|| service.hears("Shutting down"));
    // The new one serves.
    let mut short = TcpStream::connect(service.address).await.unwrap();
    short.write_all(b"GET /short HTTP/1.1\r\n\r\n").await.unwrap();
    source.wait_for(1, 10).await.unwrap();
    source.act(1, testbed::Step::Send(OK.to_vec())).unwrap();
    let mut answer = vec![0; OK.len()];
    short.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, OK);
    // And the old one ends what it began.
    source.act(0, testbed::Step::Send(OK.to_vec())).unwrap();
    long.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, OK);
    drop(long);
    source.act(0, testbed::Step::Close).unwrap();
    tokio::task::block_in_place(|| service.hears("has drained"));
    assert_eq!(service.first.id(), old);
    assert_eq!(service.first.wait().unwrap().code(), Some(0));
}

/// A file that isn't the program any more, and settings that are wrong by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_new_process_cannot_serve_the_old_one_goes_on() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("proxy.yaml");
    std::fs::write(&config, "durability: journal\n").unwrap();
    let program = folder.path().join("capture-proxy");
    std::fs::copy(PROGRAM, &program).unwrap();
    let source = ScriptedSource::answering(OK).await.unwrap();
    let journal = format!("file://{}", folder.path().join("j").display());
    let path = config.display().to_string();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--source",
        &source.url(),
        "--journal",
        &journal,
        "--config",
        &path,
    ];
    let mut service = Service::start(&program, &arguments);
    let served = async |address: SocketAddr| {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = tokio::spawn(write(address, Arc::clone(&stop), Arc::clone(&written)));
        while written.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::Relaxed);
        client.await.unwrap();
    };
    std::fs::write(&config, "durability: maybe\n").unwrap();
    service.signal("-QUIT");
    let line = tokio::task::block_in_place(|| service.hears("the upgrade has failed"));
    assert!(line.contains("ended before it served"), "{line}");
    served(service.address).await;
    std::fs::write(&config, "durability: journal\n").unwrap();
    std::fs::remove_file(&program).unwrap();
    service.signal("-QUIT");
    let line = tokio::task::block_in_place(|| service.hears("the upgrade has failed"));
    assert!(line.contains("can't be started"), "{line}");
    served(service.address).await;
    std::fs::copy(PROGRAM, &program).unwrap();
    tokio::task::block_in_place(|| service.upgrade());
    served(service.address).await;
    service.signal("-TERM");
    tokio::task::block_in_place(|| service.hears("has drained"));
    audit(&journal);
}
