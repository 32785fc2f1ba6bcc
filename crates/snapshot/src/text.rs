//! Values of a blob as JSON text, made while the blob is read: as a tree they take thirty times the memory.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::document::{Budget, is_big_number};

/// One part of a metadata blob, as JSON: a piece of a text that all parts share.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Stored(Bytes);

impl Stored {
    /// As a tree.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.0).expect("invariant: it was written by serde_json")
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A value inside of this one's text.
    pub(crate) fn part(&self, value: &RawValue) -> Self {
        Self(self.0.slice_ref(value.get().as_bytes()))
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Reads a value; `expected`: about how many bytes its text has.
pub(crate) struct Text<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) expected: usize,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Stored;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Stored, D::Error> {
        let mut text = Vec::with_capacity(self.expected);
        Writing { budget: self.budget, text: &mut text }.deserialize(deserializer)?;
        Ok(Stored(Bytes::from(text)))
    }
}

/// Writes what it reads behind a text.
struct Writing<'a> {
    budget: &'a Budget,
    text: &'a mut Vec<u8>,
}

impl Writing<'_> {
    fn again(&mut self) -> Writing<'_> {
        Writing { budget: self.budget, text: self.text }
    }

    fn write<E: serde::de::Error>(
        self,
        cost: usize,
        value: impl serde::Serialize,
    ) -> Result<(), E> {
        self.budget.spend(cost)?;
        serde_json::to_writer(self.text, &value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Writing<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Writing<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.write(0, ())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.write(0, value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.write(0, value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.write(0, value)
    }

    fn visit_f32<E: serde::de::Error>(self, value: f32) -> Result<(), E> {
        // by way of its text: 0.1 stays 0.1
        self.visit_f64(value.to_string().parse().map_err(E::custom)?)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        match value.is_finite() {
            true => self.write(0, value),
            false => Err(E::custom("a number that is not finite")),
        }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.write(value.len(), value)
    }

    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<(), E> {
        self.write(value.len() / 3 * 4, STANDARD.encode(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.budget.spend(0)?;
        let mut before = b'[';
        loop {
            // A comma too many is taken back, since whether there is another value is known when it has been read.
            self.text.push(before);
            if items.next_element_seed(self.again())?.is_none() {
                break;
            }
            before = b',';
        }
        self.close(before, b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.budget.spend(0)?;
        let mut before = b'{';
        loop {
            self.text.push(before);
            if entries.next_key_seed(Name(self.again()))?.is_none() {
                break;
            }
            self.text.push(b':');
            entries.next_value_seed(self.again())?;
            before = b',';
        }
        self.close(before, b'}');
        Ok(())
    }
}

impl Writing<'_> {
    /// Ends a list or an object: in the place of the last comma, if it has values.
    fn close(&mut self, before: u8, end: u8) {
        if before == b',' {
            self.text.pop();
        }
        self.text.push(end);
    }
}

/// The name of a value of an object.
struct Name<'a>(Writing<'a>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<(), E> {
        is_big_number(name)?;
        self.0.write(name.len(), name)
    }
}
