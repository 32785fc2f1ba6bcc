//! Damaged repositories: no wrong document is printed, what is damaged is named, and everything else is read.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod faults;

use std::{collections::HashSet, fs, ops::Range};

use backfill::{ReadSummary, RunError, RunSettings, run};
use faults::{Blob, Damageable, SNAPSHOT, random, read_lines};
use lucene::{Compound, SegmentCommit};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use telemetry::Shutdown;
use testbed::CLUSTERS;

/// An index as it is read before anything is damaged.
struct Sound<'d> {
    repository: &'d Damageable,
    index: String,
    lines: Vec<String>,
}

impl<'d> Sound<'d> {
    async fn of(repository: &'d Damageable, index: &str) -> Self {
        let (lines, summary) = read_lines(&repository.settings(&[index])).await;
        assert!(summary.is_complete() && !lines.is_empty(), "{}: {summary}", repository.version);
        Self { repository, index: index.to_owned(), lines }
    }

    /// Reads with one shard damaged; says whether it was noticed.
    async fn check(&self, what: &str, blob: &Blob) -> bool {
        let context = format!("{}: {} {what}", self.repository.version, blob.file);
        let settings = self.repository.settings(&[&self.index]);
        let (lines, summary) = read_lines(&settings).await;
        let expected: HashSet<&str> = self.lines.iter().map(String::as_str).collect();
        let found: HashSet<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(found.len(), lines.len(), "{context}: a document comes twice");
        let wrong = found.difference(&expected).next();
        assert_eq!(wrong, None, "{context}: a document that isn't there");
        self.check_rest(&context, blob, &lines, &summary);

        // As files that are too large to be checked before they are read.
        let mut streamed = settings;
        streamed.limits.whole_file = 0;
        if blob.file.ends_with(".fdt") {
            let (lines, summary) = read_lines(&streamed).await;
            self.check_rest(&format!("{context}, streamed"), blob, &lines, &summary);
        }
        !summary.is_complete()
    }

    /// What isn't damaged is read, and what is missing is named.
    fn check_rest(&self, context: &str, blob: &Blob, lines: &[String], summary: &ReadSummary) {
        if summary.is_complete() {
            return assert!(lines == self.lines, "{context}: complete, with other documents");
        }
        assert_eq!(summary.failed, 0, "{context}: {summary}");
        let [unread] = summary.unread.as_slice() else { panic!("{context}: {summary}") };
        let name = blob.path.file_name().unwrap().to_str().unwrap();
        assert!(unread.contains(&self.index), "{context}: {unread}");
        assert!(unread.contains(&format!("shard {}", blob.shard)), "{context}: {unread}");
        assert!(unread.contains(&blob.file) || unread.contains(name), "{context}: {unread}");
        let elsewhere = |line: &&String| {
            let document: Value = serde_json::from_str(line).unwrap();
            document["_shard"] != blob.shard
        };
        let there: Vec<&String> = lines.iter().filter(elsewhere).collect();
        let expected: Vec<&String> = self.lines.iter().filter(elsewhere).collect();
        assert!(there == expected, "{context}: documents of other shards are missing");
    }

    /// A blob that is missing, shorter, other and another; gives how many of them were noticed.
    async fn damage(&self, blob: &Blob, others: &[Blob], random: &mut StdRng) -> usize {
        let sound = fs::read(&blob.path).unwrap();
        fs::remove_file(&blob.path).unwrap();
        let mut noticed = usize::from(self.check("is missing", blob).await);
        let lengths = [0, random.random_range(0..sound.len()), sound.len() - 1];
        let length = *lengths.choose(random).unwrap();
        fs::write(&blob.path, &sound[..length]).unwrap();
        let what = format!("ends at {length} of {}", sound.len());
        noticed += usize::from(self.check(&what, blob).await);
        let (at, bit) = (random.random_range(0..sound.len()), random.random_range(0..8));
        let mut flipped = sound.clone();
        flipped[at] ^= 1 << bit;
        fs::write(&blob.path, flipped).unwrap();
        noticed += usize::from(self.check(&format!("bit {bit} of {at} flipped"), blob).await);
        for other in others {
            fs::copy(&other.path, &blob.path).unwrap();
            let what = format!("is that of {}", other.file);
            noticed += usize::from(self.check(&what, blob).await);
        }
        fs::write(&blob.path, sound).unwrap();
        noticed
    }
}

