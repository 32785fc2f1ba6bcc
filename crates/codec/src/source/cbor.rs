//! CBOR (RFC 8949) → JSON, as Jackson reads it.
//!
//! ```text
//! major:3 info:5 | the argument: info itself, or 1, 2, 4, 8 bytes (24…27), or none and open (31)
//! ```

use super::cursor::Cursor;
use super::json::{Open, Writer};
use super::{Format, Limits, Problem, SourceError, numbers};

const SELF_DESCRIBED: &[u8] = &[0xD9, 0xD9, 0xF7];
const BREAK: u8 = 0xFF;

pub(super) fn append(source: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), SourceError> {
    let start = if source.starts_with(SELF_DESCRIBED) { SELF_DESCRIBED.len() } else { 0 };
    let cursor = Cursor::new(Format::Cbor, source, start);
    if cursor.peek().is_none_or(|first| first >> 5 != 5) {
        return Err(cursor.fail(Problem::NotAnObject));
    }
    let mut reader = Reader { cursor, json: Writer::new(out, limits), left: Vec::new() };
    reader.value()?;
    while let Some(inside) = reader.json.inside() {
        if reader.ended()? {
            reader.left.pop();
            reader.json.close().map_err(|problem| reader.cursor.fail(problem))?;
        } else {
            if inside == Open::Object {
                reader.name()?;
            }
            reader.value()?;
        }
    }
    match reader.cursor.remaining() {
        0 => Ok(()),
        bytes => Err(reader.cursor.fail(Problem::Trailing { bytes })),
    }
}

struct Reader<'a, 'o> {
    cursor: Cursor<'a>,
    json: Writer<'o>,
    /// What each open array or map still holds; none where a break ends it.
    left: Vec<Option<u64>>,
}

/// The first byte of an item and its argument, which is none when the item is open.
#[derive(Clone, Copy)]
struct Head {
    first: u8,
    argument: Option<u64>,
}

impl Head {
    fn major(self) -> u8 {
        self.first >> 5
    }
}

impl Reader<'_, '_> {
    /// Whether the innermost array or map has no more; the rest is counted down.
    fn ended(&mut self) -> Result<bool, SourceError> {
        match self.left.last_mut() {
            Some(Some(0)) => Ok(true),
            Some(Some(left)) => {
                *left -= 1;
                Ok(false)
            }
            _ if self.cursor.peek() == Some(BREAK) => self.cursor.byte().map(|_| true),
            _ => Ok(false),
        }
    }

    fn head(&mut self) -> Result<Head, SourceError> {
        let first = self.cursor.byte()?;
        let argument = match first & 0x1F {
            info @ 0..=23 => Some(u64::from(info)),
            24 => Some(u64::from(self.cursor.byte()?)),
            25 => Some(u64::from(u16::from_be_bytes(self.cursor.array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.cursor.array()?))),
            27 => Some(u64::from_be_bytes(self.cursor.array()?)),
            31 if (2..=5).contains(&(first >> 5)) => None,
            _ => return Err(self.cursor.unexpected(first, "an item")),
        };
        Ok(Head { first, argument })
    }

    fn name(&mut self) -> Result<(), SourceError> {
        let head = self.head()?;
        let name = match (head.major(), head.argument) {
            (0, Some(number)) => number.to_string(),
            (1, Some(number)) => (-1 - i128::from(number)).to_string(),
            // Some encoders send names as bytes.
            (2 | 3, _) => self.text(head)?,
            _ => return Err(self.cursor.unexpected(head.first, "a name")),
        };
        self.json.key(&name).map_err(|problem| self.cursor.fail(problem))
    }

    fn value(&mut self) -> Result<(), SourceError> {
        let head = self.head()?;
        let written = match (head.major(), head.argument) {
            (0, Some(number)) => self.json.integer(number.into()),
            (1, Some(number)) => self.json.integer(-1 - i128::from(number)),
            (2, _) => {
                let bytes = self.bytes(head)?;
                self.json.binary(&bytes)
            }
            (3, _) => {
                let text = self.text(head)?;
                self.json.text(&text)
            }
            (4, left) => {
                self.left.push(left);
                self.json.open(Open::Array)
            }
            (5, left) => {
                self.left.push(left);
                self.json.open(Open::Object)
            }
            (6, Some(tag)) => return self.tagged(tag),
            _ => return self.simple(head),
        };
        written.map_err(|problem| self.cursor.fail(problem))
    }

