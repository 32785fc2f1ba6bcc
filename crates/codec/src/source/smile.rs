//! SMILE, Jackson's binary JSON → JSON.
//!
//! ```text
//! 3A 29 0A | version:4 - raw:1 values:1 names:1 | FA (name value)* FB | [FF]
//! ```
//!
//! Names of any length, and texts of up to 64 bytes when the header says so, are remembered in the
//! order they come, 1024 at most; then the table starts anew. Later bytes refer to their numbers.

use super::cursor::Cursor;
use super::json::{Open, Writer};
use super::{Format, Limits, Problem, SourceError, numbers};

const REMEMBERED: usize = 1024;

pub(super) fn append(source: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), SourceError> {
    let mut cursor = Cursor::new(Format::Smile, source, 3);
    let flags = cursor.byte()?;
    if flags >> 4 != 0 {
        return Err(cursor.unexpected(flags, "version 0 of the format"));
    }
    if cursor.peek() != Some(0xFA) {
        return Err(cursor.fail(Problem::NotAnObject));
    }
    let mut reader = Reader {
        cursor,
        json: Writer::new(out, limits),
        names: Texts::new(flags & 1 != 0),
        values: Texts::new(flags & 2 != 0),
    };
    reader.value()?;
    while let Some(inside) = reader.json.inside() {
        match inside {
            Open::Object => reader.member()?,
            Open::Array if reader.cursor.peek() == Some(0xF9) => reader.close()?,
            Open::Array => reader.value()?,
        }
    }
    let cursor = reader.cursor;
    match (cursor.peek(), cursor.remaining()) {
        (None, _) | (Some(0xFF), 1) => Ok(()),
        (_, bytes) => Err(cursor.fail(Problem::Trailing { bytes })),
    }
}

struct Reader<'a, 'o> {
    cursor: Cursor<'a>,
    json: Writer<'o>,
    names: Texts<'a>,
    values: Texts<'a>,
}

/// Texts that later bytes may refer to.
struct Texts<'a> {
    kept: bool,
    texts: Vec<&'a str>,
}

impl<'a> Texts<'a> {
    fn new(kept: bool) -> Self {
        Self { kept, texts: Vec::new() }
    }

    fn keep(&mut self, text: &'a str) {
        if !self.kept {
            return;
        }
        if self.texts.len() == REMEMBERED {
            self.texts.clear();
        }
        self.texts.push(text);
    }

    fn get(&self, index: usize) -> Result<&'a str, Problem> {
        let known = self.texts.len();
        self.texts.get(index).copied().ok_or(Problem::Reference { index, known })
    }
}

