//! Content codings: any bytes are decoded within the limit or refused. The first byte names the coding.
#![no_main]

use bytes::Bytes;
use codec::body::{BodyError, decode};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let encoding: &[u8] = match first {
        b'g' => b"gzip",
        b'd' => b"deflate",
        b'z' => b"zstd",
        _ => return,
    };
    let body = Bytes::copy_from_slice(rest);
    match decode(encoding, &body, LIMIT) {
        Ok(decoded) => {
            assert!(decoded.len() <= LIMIT);
            // What fits exactly is let through, and one byte less is not.
            assert_eq!(decode(encoding, &body, decoded.len()), Ok(decoded.clone()));
            if let Some(less) = decoded.len().checked_sub(1) {
                let refused = decode(encoding, &body, less);
                assert_eq!(refused, Err(BodyError::TooLong { limit: less }));
            }
        }
        Err(BodyError::TooLong { limit }) => assert_eq!(limit, LIMIT),
        Err(BodyError::Corrupt { .. }) => {}
        Err(BodyError::UnknownEncoding(name)) => unreachable!("{name}"),
    }
});
