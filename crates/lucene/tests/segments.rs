//! What real servers wrote reads to exactly what they were given, however its bytes come.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod samples;

use std::collections::BTreeSet;

use lucene::{Place, SegmentCommit, SegmentInfo};
use proptest::prelude::*;
use samples::{Files, Sample, get, read, sample, stored};

/// The documents of a chunk: number, fields, bytes.
type Raw = Vec<(u32, u32, Vec<u8>)>;

fn info(files: &Files, segment: &SegmentCommit) -> SegmentInfo {
    let name = segment.file(".si");
    SegmentInfo::parse(&name, &get(files, segment, &name).unwrap(), segment).unwrap()
}

/// Everything from a place on, and where each chunk ends.
fn raw(
    sample: &Sample,
    segment: &SegmentCommit,
    place: Place,
    cut: impl FnMut() -> usize,
) -> (Raw, Vec<Place>) {
    let documents = info(&sample.files, segment).documents;
    let (mut all, mut places) = (Raw::new(), Vec::new());
    stored(&sample.files, segment, documents, place, cut, |stored| {
        let documents = stored.chunk().documents();
        all.extend(documents.map(|(number, fields, bytes)| (number, fields, bytes.to_vec())));
        places.push(stored.place());
        Ok(())
    })
    .unwrap();
    (all, places)
}

#[test]
fn every_sample_reads_to_the_expected_documents() {
    for sample in samples::all() {
        let mut lines = String::new();
        for segment in &sample.segments {
            for document in read(&sample.files, segment, usize::MAX).unwrap() {
                lines += &format!("{} {document}\n", segment.name);
            }
        }
        assert_eq!(lines, sample.expected, "{}", sample.name);
    }
}

#[test]
fn the_samples_have_what_servers_write() {
    let mut codecs = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for sample in samples::all() {
        for segment in &sample.segments {
            let fdt = get(&sample.files, segment, &segment.file(".fdt")).unwrap();
            let length = usize::from(fdt[4]);
            codecs.insert(String::from_utf8(fdt[5..5 + length].to_vec()).unwrap());
            let info = info(&sample.files, segment);
            kinds.insert(if info.compound { "compound" } else { "loose" });
            if let Some(file) = segment.live_file(info.is_legacy()) {
                kinds.insert(if file.ends_with(".del") { ".del" } else { ".liv" });
            }
            if segment.soft_deleted > 0 {
                let is_generation = segment.doc_values_generation.is_some();
                kinds.insert(if is_generation { "updated" } else { "deleted when written" });
            }
        }
    }
    let expected = [
        "Lucene41StoredFieldsData",
        "Lucene50StoredFieldsFastData",
        "Lucene50StoredFieldsHighData",
        "Lucene87StoredFieldsFastData",
        "Lucene87StoredFieldsHighData",
        "Lucene90StoredFieldsFastData",
        "Lucene90StoredFieldsHighData",
        "ZstdStoredFields814",
    ];
    assert_eq!(codecs, expected.map(String::from).into());
    let expected = [".del", ".liv", "compound", "deleted when written", "loose", "updated"];
    assert_eq!(kinds, expected.into());
}

#[test]
fn blocks_of_any_size_give_the_same() {
    for sample in samples::all() {
        for segment in &sample.segments {
            let whole = raw(&sample, segment, Place::BEGIN, || usize::MAX);
            for size in [1, 7, 4096] {
                let cut = raw(&sample, segment, Place::BEGIN, || size);
                assert!(cut == whole, "{} {} {size}", sample.name, segment.name);
            }
        }
    }
}

#[test]
fn every_place_is_one_to_go_on_from() {
    for sample in samples::all() {
        for segment in &sample.segments {
            let (all, places) = raw(&sample, segment, Place::BEGIN, || usize::MAX);
            for (at, place) in places.iter().enumerate() {
                let (rest, after) = raw(&sample, segment, *place, || 1000);
                let begin = all.iter().position(|(number, ..)| *number == place.document);
                assert!(rest == all[begin.unwrap_or(all.len())..], "{} {at}", sample.name);
                assert_eq!(after, places[at + 1..]);
            }
        }
    }
}

#[test]
fn a_place_that_isnt_one_is_an_error() {
    let sample = sample("opensearch-2-plain");
    let segment = &sample.segments[0];
    let documents = info(&sample.files, segment).documents;
    let (_, places) = raw(&sample, segment, Place::BEGIN, || usize::MAX);
    let good = places[0];
    for bad in [
        Place { document: documents + 1, ..Place::BEGIN },
        Place { document: u32::MAX, ..good },
        Place { document: good.document + 1, ..Place::BEGIN },
        Place { offset: 3, ..Place::BEGIN },
        Place { offset: good.offset + 1, ..good },
        Place { offset: u64::MAX, ..good },
        Place { checksum: good.checksum ^ 1, ..good },
    ] {
        let read = stored(&sample.files, segment, documents, bad, || usize::MAX, |_| Ok(()));
        assert!(read.is_err(), "{bad:?}");
    }
}

#[test]
fn files_of_another_segment_are_refused() {
    let all = samples::all();
    let mut tried = 0;
    for (sample, other) in all.iter().zip(all.iter().cycle().skip(1)) {
        for segment in &sample.segments {
            if info(&sample.files, segment).is_legacy() {
                continue; // its files have no id
            }
            for from in sample.segments.iter().chain(&other.segments) {
                let files = [&sample.files, &other.files];
                let files = files[usize::from(!sample.segments.contains(from))];
                if from.id == segment.id {
                    continue;
                }
                for extension in [".si", ".fnm", ".fdt", ".fdm"] {
                    let Some(bytes) = files.get(&from.file(extension)) else { continue };
                    let mut swapped = sample.files.clone();
                    let into = match extension {
                        ".fnm" => segment.fields_file(),
                        _ => segment.file(extension),
                    };
                    if swapped.insert(into, bytes.clone()).is_none() {
                        continue; // one of them has no such file
                    }
                    let read = read(&swapped, segment, usize::MAX);
                    assert!(read.is_err(), "{} {} {extension}", sample.name, segment.name);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn cuts_anywhere_give_the_same(
        sizes in proptest::collection::vec(1..600usize, 1..20),
        at in any::<prop::sample::Index>(),
    ) {
        let names = ["es-1.7-plain", "es-5.6-deflated", "es-7.10-plain", "es-8.19-deflated"];
        let sample = sample(at.get::<&str>(&names));
        let segment = &sample.segments[0];
        let whole = raw(&sample, segment, Place::BEGIN, || usize::MAX);
        let mut next = sizes.iter().cycle();
        let cut = raw(&sample, segment, Place::BEGIN, || *next.next().unwrap());
        prop_assert!(cut == whole);
    }
}
