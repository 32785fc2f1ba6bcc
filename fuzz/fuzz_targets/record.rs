//! Capture records: any bytes are a record or an error, and no record holds more than was read.
#![no_main]

use bytes::Bytes;
use codec::record::{Kind, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(record) = decode(&bytes) else { return };
    let held: usize = record
        .observations
        .iter()
        .map(|observation| match &observation.kind {
            Kind::Read(data) | Kind::ReadSegment(data) => data.len(),
            Kind::Write(data) | Kind::WriteSegment(data) => data.len(),
            Kind::Exception(message) => message.len(),
            _ => 0,
        })
        .sum();
    assert!(held <= data.len());
});
