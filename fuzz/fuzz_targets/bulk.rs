//! Bulk bodies: items lie in the body, in order; and a JSON parser agrees on every action.
#![no_main]

use std::fmt;

use bytes::Bytes;
use codec::ndjson::{Action, BulkError, bulk_items};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The first key of an object.
struct FirstKey(Option<String>);

impl<'de> Deserialize<'de> for FirstKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = FirstKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FirstKey, A::Error> {
                let first = map.next_key::<String>()?;
                if first.is_some() {
                    map.next_value::<IgnoredAny>()?;
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(FirstKey(first))
            }
        }
        deserializer.deserialize_map(First)
    }
}

fn named(action: Action) -> &'static str {
    match action {
        Action::Index => "index",
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
    }
}

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    let start = body.as_ptr() as usize;
    let mut at = 0;
    let mut in_order = |part: &Bytes| {
        assert!(!part.contains(&b'\n'));
        // An empty part may point anywhere.
        if !part.is_empty() {
            let from = part.as_ptr() as usize - start;
            assert!(at <= from && from + part.len() <= body.len());
            at = from + part.len();
        }
    };
    for (position, item) in bulk_items(&body).enumerate() {
        match item {
            Ok(item) => {
                assert_eq!(item.position, position);
                assert_eq!(item.source.is_none(), item.action == Action::Delete);
                in_order(&item.action_line);
                item.source.iter().for_each(&mut in_order);
                if let Ok(FirstKey(key)) = serde_json::from_slice(&item.action_line) {
                    assert_eq!(key.as_deref(), Some(named(item.action)));
                }
            }
            Err(BulkError::NotAnAction { line, .. }) => {
                let text = data.split(|byte| *byte == b'\n').nth(line - 1).unwrap();
                if let Ok(FirstKey(Some(key))) = serde_json::from_slice(text) {
                    assert!(!["index", "create", "update", "delete"].contains(&key.as_str()));
                }
            }
            Err(BulkError::NoSource { line }) => assert!(line > 0),
        }
    }
});
