//! Damaged metadata of real repositories: every truncation, every flipped bit. Never a panic; where there is a
//! checksum, never another result.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod made;

use std::{fmt::Debug, io::Write, path::PathBuf};

use snapshot::{
    FormatError, GlobalMetadata, IndexMetadata, Info, Root, ShardFiles, Wrapping, fuzzing,
};

const LIMIT: usize = 1 << 20;

fn blob(path: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/repositories");
    std::fs::read(root.join(path)).unwrap()
}

type Parse = fn(&[u8], Wrapping) -> Result<Box<dyn Debug>, FormatError>;

fn boxed<T: Debug + 'static>(
    parsed: Result<T, FormatError>,
) -> Result<Box<dyn Debug>, FormatError> {
    parsed.map(|value| Box::new(value) as Box<dyn Debug>)
}

fn shown(parsed: Result<Box<dyn Debug>, FormatError>) -> String {
    format!("{:?}", parsed.unwrap())
}

const INFO: Parse = |bytes, how| boxed(Info::parse(bytes, how, LIMIT));
const GLOBAL: Parse = |bytes, how| boxed(GlobalMetadata::parse(bytes, how, LIMIT));
const INDEX: Parse = |bytes, how| boxed(IndexMetadata::parse(bytes, how, LIMIT));
const ROOT: Parse = |bytes, _| boxed(Root::parse(bytes, LIMIT));
const FILES: Parse = |bytes, how| {
    let files = ShardFiles::parse(bytes, how, LIMIT, LIMIT)?;
    Ok(Box::new(files.iter().cloned().collect::<Vec<_>>()))
};

/// Blobs in envelopes: SMILE in DEFLATE.
const ENVELOPED: [(&str, &str, Parse); 4] = [
    ("es-2.4/indices/unicode/0/snap-snap1.dat", "snapshot", FILES),
    ("es-8/snap-GiSYdFRyR56NkWluFc60qA.dat", "snapshot", INFO),
    ("es-8/indices/bnmAbvEGQGiNzoRWeT3Uyw/meta-U5GuBqIBKau9kf0ZxIuX.dat", "index-metadata", INDEX),
    ("opensearch-3/meta-FKoFWMbmRlKE6TgbRTu4SA.dat", "metadata", GLOBAL),
];

/// Blobs without a checksum: LZF (1.7) and JSON.
const BARE: [(&str, Parse); 6] = [
    ("es-1.7/snapshot-snap1", INFO),
    ("es-1.7/metadata-snap1", GLOBAL),
    ("es-1.7/indices/unicode/snapshot-snap1", INDEX),
    ("es-1.7/indices/unicode/0/snapshot-snap1", FILES),
    ("es-1.7/index", ROOT),
    ("opensearch-3/index-0", ROOT),
];

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

#[test]
fn a_damaged_envelope_is_an_error() {
    for (path, codec, parse) in ENVELOPED {
        let bytes = blob(path);
        let how = Wrapping::Envelope(codec);
        parse(&bytes, how).unwrap();
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length], how).is_err(), "{path} cut to {length}");
        }
        for bit in 0..bytes.len() * 8 {
            assert!(parse(&flip(&bytes, bit), how).is_err(), "{path}, bit {bit}");
        }
    }
}

#[test]
fn damage_under_a_right_checksum_never_panics() {
    for (path, codec, parse) in ENVELOPED {
        let bytes = blob(path);
        let how = Wrapping::Envelope(codec);
        let sound = shown(parse(&bytes, how));
        let body = fuzzing::body(&bytes, codec).unwrap();
        let plain = fuzzing::expand(body, LIMIT).unwrap();
        assert_eq!(shown(parse(&made::wrap(codec, &plain), how)), sound, "{path}");
        for inner in [body, &plain] {
            for length in 0..inner.len() {
                assert!(parse(&inner[..length], Wrapping::Bare).is_err(), "{path} {length}");
            }
            for bit in 0..inner.len() * 8 {
                let _ = parse(&flip(inner, bit), Wrapping::Bare);
            }
        }
    }
}

#[test]
fn damaged_bare_blobs_never_panic() {
    for (path, parse) in BARE {
        let bytes = blob(path);
        parse(&bytes, Wrapping::Bare).unwrap();
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length], Wrapping::Bare).is_err(), "{path} cut to {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let _ = parse(&flip(&bytes, bit), Wrapping::Bare);
        }
    }
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::best();
    let mut encoder = flate2::write::DeflateEncoder::new(b"DFL\0".to_vec(), level);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    [b"ZSTD\0".as_slice(), &::zstd::encode_all(plain, 3).unwrap()].concat()
}

/// LZF of literals only, as a compressor writes what does not repeat.
fn lzf(plain: &[u8]) -> Vec<u8> {
    let chunk = |chunk: &[u8]| {
        let literals = chunk
            .chunks(32)
            .flat_map(|part| [&[u8::try_from(part.len() - 1).unwrap()], part].concat());
        let packed: Vec<u8> = literals.collect();
        let sizes = [packed.len(), chunk.len()].map(|size| u16::try_from(size).unwrap());
        [b"ZV\x01".as_slice(), &sizes[0].to_be_bytes(), &sizes[1].to_be_bytes(), &packed].concat()
    };
    plain.chunks(60_000).flat_map(chunk).collect()
}

#[test]
fn the_same_metadata_in_every_compression_reads_the_same() {
    for (path, codec, parse) in ENVELOPED {
        let bytes = blob(path);
        let how = Wrapping::Envelope(codec);
        let sound = shown(parse(&bytes, how));
        let plain = fuzzing::expand(fuzzing::body(&bytes, codec).unwrap(), LIMIT).unwrap();
        for packed in [deflate(&plain), zstd(&plain), zstd(&plain)[5..].to_vec(), lzf(&plain)] {
            assert_eq!(shown(parse(&made::wrap(codec, &packed), how)), sound, "{path}");
            let cut = parse(&made::wrap(codec, &packed[..packed.len() - 1]), how);
            assert!(cut.is_err(), "{path}");
        }
        let unknown = [b"XYZ!".as_slice(), &plain].concat();
        let error = parse(&made::wrap(codec, &unknown), how).unwrap_err().to_string();
        assert!(error.contains("58 59 5a 21"), "{error}");
    }
}

#[test]
fn the_lists_of_other_versions_are_not_taken_for_each_other() {
    let info = blob("es-8/snap-GiSYdFRyR56NkWluFc60qA.dat");
    let error = GLOBAL(&info, Wrapping::Envelope("metadata")).unwrap_err().to_string();
    assert!(error.contains("a `snapshot` where a `metadata` must be"), "{error}");
    let error = FILES(&info, Wrapping::Envelope("snapshot")).unwrap_err().to_string();
    assert!(error.starts_with("`files`: expected a list, found nothing"), "{error}");
    assert!(INFO(&info, Wrapping::Bare).is_err());
}
