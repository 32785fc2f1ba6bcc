//! Doc values: any bytes are columns or an error; a window has the same numbers whatever was read before it.
#![no_main]

mod lucene_files;

use libfuzzer_sys::fuzz_target;
use lucene::{Column, DocValuesMeta, LuceneError, NumericEntry};
use lucene_files::{SEGMENT, begun, fields, sealed};

const NAMES: [&str; 4] = ["_version", "_seq_no", "_primary_term", "__soft_deletes"];
const WINDOW: u32 = 100;

// format · version · u16 documents · u16 length of entries · entries · `.dvd`
fuzz_target!(|data: &[u8]| {
    let [format, version, d1, d0, l1, l0, rest @ ..] = data else { return };
    let documents = u32::from(u16::from_be_bytes([*d1, *d0]));
    let length = usize::from(u16::from_be_bytes([*l1, *l0])).min(rest.len());
    let (entries, data) = rest.split_at(length);
    let codec = match format % 3 {
        0 => "Lucene70DocValuesMetadata",
        1 => "Lucene80DocValuesMetadata",
        _ => "Lucene90DocValuesMetadata",
    };
    let mut meta = begun(codec, u32::from(*version % 3));
    meta.extend(entries);
    let fields = fields(&NAMES);
    let Ok(meta) = DocValuesMeta::parse("_0.dvm", &sealed(meta), &SEGMENT, &fields) else { return };
    for name in NAMES {
        let Some(entry) = fields.named(name).and_then(|field| meta.numeric(field)) else {
            continue;
        };
        let _ = column(entry, data, documents);
    }
});

fn column(entry: &NumericEntry, data: &[u8], documents: u32) -> Result<(), LuceneError> {
    let bytes = entry.present_range().and_then(|range| part(data, range)).unwrap_or_default();
    let present = entry.present("_0.dvd", bytes, documents)?;
    let new = || Column::new("_0.dvd".into(), entry.clone(), present.clone());
    let mut forward = new()?;
    for from in (0..documents).step_by(WINDOW as usize).take(30) {
        let to = documents.min(from + WINDOW);
        fill(&mut forward, data, from, to)?;
        let mut fresh = new()?;
        fill(&mut fresh, data, from, to)?;
        for document in from..to {
            assert_eq!(forward.get(document), fresh.get(document), "{document}");
        }
    }
    Ok(())
}

fn fill(column: &mut Column, data: &[u8], from: u32, to: u32) -> Result<(), LuceneError> {
    while let Some(range) = column.wants(from..to) {
        column.supply(part(data, range).unwrap_or_default())?;
    }
    Ok(())
}

fn part(data: &[u8], range: std::ops::Range<u64>) -> Option<&[u8]> {
    data.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}
