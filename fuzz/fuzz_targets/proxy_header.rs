//! What a connection begins with, read as it comes: never more than a header has, and the same however much is there at once.
#![no_main]

use codec::proxy_header::{Begins, Malformed, look};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (taken, outcome) = read(data);
    match outcome {
        // Of what is there, all was asked for.
        Ok(Begins::Open(more)) => assert!(more > 0 && taken == data.len()),
        Ok(Begins::With(_)) => {
            // Nothing behind a header was asked for, and nothing behind it matters.
            assert_eq!(look(&data[..taken]), outcome);
            assert_eq!(look(&[&data[..taken], b"GET / HTTP/1.1\r\n\r\n"].concat()), outcome);
            assert!((0..taken).all(|cut| matches!(look(&data[..cut]), Ok(Begins::Open(_)))));
        }
        Ok(Begins::Without) | Err(_) => assert!(taken <= 4200),
    }
});

/// As a connection is read: as much as is asked for, and what is there of it.
fn read(stream: &[u8]) -> (usize, Result<Begins, Malformed>) {
    let mut taken = 0;
    loop {
        match look(&stream[..taken]) {
            Ok(Begins::Open(more)) if taken < stream.len() => {
                taken = stream.len().min(taken + more);
            }
            outcome => return (taken, outcome),
        }
    }
}
