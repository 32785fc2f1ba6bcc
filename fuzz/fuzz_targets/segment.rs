//! The small files of a segment: any bytes are what they say or an error, under a checksum that is right.
#![no_main]

mod lucene_files;

use libfuzzer_sys::fuzz_target;
use lucene::{
    Commit, Compound, DocValuesFiles, FieldRoles, Fields, LuceneError, SegmentInfo, parse_live,
};
use lucene_files::{SEGMENT, sealed};

// kind · u16 documents · file without footer
fuzz_target!(|data: &[u8]| {
    let [kind, high, low, file @ ..] = data else { return };
    let documents = u32::from(u16::from_be_bytes([*high, *low]));
    let file = if kind & 0x80 == 0 { file.to_vec() } else { sealed(file.to_vec()) };
    match kind & 0x7F {
        0 => {
            let Ok(commit) = Commit::parse("segments_1", &file) else { return };
            assert!(commit.segments.len() <= file.len() / 16);
            for segment in &commit.segments {
                let _ = (segment.fields_file(), segment.live_file(true), commit.deleted());
            }
        }
        1 => {
            let Ok(info) = SegmentInfo::parse("_0.si", &file, &SEGMENT) else { return };
            assert!(info.check_length(&SEGMENT, u64::from(info.documents)).is_ok());
        }
        2 => {
            let length = u64::from(documents);
            let Ok(compound) = Compound::parse("_0.cfe", &file, &SEGMENT, length) else { return };
            assert!(compound.range(".fdt").is_none_or(|range| range.end <= length));
        }
        3 => {
            let Ok(fields) = Fields::parse("_0.fnm", &file, &SEGMENT) else { return };
            let _ = FieldRoles::of(&fields);
            if let Some(field) = fields.soft_deletes() {
                assert!(fields.named(&field.name).is_some());
                let _ = DocValuesFiles::of(&SEGMENT, field);
            }
        }
        kind => {
            let name = if kind == 4 { "_0_1.liv" } else { "_0_1.del" };
            let mut segment = SEGMENT;
            let first = parse_live(name, &file, &segment, documents);
            if let Err(LuceneError::Count { found, .. }) = first {
                segment.deleted = found as u32;
                let live = parse_live(name, &file, &segment, documents).unwrap();
                assert_eq!(u64::from(live.count()), u64::from(documents) - found);
            }
        }
    }
});