/// Blobs of the same shard that could be taken for this one: of the same kind, best of the same length.
fn alike<'b>(blob: &'b Blob, blobs: &'b [Blob]) -> Vec<Blob> {
    let extension = |file: &str| file.rsplit_once('.').map(|(_, extension)| extension.to_owned());
    let length = |blob: &Blob| fs::metadata(&blob.path).unwrap().len();
    let bytes = fs::read(&blob.path).unwrap();
    let mut alike: Vec<Blob> = blobs
        .iter()
        .filter(|other| other.index == blob.index && other.shard == blob.shard)
        .filter(|other| extension(&other.file) == extension(&blob.file))
        // Deletions of two segments may be the same.
        .filter(|other| fs::read(&other.path).unwrap() != bytes)
        .cloned()
        .collect();
    alike.sort_by_key(|other| length(other).abs_diff(length(blob)));
    alike.truncate(1);
    alike
}

/// Lucene's files that no document can be read without.
fn is_needed(file: &str) -> bool {
    let needed = [".si", ".fdt", ".fnm", ".liv", ".del", ".cfs", ".cfe"];
    file.starts_with("segments_") || needed.iter().any(|extension| file.ends_with(extension))
}

#[tokio::test]
async fn some_damaged_blobs_of_every_version() {
    let mut random = random("some damaged blobs");
    for version in CLUSTERS {
        let repository = Damageable::unpack(version);
        let blobs = repository.blobs().await;
        let sound = Sound::of(&repository, "logs").await;
        let needed: Vec<&Blob> =
            blobs.iter().filter(|blob| blob.index == "logs" && is_needed(&blob.file)).collect();
        for blob in needed.choose_multiple(&mut random, 2) {
            let others = alike(blob, &blobs);
            let noticed = sound.damage(blob, &others, &mut random).await;
            // A compound file may be hit where nothing is read; its length and its absence are always seen.
            assert!(noticed >= 2, "{version}: {blob:?} {noticed}");
        }
        sound.check("is whole again", &blobs[0]).await;
    }
}

#[tokio::test]
async fn every_damaged_blob_of_a_shard() {
    let mut random = random("every damaged blob");
    for version in ["es-1.7", "opensearch-3"] {
        let repository = Damageable::unpack(version);
        let blobs = repository.blobs().await;
        let sound = Sound::of(&repository, "logs").await;
        let shard = random.random_range(0..3);
        let of_shard = blobs.iter().filter(|blob| blob.index == "logs" && blob.shard == shard);
        let (mut needed, mut swapped) = (0, 0);
        for blob in of_shard {
            let others = alike(blob, &blobs);
            let noticed = sound.damage(blob, &others, &mut random).await;
            if is_needed(&blob.file) && !blob.file.ends_with(".cfs") {
                assert_eq!(noticed, 3 + others.len(), "{version}: {blob:?}");
                needed += 1;
            }
            swapped += others.len();
        }
        assert!(needed > 5 && swapped > 5, "{version}: {needed} {swapped}");
    }
}

