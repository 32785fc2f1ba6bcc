//! Files of Lucene around fuzzed bytes: a right header and a right checksum, so that what is between gets read.
#![allow(dead_code)] // each target takes what it needs

use lucene::{Fields, SegmentCommit};

pub const SEGMENT: SegmentCommit = SegmentCommit {
    name: String::new(),
    id: None, // any id will do
    deleted: 0,
    soft_deleted: 0,
    deletes_generation: None,
    fields_generation: None,
    doc_values_generation: None,
};

/// An index header.
pub fn begun(codec: &str, version: u32) -> Vec<u8> {
    let mut file = vec![0x3F, 0xD7, 0x6C, 0x17, codec.len() as u8];
    file.extend(codec.as_bytes());
    file.extend(version.to_be_bytes());
    file.extend([0; 17]);
    file
}

/// With a footer.
pub fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    file.extend([0xC0, 0x28, 0x93, 0xE8, 0, 0, 0, 0]);
    let sum = crc32fast::hash(&file);
    file.extend(u64::from(sum).to_be_bytes());
    file
}

/// Fields of these names, numbered from 0, each with numbers in doc values.
pub fn fields(names: &[&str]) -> Fields {
    let mut file = begun("Lucene60FieldInfos", 2);
    file.push(names.len() as u8);
    for (number, name) in names.iter().enumerate() {
        file.push(name.len() as u8);
        file.extend(name.as_bytes());
        file.extend([number as u8, 0, 0, 1]);
        file.extend((-1i64).to_be_bytes());
        file.extend([0, 0]);
    }
    Fields::parse("f.fnm", &sealed(file), &SEGMENT).unwrap()
}
