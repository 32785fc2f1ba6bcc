//! Fields that say where a body ends, and don't.

use super::{Made, content_length, head, in_chunks, post};

/// Lines that some servers take for `Transfer-Encoding: chunked`, some for nothing.
const ENCODINGS: &[(&str, &[u8])] = &[
    ("as it should be", b"Transfer-Encoding: chunked"),
    ("capitals", b"TRANSFER-ENCODING: CHUNKED"),
    ("mixed case", b"tRANSFER-ENCODINg: cHuNkEd"),
    ("no space", b"Transfer-Encoding:chunked"),
    ("two spaces", b"Transfer-Encoding:  chunked"),
    ("a space in the name", b"Transfer Encoding: chunked"),
    ("an underscore", b"Transfer_Encoding: chunked"),
    ("a backslash", b"Transfer\\Encoding: chunked"),
    ("percent-encoded", b"Transfer-%45ncoding: chunked"),
    ("junk behind the name", b"Transfer-Encoding x: chunked"),
    ("no colon", b"Transfer-Encoding chunked"),
    ("a letter with an accent in the name", b"Transf\x82r-Encoding: chunked"),
    ("a letter with an accent", b"Transfer-Encoding: ch\x96nked"),
    ("the Kelvin sign", b"Transfer-Encoding: chun\xe2\x84\xaaed"),
    ("a part of it", b"Transfer-Encoding: chunk"),
    ("more than it", b"Transfer-Encoding: chunkedx"),
    ("in front of it", b"Transfer-Encoding: xchunked"),
    ("quoted", b"Transfer-Encoding: \"chunked\""),
    ("quoted once", b"Transfer-Encoding: 'chunked'"),
    ("a parameter", b"Transfer-Encoding: chunked;q=0.5"),
    ("a list, it is last", b"Transfer-Encoding: gzip, chunked"),
    ("a list, it is first", b"Transfer-Encoding: chunked, gzip"),
    ("a list, it is in the middle", b"Transfer-Encoding: identity, chunked, identity"),
    ("a list of blanks", b"Transfer-Encoding: cow chunked bar"),
    ("a list that begins empty", b"Transfer-Encoding: ,chunked"),
    ("a list that ends empty", b"Transfer-Encoding: chunked,"),
    ("identity", b"Transfer-Encoding: identity"),
    ("empty", b"Transfer-Encoding:"),
    ("empty three times", b"Transfer-Encoding:\r\nTransfer-Encoding:\r\nTransfer-Encoding:"),
    ("twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("identity behind it", b"Transfer-Encoding: chunked\r\nTransfer-encoding: identity"),
    ("identity in front of it", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    ("another field", b"Content-Encoding: chunked"),
    ("TE", b"TE: chunked"),
    ("nominated by Connection", b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"),
    ("length nominated", b"Connection: Content-Length\r\nTransfer-Encoding: chunked"),
    ("folded", b"Transfer-Encoding:\r\n chunked"),
    ("folded by a tab", b"Transfer-Encoding:\r\n\tchunked"),
    ("folded by LF", b"Transfer-Encoding:\n chunked"),
    ("folded by LF and a vertical tab", b"Transfer-Encoding:\n\x0bchunked"),
    ("folded name", b"Transfer-Encoding\r\n : chunked"),
    ("folded name by LF", b"Transfer-Encoding\n : chunked"),
    ("a fold of another", b"Foo: bar\r\n Transfer-Encoding: chunked"),
    ("a fold of another by a tab", b"Foo: bar\r\n\tTransfer-Encoding: chunked"),
    ("a CR in front", b"Foo: bar\r\n\rTransfer-Encoding: chunked"),
    ("a CR in the name", b"Tra\rnsfer-Encoding: chunked"),
    ("behind a CR", b"Foo: bar\rTransfer-Encoding: chunked"),
    ("behind a LF", b"Foo: bar\nTransfer-Encoding: chunked"),
    ("behind an empty value and a LF", b"Foo:\nTransfer-Encoding: chunked"),
    ("behind an empty value and a CR", b"Foo:\rTransfer-Encoding: chunked"),
    ("behind two LF", b"Foo: bar\n\nTransfer-Encoding: chunked"),
    ("CR at its end", b"Transfer-Encoding: chunked\r"),
    ("CR LF CR at its end", b"Transfer-Encoding: chunked\r\n\rX: X"),
    ("LF at its end", b"Transfer-Encoding: chunked\nX: X"),
    ("behind a name that is empty", b": x\r\nTransfer-Encoding: chunked"),
    ("behind a line without a colon", b"x\r\nTransfer-Encoding: chunked"),
];

/// Lines in place of a length, which is `{}`.
const LENGTHS: &[(&str, &str)] = &[
    ("a plus", "Content-Length: +{}"),
    ("a minus", "Content-Length: -{}"),
    ("hexadecimal", "Content-Length: 0x{}"),
    ("zeros in front", "Content-Length: 000{}"),
    ("21 digits", "Content-Length: 0000000000000000000{}"),
    ("a list of the same", "Content-Length: {}, {}"),
    ("a list without blanks", "Content-Length: {},{}"),
    ("a list that begins with 0", "Content-Length: 0, {}"),
    ("a list that ends with 0", "Content-Length: {}, 0"),
    ("a list that ends empty", "Content-Length: {},"),
    ("two numbers", "Content-Length: {} 0"),
    ("an underscore", "Content-Length: 0_{}"),
    ("a fraction", "Content-Length: {}.0"),
    ("an exponent", "Content-Length: {}e0"),
    ("quoted", "Content-Length: \"{}\""),
    ("a semicolon", "Content-Length: {};"),
    ("a blank behind it", "Content-Length: {} "),
    ("a tab behind it", "Content-Length: {}\t"),
    ("a tab in front of it", "Content-Length:\t{}"),
    ("a vertical tab", "Content-Length: \x0b{}"),
    ("a NUL", "Content-Length: {}\0"),
    ("a blank behind the name", "Content-Length : {}"),
    ("an underscore in the name", "Content_Length: {}"),
    ("folded", "Content-Length:\r\n {}"),
    ("folded with a number on both lines", "Content-Length: 0\r\n {}"),
    ("twice the same", "Content-Length: {}\r\nContent-Length: {}"),
    ("twice, 0 first", "Content-Length: 0\r\nContent-Length: {}"),
    ("twice, 0 last", "Content-Length: {}\r\ncontent-length: 0"),
    ("behind a CR", "Foo: bar\rContent-Length: {}"),
    ("behind a LF", "Foo: bar\nContent-Length: {}"),
    ("a fold of another", "Foo: bar\r\n Content-Length: {}"),
    ("other digits", "Content-Length: \u{661}{}"),
    ("over 64 bits, which leaves it", "Content-Length: 18446744073709551616\r\nX: {}"),
    ("empty", "Content-Length:\r\nX: {}"),
    ("none, with X-", "X-Content-Length: {}"),
];

/// Expectations and changes of protocol around a length.
const AROUND: &[(&str, &str)] = &[
    ("100-continue", "Expect: 100-continue"),
    ("100-continue with a blank behind it", "Expect: 100-continue "),
    ("100-continue twice", "Expect: 100-continue\r\nExpect: 100-continue"),
    ("100-continue and more", "Expect: 100-continue, x=1"),
    ("100-continue, y", "Expect: y 100-continue"),
    ("an unknown expectation", "Expect: 200-ok"),
    ("an empty expectation", "Expect:"),
    ("an upgrade", "Connection: Upgrade\r\nUpgrade: websocket"),
    ("an upgrade that nobody nominates", "Upgrade: websocket"),
    (
        "an upgrade to h2c",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
    ),
    ("an upgrade to nothing", "Connection: upgrade\r\nUpgrade:"),
    ("connection: close", "Connection: close"),
    ("connection: close among others", "Connection: keep-alive, close"),
    ("two hosts", "Host: b"),
    ("another method", "X-HTTP-Method-Override: PUT"),
];

/// Bytes of the short lists: where parsers have been seen to differ.
const KNOWN: [u8; 13] =
    [0x00, 0x01, 0x04, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, 0x20, 0x7f, 0xa0];

pub(super) fn add(made: &mut Made<'_>) {
    for (name, lines) in ENCODINGS {
        encoding(made, name, lines);
    }
    for byte in (0x00..=0x20).chain(0x7f..=0xff) {
        for (place, lines) in around_one(byte) {
            length_covers(made, &format!("{byte:02x} {place}"), &lines);
        }
    }
    for byte in KNOWN {
        for (place, lines) in between_two(byte) {
            encoding(made, &format!("{byte:02x} {place}"), &lines);
        }
    }
    for (name, pattern) in LENGTHS {
        made.add(format!("length: {name}"), |search, write| {
            let lines = pattern.replace("{}", &write.len().to_string());
            [head(&post(search), &[lines.as_bytes()]), write.to_vec()].concat()
        });
        made.add(format!("length, chunked: {name}"), |search, write| {
            let inner = in_chunks(write);
            let lines = pattern.replace("{}", &inner.len().to_string());
            let encoding = &b"Transfer-Encoding: chunked"[..];
            [head(&post(search), &[lines.as_bytes(), encoding]), inner].concat()
        });
    }
    for (name, lines) in AROUND {
        made.add(format!("around a length: {name}"), |search, write| {
            let length = content_length(write);
            [head(&post(search), &[lines.as_bytes(), &length]), write.to_vec()].concat()
        });
        made.add(format!("without a body: {name}"), |search, write| {
            [head(&post(search), &[lines.as_bytes()]), write.to_vec()].concat()
        });
    }
}

/// One byte beside a name or a value.
fn around_one(byte: u8) -> [(&'static str, Vec<u8>); 4] {
    let byte = &[byte][..];
    [
        ("in front of the value", [&b"Transfer-Encoding:"[..], byte, b"chunked"].concat()),
        ("behind the name", [&b"Transfer-Encoding"[..], byte, b": chunked"].concat()),
        ("in front of the name", [byte, b"Transfer-Encoding: chunked"].concat()),
        ("behind the value", [&b"Transfer-Encoding: chunked"[..], byte].concat()),
    ]
}

/// One byte where a line ends, or may seem to.
fn between_two(byte: u8) -> [(&'static str, Vec<u8>); 6] {
    let byte = &[byte][..];
    let (field, encoding) = (&b"X: X"[..], &b"Transfer-Encoding: chunked"[..]);
    [
        ("between another field and it", [field, byte, encoding].concat()),
        ("between it and another field", [encoding, byte, field].concat()),
        ("behind a CR", [field, b"\r", byte, encoding].concat()),
        ("in front of a LF", [field, byte, b"\n", encoding].concat()),
        ("behind its CR", [encoding, b"\r", byte, field].concat()),
        ("in front of its LF", [encoding, byte, b"\n", field].concat()),
    ]
}

/// With and without a length, in every way in which the two may be believed.
fn encoding(made: &mut Made<'_>, name: &str, lines: &[u8]) {
    length_covers(made, name, lines);
    made.add(format!("chunks cover it: {name}"), |search, write| {
        let body = in_chunks(write);
        // A reader of lengths sees the write behind the first chunk's size.
        let size = body.len() - write.len() - b"\r\n0\r\n\r\n".len();
        let length = format!("Content-Length: {size}");
        [head(&post(search), &[lines, length.as_bytes()]), body].concat()
    });
    made.add(format!("no length: {name}"), |search, write| {
        [&head(&post(search), &[lines])[..], b"0\r\n\r\n", write].concat()
    });
}

/// A reader of chunks sees the write behind the last one; to one of lengths it is the body.
fn length_covers(made: &mut Made<'_>, name: &str, lines: &[u8]) {
    made.add(format!("the length covers it: {name}"), |search, write| {
        let body = [&b"0\r\n\r\n"[..], write].concat();
        [head(&post(search), &[lines, &content_length(&body)]), body].concat()
    });
}
