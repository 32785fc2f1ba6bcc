use super::*;

/// One small source of each format, with each kind of value.
fn sources() -> Vec<Vec<u8>> {
    let smile =
        b":)\n\x03\xFA\x80a\xF8\x24\x8F\x25\x01\x80\x26\x82\x01\x00\x01\x28\x03\x7F\x00\x00\x00\
        \x29\x00\x3F\x78\x00\x00\x00\x00\x00\x00\x00\x2A\x82\x81\x7F\x01\x20\x21\x22\x23\xF9\
        \xC1\xC3\xA9b\x41xy\x40\x01\x34long\xFC\xE0text\xFC\x81\x62c\xE8\x83\x01\x02\x03\x04\
        \x80d\xFD\x82\x01\x02\xFB";
    let cbor =
        b"\xBF\x61a\x9F\x01\x20\x43abc\x7F\x61x\xFF\xF9\x3C\x00\xFA\x3F\x80\0\0\xFB\x3F\xF0\0\0\
        \0\0\0\0\xC2\x42\x01\0\xC4\x82\x20\x01\xF6\xFF\x01\xA1\x61b\x1B\0\0\0\x01\0\0\0\0\xFF";
    vec![
        smile.to_vec(),
        cbor.to_vec(),
        b"---\na: [1, {b: 'x'}]\nc: |\n  y\nd: &x z\ne: *x\n".to_vec(),
        b"ZV\x01\x00\x11\x00\x18\x07{\"a\":\"xy\xE0\x03\x01\x03xy\"}ZV\0\0\x01\n".to_vec(),
        [&b"DFL\0"[..], &[0xAB, 0x56, 0x4A, 0x54, 0xB2, 0x32, 0xAC, 0x05, 0x00]].concat(),
        b"{\n/*x*/a:\"\\u0041\xC3\xA9\",//y\n\"b\":[1.5e3,{\"c\":null}],a:NaN}".to_vec(),
        b"{\0\n\0}\0".to_vec(),
    ]
}

/// Neither panics; a line has no newline, and what was normalised is JSON.
fn survives(source: &[u8]) {
    let limits = Limits { depth: 50, output: 1 << 16 };
    if let Ok(line) = line(source, &limits) {
        assert!(!line.json.contains(&b'\n'), "{source:02X?}");
    }
    if let Ok(normalised) = normalise(source, &limits) {
        assert!(!normalised.json.contains(&b'\n'), "{source:02X?}");
        assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&normalised.json).is_ok());
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_survived() {
    for source in sources() {
        for cut in 0..source.len() {
            survives(&source[..cut]);
        }
        for bit in 0..source.len() * 8 {
            let mut flipped = source.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            survives(&flipped);
        }
        for at in 0..source.len() {
            for byte in [0x00, 0x7F, 0x80, 0xFF] {
                let mut set = source.clone();
                set[at] = byte;
                survives(&set);
            }
        }
    }
}

#[test]
fn a_binary_source_that_ends_early_is_an_error() {
    for source in &sources()[..2] {
        assert!(line(source, &Limits::default()).is_ok(), "{:?}", line(source, &Limits::default()));
        for cut in 0..source.len() {
            assert!(line(&source[..cut], &Limits::default()).is_err(), "cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(start in 0_usize..7, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
        let starts: [&[u8]; 7] =
            [b":)\n\x07\xFA", b"\xBF", b"---\n", b"ZV\x01", b"DFL\0", b"{\n", b"{\"\n"];
        survives(&[starts[start], &bytes].concat());
    }
}
