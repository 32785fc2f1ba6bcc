//! Lines of an export: any bytes are a record with its key or an error, and what is written again is the same.
#![no_main]

use codec::export::{is_scattered, parse, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(line) = parse(data) else { return };
    assert!(line.key.len() + line.value.len() <= data.len());
    let mut out = Vec::new();
    write(&line.key, &line.value, &mut out);
    assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1));
    let again = parse(&out).expect("what was written is a line");
    assert_eq!(again.value, line.value);
    let record = codec::record::decode(&line.value);
    if let Ok(record) = record {
        is_scattered(&line.key, &record.connection, record.number);
    }
});
