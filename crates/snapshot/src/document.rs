//! A metadata blob becomes a JSON value: envelope off, compression off, JSON or SMILE parsed.
//!
//! Binary values (SMILE only) become standard base64 strings, as the servers' own JSON writes them. Objects
//! come out with sorted keys: no object of the metadata has an order that means anything.

use std::{borrow::Cow, cell::Cell, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{FormatError, compression, envelope};

const SMILE: &[u8] = b":)\n";
/// What one value costs in memory besides its own bytes, about.
const VALUE_COST: usize = 32;

/// How a blob is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// As `.dat` blobs are, with the codec's name.
    Envelope(&'static str),
    /// No envelope: the root list, and every blob of Elasticsearch 1.
    Bare,
}

/// Parses a metadata blob. `limit` bounds the expanded bytes and, separately, about the value's size in memory
/// (a SMILE document may repeat a long name by a short reference).
pub fn parse(bytes: &[u8], wrapping: Wrapping, limit: usize) -> Result<Value, FormatError> {
    parse_body(&unwrapped(bytes, wrapping, limit)?, limit)
}

/// Parses what is neither wrapped nor compressed.
pub(crate) fn parse_body(body: &[u8], limit: usize) -> Result<Value, FormatError> {
    let budget = Budget::new(limit);
    read(body, &budget, Seed(&budget))
}

/// Takes a blob's envelope and its compression off.
pub(crate) fn unwrapped(
    bytes: &[u8],
    wrapping: Wrapping,
    limit: usize,
) -> Result<Cow<'_, [u8]>, FormatError> {
    let body = match wrapping {
        Wrapping::Envelope(codec) => envelope::body(bytes, codec)?,
        Wrapping::Bare => bytes,
    };
    compression::expand(body, limit)
}

/// Reads what is neither wrapped nor compressed, in the way that `seed` says.
pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
    body: &'de [u8],
    budget: &Budget,
    seed: S,
) -> Result<S::Value, FormatError> {
    if body.starts_with(SMILE) {
        let mut parser = serde_smile::Deserializer::from_slice(body);
        let value = seed.deserialize(&mut parser);
        let value = value.and_then(|value| parser.end().map(|()| value));
        return value.map_err(|error| budget.explain("SMILE", &error));
    }
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {
            let mut parser = serde_json::Deserializer::from_slice(body);
            let value = seed.deserialize(&mut parser);
            let value = value.and_then(|value| parser.end().map(|()| value));
            value.map_err(|error| budget.explain("JSON", &error))
        }
        _ => Err(FormatError::unknown("the document's encoding", body)),
    }
}

/// How serde_json hands on a number that is too big for its types, as the name of an object's only value.
pub(crate) fn is_big_number<E: serde::de::Error>(name: &str) -> Result<(), E> {
    match name.starts_with('\0') {
        true => Err(E::custom("a big number, which no metadata holds")),
        false => Ok(()),
    }
}

/// What may still be built.
pub(crate) struct Budget {
    left: Cell<usize>,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { left: Cell::new(limit.saturating_mul(4)), limit }
    }

    pub(crate) fn spend<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        match self.left.get().checked_sub(bytes + VALUE_COST) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(E::custom("too large"))
            }
        }
    }

    fn explain(&self, syntax: &'static str, error: &dyn fmt::Display) -> FormatError {
        match self.left.get() {
            0 => FormatError::TooLong { limit: self.limit },
            _ => FormatError::Syntax { syntax, reason: error.to_string() },
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Seed<'a>(pub(crate) &'a Budget);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.0.spend(0).map(|()| Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.0.spend(0).map(|()| Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.0.spend(0).map(|()| value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.0.spend(0).map(|()| value.into())
    }

    fn visit_f32<E: serde::de::Error>(self, value: f32) -> Result<Value, E> {
        // by way of its text: 0.1 stays 0.1
        self.visit_f64(value.to_string().parse().map_err(E::custom)?)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.0.spend(0)?;
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.0.spend(value.len()).map(|()| value.into())
    }

    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<Value, E> {
        self.0.spend(value.len() / 3 * 4)?;
        Ok(Value::String(STANDARD.encode(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            is_big_number(&key)?;
            self.0.spend(key.len())?;
            object.insert(key, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(serde::Serialize)]
    struct Sample<'a> {
        text: &'a str,
        number: i64,
        ratio: f32,
        #[serde(with = "serde_bytes_like")]
        hash: &'a [u8],
        nothing: Option<u8>,
        list: Vec<bool>,
    }

    mod serde_bytes_like {
        pub(super) fn serialize<S: serde::Serializer>(
            bytes: &[u8],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(bytes)
        }
    }

    fn smile() -> Vec<u8> {
        let sample = Sample {
            text: "täxt",
            number: -7,
            ratio: 0.1,
            hash: &[0, 255, 3],
            nothing: None,
            list: vec![true],
        };
        serde_smile::to_vec(&sample).unwrap()
    }

    #[test]
    fn smile_and_json_give_the_same_value() {
        let expected = json!({"text": "täxt", "number": -7, "ratio": 0.1, "hash": "AP8D", "nothing": null, "list": [true]});
        assert_eq!(parse(&smile(), Wrapping::Bare, 1000).unwrap(), expected);
        let json = expected.to_string().into_bytes();
        assert_eq!(parse(&json, Wrapping::Bare, 1000).unwrap(), expected);
        let wrapped = envelope::wrap("metadata", &json);
        assert_eq!(parse(&wrapped, Wrapping::Envelope("metadata"), 1000).unwrap(), expected);
        assert!(parse(&wrapped, Wrapping::Bare, 1000).is_err());
    }

    #[test]
    fn unknown_bytes_are_named() {
        let error = parse(b"\xA1cbor", Wrapping::Bare, 1000).unwrap_err();
        assert!(error.to_string().contains("a1 63 62"), "{error}");
        let error = parse(b"", Wrapping::Bare, 1000).unwrap_err();
        assert!(error.to_string().contains("nothing"), "{error}");
    }

    #[test]
    fn trailing_bytes_and_too_deep_a_nesting_are_errors() {
        assert!(parse(b"{} {}", Wrapping::Bare, 1000).is_err());
        assert!(parse(&[&smile(), b"x".as_slice()].concat(), Wrapping::Bare, 1000).is_err());
        let deep = [b"{\"a\":".as_slice(), &b"[".repeat(100_000)].concat();
        assert!(parse(&deep, Wrapping::Bare, 1 << 20).is_err());
        let deep = [b":)\n\x05".as_slice(), &[0xF8; 100_000]].concat();
        assert!(parse(&deep, Wrapping::Bare, 1 << 20).is_err());
    }

    #[test]
    fn names_repeated_by_reference_count_in_full() {
        let name = "a name that is shared because it is not short at all, is it";
        let rows: Vec<_> = (0..2000).map(|n| json!({name: n})).collect();
        let bytes = serde_smile::to_vec(&json!({ "rows": rows })).unwrap();
        assert!(bytes.len() < 20_000, "{}", bytes.len());
        assert!(parse(&bytes, Wrapping::Bare, 100_000).is_ok());
        let error = parse(&bytes, Wrapping::Bare, bytes.len());
        assert!(matches!(error, Err(FormatError::TooLong { .. })), "{error:?}");
    }
}
