//! Stored fields compressed with zstd as OpenSearch's custom codecs describe it. No server wrote these files: the
//! plugin isn't published where the test servers come from. (What Elasticsearch writes with zstd is among the
//! samples; here it has the chunk without any byte.)
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use bytes::Bytes;
use lucene::{Advance, Format, LuceneError, Place, SegmentCommit, StoredFields};

const ID: [u8; 16] = [3; 16];
/// Bytes of a unit, in the `.fdm`.
const CHUNK: usize = 1000;

fn segment() -> SegmentCommit {
    SegmentCommit {
        name: "_0".into(),
        id: Some(ID),
        deleted: 0,
        soft_deleted: 0,
        deletes_generation: None,
        fields_generation: None,
        doc_values_generation: None,
    }
}

fn vint(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn begun(codec: &str) -> Vec<u8> {
    let mut file = vec![0x3F, 0xD7, 0x6C, 0x17, codec.len() as u8];
    file.extend(codec.as_bytes());
    file.extend(1u32.to_be_bytes());
    file.extend(ID);
    file.push(0);
    file
}

fn sealed(mut file: Vec<u8>) -> Bytes {
    file.extend([0xC0, 0x28, 0x93, 0xE8, 0, 0, 0, 0]);
    let sum = crc32fast::hash(&file);
    file.extend(u64::from(sum).to_be_bytes());
    file.into()
}

/// vInt compressed length · frame
fn frame(out: &mut Vec<u8>, bytes: &[u8], dictionary: &[u8]) {
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, dictionary).unwrap();
    let frame = compressor.compress(bytes).unwrap();
    vint(out, frame.len());
    out.extend(frame);
}

/// A unit, as each codec has it.
fn unit(out: &mut Vec<u8>, codec: &str, bytes: &[u8]) {
    match codec {
        "ZstdStoredFields814" if bytes.is_empty() => {}
        "ZstdStoredFields814" => frame(out, bytes, &[]),
        "CustomStoredFieldsZstd" => {
            let dictionary = bytes.len() / 6;
            let block = (bytes.len() - dictionary).div_ceil(4);
            vint(out, dictionary);
            vint(out, block);
            let (dictionary, rest) = bytes.split_at(dictionary);
            if dictionary.is_empty() {
                vint(out, 0);
            } else {
                frame(out, dictionary, &[]);
            }
            rest.chunks(block.max(1)).for_each(|block| frame(out, block, dictionary));
        }
        _ => {
            let block = bytes.len().div_ceil(3);
            vint(out, block);
            bytes.chunks(block.max(1)).for_each(|block| frame(out, block, &[]));
        }
    }
}

/// A file of these chunks; each document says that it has one field.
fn fdt(codec: &str, chunks: &[Vec<Vec<u8>>]) -> Bytes {
    let mut file = begun(codec);
    let mut first = 0;
    for documents in chunks {
        let bytes = documents.concat();
        let is_sliced = bytes.len() > CHUNK;
        vint(&mut file, first);
        vint(&mut file, documents.len() << 2 | usize::from(is_sliced));
        first += documents.len();
        for number in [|_: &Vec<u8>| 1, |document: &Vec<u8>| document.len()] {
            if let [document] = &documents[..] {
                vint(&mut file, number(document));
                continue;
            }
            // Fewer than 128 numbers of 32 bits lie one after the other.
            file.push(32);
            documents
                .iter()
                .for_each(|document| file.extend((number(document) as u32).to_le_bytes()));
        }
        if bytes.is_empty() {
            unit(&mut file, codec, &[]);
        }
        let units = if is_sliced { CHUNK } else { bytes.len().max(1) };
        bytes.chunks(units).for_each(|bytes| unit(&mut file, codec, bytes));
    }
    sealed(file)
}

fn documents(fdt: Bytes, count: u32, block: usize) -> Result<Vec<Vec<u8>>, LuceneError> {
    Ok(documents_up_to(1 << 20, fdt, count, block)?.0)
}

/// Those that are kept within this limit, and (number, length, beginning) of the others.
type Kept = (Vec<Vec<u8>>, Vec<(u32, u32, Vec<u8>)>);

fn documents_up_to(
    limit: usize,
    fdt: Bytes,
    count: u32,
    block: usize,
) -> Result<Kept, LuceneError> {
    let mut meta = begun("Lucene90FieldsIndexMeta");
    vint(&mut meta, CHUNK);
    let meta = sealed(meta);
    let begin = &fdt[..fdt.len().min(Format::HEADER_AT_MOST)];
    assert!(Format::wants_meta("_0.fdt", begin)?);
    let format = Format::parse("_0.fdt", begin, Some(("_0.fdm", &meta)), &segment())?;
    let length = fdt.len() as u64;
    let mut stored = StoredFields::new("_0.fdt", format, count, length, Place::BEGIN, limit);
    let (mut rest, mut documents, mut too_long) = (fdt, Vec::new(), Vec::new());
    loop {
        match stored.advance()? {
            Advance::Wants => stored.supply(rest.split_to(block.min(rest.len()))),
            Advance::Chunk => {
                let chunk = stored.chunk();
                documents.extend(chunk.documents().map(|(.., bytes)| bytes.to_vec()));
                let long = chunk.too_long();
                too_long
                    .extend(long.map(|long| (long.number, long.bytes, long.beginning.to_vec())));
            }
            Advance::End => return Ok((documents, too_long)),
        }
    }
}

