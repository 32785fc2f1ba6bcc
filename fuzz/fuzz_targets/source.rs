//! Stored sources and bodies: any bytes are a line or an error; a line has no newline, what was normalised is
//! JSON, and what was JSON before says the same after.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use codec::content::{Content, to_json};
use codec::source::{Change, Form, Limits, append, line, normalise};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;

const LIMITS: Limits = Limits { depth: 100, output: 1 << 16 };

/// A number that no machine type holds is an error to serde_json, and JSON all the same.
type Document<'a> = BTreeMap<String, &'a RawValue>;

fuzz_target!(|data: &[u8]| {
    body(data);
    let value: Option<Value> = serde_json::from_slice(data).ok().filter(Value::is_object);
    match line(data, &LIMITS) {
        Ok(line) => {
            assert!(!line.json.contains(&b'\n'));
            if let Form::Transcoded(_) = line.form {
                assert!(line.json.len() <= 2 * LIMITS.output);
            }
            if let Some(value) = &value {
                assert_eq!(serde_json::from_slice::<Value>(&line.json).ok().as_ref(), Some(value));
            }
            let mut appended = b"x\n".to_vec();
            assert_eq!(append(data, &LIMITS, &mut appended), Ok(line.form));
            assert_eq!(appended[2..], line.json[..]);
        }
        Err(error) => {
            assert!(value.is_none(), "{error}");
            assert!(error.offset <= LIMITS.output.max(data.len()), "{error}");
            let mut appended = b"x\n".to_vec();
            assert_eq!(append(data, &LIMITS, &mut appended), Err(error));
            assert_eq!(appended, b"x\n");
        }
    }
    match normalise(data, &LIMITS) {
        Ok(normalised) => {
            assert!(!normalised.json.contains(&b'\n'));
            // What only escapes can say, half a surrogate pair, serde_json's strings can't.
            let halves =
                |json: &[u8]| json.windows(3).any(|at| matches!(at, [b'\\', b'u', b'd' | b'D']));
            if !halves(&normalised.json) {
                serde_json::from_slice::<Document>(&normalised.json).unwrap();
            }
            if let Some(value) = &value {
                let same: Value = serde_json::from_slice(&normalised.json).unwrap();
                assert_eq!(&same, value);
                assert!(normalised.changes.iter().all(|change| change == Change::DuplicateName));
            }
            let again = normalise(&normalised.json, &LIMITS).unwrap();
            assert!(again.changes.is_empty());
            assert_eq!(again.json, normalised.json);
        }
        Err(error) => assert!(value.is_none_or(|value| depth(&value) > LIMITS.depth), "{error}"),
    }
});

/// A body of one of these types is JSON of a bounded length, or an error within it.
fn body(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    for content in [Content::Smile, Content::Cbor, Content::Yaml] {
        match to_json(content, &body, &LIMITS) {
            Ok(json) => assert!(json.len() <= 2 * LIMITS.output),
            Err(error) => assert!(error.offset <= data.len(), "{error}"),
        }
    }
}

fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => members.values().map(depth).max().unwrap_or(0),
        _ => return 0,
    }
}
