use serde::Serialize;
use serde_smile::ser::Serializer;
use serde_smile::value::{BigDecimal, BigInteger};

use super::*;

fn smile(value: &impl Serialize, shared: bool, raw: bool) -> Vec<u8> {
    let mut serializer = Serializer::builder()
        .shared_strings(shared)
        .shared_properties(shared)
        .raw_binary(raw)
        .build(Vec::new());
    serializer.write_header().unwrap();
    value.serialize(&mut serializer).unwrap();
    serializer.into_inner()
}

fn cbor(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

proptest! {
    #[test]
    fn smile_is_the_same_document(document in documents(), shared in any::<bool>()) {
        let mut source = smile(&document, shared, false);
        prop_assert_eq!(parsed(text(&source).as_bytes()), document.clone());
        source.push(0xFF);
        prop_assert_eq!(parsed(text(&source).as_bytes()), document);
    }

    #[test]
    fn cbor_is_the_same_document(document in documents(), described in any::<bool>()) {
        let mark: &[u8] = if described { &[0xD9, 0xD9, 0xF7] } else { &[] };
        let source = [mark, &cbor(&document)].concat();
        prop_assert_eq!(parsed(text(&source).as_bytes()), document);
    }

    #[test]
    fn floats_read_back_exactly(double in any::<f64>(), float in any::<f32>()) {
        #[derive(Serialize)]
        struct Floats { double: f64, float: f32 }
        let floats = Floats { double, float };
        let smile = smile(&floats, true, true);
        let line = text(&smile);
        prop_assert_eq!(&text(&cbor(&floats)), &line);
        let (first, second) = line.split_once(",\"float\":").unwrap();
        let first = first.strip_prefix("{\"double\":").unwrap().trim_matches('"');
        let second = second.strip_suffix('}').unwrap().trim_matches('"');
        let (read, reread): (f64, f32) = (first.parse().unwrap(), second.parse().unwrap());
        prop_assert!(read == double || (read.is_nan() && double.is_nan()));
        prop_assert!(reread == float || (reread.is_nan() && float.is_nan()));
    }

    #[test]
    fn binary_is_base64(bytes in prop::collection::vec(any::<u8>(), 0..70), raw in any::<bool>()) {
        struct Binary(Vec<u8>);
        impl Serialize for Binary {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_bytes(&self.0)
            }
        }
        #[derive(Serialize)]
        struct Document { a: Binary }
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let expected = format!("{{\"a\":\"{encoded}\"}}");
        let document = Document { a: Binary(bytes) };
        prop_assert_eq!(&text(&smile(&document, true, raw)), &expected);
        prop_assert_eq!(&text(&cbor(&document)), &expected);
    }

    #[test]
    fn large_integers_are_exact(number in any::<i128>(), scale in -40_i32..60) {
        #[derive(Serialize)]
        struct Large { integer: BigInteger, decimal: BigDecimal }
        let integer = BigInteger::from_be_bytes(number.to_be_bytes().to_vec());
        let decimal = BigDecimal::new(integer.clone(), scale);
        let line = text(&smile(&Large { integer, decimal }, true, true));
        let decimal = line.strip_prefix(&format!("{{\"integer\":{number},\"decimal\":")).unwrap();
        let decimal = decimal.strip_suffix('}').unwrap();
        // Without point and exponent it is the number again.
        let (mantissa, exponent) = decimal.split_once('E').unwrap_or((decimal, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
        prop_assert_eq!(digits, number);
        let exponent: i64 = exponent.parse().unwrap();
        prop_assert_eq!(fraction.len() as i64 - exponent, i64::from(scale));
        parsed(line.as_bytes());
    }
}

#[test]
fn names_and_texts_are_remembered_up_to_1024() {
    // More than the tables hold, each twice, and a long text that is not remembered.
    let texts: Vec<String> = (0..1500).flat_map(|n| [format!("v{n}"), format!("v{n}")]).collect();
    let members: serde_json::Map<String, Value> =
        (0..1500).map(|n| (format!("n{n}"), serde_json::json!({"n7": n, "same": "v3"}))).collect();
    let long = "x".repeat(65);
    let document = serde_json::json!({"texts": texts, "members": members, "long": [long, long]});
    assert_eq!(parsed(text(&smile(&document, true, true)).as_bytes()), document);
}

#[test]
fn order_and_duplicates_stay() {
    // {"b":1,"a":-1,"b":"x"}, the second b by reference
    let source = b":)\n\x01\xFA\x80b\xC2\x80a\xC1\x40\x40x\xFB";
    assert_eq!(text(source), r#"{"b":1,"a":-1,"b":"x"}"#);
    let source = b"\xBF\x61b\x01\x61a\x20\x61b\x61x\xFF";
    assert_eq!(text(source), r#"{"b":1,"a":-1,"b":"x"}"#);
}

#[test]
fn smile_numbers_of_the_edges() {
    let document =
        serde_json::json!({"a": [i64::MIN, i64::MAX, u64::MAX, -16, 15, 16, 2147483648_u64]});
    assert_eq!(
        text(&smile(&document, true, true)),
        r#"{"a":[-9223372036854775808,9223372036854775807,18446744073709551615,-16,15,16,2147483648]}"#
    );
    let decimal = |digits: i64, scale| {
        #[derive(Serialize)]
        struct Document {
            d: BigDecimal,
        }
        let d = BigDecimal::new(BigInteger::from_be_bytes(digits.to_be_bytes().to_vec()), scale);
        text(&smile(&Document { d }, true, true))
    };
    for (digits, scale, expected) in [
        (123, 0, "123"),
        (123, 1, "12.3"),
        (-123, 3, "-0.123"),
        (-123, 5, "-0.00123"),
        (123, 10, "1.23E-8"),
        (123, -1, "1.23E+3"),
        (0, 2, "0.00"),
        (-1, -2, "-1E+2"),
        (1, i32::MAX, "1E-2147483647"),
    ] {
        assert_eq!(decimal(digits, scale), format!("{{\"d\":{expected}}}"));
    }
}

#[test]
fn cbor_of_all_kinds() {
    for (source, expected) in [
        (&b"\xA0"[..], "{}"),
        (b"\xA1\x01\x80", "{\"1\":[]}"),
        (b"\xA1\x20\x9F\xFF", "{\"-1\":[]}"),
        (b"\xA1\x41a\x9F\x01\xBF\xFF\xFF", "{\"a\":[1,{}]}"),
        (b"\xA1\x61a\x7F\x61x\x60\x62yz\xFF", "{\"a\":\"xyz\"}"),
        (b"\xA1\x61a\x5F\x41\x01\x42\x02\x03\xFF", "{\"a\":\"AQID\"}"),
        (b"\xA1\x61a\xF9\x2E\x66", "{\"a\":0.099975586}"),
        (b"\xA1\x61a\xF9\x00\x01", "{\"a\":5.9604645e-8}"),
        (b"\xA1\x61a\xF9\xFC\x00", "{\"a\":\"-Infinity\"}"),
        (b"\xA1\x61a\xF9\x7E\x00", "{\"a\":\"NaN\"}"),
        (b"\xA1\x61a\xFA\x3D\xCC\xCC\xCD", "{\"a\":0.1}"),
        (b"\xA1\x61a\xF7", "{\"a\":null}"),
        (b"\xA1\x61a\xF8\x20", "{\"a\":32}"),
        (b"\xA1\x61a\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "{\"a\":-18446744073709551616}"),
        (b"\xA1\x61a\xC2\x49\x01\0\0\0\0\0\0\0\0", "{\"a\":18446744073709551616}"),
        (b"\xA1\x61a\xC3\x49\x01\0\0\0\0\0\0\0\0", "{\"a\":-18446744073709551616}"),
        (b"\xA1\x61a\xC4\x82\x21\x19\x6A\xB3", "{\"a\":273.15}"),
        (b"\xA1\x61a\xC4\x82\x21\xC2\x42\x6A\xB3", "{\"a\":273.15}"),
        (b"\xA1\x61a\xC0\xD8\x2A\x61x", "{\"a\":\"x\"}"),
    ] {
        assert_eq!(text(source), expected, "{source:02X?}");
    }
    assert_eq!(problem(b"\xA0\x00"), Problem::Trailing { bytes: 1 });
    assert!(matches!(problem(b"\xA1\x61a\xD8\x19\x00"), Problem::Corrupt(_)));
    let wanted = "an item";
    assert_eq!(problem(b"\xA1\x61a\xFF"), Problem::Unexpected { found: 0xFF, wanted });
    assert_eq!(problem(b"\xA1\x61a\x5B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), Problem::Truncated);
}

#[test]
fn a_document_is_an_object() {
    assert_eq!(problem(&smile(&serde_json::json!([1]), true, true)), Problem::NotAnObject);
    assert_eq!(problem(b"\xD9\xD9\xF7\x80"), Problem::NotAnObject);
    assert_eq!(problem(b"---\n- 1\n"), Problem::NotAnObject);
    assert_eq!(problem(b"---\n"), Problem::NotAnObject);
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |levels: usize| [&b":)\n\x00\xFA\x80a"[..], &vec![0xF8; levels]].concat();
    assert_eq!(problem(&nested(2000)), Problem::TooDeep { limit: 1000 });
    assert_eq!(problem(&nested(900)), Problem::Truncated);
    let cbor = [&b"\xA1\x61a"[..], &[0x81; 2000]].concat();
    assert_eq!(problem(&cbor), Problem::TooDeep { limit: 1000 });
    let limits = Limits { output: 9, ..Limits::default() };
    for source in [&b"\xA1\x61a\x63xyz"[..], b"---\na: xyz", b":)\n\0\xFA\x80a\x42xyz\xFB"] {
        let problem = line(source, &limits).unwrap_err().problem;
        assert_eq!(problem, Problem::TooLong { limit: 9 }, "{source:02X?}");
        assert_eq!(text(source), r#"{"a":"xyz"}"#);
    }
    let digits = [&b"\xA1\x61a\xC2\x59\x40\x00"[..], &[0xFF; 0x4000]].concat();
    assert!(matches!(problem(&digits), Problem::BigNumber { bytes: 0x4000, .. }));
}
