//! Numbers that JavaScript would change by only looking at them.
//!
//! JSON's `1.0`, `1e3` and `0.10000000000000000555` are one double each, written in another way. What a message says
//! is remembered by the double's bits, and put back where the same double comes out. Two texts of *different* values
//! that are the same double can't be told apart then, and such a message is refused. Integers that a double can't
//! hold are BigInts and never come here.

use std::collections::HashMap;

/// Integers up to here are doubles without loss, and so are their neighbours.
pub(crate) const SAFE: i64 = (1 << 53) - 1;

/// The texts of one message's numbers.
#[derive(Debug, Default)]
pub(crate) struct Originals {
    texts: HashMap<u64, Original>,
}

#[derive(Debug)]
struct Original {
    text: String,
    /// The double has the text's value, and not only the nearest to it.
    exact: bool,
}

/// Two numbers that JavaScript can't tell apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous(pub(crate) String, pub(crate) String);

impl Originals {
    /// Takes a number as it is written; returns what JavaScript sees of it.
    pub(crate) fn take(&mut self, text: &str) -> Result<f64, Ambiguous> {
        let double: f64 = text.parse().unwrap_or(f64::NAN);
        let exact = double.is_finite() && value_of(text) == value_of(&format!("{double:e}"));
        if let Some(other) = self.texts.get(&double.to_bits()) {
            let same = other.text == text || other.exact && exact;
            return match same {
                true => Ok(double),
                false => Err(Ambiguous(other.text.clone(), text.to_owned())),
            };
        }
        self.texts.insert(double.to_bits(), Original { text: text.to_owned(), exact });
        Ok(double)
    }

    /// How the message wrote a double.
    pub(crate) fn text_of(&self, double: f64) -> Option<&str> {
        self.texts.get(&double.to_bits()).map(|original| original.text.as_str())
    }
}

/// A decimal's value: sign, digits without zeros around them, exponent of ten behind them.
fn value_of(text: &str) -> (bool, String, i64) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let zeros = (digits.len() - trimmed.len()) as i64;
    let trimmed = trimmed.trim_start_matches('0');
    if trimmed.is_empty() {
        return (negative, String::new(), 0);
    }
    // An exponent that no i64 holds is that of no double either.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    (negative, trimmed.to_owned(), exponent.saturating_sub(fraction.len() as i64) + zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_by_their_digits() {
        for (a, b) in [
            ("1", "1.0"),
            ("1e3", "1000.00"),
            ("0.10", "1E-1"),
            ("-120", "-1.2e+2"),
            ("0.0", "0e9"),
            ("12345678901234567890.5e2", "1234567890123456789050"),
        ] {
            assert_eq!(value_of(a), value_of(b), "{a} {b}");
        }
        for (a, b) in [("1", "-1"), ("0.0", "-0.0"), ("10", "1"), ("1e400", "1e401")] {
            assert_ne!(value_of(a), value_of(b), "{a} {b}");
        }
    }

    #[test]
    fn what_looks_the_same_to_javascript_is_told_apart_or_refused() {
        let mut originals = Originals::default();
        for text in ["1.0", "1.10", "1e400", "0.1000000000000000055511", "-0.0"] {
            let double = originals.take(text).unwrap();
            assert_eq!(originals.text_of(double), Some(text));
        }
        assert_eq!(originals.take("1.00"), Ok(1.0));
        assert_eq!(originals.text_of(1.0), Some("1.0"));
        let refused = Ambiguous("1e400".into(), "1e401".into());
        assert_eq!(originals.take("1e401"), Err(refused));
        assert!(originals.take("0.1").is_err());
        assert!(originals.take("1.00000000000000000001").is_err());
    }
}
