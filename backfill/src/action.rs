//! One document as one item of a `_bulk` body.
//!
//! ```text
//! {"index":{"_index":"i","_id":"7","routing":"r","version":9,"version_type":"external_gte"}}⏎
//! {"the":"source, one line, not looked into"}⏎
//! ```
//!
//! `_index` is left out where the request's path names it.

use bytes::{BufMut, BytesMut};

/// What to do with a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    #[default]
    Index,
    /// The only one that a data stream takes; it takes no version.
    Create,
}

/// An action line, before it is one.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    pub operation: Operation,
    /// `None` when the request's path names the index.
    pub index: Option<&'a str>,
    pub id: &'a str,
    pub routing: Option<&'a str>,
    /// An external version; the document is written when the target holds none that is higher.
    pub version: Option<u64>,
}

impl Action<'_> {
    /// Appends the action line and `source`, each with its newline, and returns where in `out` the
    /// source begins. `source` must be one line; nothing else of it matters.
    pub fn append(&self, source: &[u8], out: &mut BytesMut) -> usize {
        debug_assert!(!source.contains(&b'\n'), "a source is one line");
        let names = self.id.len() + self.index.map_or(0, str::len);
        out.reserve(names + self.routing.map_or(0, str::len) + source.len() + FRAME);
        self.append_line(out);
        let begins = out.len();
        out.put_slice(source);
        out.put_u8(b'\n');
        begins
    }

    fn append_line(&self, out: &mut BytesMut) {
        out.put_slice(match self.operation {
            Operation::Index => b"{\"index\":{",
            Operation::Create => b"{\"create\":{",
        });
        if let Some(index) = self.index {
            out.put_slice(b"\"_index\":");
            append_string(index, out);
            out.put_u8(b',');
        }
        out.put_slice(b"\"_id\":");
        append_string(self.id, out);
        if let Some(routing) = self.routing {
            out.put_slice(b",\"routing\":");
            append_string(routing, out);
        }
        if let Some(version) = self.version {
            out.put_slice(b",\"version\":");
            append_number(version, out);
            out.put_slice(b",\"version_type\":\"external_gte\"");
        }
        out.put_slice(b"}}\n");
    }
}

/// Room for all of an action line but its names.
const FRAME: usize = 128;

/// Appends `text` as a JSON string.
pub(crate) fn append_string(text: &str, out: &mut impl BufMut) {
    out.put_u8(b'"');
    let mut plain = 0;
    // One pass without a branch a byte; hardly any id needs the second.
    if text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        for (at, byte) in text.bytes().enumerate().filter(|&(_, byte)| needs_escape(byte)) {
            out.put_slice(&text.as_bytes()[plain..at]);
            append_escape(byte, out);
            plain = at + 1;
        }
    }
    out.put_slice(&text.as_bytes()[plain..]);
    out.put_u8(b'"');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn append_escape(byte: u8, out: &mut impl BufMut) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.put_slice(&[b'\\', byte]),
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.put_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
}

/// Appends `number` in decimal.
pub(crate) fn append_number(mut number: u64, out: &mut impl BufMut) {
    let mut digits = [0; 20]; // u64::MAX has 20
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn lines(action: &Action<'_>, source: &str) -> (String, usize) {
        let mut out = BytesMut::new();
        let begins = action.append(source.as_bytes(), &mut out);
        (String::from_utf8(out.to_vec()).unwrap(), begins)
    }

    #[test]
    fn an_item_is_two_lines() {
        let mut action = Action {
            operation: Operation::Index,
            index: Some("logs"),
            id: "7",
            routing: Some("r"),
            version: Some(u64::MAX),
        };
        let (text, begins) = lines(&action, r#"{"a":1}"#);
        let line = r#"{"index":{"_index":"logs","_id":"7","routing":"r","version":18446744073709551615,"version_type":"external_gte"}}"#;
        assert_eq!(text, format!("{line}\n{{\"a\":1}}\n"));
        assert_eq!(&text[begins..], "{\"a\":1}\n");

        action = Action { index: None, routing: None, version: Some(0), ..action };
        assert_eq!(
            lines(&action, "{}").0,
            "{\"index\":{\"_id\":\"7\",\"version\":0,\"version_type\":\"external_gte\"}}\n{}\n"
        );
        action = Action { operation: Operation::Create, version: None, ..action };
        assert_eq!(lines(&action, "{}").0, "{\"create\":{\"_id\":\"7\"}}\n{}\n");
    }

    proptest! {
        #[test]
        fn every_name_comes_back_as_it_was(
            id in any::<String>(),
            routing in proptest::option::of("[\\x00-\\x7f]{0,40}"),
            version in any::<Option<u64>>(),
        ) {
            let action = Action {
                operation: Operation::Index,
                index: None,
                id: &id,
                routing: routing.as_deref(),
                version,
            };
            let (text, _) = lines(&action, "{}");
            prop_assert_eq!(text.matches('\n').count(), 2);
            let read: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap();
            prop_assert_eq!(&read["index"]["_id"], &json!(id));
            let (routing, version) = (routing.map(Value::from), version.map(Value::from));
            prop_assert_eq!(read["index"].get("routing"), routing.as_ref());
            prop_assert_eq!(read["index"].get("version"), version.as_ref());
        }
    }
}
