//! A document's stored `_source`, as any Elasticsearch or OpenSearch keeps it → one line of JSON for
//! `_bulk`.
//!
//! The source is what the client sent, byte for byte. Almost always that is a JSON object without a
//! newline, which is borrowed after one search for 0x0A; JSON is never parsed on the way:
//!
//! | stored                                   | line                                                  |
//! |------------------------------------------|-------------------------------------------------------|
//! | JSON without 0x0A                        | the same bytes                                        |
//! | JSON with 0x0A                           | without newlines and comments, else the same bytes    |
//! | SMILE, CBOR, YAML (sent as such)         | the same names, order and values                      |
//! | UTF-16 (Jackson reads it)                | the same text as UTF-8                                |
//! | LZF (`ZV`, ES 0.x and 1.x), `DFL\0`      | what is inside, by the lines above                    |
//!
//! [`normalise`] is for what the target then refuses as malformed.

mod cbor;
mod compressed;
mod cursor;
mod json;
mod line;
mod numbers;
mod smile;
mod tolerant;
mod utf16;
mod yaml;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

pub use tolerant::{Change, Changes, Normalised, normalise};

/// What one source may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Levels of objects and arrays in what is transcoded or normalised. Jackson stops at 1000.
    pub depth: usize,
    /// Bytes that one source may become by transcoding or decompression. JSON that is only put on one
    /// line is never longer than twice its length and is not held to this.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 1000, output: 256 << 20 }
    }
}

/// How a source is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Utf16,
    Smile,
    Cbor,
    Yaml,
    Lzf,
    Deflate,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Utf16 => "UTF-16 JSON",
            Self::Smile => "SMILE",
            Self::Cbor => "CBOR",
            Self::Yaml => "YAML",
            Self::Lzf => "LZF",
            Self::Deflate => "DEFLATE",
        })
    }
}

/// What was done to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Nothing, or only a byte order mark was left out.
    AsStored,
    /// JSON was put on one line.
    OneLine,
    /// It was read from this format; of what lay compressed, the compression is named.
    Transcoded(Format),
}

/// One line of JSON, without its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    pub json: Cow<'a, [u8]>,
    pub form: Form,
}

/// Why a source has no line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}_source, byte {offset}: {problem}", .format.map(|format| format!("{format} ")).unwrap_or_default())]
pub struct SourceError {
    /// None when the first bytes are of no known format.
    pub format: Option<Format>,
    /// In the source; in what it decompresses to, when `format` is not the compression.
    pub offset: usize,
    pub problem: Problem,
}

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("it is empty")]
    Empty,
    #[error("{found:02x?} begins no format that a server stores")]
    UnknownFormat { found: Vec<u8> },
    #[error("it ends in the middle")]
    Truncated,
    #[error("{found:#04x} where {wanted} should be")]
    Unexpected { found: u8, wanted: &'static str },
    #[error("a document is an object, and this is none")]
    NotAnObject,
    #[error("{bytes} bytes follow the document")]
    Trailing { bytes: usize },
    #[error("a text is not {encoding}")]
    Text { encoding: &'static str },
    #[error("a reference to text {index} of {known}")]
    Reference { index: usize, known: usize },
    #[error("a number of {bytes} bytes; up to {limit} are read")]
    BigNumber { bytes: usize, limit: usize },
    #[error("{0}")]
    Corrupt(String),
    #[error("nested deeper than {limit} levels; raise the limit of depth if the target takes it")]
    TooDeep { limit: usize },
    #[error("more than {limit} bytes of JSON; raise the limit of output if the target takes it")]
    TooLong { limit: usize },
}

/// One line of JSON from a stored source. Borrows when nothing has to change. JSON is not checked:
/// what a server stored it has parsed.
pub fn line<'a>(source: &'a [u8], limits: &Limits) -> Result<Line<'a>, SourceError> {
    if let Some(json) = as_stored(source) {
        return Ok(Line { json: Cow::Borrowed(json), form: Form::AsStored });
    }
    let mut json = Vec::new();
    let form = append_changed(source, limits, &mut json)?;
    Ok(Line { json: Cow::Owned(json), form })
}