    /// Tags other than those of numbers say nothing that JSON could hold.
    fn tagged(&mut self, mut tag: u64) -> Result<(), SourceError> {
        let number = loop {
            match tag {
                2 | 3 if self.next_major() == Some(2) => break self.integer(tag)?,
                4 if self.cursor.peek() == Some(0x82) => break self.fraction()?,
                25 | 256 => {
                    let problem = "tags 25 and 256, references to earlier texts, are not read";
                    return Err(self.cursor.fail(Problem::Corrupt(problem.to_owned())));
                }
                _ if self.next_major() == Some(6) => {
                    tag = self.head()?.argument.unwrap_or_default();
                }
                _ => return self.value(),
            }
        };
        self.json.literal(&number).map_err(|problem| self.cursor.fail(problem))
    }

    fn next_major(&self) -> Option<u8> {
        self.cursor.peek().map(|next| next >> 5)
    }

    /// A large integer. Jackson 2 reads and writes a negative one (tag 3) as -n, and so do all servers
    /// on it, although the standard says -1 - n.
    fn integer(&mut self, tag: u64) -> Result<String, SourceError> {
        let head = self.head()?;
        let bytes = self.bytes(head)?;
        let digits = numbers::magnitude(&bytes).map_err(|problem| self.cursor.fail(problem))?;
        Ok(if tag == 3 && digits != "0" { format!("-{digits}") } else { digits })
    }

    /// `[exponent, mantissa]`, of ten, as the standard has it. Jackson 2.8 (Elasticsearch up to 6.x) took
    /// the exponent for its negative; what a client sent was not meant so.
    fn fraction(&mut self) -> Result<String, SourceError> {
        self.cursor.byte()?;
        let exponent = self.head()?;
        let exponent = match (exponent.major(), exponent.argument) {
            (0, Some(number)) => i128::from(number),
            (1, Some(number)) => -1 - i128::from(number),
            _ => return Err(self.cursor.unexpected(exponent.first, "an exponent")),
        };
        let scale = i32::try_from(-exponent)
            .map_err(|_| self.cursor.fail(Problem::BigNumber { bytes: 8, limit: 4 }))?;
        let mantissa = self.head()?;
        let unscaled = match (mantissa.major(), mantissa.argument) {
            (0, Some(number)) => number.to_string(),
            (1, Some(number)) => (-1 - i128::from(number)).to_string(),
            (6, Some(tag @ (2 | 3))) if self.next_major() == Some(2) => self.integer(tag)?,
            _ => return Err(self.cursor.unexpected(mantissa.first, "a mantissa")),
        };
        Ok(numbers::decimal(&unscaled, scale.into()))
    }

    fn simple(&mut self, head: Head) -> Result<(), SourceError> {
        let argument = head.argument.unwrap_or_default();
        let written = match head.first {
            0xF4 => self.json.literal("false"),
            0xF5 => self.json.literal("true"),
            // Undefined is null to Jackson.
            0xF6 | 0xF7 => self.json.literal("null"),
            0xF9 => self.json.float(half(argument as u16)),
            0xFA => self.json.float(f32::from_bits(argument as u32)),
            0xFB => self.json.double(f64::from_bits(argument)),
            // A simple value without a meaning is its number to Jackson.
            0xE0..=0xF3 => self.json.integer(argument.into()),
            0xF8 if argument >= 32 => self.json.integer(argument.into()),
            _ => return Err(self.cursor.unexpected(head.first, "a value")),
        };
        written.map_err(|problem| self.cursor.fail(problem))
    }

    /// The bytes of a text or of binary, which may come in pieces.
    fn bytes(&mut self, head: Head) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        if let Some(length) = head.argument {
            bytes.extend_from_slice(self.piece(length)?);
            return Ok(bytes);
        }
        while self.cursor.peek() != Some(BREAK) {
            let piece = self.head()?;
            match piece.argument {
                Some(length) if piece.major() == head.major() => {
                    bytes.extend_from_slice(self.piece(length)?);
                }
                _ => return Err(self.cursor.unexpected(piece.first, "a piece of the same kind")),
            }
        }
        self.cursor.byte()?;
        Ok(bytes)
    }

    fn piece(&mut self, length: u64) -> Result<&[u8], SourceError> {
        let length = usize::try_from(length).map_err(|_| self.cursor.fail(Problem::Truncated))?;
        self.cursor.take(length)
    }

    fn text(&mut self, head: Head) -> Result<String, SourceError> {
        let bytes = self.bytes(head)?;
        String::from_utf8(bytes).map_err(|_| self.cursor.fail(Problem::Text { encoding: "UTF-8" }))
    }
}

/// sign:1 exponent:5 fraction:10
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3FF);
    sign * match bits >> 10 & 0x1F {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (fraction + 1024.0) * 2_f32.powi(i32::from(exponent) - 25),
    }
}