/// Documents of all lengths; chunks of one, of many, sliced, and without any field.
fn chunks() -> Vec<Vec<Vec<u8>>> {
    let document = |number: usize, length: usize| -> Vec<u8> {
        (0..length).map(|at| b"godwit knot ruff curlew "[(at * at / 7 + number) % 24]).collect()
    };
    vec![
        vec![document(0, 40)],
        (0..90).map(|at| document(at, at % 13)).collect(),
        vec![Vec::new(); 5],
        vec![document(7, 4321)],
        vec![document(1, 700), Vec::new(), document(2, 900), document(3, 1)],
        vec![Vec::new()],
    ]
}

const CODECS: [&str; 3] =
    ["ZstdStoredFields814", "CustomStoredFieldsZstd", "CustomStoredFieldsZstdNoDict"];

#[test]
fn documents_come_back_from_each_codec() {
    let expected = chunks().concat();
    for codec in CODECS {
        for block in [1, 100, usize::MAX] {
            let read = documents(fdt(codec, &chunks()), expected.len() as u32, block).unwrap();
            assert_eq!(read, expected, "{codec} {block}");
        }
    }
}

#[test]
fn a_document_that_is_too_long_is_passed_by_and_the_others_are_read() {
    const LIMIT: usize = 6 * CHUNK;
    let document = |number: usize, length: usize| -> Vec<u8> {
        (0..length).map(|at| (at * 7 / 3 + number) as u8).collect()
    };
    let chunks = vec![
        vec![document(0, 300), document(1, 800), document(2, 9_999)],
        vec![document(3, 20_000)],
        vec![document(4, 700), document(5, LIMIT - 700)],
        vec![document(6, 10)],
    ];
    let long = [(2, &chunks[0][2]), (3, &chunks[1][0])];
    let whole: Vec<Vec<u8>> = chunks.concat().into_iter().filter(|of| of.len() < LIMIT).collect();
    for codec in CODECS {
        let file = fdt(codec, &chunks);
        for block in [1, 100, usize::MAX] {
            let (read, passed) = documents_up_to(LIMIT, file.clone(), 7, block).unwrap();
            assert_eq!(read, whole, "{codec} {block}");
            assert_eq!(passed.len(), long.len());
            for ((number, bytes, beginning), (expected, document)) in passed.into_iter().zip(long) {
                assert_eq!((number, bytes as usize), (expected, document.len()));
                assert!(beginning.len() >= 2048 && document.starts_with(&beginning));
            }
        }
        // Nothing of the damage in what is passed by goes unseen.
        for at in (0..file.len()).step_by(97) {
            let mut bad = file.to_vec();
            bad[at] ^= 1 << (at % 8);
            assert!(documents_up_to(LIMIT, bad.into(), 7, usize::MAX).is_err(), "{codec} {at}");
            assert!(documents_up_to(LIMIT, file.slice(..at), 7, 100).is_err(), "{codec} {at}");
        }
        // A chunk that isn't cut into units can't be passed by.
        let error = documents_up_to(CHUNK - 1, file, 7, usize::MAX).unwrap_err();
        assert!(matches!(error, LuceneError::TooLarge { .. }), "{error}");
    }
}

#[test]
fn damage_is_an_error() {
    let count = chunks().concat().len() as u32;
    for codec in CODECS {
        let good = fdt(codec, &chunks());
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 1 << (at % 8);
            assert!(documents(bad.into(), count, usize::MAX).is_err(), "{codec} {at}");
            assert!(documents(good.slice(..at), count, usize::MAX).is_err(), "{codec} {at}");
            let mut bad = good[..good.len() - 16].to_vec();
            bad[at.min(good.len() - 17)] ^= 0xFF;
            let _ = documents(sealed(bad), count, usize::MAX);
        }
    }
}

/// A length that goes far beyond what its documents can take isn't waited for.
#[test]
fn a_frame_too_long_is_refused_at_once() {
    let mut file = begun("CustomStoredFieldsZstdNoDict");
    for number in [0, 1 << 2, 1, 10, 10, i32::MAX as usize] {
        vint(&mut file, number);
    }
    file.resize(file.len() + (1 << 20), 0);
    let error = documents(file.into(), 1, 1 << 10).unwrap_err();
    assert!(matches!(&error, LuceneError::Corrupt { at, .. } if *at < 100), "{error}");
}