/// Appends to `out` what [`line`] gives, without a copy between. Nothing is appended on an error.
pub fn append(source: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<Form, SourceError> {
    if let Some(json) = as_stored(source) {
        out.extend_from_slice(json);
        return Ok(Form::AsStored);
    }
    let start = out.len();
    append_changed(source, limits, out).inspect_err(|_| out.truncate(start))
}

/// Appends a document that is known to be in this format, SMILE, CBOR or YAML, whatever it begins with; others are found
/// out by [`append`]. On an error `out` may hold a part.
pub(crate) fn append_as(
    format: Format,
    document: &[u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), SourceError> {
    match format {
        Format::Smile => smile::append(document, limits, out),
        Format::Cbor => cbor::append(document, limits, out),
        Format::Yaml => yaml::append(document, limits, out),
        Format::Json | Format::Utf16 | Format::Lzf | Format::Deflate => {
            append(document, limits, out).map(drop)
        }
    }
}

/// The source itself when it is JSON on one line. The only pass over the bytes of most documents.
fn as_stored(source: &[u8]) -> Option<&[u8]> {
    let json = match source {
        [b'{', rest @ ..] if rest.first() != Some(&0) => source,
        _ if format_of(source) == Some(Format::Json) => without_mark(source),
        _ => return None,
    };
    memchr::memchr(b'\n', json).is_none().then_some(json)
}

/// A byte order mark is not JSON, although servers take it.
const MARK: &[u8] = b"\xEF\xBB\xBF";

fn without_mark(source: &[u8]) -> &[u8] {
    source.strip_prefix(MARK).unwrap_or(source)
}

/// The rule of the servers (`XContentFactory.xContentType`), with what only a `Content-Type` lets in.
fn format_of(source: &[u8]) -> Option<Format> {
    Some(match source {
        [b'{', 0, ..] | [0, b'{', ..] | [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Format::Utf16,
        // A comment may stand before the object.
        [b'{' | b' ' | b'\t' | b'\r' | b'\n' | b'/', ..] | [0xEF, 0xBB, 0xBF, ..] => Format::Json,
        [0x3A, 0x29, 0x0A, ..] => Format::Smile,
        [0xD9, 0xD9, 0xF7, ..] | [0xA0..=0xBF, ..] => Format::Cbor,
        [b'-', b'-', b'-', ..] => Format::Yaml,
        [b'Z', b'V', 0 | 1, ..] => Format::Lzf,
        [b'D', b'F', b'L', 0, ..] => Format::Deflate,
        _ => return None,
    })
}

fn append_changed(source: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<Form, SourceError> {
    let format = known_format(source)?;
    match format {
        Format::Json => {
            line::append(without_mark(source), out)?;
            return Ok(Form::OneLine);
        }
        Format::Utf16 => {
            let text = utf16::decode(source, limits)?;
            line::append(text.as_bytes(), out)?;
        }
        Format::Smile => smile::append(source, limits, out)?,
        Format::Cbor => cbor::append(source, limits, out)?,
        Format::Yaml => yaml::append(source, limits, out)?,
        Format::Lzf | Format::Deflate => {
            let start = out.len();
            compressed::append(format, source, limits, out)?;
            if as_stored(&out[start..]).is_none_or(|json| json.len() != out.len() - start) {
                let inner = out.split_off(start);
                append_inner(format, &inner, limits, out)?;
            }
        }
    }
    Ok(Form::Transcoded(format))
}

/// What lay compressed is not compressed again.
fn append_inner(
    format: Format,
    inner: &[u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), SourceError> {
    if matches!(format_of(inner), Some(Format::Lzf | Format::Deflate)) {
        let problem = Problem::Corrupt("what is inside is compressed again".to_owned());
        return Err(SourceError { format: Some(format), offset: 0, problem });
    }
    append(inner, limits, out).map(|_| ())
}

fn known_format(source: &[u8]) -> Result<Format, SourceError> {
    format_of(source).ok_or_else(|| {
        let found = source[..source.len().min(4)].to_vec();
        let problem = match source {
            [] => Problem::Empty,
            _ => Problem::UnknownFormat { found },
        };
        SourceError { format: None, offset: 0, problem }
    })
}
