//! Damaged segments: an error or what was there before, never a panic, never another document.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod samples;

use bytes::Bytes;
use lucene::{Commit, SegmentCommit};
use samples::{Document, Files, Sample, expand, read};

const FOOTER: usize = 16;
const FOOTER_MAGIC: [u8; 4] = [0xC0, 0x28, 0x93, 0xE8];

/// The files that reading a segment reads.
fn of_segment(files: &Files, segment: &SegmentCommit) -> Vec<String> {
    let extensions = [".si", ".fnm", ".fdt", ".fdm", ".dvm", ".dvd", ".liv", ".del", ".cfe"];
    let of = |name: &String| {
        let rest = name.strip_prefix(&segment.name);
        rest.is_some_and(|rest| rest.starts_with(['.', '_']))
            && extensions.iter().any(|extension| name.ends_with(extension))
    };
    let mut names: Vec<_> = files.keys().filter(|name| of(name)).cloned().collect();
    if segment.fields_generation.is_some() {
        names.retain(|name| *name != segment.file(".fnm"));
    }
    names
}

/// Reads a segment with one file replaced; a new `.cfe` finds other files.
fn with(
    files: &Files,
    segment: &SegmentCommit,
    name: &str,
    bytes: Vec<u8>,
) -> Result<Vec<Document>, lucene::LuceneError> {
    let mut files = files.clone();
    files.insert(name.to_owned(), Bytes::from(bytes));
    if name.ends_with(".cfe") {
        files.retain(|name, _| name.starts_with(&segment.file(".cf")) || !is_inside(segment, name));
        expand(&mut files, segment)?;
    }
    read(&files, segment, usize::MAX)
}

fn is_inside(segment: &SegmentCommit, name: &str) -> bool {
    let lucene = ["_Lucene70_0.dv", "_Lucene80_0.dv", "_Lucene90_0.dv"];
    [".fnm", ".fdt", ".fdm"].iter().any(|extension| name == segment.file(extension))
        || lucene.iter().any(|stem| name.starts_with(&segment.file(stem)))
}

/// The checksum in the footer as it should be for what is before it.
fn seal(bytes: &mut [u8]) -> bool {
    let Some(at) = bytes.len().checked_sub(FOOTER) else { return false };
    if bytes[at..at + 4] != FOOTER_MAGIC {
        return false;
    }
    let sum = crc32fast::hash(&bytes[..at + 8]);
    bytes[at + 8..].copy_from_slice(&u64::from(sum).to_be_bytes());
    true
}

/// Places in a file, at most so many, others for each `turn`; fewer where a try takes long.
fn places(
    length: usize,
    most: usize,
    turn: usize,
    good: &[Document],
) -> impl Iterator<Item = usize> {
    let bytes: usize = good.iter().flat_map(|document| &document.source).map(Vec::len).sum();
    let most = if bytes > 50_000 { most / 10 } else { most };
    let step = length.div_ceil(most).max(1);
    (turn % step..length).step_by(step)
}

/// Calls with every file that is read, the documents it reads to undamaged, and a number.
fn each_file(mut each: impl FnMut(&Sample, &SegmentCommit, &str, &[Document], usize)) {
    let mut turn = 0;
    for sample in samples::all() {
        for segment in &sample.segments {
            let good = read(&sample.files, segment, usize::MAX).unwrap();
            for name in of_segment(&sample.files, segment) {
                turn += 1;
                each(&sample, segment, &name, &good, turn);
            }
        }
    }
    assert!(turn > 250, "{turn} files");
}

#[test]
fn a_flipped_bit_is_found() {
    each_file(|sample, segment, name, good, turn| {
        let bytes = &sample.files[name];
        for at in places(bytes.len(), 40, turn, good) {
            let mut bad = bytes.to_vec();
            bad[at] ^= 1 << ((at + turn) % 8);
            let read = with(&sample.files, segment, name, bad);
            assert!(read.is_err() || read.unwrap() == good, "{} {name} {at}", sample.name);
        }
    });
}

#[test]
fn a_file_cut_short_is_found() {
    each_file(|sample, segment, name, good, turn| {
        let bytes = &sample.files[name];
        for length in places(bytes.len(), 40, turn, good) {
            let read = with(&sample.files, segment, name, bytes[..length].to_vec());
            // What is cut from the column of soft deletes behind its last block isn't needed.
            assert!(read.is_err() || read.unwrap() == good, "{} {name} {length}", sample.name);
        }
    });
}

#[test]
fn every_byte_of_a_commit_is_checked() {
    for sample in samples::all() {
        let (file, bytes) = samples::commit(&sample.files);
        for at in 0..bytes.len() {
            assert!(Commit::parse(file, &bytes[..at]).is_err(), "{} {at}", sample.name);
            let mut bad = bytes.to_vec();
            bad[at] ^= 1 << (at % 8);
            assert!(Commit::parse(file, &bad).is_err(), "{} {at}", sample.name);
            seal(&mut bad);
            for value in [bad[at] ^ 0xFF, 0, 0x7F, 0x80] {
                bad[at] = value;
                seal(&mut bad);
                let _ = Commit::parse(file, &bad);
            }
        }
    }
}

/// Damage that a checksum doesn't find, since it was made before it was: no panic, and no memory by what a number
/// says.
#[test]
fn damage_under_a_right_checksum_is_survived() {
    let (mut refused, mut read_on) = (0, 0);
    each_file(|sample, segment, name, good, turn| {
        let bytes = &sample.files[name];
        for at in places(bytes.len().saturating_sub(FOOTER), 25, turn, good) {
            for value in [bytes[at] ^ 1 << (at % 8), bytes[at] ^ 0xFF, bytes[at] ^ 0x80] {
                let mut bad = bytes.to_vec();
                bad[at] = value;
                seal(&mut bad);
                match with(&sample.files, segment, name, bad) {
                    Ok(_) => read_on += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    });
    assert!(refused > 1000 && read_on > 1000, "{refused} refused, {read_on} read");
    // Where the system says how much memory was held at most.
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200 << 10, "{peak} KiB were held");
}
