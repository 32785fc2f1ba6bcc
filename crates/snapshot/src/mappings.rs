//! Mappings as they are stored, made into objects: by type, or compressed into a binary value.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{FormatError, compression, document, shape::Node};

/// A mapping of one type: `_doc` where there are no types.
pub type Mapping = (String, Map<String, Value>);

/// Reads `mappings`: a list with an object `{type: mapping}` or a binary value for each type, or one such object.
pub(crate) fn parse(node: &Node<'_>, limit: usize) -> Result<Vec<Mapping>, FormatError> {
    let mut mappings = Vec::new();
    match node.value() {
        Value::Array(_) => {
            for item in node.items()? {
                by_type(&item, limit, &mut mappings)?;
            }
        }
        _ => by_type(node, limit, &mut mappings)?,
    }
    Ok(mappings)
}

fn by_type(node: &Node<'_>, limit: usize, out: &mut Vec<Mapping>) -> Result<(), FormatError> {
    let expanded;
    let object = match node.value() {
        Value::String(packed) => {
            expanded = unpack(packed, limit).map_err(|error| node.error(error.to_string()))?;
            expanded.as_object().ok_or_else(|| node.error("the packed mapping is no object"))?
        }
        _ => node.object()?,
    };
    for (name, mapping) in object {
        let mapping = mapping
            .as_object()
            .ok_or_else(|| node.error(format!("the mapping of type `{name}` is no object")))?;
        out.push((name.clone(), mapping.clone()));
    }
    Ok(())
}

/// A mapping that the cluster keeps compressed: base64 (our form of a binary value) of `DFL\0` and DEFLATE.
pub(crate) fn unpack(packed: &str, limit: usize) -> Result<Value, FormatError> {
    let bytes = STANDARD
        .decode(packed)
        .map_err(|error| FormatError::Syntax { syntax: "base64", reason: error.to_string() })?;
    document::parse_body(&compression::expand(&bytes, limit)?, limit)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    fn packed(value: &Value) -> String {
        let mut encoder =
            flate2::write::DeflateEncoder::new(b"DFL\0".to_vec(), flate2::Compression::default());
        encoder.write_all(value.to_string().as_bytes()).unwrap();
        STANDARD.encode(encoder.finish().unwrap())
    }

    #[test]
    fn every_form_gives_the_same() {
        let (a, b) = (json!({"properties": {"x": {"type": "long"}}}), json!({"dynamic": "strict"}));
        let expected = [("a", &a), ("b", &b)]
            .map(|(name, value)| (name.to_owned(), value.as_object().unwrap().clone()));
        for value in [
            json!([{"a": a}, {"b": b}]),
            json!({"a": a, "b": b}),
            json!([packed(&json!({"a": a})), packed(&json!({"b": b}))]),
            json!(packed(&json!({"a": a, "b": b}))),
        ] {
            assert_eq!(parse(&Node::root(&value), 1 << 20).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_mapping_is_an_error() {
        for value in [json!(1), json!(["*"]), json!([{"a": 1}]), json!(packed(&json!({"a": []})))] {
            assert!(parse(&Node::root(&value), 1 << 20).is_err(), "{value}");
        }
        let large = json!(packed(&json!({"a": {"x": "y".repeat(10_000)}})));
        assert!(parse(&Node::root(&large), 1000).is_err());
    }
}
