use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ::zstd::stream::encode_all(data, 1).unwrap()
}

type Encode = fn(&[u8]) -> Vec<u8>;

/// Each coding with its encoder.
const CODINGS: [(&[u8], Encode); 6] = [
    (b"gzip", gzip),
    (b" X-GZIP", gzip),
    (b"deflate", zlib),
    (b"Deflate", deflate),
    (b"zstd", zstd),
    (b"identity", |data| data.to_vec()),
];

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(data in prop::collection::vec(any::<u8>(), 0..3000)) {
        for (name, encode) in CODINGS {
            let encoded = Bytes::from(encode(&data));
            prop_assert_eq!(decode(name, &encoded, data.len()), Ok(Bytes::from(data.clone())));
        }
    }

    #[test]
    fn any_bytes_end_in_an_answer(data in prop::collection::vec(any::<u8>(), 0..300)) {
        for (name, _) in CODINGS.iter().take(5) {
            if let Ok(decoded) = decode(name, &Bytes::from(data.clone()), 1000) {
                prop_assert!(decoded.len() <= 1000);
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = vec![0; 4 << 20];
    for (name, encode) in CODINGS.iter().take(5) {
        let encoded = Bytes::from(encode(&zeros));
        assert!(encoded.len() < 64 << 10);
        assert_eq!(decode(name, &encoded, 1000), Err(BodyError::TooLong { limit: 1000 }));
        assert_eq!(decode(name, &encoded, zeros.len()).map(|d| d.len()), Ok(zeros.len()));
        assert!(decode(name, &encoded, zeros.len() - 1).is_err());
    }
}

#[test]
fn a_cut_body_is_corrupt() {
    let text = b"a body that is long enough to be cut in the middle of its last block".repeat(9);
    for (name, encode) in CODINGS.iter().take(5) {
        let encoded = encode(&text);
        for cut in [1, 5, encoded.len() / 2] {
            let cut = Bytes::copy_from_slice(&encoded[..encoded.len() - cut]);
            let decoded = decode(name, &cut, 10_000);
            assert!(matches!(decoded, Err(BodyError::Corrupt { .. })), "{name:?} {decoded:?}");
        }
    }
}

#[test]
fn members_follow_each_other() {
    let two = Bytes::from([gzip(b"one "), gzip(b"two")].concat());
    assert_eq!(decode(b"gzip", &two, 100), Ok(Bytes::from_static(b"one two")));
    let frames = Bytes::from([zstd(b"one "), zstd(b"two")].concat());
    assert_eq!(decode(b"zstd", &frames, 100), Ok(Bytes::from_static(b"one two")));
}

#[test]
fn a_window_beyond_what_http_allows_is_refused() {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(25).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(&vec![7; 40 << 20]).unwrap();
    let body = Bytes::from(encoder.finish().unwrap());
    let decoded = decode(b"zstd", &body, 64 << 20);
    assert!(matches!(decoded, Err(BodyError::Corrupt { encoding: "zstd", .. })), "{decoded:?}");
}

#[test]
fn unknown_codings_are_named() {
    let body = Bytes::from_static(b"x");
    for name in ["br", "gzip, gzip", "compress"] {
        let expected = Err(BodyError::UnknownEncoding(name.to_string()));
        assert_eq!(decode(name.as_bytes(), &body, 10), expected);
    }
}
