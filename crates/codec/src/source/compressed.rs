//! A compressed source: LZF as Elasticsearch 0.x and 1.x wrote it (`_source.compress`), and DEFLATE
//! behind `DFL\0`.
//!
//! ```text
//! 'Z' 'V' 0 | length:2 | bytes                       one chunk as it is
//! 'Z' 'V' 1 | length:2 | length when open:2 | LZF    one compressed chunk; lengths are big-endian
//! ```

use flate2::{Decompress, FlushDecompress, Status};

use super::cursor::Cursor;
use super::{Format, Limits, Problem, SourceError};

const DEFLATE_HEADER: usize = 4;

/// Appends what `source` holds compressed.
pub(super) fn append(
    format: Format,
    source: &[u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), SourceError> {
    match format {
        Format::Deflate => inflate(source, limits, out),
        _ => chunks(source, limits, out),
    }
}

fn chunks(source: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), SourceError> {
    let start = out.len();
    let mut cursor = Cursor::new(Format::Lzf, source, 0);
    while cursor.remaining() > 0 {
        let [z, v, kind] = cursor.array()?;
        if (z, v) != (b'Z', b'V') || kind > 1 {
            return Err(cursor.unexpected(z, "the start of a chunk, ZV and 0 or 1,"));
        }
        let length = usize::from(u16::from_be_bytes(cursor.array()?));
        let opened = match kind {
            0 => length,
            _ => usize::from(u16::from_be_bytes(cursor.array()?)),
        };
        if out.len() - start + opened > limits.output {
            return Err(cursor.fail(Problem::TooLong { limit: limits.output }));
        }
        let chunk = cursor.take(length)?;
        match kind {
            0 => out.extend_from_slice(chunk),
            _ => lzf(chunk, opened, out).map_err(|problem| cursor.fail(problem))?,
        }
    }
    Ok(())
}

/// A byte below 32 is followed by one literal more than it says. Any other byte holds three bits of
/// a length (7: a byte more of it) and five high bits of how far back to copy from.
fn lzf(chunk: &[u8], opened: usize, out: &mut Vec<u8>) -> Result<(), Problem> {
    let corrupt = |problem: &str| Problem::Corrupt(problem.to_owned());
    let start = out.len();
    let mut chunk = chunk.iter();
    while let Some(control) = chunk.next().copied().map(usize::from) {
        let written = out.len() - start;
        if control < 32 {
            let (literals, rest) =
                chunk.as_slice().split_at_checked(control + 1).ok_or(Problem::Truncated)?;
            if written + literals.len() > opened {
                return Err(corrupt("a chunk opens to more than it says"));
            }
            out.extend_from_slice(literals);
            chunk = rest.iter();
            continue;
        }
        let mut next = || chunk.next().copied().map(usize::from).ok_or(Problem::Truncated);
        let length = match control >> 5 {
            7 => next()? + 9,
            short => short + 2,
        };
        let back = ((control & 0x1F) << 8 | next()?) + 1;
        if back > written {
            return Err(corrupt("a copy from before the chunk"));
        }
        if written + length > opened {
            return Err(corrupt("a chunk opens to more than it says"));
        }
        // A copy may overlap what it writes.
        for from in out.len() - back..out.len() - back + length {
            out.push(out[from]);
        }
    }
    match out.len() - start == opened {
        true => Ok(()),
        false => Err(corrupt("a chunk opens to less than it says")),
    }
}

fn inflate(source: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), SourceError> {
    let start = out.len();
    let mut stream = Decompress::new(false);
    loop {
        let read = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let offset = DEFLATE_HEADER.saturating_add(read);
        let fail = |problem| SourceError { format: Some(Format::Deflate), offset, problem };
        let input = source.get(offset..).unwrap_or_default();
        // One byte more than the limit shows that there is more.
        let room = limits.output.saturating_add(1).saturating_sub(out.len() - start);
        if room == 0 {
            return Err(fail(Problem::TooLong { limit: limits.output }));
        }
        let step = room.min(input.len().saturating_mul(4).clamp(1 << 10, 1 << 20));
        let written = out.len();
        out.resize(written + step, 0);
        let before = stream.total_out();
        let status = stream.decompress(input, &mut out[written..], FlushDecompress::None);
        let new = usize::try_from(stream.total_out() - before).unwrap_or(usize::MAX);
        out.truncate(written.saturating_add(new));
        match status {
            Err(error) => return Err(fail(Problem::Corrupt(error.to_string()))),
            Ok(Status::StreamEnd) if out.len() - start > limits.output => {
                return Err(fail(Problem::TooLong { limit: limits.output }));
            }
            Ok(Status::StreamEnd) => {
                let read = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
                return match source.len().saturating_sub(DEFLATE_HEADER.saturating_add(read)) {
                    0 => Ok(()),
                    bytes => Err(fail(Problem::Trailing { bytes })),
                };
            }
            // Neither a byte read nor one written: the input ends too early.
            Ok(_) if new == 0 && usize::try_from(stream.total_in()) == Ok(read) => {
                return Err(fail(Problem::Truncated));
            }
            Ok(_) => {}
        }
    }
}
