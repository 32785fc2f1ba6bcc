use proptest::prelude::*;

use super::*;

/// As a connection is read: as much as is asked for, and what is there of it.
fn read(stream: &[u8]) -> (usize, Result<Begins, Malformed>) {
    let mut taken = 0;
    loop {
        match look(&stream[..taken]) {
            Ok(Begins::Open(more)) if taken < stream.len() => {
                assert!(more > 0);
                taken = stream.len().min(taken + more);
            }
            outcome => return (taken, outcome),
        }
    }
}

fn second_version(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [SECOND, &[command, family], &length, body].concat()
}

/// Read with `behind` following it, a header is found, and nothing behind it is touched.
fn check(header: &[u8], expect: Option<&str>) {
    for behind in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"] {
        let (taken, outcome) = read(&[header, behind].concat());
        let expect = expect.map(|client| client.parse().unwrap());
        assert_eq!(outcome, Ok(Begins::With(expect)), "{header:?}");
        assert_eq!(taken, header.len(), "{header:?}");
    }
    for cut in 0..header.len() {
        assert!(matches!(look(&header[..cut]), Ok(Begins::Open(_))), "{header:?} cut at {cut}");
    }
}

#[test]
fn headers_are_read_to_their_last_byte_and_no_further() {
    check(b"PROXY TCP4 203.0.113.5 10.0.0.1 51234 9200\r\n", Some("203.0.113.5:51234"));
    check(b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", Some("1.1.1.1:1"));
    check(b"PROXY TCP6 :: :: 1 1\r\n", Some("[::]:1"));
    check(b"PROXY TCP6 2001:db8::5 ::1 51234 9200\r\n", Some("[2001:db8::5]:51234"));
    check(b"PROXY UNKNOWN\r\n", None);
    check(b"PROXY UNKNOWN ffff:f::f ::1 65535 65535\r\n", None);
    check(&[b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat(), None);
    let four = [203, 0, 113, 5, 10, 0, 0, 1, 0xC8, 0x22, 0x23, 0xF0];
    check(&second_version(0x21, 0x11, &four), Some("203.0.113.5:51234"));
    let with_values = [&four[..], b"\x03\x00\x04crc!\x04\x00\x0212"].concat();
    check(&second_version(0x21, 0x11, &with_values), Some("203.0.113.5:51234"));
    let mut six = [0; 36];
    (six[0], six[1], six[15], six[33]) = (0x20, 0x01, 7, 80);
    check(&second_version(0x21, 0x21, &six), Some("[2001::7]:80"));
    check(&second_version(0x20, 0x00, b""), None);
    check(&second_version(0x20, 0x11, &four), None);
    check(&second_version(0x21, 0x00, b"anything"), None);
    check(&second_version(0x21, 0x31, &[0; 216]), None);
}

#[test]
fn what_is_no_header_is_told_by_its_first_bytes_and_what_pretends_to_be_one_is_refused() {
    for other in [
        &b"GET / HTTP/1.1"[..],
        b"PUT /i",
        b"PROPFIND /",
        b"PROXYX",
        b"\x16\x03\x01",
        b"\r\n\r\nGET",
    ] {
        assert_eq!(read(other).1, Ok(Begins::Without), "{other:?}");
    }
    for (wrong, why) in [
        (&b"PROXY TCP4 1.1.1.1 ::1 1 1\r\n"[..], Malformed::Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n", Malformed::Line),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1  1 1\r\n", Malformed::Line),
        (b"PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n", Malformed::Line),
        (b"PROXY / HTTP/1.1\r\n", Malformed::Line),
        (b"PROXY UNKNOWN\xFF\r\n", Malformed::Line),
        (&[FIRST, &[b'x'; 200]].concat(), Malformed::Unended),
        (&[b"PROXY UNKNOWN ", &[b'x'; 92][..], b"\r\n"].concat(), Malformed::Unended),
        (&second_version(0x22, 0x11, &[0; 12]), Malformed::Command),
        (&second_version(0x11, 0x11, &[0; 12]), Malformed::Command),
        (&second_version(0x21, 0x11, &[0; 11]), Malformed::Short),
        (&second_version(0x21, 0x21, &[0; 35]), Malformed::Short),
        (&second_version(0x21, 0x11, &[0; 5000]), Malformed::Long),
    ] {
        assert_eq!(read(wrong).1, Err(why), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn bytes_from_outside_end_nothing(
        signature in prop::sample::select(vec![&b""[..], FIRST, SECOND, b"PROXY TCP4 "]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let stream = [signature, &rest[..]].concat();
        let (taken, _) = read(&stream);
        prop_assert!(taken <= stream.len());
    }
}
