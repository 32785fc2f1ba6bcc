//! The command line and the file, without any server.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GODWIT: &str = env!("CARGO_BIN_EXE_godwit");

fn godwit(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(GODWIT).args(arguments).current_dir(folder).output().unwrap()
}

/// Exit code, stdout, stderr.
fn said(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = godwit(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

const FILE: &str = "
name: move
source: {url: 'http://127.0.0.1:1'}
target: {url: 'http://127.0.0.1:2'}
capture: {listen: '127.0.0.1:9300'}
snapshot: {repository: 'file:///mnt/s'}
";

fn folder(file: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("migration.yaml"), file).unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

#[test]
fn init_writes_a_file_that_holds_and_never_writes_over_one() {
    let folder = tempfile::TempDir::new().unwrap();
    let (code, out, _) = said(folder.path(), &["config", "init"]);
    assert_eq!(code, 0);
    assert!(out.contains("next: `godwit config check`"), "{out}");
    let (code, out, err) = said(folder.path(), &["config", "check", "--output", "json"]);
    assert_eq!(code, 0, "{err}");
    let checks: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(checks["passed"], true, "{checks}");
    let (code, _, err) = said(folder.path(), &["config", "init"]);
    assert_eq!(code, 78);
    assert!(
        err.contains("is there already") && err.contains("next: `godwit config check`"),
        "{err}"
    );
    assert_eq!(said(folder.path(), &["config", "init", "--force"]).0, 0);
}

#[test]
fn what_is_wrong_with_the_file_is_named_with_a_suggestion() {
    let wrong = |from: &str, to: &str| {
        let (_folder, path) = folder(&FILE.replace(from, to));
        let (code, _, err) = said(&path, &["config", "check"]);
        assert_eq!(code, 78, "{err}");
        assert!(err.contains("next: "), "{err}");
        err
    };
    assert!(wrong("source:", "sourse:").contains("unknown field `sourse`"));
    assert!(wrong("source:", "sourse:").contains("did you mean `source`?"));
    assert!(wrong("listen:", "lissten:").contains("did you mean `listen`?"));
    assert!(wrong("repository:", "repostory:").contains("did you mean `repository`?"));
    assert!(wrong("url: 'http://127.0.0.1:1'", "urls: 'x'").contains("did you mean `url`?"));
    assert!(wrong("name: move", "name: Move It").contains("lower-case"));
    assert!(
        wrong("name: move", "name: m\nbackfill: {wokers: 2}").contains("did you mean `workers`?")
    );
    assert!(wrong("name: move", "name: m\nreplay: {sped: 2}").contains("`sped`"));
    assert!(
        wrong("name: move", "name: m\nreplay: {target: x}")
            .contains("take `target` out of `replay`")
    );
    assert!(wrong("name: move", "name: m\njournal: /tmp/j").contains("file:///"));
    assert!(wrong("name: move", "name: [").contains("is no YAML"));
    let auth = "url: 'http://127.0.0.1:1', auth: 'basic:u'";
    assert!(wrong("url: 'http://127.0.0.1:1'", auth).contains("the secret is missing"));
    let (code, _, err) = said(Path::new("/"), &["-m", "/nonexistent/m.yaml", "status"]);
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("`godwit config init` writes a commented one"), "{err}");
}

#[test]
fn a_state_of_another_migration_is_refused() {
    let (_folder, path) = folder(FILE);
    fs::create_dir(path.join("migration.state")).unwrap();
    fs::write(path.join("migration.state/state.json"), r#"{"format":1,"migration":"other"}"#)
        .unwrap();
    let (code, _, err) = said(&path, &["status"]);
    assert_eq!(code, 78);
    assert!(err.contains("it is of the migration `other`, and the file says `move`"), "{err}");
}

#[test]
fn steps_that_come_too_early_say_what_comes_first() {
    let (_folder, path) = folder(FILE);
    for step in [
        &["capture", "start"][..],
        &["capture", "verify"],
        &["snapshot", "create"],
        &["metadata", "migrate"],
        &["backfill", "start"],
        &["replay", "start"],
        &["verify"],
        &["cutover", "check"],
    ] {
        let (code, _, err) = said(&path, step);
        assert_eq!(code, 75, "{step:?}: {err}");
        assert!(
            err.contains("too early") && err.contains("next: `godwit setup check`"),
            "{step:?}: {err}"
        );
    }
    // What only looks says so, too.
    assert_eq!(said(&path, &["replay", "status"]).0, 1);
    let (_, out, _) = said(&path, &["status"]);
    assert!(out.ends_with("next: `godwit setup check`\n"), "{out}");
}

#[test]
fn a_cluster_that_does_not_answer_is_named() {
    let (_folder, path) = folder(FILE);
    let (code, _, err) = said(&path, &["setup", "check"]);
    assert_eq!(code, 69, "{err}");
    assert!(err.contains("the source does not answer") && err.contains("127.0.0.1:1"), "{err}");
}

#[test]
fn the_programs_are_in_the_binary() {
    let here = tempfile::TempDir::new().unwrap();
    for program in ["capture-proxy", "traffic-replayer", "backfill", "metadata"] {
        let (code, out, err) = said(here.path(), &["exec", program, "--help"]);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains(&format!("Usage: {program}")), "{out}");
    }
    let (code, _, err) = said(here.path(), &["exec", "proxy"]);
    assert_eq!(code, 64);
    assert!(err.contains("there is no program `proxy`"), "{err}");
    assert_eq!(said(here.path(), &["exec", "backfill", "fly"]).0, 64);
    assert_eq!(said(here.path(), &["exec", "backfill", "run"]).0, 78);
}

#[test]
fn nothing_is_reset_unasked() {
    let (_folder, path) = folder(FILE);
    let (code, _, err) = said(&path, &["reset", "state", "journal"]);
    assert_eq!(code, 64);
    assert!(err.contains("nobody said yes"), "{err}");
    fs::create_dir_all(path.join("migration.state/journal/groups")).unwrap();
    fs::write(path.join("migration.state/journal/mine"), b"").unwrap();
    fs::write(path.join("migration.state/journal/0.seg"), b"").unwrap();
    let (code, out, err) = said(&path, &["reset", "state", "journal", "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("gone: the journal"), "{out}");
    // A file that no program wrote stays.
    let left: Vec<_> = fs::read_dir(path.join("migration.state/journal")).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert!(!path.join("migration.state/state.json").exists());
}

#[test]
fn a_second_console_is_told_who_the_first_is() {
    let (_folder, path) = folder(FILE);
    let state = godwit::state::Folder::of(&path.join("migration.yaml"));
    let lock = godwit::lock::Lock::take(&state, "godwit run").unwrap();
    let (code, _, err) = said(&path, &["capture", "start"]);
    assert_eq!(code, 75);
    assert!(err.contains("another console works on this migration"), "{err}");
    assert!(err.contains(&format!("process {} on ", std::process::id())), "{err}");
    assert!(err.contains("runs `godwit run` since "), "{err}");
    // What only looks may look.
    assert!(said(&path, &["status"]).1.contains("next: `godwit setup check`"));
    drop(lock);
    assert!(said(&path, &["capture", "start"]).2.contains("too early"));
}
