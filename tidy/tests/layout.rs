//! Dependencies point one way: programs → crates with I/O → crates without.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Bytes in, values out. They see no tokio, no files, no network, no clock.
const WITHOUT_IO: [&str; 7] =
    ["buffer", "codec", "compare", "converge", "lucene", "rules", "transform"];
const WITH_IO: [&str; 7] =
    ["cluster", "deletes", "journal", "settings", "snapshot", "telemetry", "tuples"];
const PROGRAMS: [&str; 5] = ["backfill", "capture-proxy", "godwit", "metadata", "traffic-replayer"];
/// Only for tests, demos and measurements.
const BENCHES: [&str; 4] = ["load", "relay", "testbed", "tidy"];

/// The arrows between our crates, each with its reason in ARCHITECTURE.md.
const ARROWS: [(&str, &[&str]); 19] = [
    ("buffer", &[]),
    ("codec", &[]),
    ("compare", &[]),
    ("converge", &[]),
    ("lucene", &[]),
    ("rules", &[]),
    ("transform", &[]),
    ("cluster", &["codec", "settings"]),
    ("deletes", &["cluster"]),
    ("journal", &["codec"]),
    ("settings", &[]),
    ("snapshot", &["settings"]),
    ("telemetry", &[]),
    ("tuples", &[]),
    ("capture-proxy", &["buffer", "codec", "journal", "settings", "telemetry"]),
    (
        "backfill",
        &[
            "cluster",
            "codec",
            "converge",
            "deletes",
            "lucene",
            "rules",
            "settings",
            "snapshot",
            "telemetry",
            "transform",
        ],
    ),
    (
        "godwit",
        &[
            "backfill",
            "capture-proxy",
            "cluster",
            "codec",
            "compare",
            "converge",
            "journal",
            "metadata",
            "settings",
            "snapshot",
            "telemetry",
            "traffic-replayer",
            "tuples",
        ],
    ),
    ("metadata", &["cluster", "rules", "settings", "snapshot", "telemetry", "transform"]),
    (
        "traffic-replayer",
        &[
            "cluster",
            "codec",
            "converge",
            "deletes",
            "journal",
            "rules",
            "settings",
            "snapshot",
            "telemetry",
            "transform",
            "tuples",
        ],
    ),
];

/// Crates that a crate without I/O must never depend on itself.
const IO: [&str; 10] = [
    "tokio",
    "tokio-util",
    "reqwest",
    "rdkafka",
    "pingora-core",
    "axum",
    "tempfile",
    "tracing",
    "object_store",
    "hyper",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Each workspace member's normal dependencies.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap();
            let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn every_member_has_its_layer() {
    for member in dependencies().keys() {
        let layers = [&WITHOUT_IO[..], &WITH_IO, &PROGRAMS, &BENCHES];
        let found = layers.iter().filter(|layer| layer.contains(&member.as_str())).count();
        assert_eq!(found, 1, "`{member}` must be listed in one layer of tidy/tests/layout.rs");
    }
}

#[test]
fn arrows_are_the_ones_that_are_written_down() {
    let dependencies = dependencies();
    for (member, found) in &dependencies {
        if BENCHES.contains(&member.as_str()) {
            continue;
        }
        let allowed = ARROWS.iter().find(|(name, _)| name == member).map_or(&[][..], |(_, to)| to);
        for dependency in found.iter().filter(|name| dependencies.contains_key(*name)) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{member} → {dependency} is a new arrow: give it a line in ARCHITECTURE.md and here"
            );
        }
    }
}

#[test]
fn crates_without_io_depend_on_none() {
    for (member, found) in dependencies() {
        if !WITHOUT_IO.contains(&member.as_str()) {
            continue;
        }
        for dependency in found {
            assert!(!IO.contains(&dependency.as_str()), "{member} must not see {dependency}");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "corpus" {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_file_is_two_things() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: what two things is it?", file.display());
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let vague = ["utils", "util", "common", "helpers", "misc"];
        assert!(!vague.contains(&name.as_str()), "{}: name the concept", file.display());
    }
}

#[test]
fn unsafe_code_is_in_one_module() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let allow = ["#![allow(", "unsafe_code)]"].concat();
    let allowed: Vec<_> =
        files.iter().filter(|f| std::fs::read_to_string(f).unwrap().contains(&allow)).collect();
    assert_eq!(allowed, [&root().join("crates/journal/src/kafka/produce.rs")]);
}
