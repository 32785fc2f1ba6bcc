use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::*;

fn deflated(source: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(b"DFL\0".to_vec(), Compression::fast());
    encoder.write_all(source).unwrap();
    encoder.finish().unwrap()
}

fn stored(source: &[u8]) -> Vec<u8> {
    let chunk = |chunk: &[u8]| [b"ZV\0", &(chunk.len() as u16).to_be_bytes()[..], chunk].concat();
    source.chunks(0xFFFF).flat_map(chunk).collect()
}

#[test]
fn lzf_copies_from_what_it_wrote() {
    // {"a":"xyxyxyxyxyxyxyxy"}: eight literals, a copy of 12 that overlaps itself, two more and two
    let chunk = b"\x07{\"a\":\"xy\xE0\x03\x01\x03xy\"}";
    let source = [&b"ZV\x01\x00\x11\x00\x18"[..], chunk].concat();
    assert_eq!(chunk.len(), 0x11);
    assert_eq!(text(&source), r#"{"a":"xyxyxyxyxyxyxyxy"}"#);
    // The same, saying one byte more and one less; and a copy from before the start.
    for length in [0x17, 0x19] {
        let source = [&b"ZV\x01\x00\x11\x00"[..], &[length], chunk].concat();
        assert!(matches!(problem(&source), Problem::Corrupt(_)));
    }
    assert!(matches!(problem(b"ZV\x01\x00\x04\x00\x04\x00{\x20\x05"), Problem::Corrupt(_)));
}

#[test]
fn lzf_of_elasticsearch_1_7_is_read() {
    // Written by the encoder of Elasticsearch 1.7.6.
    let source = b"ZV\x01\x00@\x01\xAE\x17{\x22level\x22:\x22INFO\x22,\x22tags\x22:[@\x07\x01-0\x80\x0F\x01-1\xA0\x07\x002\xA0\x07\xE09\x17\x05],\x22pad u\x00 \xE0\xFF\x00\xE0\x1A\x00\x01\x22}";
    let tags: Vec<String> = (0..12).map(|n| format!("\"tag-{}\"", n % 3)).collect();
    let (tags, pad) = (tags.join(","), " ".repeat(300));
    let expected = format!("{{\"level\":\"INFO\",\"tags\":[{tags}],\"pad\":\"{pad}\"}}");
    assert_eq!(text(source), expected);
}

#[test]
fn what_is_inside_is_any_format() {
    for (inner, expected) in [
        (&b"{\"a\":1}"[..], "{\"a\":1}"),
        (b"{\n\"a\":1}", "{\"a\":1}"),
        (b"\xEF\xBB\xBF{\"a\":1}", "{\"a\":1}"),
        (b":)\n\0\xFA\x80a\xC2\xFB", "{\"a\":1}"),
        (b"\xA1\x61a\x01", "{\"a\":1}"),
    ] {
        assert_eq!(text(&deflated(inner)), expected);
        assert_eq!(text(&stored(inner)), expected);
    }
    assert!(matches!(problem(&deflated(&stored(b"{}"))), Problem::Corrupt(_)));
}

#[test]
fn decompression_stops_at_the_limit() {
    let document = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    for source in [deflated(document.as_bytes()), stored(document.as_bytes())] {
        assert_eq!(text(&source), document);
        let exactly = Limits { output: document.len(), ..Limits::default() };
        assert!(line(&source, &exactly).is_ok());
        let less = Limits { output: document.len() - 1, ..Limits::default() };
        let problem = line(&source, &less).unwrap_err().problem;
        assert_eq!(problem, Problem::TooLong { limit: document.len() - 1 });
    }
    let whole = deflated(document.as_bytes());
    assert_eq!(problem(&whole[..whole.len() - 1]), Problem::Truncated);
    assert_eq!(problem(&[&whole[..], b"x"].concat()), Problem::Trailing { bytes: 1 });
    assert!(matches!(problem(b"DFL\0\xFF\xFF\xFF"), Problem::Corrupt(_)));
}
