//! JSON as it is written: members in the order they come, numbers as they read back, bounded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Limits, Problem};

/// What is open at a place of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Object,
    Array,
}

/// Writes one document behind what `out` holds. Who writes keeps to the order of JSON: in an object,
/// a key before each value.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    limits: &'o Limits,
    open: Vec<Open>,
    /// A value was written where another may follow.
    comma: bool,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, limits: &'o Limits) -> Self {
        Self { start: out.len(), out, limits, open: Vec::new(), comma: false }
    }

    /// None before the document and after it.
    pub(super) fn inside(&self) -> Option<Open> {
        self.open.last().copied()
    }

    pub(super) fn open(&mut self, open: Open) -> Result<(), Problem> {
        if self.open.len() >= self.limits.depth {
            return Err(Problem::TooDeep { limit: self.limits.depth });
        }
        self.separate(1)?;
        self.open.push(open);
        self.out.push(if open == Open::Object { b'{' } else { b'[' });
        self.comma = false;
        Ok(())
    }

    /// Closes what was opened last.
    pub(super) fn close(&mut self) -> Result<(), Problem> {
        self.room(1)?;
        if let Some(open) = self.open.pop() {
            self.out.push(if open == Open::Object { b'}' } else { b']' });
        }
        self.comma = true;
        Ok(())
    }

    pub(super) fn key(&mut self, key: &str) -> Result<(), Problem> {
        self.text(key)?;
        self.out.push(b':');
        self.comma = false;
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), Problem> {
        self.separate(text.len() + 2)?;
        self.out.push(b'"');
        escape(text.as_bytes(), self.out);
        self.out.push(b'"');
        self.room(0)
    }

    /// A number or a literal, as it is spelled.
    pub(super) fn literal(&mut self, literal: &str) -> Result<(), Problem> {
        self.separate(literal.len())?;
        self.out.extend_from_slice(literal.as_bytes());
        Ok(())
    }

    pub(super) fn integer(&mut self, integer: i128) -> Result<(), Problem> {
        self.literal(&integer.to_string())
    }

    /// The shortest that reads back as this double. What JSON has no number for is a text, as the
    /// servers write it.
    pub(super) fn double(&mut self, double: f64) -> Result<(), Problem> {
        match non_finite(double) {
            Some(name) => self.text(name),
            None => self.literal(&format!("{double:?}")),
        }
    }

    /// The shortest that reads back as this float: 0.1 and not 0.10000000149011612.
    pub(super) fn float(&mut self, float: f32) -> Result<(), Problem> {
        match non_finite(f64::from(float)) {
            Some(name) => self.text(name),
            None => self.literal(&format!("{float:?}")),
        }
    }

    /// Base64, as Jackson writes binary values.
    pub(super) fn binary(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.separate(bytes.len().div_ceil(3).saturating_mul(4).saturating_add(2))?;
        self.out.push(b'"');
        self.out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    /// The comma before a value of `length` bytes, and room for both.
    fn separate(&mut self, length: usize) -> Result<(), Problem> {
        self.room(length.saturating_add(usize::from(self.comma)))?;
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
        Ok(())
    }

    fn room(&self, length: usize) -> Result<(), Problem> {
        let limit = self.limits.output;
        match (self.out.len() - self.start).checked_add(length) {
            Some(wanted) if wanted <= limit => Ok(()),
            _ => Err(Problem::TooLong { limit }),
        }
    }
}

fn non_finite(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// Appends the inside of a JSON string.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut kept = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[kept..at]);
        escape_byte(*byte, out);
        kept = at + 1;
    }
    out.extend_from_slice(&text[kept..]);
}

/// Appends the escape of a quote, a backslash or a control character.
pub(super) fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => return out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
    };
    out.extend_from_slice(&[b'\\', short]);
}
