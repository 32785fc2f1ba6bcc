//! The program as a service that is upgraded: whatever process has taken over, and clients that write all the while.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use codec::record::Kind;
use testbed::ScriptedSource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Captured, PATIENCE};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_capture-proxy");
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// The program, and whatever process has taken over from it.
pub struct Service {
    pub first: Child,
    pub process: u32,
    pub address: SocketAddr,
    log: Receiver<String>,
    lines: Vec<String>,
}

impl Service {
    /// In front of `source`, with `more` arguments than it needs; without a journal where these say which.
    pub fn start(program: &Path, source: &str, journal: &str, more: &[&str]) -> Service {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--source", source]);
        if !journal.is_empty() {
            command.args(["--journal", journal]);
        }
        let mut first = command.args(more).stderr(Stdio::piped()).spawn().unwrap();
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
    pub fn hears(&mut self, words: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{words}\n{}", self.lines.join("\n")));
            self.lines.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// A new process takes over, and the old one ends.
    pub fn upgrade(&mut self) {
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

pub fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let rest = line.split(name).nth(1).unwrap_or_else(|| panic!("{name} in {line}"));
    rest.split(['"', ',', '}']).next().unwrap()
}

/// Writes until told to stop, and connects anew when it is told that an answer is the last. Every failure is one.
pub async fn write(address: SocketAddr, stop: Arc<AtomicBool>, written: Arc<AtomicUsize>) {
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

pub fn audit(journal: &str) {
    let audit = Command::new(PROGRAM).args(["audit", "--journal", journal]).output().unwrap();
    let said = String::from_utf8_lossy(&audit.stdout);
    assert_eq!(audit.status.code(), Some(0), "{said}");
}

/// Upgrades it so many times while eight clients write: no request fails, and every one is in the journal.
pub async fn upgrade_under_load(journal: &str, more: &[&str], upgrades: usize) {
    let source = ScriptedSource::answering(OK).await.unwrap();
    let arguments = [more, &["--threads", "2"]].concat();
    let mut service = Service::start(Path::new(PROGRAM), &source.url(), journal, &arguments);
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| tokio::spawn(write(service.address, Arc::clone(&stop), Arc::clone(&written))))
        .collect();
    let mut before = 0;
    for _ in 0..upgrades {
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
    let captured = Captured::read(&journal.parse().unwrap()).await.once();
    captured.assert_complete();
    assert_eq!(captured.ends(), written.load(Ordering::Relaxed));
    let nodes: std::collections::BTreeSet<_> = captured.records.iter().map(|r| &r.node).collect();
    assert_eq!(nodes.len(), upgrades + 1, "each process is a node of its own");
    let answers = captured.records.iter().flat_map(|record| &record.observations);
    for observation in answers {
        if let Kind::Write(data) = &observation.kind {
            assert_eq!(&data[..], OK, "as the source gave it");
        }
    }
    audit(journal);
}
