//! A program that the harness started doesn't outlive the process that started it.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::Program;

const HOLD: &str = "GODWIT_TESTBED_HOLD";

/// Not a test by itself: the other test starts this binary again, with `HOLD` set, and kills it.
#[test]
fn holder() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    // Started by a thread that ends at once, as a test's own thread does.
    let start = || Program::start_with("sleep", ["1000"], &[], Stdio::null(), Stdio::null());
    let sleeper = std::thread::spawn(start).join().unwrap().unwrap();
    println!("sleeper={}", sleeper.id());
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[tokio::test]
async fn a_killed_test_leaves_no_process() {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder", "--nocapture"])
        .env(HOLD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let id = lines
        .find_map(|line| {
            let line = line.unwrap();
            line.split_once("sleeper=").map(|(_, id)| id.trim().to_owned())
        })
        .unwrap();
    let alive = || {
        // Nobody else's process has this number so soon; a dead one may wait for its reaper.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    assert!(alive());
    test.kill().unwrap();
    test.wait().unwrap();
    let gone = async {
        while alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the sleeper is gone");
}