impl<'a> Reader<'a, '_> {
    fn close(&mut self) -> Result<(), SourceError> {
        self.cursor.byte()?;
        self.json.close().map_err(|problem| self.cursor.fail(problem))
    }

    /// A name and its value, or the end of the object.
    fn member(&mut self) -> Result<(), SourceError> {
        if self.cursor.peek() == Some(0xFB) {
            return self.close();
        }
        let token = self.cursor.byte()?;
        let low = usize::from(token & 0x3F);
        let name = match token {
            0x20 => "",
            0x30..=0x33 => {
                let index = usize::from(token & 3) << 8 | usize::from(self.cursor.byte()?);
                self.names.get(index).map_err(|problem| self.cursor.fail(problem))?
            }
            0x34 => {
                let name = self.long_text()?;
                self.names.keep(name);
                name
            }
            0x40..=0x7F => self.names.get(low).map_err(|problem| self.cursor.fail(problem))?,
            0x80..=0xBF => self.name(low + 1)?,
            0xC0..=0xF7 => self.name(low + 2)?,
            _ => return Err(self.cursor.unexpected(token, "a name")),
        };
        self.json.key(name).map_err(|problem| self.cursor.fail(problem))?;
        self.value()
    }

    fn name(&mut self, length: usize) -> Result<&'a str, SourceError> {
        let bytes = self.cursor.take(length)?;
        let name = self.cursor.text(bytes)?;
        self.names.keep(name);
        Ok(name)
    }

    fn value(&mut self) -> Result<(), SourceError> {
        let token = self.cursor.byte()?;
        let low = usize::from(token & 0x1F);
        let written = match token {
            0x01..=0x1F => self.values.get(low - 1).and_then(|text| self.json.text(text)),
            0x20 => self.json.text(""),
            0x21 => self.json.literal("null"),
            0x22 => self.json.literal("false"),
            0x23 => self.json.literal("true"),
            0x24 | 0x25 => {
                let integer = self.signed()?;
                self.json.integer(integer.into())
            }
            0x26 => {
                let bytes = self.seven_bit_binary()?;
                numbers::twos_complement(&bytes).and_then(|integer| self.json.literal(&integer))
            }
            0x28 => {
                let bits = self.seven_bits(5)?;
                self.json.float(f32::from_bits(bits as u32))
            }
            0x29 => {
                let bits = self.seven_bits(10)?;
                self.json.double(f64::from_bits(bits))
            }
            0x2A => {
                let scale = self.signed()?;
                let bytes = self.seven_bit_binary()?;
                numbers::twos_complement(&bytes)
                    .and_then(|unscaled| self.json.literal(&numbers::decimal(&unscaled, scale)))
            }
            0x40..=0x5F => return self.short_text(low + 1),
            0x60..=0x7F => return self.short_text(low + 33),
            0x80..=0x9F => return self.short_text(low + 2),
            0xA0..=0xBF => return self.short_text(low + 34),
            0xC0..=0xDF => self.json.integer(zigzag(low as u64).into()),
            0xE0 | 0xE4 => {
                let text = self.long_text()?;
                self.json.text(text)
            }
            0xE8 => {
                let bytes = self.seven_bit_binary()?;
                self.json.binary(&bytes)
            }
            0xEC..=0xEF => {
                let index = usize::from(token & 3) << 8 | usize::from(self.cursor.byte()?);
                self.values.get(index).and_then(|text| self.json.text(text))
            }
            0xF8 => self.json.open(Open::Array),
            0xFA => self.json.open(Open::Object),
            0xFD => {
                let length = self.length()?;
                let bytes = self.cursor.take(length)?;
                self.json.binary(bytes)
            }
            _ => return Err(self.cursor.unexpected(token, "a value")),
        };
        written.map_err(|problem| self.cursor.fail(problem))
    }

    fn short_text(&mut self, length: usize) -> Result<(), SourceError> {
        let bytes = self.cursor.take(length)?;
        let text = self.cursor.text(bytes)?;
        self.values.keep(text);
        self.json.text(text).map_err(|problem| self.cursor.fail(problem))
    }

    /// Up to a byte that UTF-8 has no use for.
    fn long_text(&mut self) -> Result<&'a str, SourceError> {
        let bytes = self.cursor.take_until(0xFC)?;
        self.cursor.text(bytes)
    }

    /// Groups of seven bits, the highest first; the last byte has its top bit set and six bits.
    fn variable(&mut self) -> Result<u64, SourceError> {
        let mut value = 0_u64;
        loop {
            let byte = self.cursor.byte()?;
            let last = byte & 0x80 != 0;
            let bits = if last { 6 } else { 7 };
            if value.leading_zeros() < bits {
                return Err(self.cursor.fail(Problem::BigNumber { bytes: 10, limit: 8 }));
            }
            value = value << bits | u64::from(byte & ((1 << bits) - 1));
            if last {
                return Ok(value);
            }
        }
    }

    fn signed(&mut self) -> Result<i64, SourceError> {
        self.variable().map(zigzag)
    }

    fn length(&mut self) -> Result<usize, SourceError> {
        let length = self.variable()?;
        usize::try_from(length).map_err(|_| self.cursor.fail(Problem::Truncated))
    }

    /// A number of fixed width, seven bits to a byte, the highest first.
    fn seven_bits(&mut self, length: usize) -> Result<u64, SourceError> {
        let bytes = self.cursor.take(length)?;
        Ok(bytes.iter().fold(0, |bits, byte| bits << 7 | u64::from(byte & 0x7F)))
    }

    /// Seven bytes in eight of seven bits. Of n bytes at the end, n + 1 hold them, the last one only
    /// their lowest n bits.
    fn seven_bit_binary(&mut self) -> Result<Vec<u8>, SourceError> {
        let length = self.length()?;
        let too_long = || self.cursor.fail(Problem::Truncated);
        let encoded = length.checked_mul(8).ok_or_else(too_long)?.div_ceil(7);
        let mut bytes = Vec::new();
        for group in self.cursor.take(encoded)?.chunks(8) {
            let whole = group.len() - 1;
            let (last, first) = group.split_last().expect("chunks are not empty");
            let bits = first.iter().fold(0, |bits, byte| bits << 7 | u64::from(byte & 0x7F));
            let bits = bits << whole | (u64::from(*last) & ((1 << whole) - 1));
            bytes.extend_from_slice(&bits.to_be_bytes()[8 - whole..]);
        }
        Ok(bytes)
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
