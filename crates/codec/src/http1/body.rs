//! Finding the end of a body.

use std::ops::Range;

use super::head::Framing;
use super::reason::Reason;

/// A body in progress.
#[derive(Clone, Debug)]
pub(super) enum BodyScanner {
    /// Bytes still to come.
    Length(u64),
    Chunked(Chunk),
    UntilClose,
}

/// Where in the chunked coding the next byte lies (RFC 9112 7.1).
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunk {
    Size {
        digits: u8,
        value: u64,
    },
    /// After the `;`: passed over up to CR.
    Extension {
        value: u64,
    },
    SizeEnd {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyStep {
    More,
    /// The body ends after this many bytes of the input.
    End(usize),
    /// The last chunk ends after this many bytes; the trailer section follows.
    Trailers(usize),
    Bad(Reason),
}

impl BodyScanner {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunk::START),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Looks at `input` up to the body's end, and tells `data` which ranges of it are content.
    pub(super) fn scan(&mut self, input: &[u8], data: &mut impl FnMut(Range<usize>)) -> BodyStep {
        match self {
            Self::Length(left) => {
                let take = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= take as u64;
                if take > 0 {
                    data(0..take);
                }
                if *left == 0 { BodyStep::End(take) } else { BodyStep::More }
            }
            Self::UntilClose => {
                if !input.is_empty() {
                    data(0..input.len());
                }
                BodyStep::More
            }
            Self::Chunked(chunk) => chunk.scan(input, data),
        }
    }
}

impl Chunk {
    const START: Self = Self::Size { digits: 0, value: 0 };

    fn scan(&mut self, input: &[u8], data: &mut impl FnMut(Range<usize>)) -> BodyStep {
        let mut i = 0;
        while let Some(&byte) = input.get(i) {
            match *self {
                Self::Data { left } => {
                    let rest = input.len() - i;
                    let take = usize::try_from(left).map_or(rest, |left| left.min(rest));
                    data(i..i + take);
                    i += take;
                    let left = left - take as u64;
                    *self = if left == 0 { Self::DataCr } else { Self::Data { left } };
                    continue;
                }
                Self::Size { digits, value } => match self.size(byte, digits, value) {
                    Ok(next) => *self = next,
                    Err(reason) => return BodyStep::Bad(reason),
                },
                Self::Extension { value } => match byte {
                    b'\r' => *self = Self::SizeEnd { value },
                    b'\t' | b' '..=b'~' | 0x80.. => {}
                    other => {
                        return BodyStep::Bad(Reason::of(other, Reason::ControlByte));
                    }
                },
                Self::SizeEnd { value } => {
                    if byte != b'\n' {
                        return BodyStep::Bad(Reason::BareCr);
                    }
                    if value == 0 {
                        return BodyStep::Trailers(i + 1);
                    }
                    *self = Self::Data { left: value };
                }
                Self::DataCr if byte == b'\r' => *self = Self::DataLf,
                Self::DataLf if byte == b'\n' => *self = Self::START,
                Self::DataCr | Self::DataLf => return BodyStep::Bad(Reason::BadChunkEnd),
            }
            i += 1;
        }
        BodyStep::More
    }

    /// The state after `byte` of a chunk size.
    fn size(self, byte: u8, digits: u8, value: u64) -> Result<Self, Reason> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if digits > 0 => return Ok(Self::SizeEnd { value }),
            b';' if digits > 0 => return Ok(Self::Extension { value }),
            b'\n' => return Err(Reason::BareLf),
            _ => return Err(Reason::BadChunkSize),
        };
        let value = value << 4 | u64::from(digit);
        if digits == 16 || value > i64::MAX as u64 {
            return Err(Reason::BadChunkSize);
        }
        Ok(Self::Size { digits: digits + 1, value })
    }
}
