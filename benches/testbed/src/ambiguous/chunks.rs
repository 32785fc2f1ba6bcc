//! Chunks whose sizes, extensions and ends are read in different ways.

use super::{Made, head, post};

/// Sizes in place of the write's own in hexadecimal, which is `{}`; the write follows as the chunk.
const SIZES: &[(&str, &str)] = &[
    ("as it should be", "{}"),
    ("capitals", "{^}"),
    ("zeros in front", "000{}"),
    ("17 digits", "000000000000000{}"),
    ("over 64 bits", "10000000000000000"),
    ("over 63 bits", "ffffffffffffffff"),
    ("0x", "0x{}"),
    ("a plus", "+{}"),
    ("a minus", "-{}"),
    ("an underscore", "0_{}"),
    ("a blank in front", " {}"),
    ("a blank behind", "{} "),
    ("a tab behind", "{}\t"),
    ("a blank and more", "{} x"),
    ("a NUL behind", "{}\0"),
    ("empty", ""),
    ("no digit", "z"),
    ("a digit and no digit", "{}z"),
    ("a comma", "{},0"),
    ("quoted", "\"{}\""),
    ("an extension", "{};a"),
    ("an extension with a value", "{};a=b"),
    ("an extension that is quoted", "{};a=\"b;c\""),
    ("an extension with a quote that doesn't end", "{};a=\"b"),
    ("an extension that is empty", "{};"),
    ("a blank in front of an extension", "{} ;a"),
    ("a CR in an extension", "{};a\rb"),
    ("two CR", "{}\r"),
    ("two CR behind an extension", "{};a\r"),
    ("a LF in an extension", "{};a\nb"),
    ("a LF in a quoted extension", "{};a=\"\nb\""),
    ("a CR LF in a quoted extension", "{};a=\"\r\nb\""),
    ("a NUL in an extension", "{};a\0"),
    ("high bytes in an extension", "{};\u{e9}"),
];

/// What ends a line of a size, or a chunk.
const ENDS: &[(&str, &str)] = &[
    ("LF", "\n"),
    ("CR", "\r"),
    ("CR X", "\rX"),
    ("CR CR", "\r\r"),
    ("nothing", ""),
    ("XX", "XX"),
    ("LF CR", "\n\r"),
    ("CR LF CR LF", "\r\n\r\n"),
];

/// Between the last chunk and the write.
const TRAILERS: &[(&str, &str)] = &[
    ("none", "0\r\n\r\n"),
    ("zeros", "0000\r\n\r\n"),
    ("one", "0\r\nX: y\r\n\r\n"),
    ("a length", "0\r\nContent-Length: 5\r\n\r\n"),
    ("an encoding", "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("an expectation", "0\r\nExpect: 100-continue\r\n\r\n"),
    ("a folded one", "0\r\nX: y\r\n z\r\n\r\n"),
    ("a blank in a name", "0\r\nX : y\r\n\r\n"),
    ("no colon", "0\r\nX\r\n\r\n"),
    ("LF behind the last size", "0\n\r\n"),
    ("LF at the end", "0\r\n\n"),
    ("LF only", "0\n\n"),
    ("CR at the end", "0\r\n\r"),
    ("X at the end", "0\r\n\rX"),
    ("an extension", "0;a=b\r\n\r\n"),
    ("an extension with a LF", "0;a\n\r\n\r\n"),
    ("a blank behind the last size", "0 \r\n\r\n"),
    ("no last line", "0\r\n"),
    ("a NUL", "0\r\nX: \0\r\n\r\n"),
];

pub(super) fn add(made: &mut Made<'_>) {
    for (name, pattern) in SIZES {
        made.add(format!("size: {name}"), |search, write| {
            let (small, capital) = (format!("{:x}", write.len()), format!("{:X}", write.len()));
            let size = pattern.replace("{}", &small).replace("{^}", &capital);
            [&chunked(search)[..], size.as_bytes(), b"\r\n", write, b"\r\n0\r\n\r\n"].concat()
        });
        made.add(format!("size of the last: {name}"), |search, write| {
            let size = pattern.replace("{}", "0").replace("{^}", "0");
            [&chunked(search)[..], size.as_bytes(), b"\r\n\r\n", write].concat()
        });
    }
    for (name, end) in ENDS {
        let end = end.as_bytes();
        made.add(format!("behind a size: {name}"), |search, write| {
            let size = format!("{:x}", write.len());
            [&chunked(search)[..], size.as_bytes(), end, write, b"\r\n0\r\n\r\n"].concat()
        });
        made.add(format!("behind an extension: {name}"), |search, write| {
            // Read to its LF the extension hides a size; read to this end it doesn't.
            let first = [&b"2;"[..], end, b"xx\r\n"].concat();
            let size = format!("{:x}\r\n", write.len() + 9);
            [
                &chunked(search)[..],
                &first,
                size.as_bytes(),
                b"\r\n0\r\n\r\n\r\n",
                write,
                b"\r\n0\r\n\r\n",
            ]
            .concat()
        });
        made.add(format!("behind a chunk: {name}"), |search, write| {
            [&chunked(search)[..], b"2\r\n{}", end, b"0\r\n\r\n", write].concat()
        });
        made.add(format!("a chunk that is longer than it says: {name}"), |search, write| {
            [&chunked(search)[..], b"1\r\n{}", end, b"0\r\n\r\n", write].concat()
        });
    }
    for (name, trailer) in TRAILERS {
        made.add(format!("trailers: {name}"), |search, write| {
            [&chunked(search)[..], b"2\r\n{}\r\n", trailer.as_bytes(), write].concat()
        });
    }
}

fn chunked(search: &str) -> Vec<u8> {
    head(&post(search), &[b"Transfer-Encoding: chunked"])
}
