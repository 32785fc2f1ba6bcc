//! The program from outside: what it says when it is used wrongly.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_traffic-replayer"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_wrong_flag_is_a_usage_error_and_a_wrong_value_a_configuration_error() {
    let (code, said) = run(&["--jornal", "file:///j"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("--journal"), "{said}");
    let (code, said) = run(&["--target", "http://127.0.0.1:1", "--tuples", "/t"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("--journal is missing"), "{said}");
    let (code, said) =
        run(&["--journal", "ftp://x", "--target", "http://127.0.0.1:1", "--tuples", "/t"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("ftp://x"), "{said}");
}

#[test]
fn a_journal_that_is_not_there_is_a_service_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let journal = format!("file://{}/nothing", folder.path().display());
    let tuples = folder.path().join("tuples").display().to_string();
    let (code, said) =
        run(&["--journal", &journal, "--target", "http://127.0.0.1:1", "--tuples", &tuples]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("nothing"), "{said}");
}

#[test]
fn a_target_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = format!("file://{}", path.display());
    let settings = journal::AppendSettings::default();
    journal::Appender::open(&journal.parse().unwrap(), &settings).unwrap();
    let tuples = folder.path().join("tuples").display().to_string();
    let target = ["--target", "http://127.0.0.1:1", "--target-retry-for", "100ms"];
    let (code, said) = run(&[
        &["--journal", &journal, "--tuples", &tuples, "--exit-at-end"][..],
        &target,
    ]
    .concat());
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("cannot connect to http://127.0.0.1:1"), "{said}");
}
