//! Fingerprints of documents, and sums of them: two sets of documents are equal when their sums are, and where they
//! aren't, the partition tells where to look.
//!
//! Equal documents, in the sense of [`crate::documents`], have one fingerprint: the order of an object's names, blanks
//! and the spelling of a number don't matter.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Number, Value};

/// 128 bits; different documents share one by chance alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u128);

/// How many documents, and the sum of their fingerprints. In whatever order they are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: u64,
    sum: u128,
}

impl Sum {
    pub fn add(&mut self, fingerprint: Fingerprint) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(fingerprint.0);
    }
}

/// What a document is found by: its id and its routing, because one id may be there once a routing.
pub fn key(id: &str, routing: Option<&str>) -> Fingerprint {
    of(|hasher| {
        id.hash(hasher);
        routing.hash(hasher);
    })
}

/// Which of `partitions` a key belongs to.
pub fn partition(key: Fingerprint, partitions: usize) -> usize {
    ((key.0 >> 64) as u64 % partitions.max(1) as u64) as usize
}

/// The whole document. `source` is its raw `_source`; what isn't JSON counts by its bytes.
pub fn document(key: Fingerprint, source: &[u8]) -> Fingerprint {
    let value = serde_json::from_slice::<Value>(source);
    of(|hasher| {
        key.hash(hasher);
        match &value {
            Ok(value) => put(value, hasher),
            Err(_) => source.hash(hasher),
        }
    })
}

/// Two hashes of 64 bits, with different beginnings.
fn of(put: impl Fn(&mut DefaultHasher)) -> Fingerprint {
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        put(&mut hasher);
        u128::from(hasher.finish())
    };
    Fingerprint(half(0x676f_6477) << 64 | half(0x6974_2121))
}

fn put(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(value) => (1_u8, value).hash(hasher),
        Value::Number(value) => number(value, hasher),
        Value::String(value) => (3_u8, value).hash(hasher),
        Value::Array(values) => {
            (4_u8, values.len()).hash(hasher);
            values.iter().for_each(|value| put(value, hasher));
        }
        Value::Object(members) => {
            // Each member by itself, added up: in whatever order they come.
            let mut sum = 0_u64;
            for (name, value) in members {
                let mut member = DefaultHasher::new();
                name.hash(&mut member);
                put(value, &mut member);
                sum = sum.wrapping_add(member.finish());
            }
            (5_u8, members.len(), sum).hash(hasher);
        }
    }
}

/// `1` and `1.0` are equal, as they are to the cluster; integers that no float can tell apart are not.
fn number(number: &Number, hasher: &mut DefaultHasher) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let integer = number.as_i128().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i128)
    });
    match integer {
        Some(integer) => (2_u8, integer).hash(hasher),
        None => (6_u8, number.as_f64().unwrap_or(0.0).to_bits()).hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_documents_have_one_fingerprint() {
        let print = |source: &str| document(key("1", None), source.as_bytes());
        assert_eq!(
            print(r#"{"a":1,"b":[1.0,{"c":null,"d":"x"}]}"#),
            print("{\"b\": [1,{\"d\":\"x\",\n\"c\":null}],\"a\":1.0}")
        );
        for other in
            [r#"{"a":2}"#, r#"{"a":"1"}"#, r#"{"a":[1]}"#, r#"{"b":1}"#, "{", r#"{"a":1,"b":1}"#]
        {
            assert_ne!(print(r#"{"a":1}"#), print(other), "{other}");
        }
        assert_ne!(print(r#"{"a":9007199254740993}"#), print(r#"{"a":9007199254740992}"#));
        assert_ne!(document(key("1", Some("r")), b"{}"), document(key("1", None), b"{}"));
    }

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let prints: Vec<_> = (0..9).map(|n| document(key(&n.to_string(), None), b"{}")).collect();
        let sum = |order: &mut dyn Iterator<Item = &Fingerprint>| {
            let mut sum = Sum::default();
            order.for_each(|print| sum.add(*print));
            sum
        };
        assert_eq!(sum(&mut prints.iter()), sum(&mut prints.iter().rev()));
        assert_ne!(sum(&mut prints.iter()), sum(&mut prints.iter().skip(1)));
        assert!((0..64).any(|n| partition(key(&n.to_string(), None), 8) == 7));
    }
}
