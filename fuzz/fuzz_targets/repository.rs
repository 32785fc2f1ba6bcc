//! What a repository says of itself: any bytes are metadata or an error, however they are wrapped.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapshot::{GlobalMetadata, IndexMetadata, Info, Root, ShardFiles, Wrapping, fuzzing};

const LIMIT: usize = 1 << 18;

// kind · blob, in an envelope made around it or bare
fuzz_target!(|data: &[u8]| {
    let Some((kind, blob)) = data.split_first() else { return };
    let made;
    let wrapped = |codec: &'static str| match kind & 0x80 {
        0 => (blob.to_vec(), Wrapping::Bare),
        _ => (envelope(codec, blob), Wrapping::Envelope(codec)),
    };
    match kind & 0x7F {
        0 => {
            if let Ok(expanded) = fuzzing::expand(blob, LIMIT) {
                assert!(expanded.len() <= LIMIT.max(blob.len()));
            }
        }
        1 => {
            made = wrapped("snapshot");
            let _ = Info::parse(&made.0, made.1, LIMIT);
        }
        2 => {
            made = wrapped("snapshot");
            let Ok(files) = ShardFiles::parse(&made.0, made.1, LIMIT, LIMIT) else { return };
            for file in files.iter() {
                assert!(files.get(&file.physical_name).is_some());
                let _ = (file.footer_checksum(), file.has_footer());
            }
        }
        3 => {
            made = wrapped("index-metadata");
            let Ok(metadata) = IndexMetadata::parse(&made.0, made.1, LIMIT) else { return };
            let _ = (metadata.unsupported(), metadata.is_remote_store());
        }
        4 => {
            made = wrapped("metadata");
            if let Ok(global) = GlobalMetadata::parse(&made.0, made.1, LIMIT) {
        let composed = global.component_templates.values().chain(global.index_templates.values());
        for template in composed.chain(global.templates.values()) {
            let _ = template.template(LIMIT);
        }
    }
        }
        5 => drop(Root::parse(blob, LIMIT)),
        6 => {
            if let Ok(paths) = fuzzing::parse_table(blob, "abc", 2, LIMIT) {
                assert_eq!(paths.len(), 2);
            }
        }
        7 => drop(fuzzing::parse_latest(blob)),
        8 => drop((fuzzing::body(blob, "snapshot"), fuzzing::footer_checksum(blob))),
        _ => {
            made = wrapped("snapshot");
            let _ = fuzzing::document(&made.0, made.1, LIMIT);
        }
    }
});

fn envelope(codec: &str, body: &[u8]) -> Vec<u8> {
    let mut blob = vec![0x3F, 0xD7, 0x6C, 0x17, codec.len() as u8];
    blob.extend(codec.as_bytes());
    blob.extend(1u32.to_be_bytes());
    blob.extend(body);
    blob.extend([0xC0, 0x28, 0x93, 0xE8, 0, 0, 0, 0]);
    let sum = crc32fast::hash(&blob);
    blob.extend(u64::from(sum).to_be_bytes());
    blob
}
