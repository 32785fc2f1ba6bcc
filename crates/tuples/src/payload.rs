//! A body inside a tuple: JSON as JSON, the rest as text, bytes that are no text as base64.

use base64::Engine as _;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// A body, already without transfer and content encoding.
pub(crate) struct Payload<'a>(pub(crate) &'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match documents(self.0) {
            Some(documents) => match &documents[..] {
                [one] => map.serialize_entry("inlinedJsonBody", &OneLine(one))?,
                many => {
                    let lines: Vec<_> = many.iter().map(|d| OneLine(d)).collect();
                    map.serialize_entry("inlinedJsonSequenceBodies", &lines)?;
                }
            },
            None => match std::str::from_utf8(self.0) {
                Ok(text) => map.serialize_entry("inlinedTextBody", text)?,
                Err(_) => {
                    let text = base64::engine::general_purpose::STANDARD.encode(self.0);
                    map.serialize_entry("inlinedBase64Body", &text)?;
                }
            },
        }
        map.end()
    }
}

/// The JSON values that the body is made of, if it is made of nothing else.
fn documents(body: &[u8]) -> Option<Vec<&RawValue>> {
    let values: Result<Vec<_>, _> =
        serde_json::Deserializer::from_slice(body).into_iter().collect();
    values.ok().filter(|v: &Vec<_>| !v.is_empty())
}

/// A raw JSON value without raw line ends, because a tuple is one line. They only stand between tokens.
struct OneLine<'a>(&'a RawValue);

impl Serialize for OneLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.get();
        if !text.contains(['\n', '\r']) {
            return self.0.serialize(serializer);
        }
        let line = text.replace(['\n', '\r'], " ");
        RawValue::from_string(line).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], expected: &str) {
        assert_eq!(serde_json::to_string(&Payload(body)).unwrap(), expected);
    }

    #[test]
    fn bodies_find_their_form() {
        check(b"{\"a\":\n1}", r#"{"inlinedJsonBody":{"a": 1}}"#);
        check(
            b"{\"index\":{}}\n{\"a\":1.0}\n",
            r#"{"inlinedJsonSequenceBodies":[{"index":{}},{"a":1.0}]}"#,
        );
        check(b"green open x\n", r#"{"inlinedTextBody":"green open x\n"}"#);
        check(b"{\"a\":", r#"{"inlinedTextBody":"{\"a\":"}"#);
        check(&[0xff, 0], r#"{"inlinedBase64Body":"/wA="}"#);
    }
}
