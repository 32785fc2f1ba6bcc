//! The program itself: what it says, and the codes it ends with.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_capture-proxy");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().output().unwrap()
}

/// Runs it, and expects this code and a message with these words.
fn check(arguments: &[&str], code: i32, words: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn what_is_wrong_is_said_and_the_exit_code_tells_the_kind() {
    check(&["--lisen", "a:1"], 64, &["--lisen", "--listen"]);
    check(&["--listen", "127.0.0.1:0"], 78, &["`source` is not set", "--source"]);
    let base = ["--listen", "127.0.0.1:0", "--source", "http://127.0.0.1:1"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    check(&with(&["--journal", "/tmp/j"]), 78, &["journal", "file:///"]);
    check(&with(&["--journal", "none", "--hold", "all"]), 78, &["`hold`", "request or exchange"]);
    check(&with(&["--journal", "none", "--config", "/no/such.yaml"]), 78, &["/no/such.yaml"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["--listen", &address, "--source", "http://127.0.0.1:1", "--journal", "none"];
    check(&arguments, 69, &[&address, "listen"]);
    check(&with(&["--journal", "file:///proc/no/such"]), 69, &["file:///proc/no/such"]);
}

#[test]
fn help_begins_with_an_example() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Example:\n  capture-proxy --listen 0.0.0.0:9200"), "{help}");
}

#[test]
fn sigterm_drains_and_ends_with_0() {
    let folder = tempfile::TempDir::new().unwrap();
    let journal = format!("file://{}", folder.path().display());
    let source = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", source.local_addr().unwrap());
    let mut child = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--source", &url, "--journal", &journal])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let address = line.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut client = TcpStream::connect(address.expect(&line)).unwrap();
    client.write_all(b"PUT /i/_doc/1 HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    let (mut accepted, _) = source.accept().unwrap();
    let mut request = [0; 47];
    accepted.read_exact(&mut request).unwrap();
    let pid = child.id().to_string();
    #[cfg(target_os = "linux")]
    {
        // It grows by what clients need, not by what the kernel makes of it.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let huge_pages = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
        assert_eq!(huge_pages.map(str::trim), Some("0"), "{status}");
    }
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    // The open exchange is let end.
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    accepted.write_all(answer).unwrap();
    let mut answered = Vec::new();
    client.read_to_end(&mut answered).unwrap();
    // It says that it is the last, if the signal was there before it.
    let answered = String::from_utf8(answered).unwrap().replace("connection: close\r\n", "");
    assert_eq!(answered.as_bytes(), answer);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("has drained"), "{rest}");
}
