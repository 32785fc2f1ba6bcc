//! JSON in UTF-16, which Jackson recognises by the zero bytes around the first brace.

use super::{Format, Limits, Problem, SourceError};

pub(super) fn decode(source: &[u8], limits: &Limits) -> Result<String, SourceError> {
    let fail = |offset, problem| SourceError { format: Some(Format::Utf16), offset, problem };
    let big_endian = matches!(source, [0, ..] | [0xFE, ..]);
    let units = source.strip_prefix(b"\xFE\xFF").or(source.strip_prefix(b"\xFF\xFE"));
    let (pairs, odd) = units.unwrap_or(source).as_chunks::<2>();
    if !odd.is_empty() {
        return Err(fail(source.len(), Problem::Truncated));
    }
    let unit = |pair: &[u8; 2]| match big_endian {
        true => u16::from_be_bytes(*pair),
        false => u16::from_le_bytes(*pair),
    };
    let text: String = char::decode_utf16(pairs.iter().map(unit))
        .collect::<Result<_, _>>()
        .map_err(|_| fail(0, Problem::Text { encoding: "UTF-16" }))?;
    if text.len() > limits.output {
        return Err(fail(0, Problem::TooLong { limit: limits.output }));
    }
    if !text.trim_ascii_start().starts_with(['{', '/']) {
        return Err(fail(0, Problem::NotAnObject));
    }
    Ok(text)
}
