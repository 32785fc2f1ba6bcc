//! What an item says, kept as text: as a tree it takes thirty times the memory, and a cluster may have 100 MB of it.

use std::fmt;

use serde_json::{Map, Value};
use snapshot::Stored;
use transform::Version;

use super::normal;

/// Bytes that the packed mapping of one template may expand to.
const TEMPLATE_LIMIT: usize = 256 << 20;

/// A JSON value as text.
#[derive(Clone, PartialEq)]
pub struct Packed(Box<str>);

impl Packed {
    pub(crate) fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// As a tree.
    pub fn open(&self) -> Value {
        serde_json::from_str(&self.0).expect("invariant: it was written by serde_json")
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl From<&Value> for Packed {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into_boxed_str())
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The body of an item.
#[derive(Clone)]
pub enum Body {
    /// In the form that all versions share.
    Packed(Packed),
    /// A template as a snapshot has it, brought into that form when it is opened.
    Template(Stored, Version),
}

impl Body {
    /// As a tree, in the form that all versions share.
    ///
    /// # Errors
    /// Why what a snapshot has can't be understood.
    pub fn open(&self) -> Result<Map<String, Value>, String> {
        match self {
            Self::Packed(packed) => Ok(object(packed.open())),
            Self::Template(stored, version) => {
                let template =
                    stored.template(TEMPLATE_LIMIT).map_err(|error| error.to_string())?;
                Ok(normal::template(template, *version))
            }
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

impl From<Map<String, Value>> for Body {
    fn from(body: Map<String, Value>) -> Self {
        Self::Packed(Packed::from(&Value::Object(body)))
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.open() == other.open()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.open() {
            Ok(body) => body.fmt(f),
            Err(why) => f.write_str(&why),
        }
    }
}