/// Where doc values lie in a blob: all of it, or parts of a compound file.
async fn doc_values(repository: &Damageable, index: &str) -> Vec<(Blob, Range<u64>)> {
    let blobs = repository.blobs().await;
    let mut found = Vec::new();
    for blob in blobs.iter().filter(|blob| blob.index == index) {
        let length = fs::metadata(&blob.path).unwrap().len();
        let Some((segment, extension)) = blob.file.split_once('.') else { continue };
        match extension {
            "dvd" => found.push((blob.clone(), 0..length)),
            "cfs" => {
                let entries = blobs.iter().find(|other| {
                    (&other.index, other.shard) == (&blob.index, blob.shard)
                        && other.file == format!("{segment}.cfe")
                });
                let entries = fs::read(&entries.unwrap().path).unwrap();
                let commit = SegmentCommit {
                    name: segment.to_owned(),
                    id: None,
                    deleted: 0,
                    soft_deleted: 0,
                    deletes_generation: None,
                    fields_generation: None,
                    doc_values_generation: None,
                };
                let compound = Compound::parse(&blob.file, &entries, &commit, length).unwrap();
                let names = ["_Lucene90_0", "_Lucene80_0", "_Lucene70_0"];
                let ranges = names.iter().filter_map(|of| compound.range(&format!("{of}.dvd")));
                found.extend(ranges.map(|range| (blob.clone(), range)));
            }
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn no_byte_of_long_doc_values_changes_a_version_or_a_deletion_unnoticed() {
    let mut random = random("long doc values");
    // All of one index, and some of one whose soft deletes lie there as well.
    for (version, index, step) in [
        ("es-6.8", "unicode", 1),
        ("es-7.10", "unicode", 1),
        ("opensearch-3", "unicode", 1),
        ("es-7.17", "logs", 997),
        ("es-8.19", "logs", 997),
    ] {
        let repository = Damageable::unpack(version);
        let mut settings = repository.settings(&[index]);
        settings.limits.whole_file = 0;
        let (sound, summary) = read_lines(&settings).await;
        assert!(summary.is_complete(), "{version}: {summary}");
        let places = doc_values(&repository, index).await;
        let mut flips = 0;
        for (blob, range) in &places {
            let bytes = fs::read(&blob.path).unwrap();
            let from = random.random_range(0..step as u64);
            for at in (range.start + from..range.end).step_by(step) {
                let mut flipped = bytes.clone();
                flipped[at as usize] ^= 1 << random.random_range(0..8);
                fs::write(&blob.path, flipped).unwrap();
                let (lines, summary) = read_lines(&settings).await;
                let context = format!("{version}: byte {at} of {}: {summary}", blob.file);
                // The columns of both indices are all used, so no flip is one that doesn't matter.
                assert!(!summary.is_complete() && !summary.unread.is_empty(), "{context}");
                assert!(lines.iter().all(|line| sound.contains(line)), "{context}");
                flips += 1;
            }
            fs::write(&blob.path, bytes).unwrap();
        }
        assert!(flips > 10, "{version}: {flips}");
    }
}

#[tokio::test]
async fn an_index_without_its_definition_is_named_and_others_are_read() {
    for version in CLUSTERS {
        let repository = Damageable::unpack(version);
        let blobs = repository.blobs().await;
        let blob = blobs.iter().find(|blob| blob.index == "unicode").unwrap();
        let directory = blob.path.parent().unwrap().parent().unwrap();
        let definitions = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        definitions.filter(|path| path.is_file()).for_each(|path| fs::remove_file(path).unwrap());
        let (lines, summary) = read_lines(&repository.settings(&[])).await;
        assert_eq!(lines.len(), 480, "{version}");
        let [unread] = summary.unread.as_slice() else { panic!("{version}: {summary}") };
        assert!(unread.contains("`unicode`") && unread.contains("missing"), "{version}: {unread}");
    }
}

/// What a snapshot of Elasticsearch 1 says of itself is bare JSON, which can be written anew.
fn say(repository: &Damageable, state: &str, failures: &Value) {
    let snapshot = json!({"name": SNAPSHOT, "version_id": 1_070_699, "state": state,
        "indices": ["logs", "unicode"], "start_time": 1, "end_time": 2, "total_shards": 4,
        "successful_shards": 3, "failures": failures});
    let file = repository.path().join(format!("snapshot-{SNAPSHOT}"));
    fs::write(file, json!({"snapshot": snapshot}).to_string()).unwrap();
}

async fn refusal(repository: &Damageable) -> RunError {
    // Refused before the target is asked for anything: there is none.
    let failed = repository.path().with_file_name("failed").display().to_string();
    let settings = RunSettings::new(repository.settings(&[]), "http://127.0.0.1:1", failed);
    run(settings, Shutdown::new()).await.unwrap_err()
}

#[tokio::test]
async fn a_snapshot_that_is_not_whole_is_never_complete() {
    let repository = Damageable::unpack("es-1.7");
    let (all, _) = read_lines(&repository.settings(&[])).await;

    say(&repository, "IN_PROGRESS", &json!([]));
    let (lines, summary) = read_lines(&repository.settings(&[])).await;
    assert_eq!(lines, all);
    let [unread] = summary.unread.as_slice() else { panic!("{summary}") };
    assert!(unread.contains("snap1 is InProgress"), "{unread}");
    let refused = refusal(&repository).await;
    assert!(matches!(refused, RunError::NotWhole { .. }), "{refused}");
    assert!(refused.to_string().contains("wait until it is done"), "{refused}");

    let failure = json!({"index": "logs", "shard_id": 1, "reason": "node left", "node_id": "n"});
    say(&repository, "PARTIAL", &json!([failure]));
    let (lines, summary) = read_lines(&repository.settings(&[])).await;
    let in_failed = |line: &&String| {
        let document: Value = serde_json::from_str(line).unwrap();
        document["_index"] == "logs" && document["_shard"] == 1
    };
    let expected: Vec<&String> = all.iter().filter(|line| !in_failed(line)).collect();
    assert!(lines.len() < all.len() && lines.iter().collect::<Vec<_>>() == expected);
    let [unread] = summary.unread.as_slice() else { panic!("{summary}") };
    assert!(unread.contains("shard 1") && unread.contains("node left"), "{unread}");
    let refused = refusal(&repository).await;
    assert!(matches!(refused, RunError::NotWhole { .. }), "{refused}");
    assert!(refused.to_string().contains("--partial"), "{refused}");
    assert!(refused.to_string().contains("logs shard 1 failed (node left)"), "{refused}");

    say(&repository, "FAILED", &json!([]));
    let (_, summary) = read_lines(&repository.settings(&[])).await;
    assert!(!summary.is_complete());
    assert!(matches!(refusal(&repository).await, RunError::NotWhole { .. }));
}
