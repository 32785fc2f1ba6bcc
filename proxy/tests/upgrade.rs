//! The program is upgraded again and again under load, and no client notices.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stage::upgrades::{OK, PROGRAM, Service, audit, field, upgrade_under_load, write};
use testbed::ScriptedSource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_upgrades_under_load_fail_no_request_and_lose_no_record() {
    let folder = tempfile::TempDir::new().unwrap();
    let journal = format!("file://{}", folder.path().join("j").display());
    upgrade_under_load(&journal, &[], 20).await;
}

/// Nothing is captured, so that both processes may serve at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_takes_long_ends_on_the_old_process_while_the_new_one_serves() {
    let source = ScriptedSource::silent().await.unwrap();
    let mut service =
        Service::start(Path::new(PROGRAM), &source.url(), "none", &["--threads", "1"]);
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
    let mut last = String::new();
    long.read_to_string(&mut last).await.unwrap();
    let told = str::from_utf8(OK).unwrap().replacen("\r\n", "\r\nconnection: close\r\n", 1);
    assert_eq!(last, told);
    drop(long);
    source.act(0, testbed::Step::Close).unwrap();
    tokio::task::block_in_place(|| service.hears("has drained"));
    assert_eq!(service.first.id(), old);
    assert_eq!(service.first.wait().unwrap().code(), Some(0));
}

/// A file that isn't the program any more, settings that are wrong by now, and a journal that can't be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_new_process_cannot_serve_the_old_one_goes_on() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("proxy.yaml");
    let journal = format!("file://{}", folder.path().join("j").display());
    let right = format!("journal: {journal}\n");
    std::fs::write(&config, &right).unwrap();
    let program = folder.path().join("capture-proxy");
    std::fs::copy(PROGRAM, &program).unwrap();
    let source = ScriptedSource::answering(OK).await.unwrap();
    let path = config.display().to_string();
    let mut service = Service::start(&program, &source.url(), "", &["--config", &path]);
    let served = async |address: SocketAddr| {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = tokio::spawn(write(address, Arc::clone(&stop), Arc::clone(&written)));
        while written.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::Relaxed);
        client.await.unwrap();
    };
    std::fs::write(&config, format!("{right}durability: maybe\n")).unwrap();
    service.signal("-QUIT");
    let line = tokio::task::block_in_place(|| service.hears("the upgrade has failed"));
    assert!(line.contains("ended before it served"), "{line}");
    served(service.address).await;
    std::fs::write(&config, format!("journal: file://{path}/j\n")).unwrap();
    service.signal("-QUIT");
    let line = tokio::task::block_in_place(|| service.hears("the upgrade has failed"));
    assert!(line.contains("ended before it served"), "{line}");
    served(service.address).await;
    std::fs::write(&config, &right).unwrap();
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
