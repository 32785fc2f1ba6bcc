//! Stored fields: any bytes are documents or an error, the same in blocks of any size and from any chunk on.
#![no_main]

mod lucene_files;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lucene::{Advance, FieldRoles, Format, LuceneError, Place, Stored, StoredFields};
use lucene_files::{SEGMENT, begun, fields, sealed};

/// Most bytes of a chunk.
const LIMIT: usize = 1 << 16;
const ROLES: [&str; 8] = [
    "_id",
    "_source",
    "_routing",
    "_uid",
    "_type",
    "_parent",
    "_recovery_source",
    "_ignored_source",
];

type Documents = Vec<(u32, u32, Vec<u8>)>;

// u16 documents · u16 chunk size · block size · `.fdt` without footer
fuzz_target!(|data: &[u8]| {
    let [d1, d0, c1, c0, block, fdt @ ..] = data else { return };
    let documents = u32::from(u16::from_be_bytes([*d1, *d0]));
    let chunk = u16::from_be_bytes([*c1, *c0]);
    let fdt: Bytes = sealed(fdt.to_vec()).into();
    let begin = &fdt[..fdt.len().min(Format::HEADER_AT_MOST)];
    let metas = ["Lucene85FieldsIndexMeta", "Lucene90FieldsIndexMeta"].map(|codec| {
        let mut meta = begun(codec, 0);
        meta.extend([chunk as u8 | 0x80, (chunk >> 7) as u8 | 0x80, (chunk >> 14) as u8, 2]);
        sealed(meta)
    });
    let Ok(wants) = Format::wants_meta("_0.fdt", begin) else { return };
    let meta = wants.then_some(("_0.fdm", &metas[usize::from(chunk & 1)][..]));
    let Ok(format) = Format::parse("_0.fdt", begin, meta, &SEGMENT) else { return };

    let begun = Place::BEGIN;
    let (all, places, end) = read(&format, &fdt, documents, begun, usize::MAX);
    let (cut, cut_places, cut_end) = read(&format, &fdt, documents, begun, usize::from(*block) + 1);
    assert!(cut == all && cut_places == places && cut_end.is_ok() == end.is_ok());
    if end.is_ok() {
        assert_eq!(all.len(), documents as usize);
    }
    if let Some(place) = places.first() {
        let (rest, _, rest_end) = read(&format, &fdt, documents, *place, usize::MAX);
        assert!(all.ends_with(&rest) && rest_end.is_ok() == end.is_ok());
    }

    let roles = FieldRoles::of(&fields(&ROLES));
    for (_, fields, bytes) in &all {
        if let Ok(stored) = Stored::parse("_0.fdt", &format, &roles, *fields, bytes) {
            let held = [stored.id, stored.source, stored.routing, stored.uid];
            assert!(held.iter().flatten().map(|value| value.len()).sum::<usize>() <= bytes.len());
            assert_eq!(Stored::of_beginning(&format, &roles, *fields, bytes), stored);
        }
    }
});

fn read(
    format: &Format,
    fdt: &Bytes,
    documents: u32,
    place: Place,
    block: usize,
) -> (Documents, Vec<Place>, Result<(), LuceneError>) {
    let length = fdt.len() as u64;
    let mut stored = StoredFields::new("_0.fdt", format.clone(), documents, length, place, LIMIT);
    let mut rest = fdt.slice(place.offset as usize..);
    let (mut all, mut places) = (Documents::new(), Vec::new());
    loop {
        match stored.advance() {
            Ok(Advance::Wants) => {
                assert!(!rest.is_empty(), "it wants more than there is");
                stored.supply(rest.split_to(block.min(rest.len())));
            }
            Ok(Advance::Chunk) => {
                let chunk = stored.chunk();
                let documents = chunk.documents();
                all.extend(
                    documents.map(|(number, fields, bytes)| (number, fields, bytes.to_vec())),
                );
                let long = chunk.too_long();
                all.extend(long.map(|long| (long.number, long.fields, long.beginning.to_vec())));
                places.push(stored.place());
            }
            Ok(Advance::End) => return (all, places, Ok(())),
            Err(error) => return (all, places, Err(error)),
        }
    }
}
