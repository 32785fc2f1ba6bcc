//! Undoing a body's content coding, up to a limit.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Why a body could not be decoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BodyError {
    /// `Content-Encoding` names a coding, or a list of codings, that isn't known here.
    #[error("content encoding {0:?} is not one of gzip, deflate, zstd, identity")]
    UnknownEncoding(String),
    /// The bytes are not of that coding, or end too early.
    #[error("the body is not valid {encoding}: {problem}")]
    Corrupt { encoding: &'static str, problem: String },
    /// The decoded body is longer than the limit, in bytes.
    #[error("the decoded body is longer than {limit} bytes")]
    TooLong { limit: usize },
}

/// Decodes `body` from the coding that the value of its `Content-Encoding` names (RFC 9110 8.4.1; of
/// any case; empty and `identity` are none). Several gzip members follow each other as one body, as
/// Netty reads them; a `deflate` body may lack its zlib wrapper, as many clients send it. A body
/// without a coding is returned as it is, whatever its length.
pub fn decode(encoding: &[u8], body: &Bytes, limit: usize) -> Result<Bytes, BodyError> {
    match Encoding::of(encoding) {
        Some(Encoding::Identity) => Ok(body.clone()),
        Some(Encoding::Gzip) => read("gzip", MultiGzDecoder::new(&body[..]), limit),
        Some(Encoding::Deflate) if has_zlib_header(body) => {
            match read("deflate", ZlibDecoder::new(&body[..]), limit) {
                // A raw stream may begin with the two bytes of a wrapper by chance.
                Err(BodyError::Corrupt { encoding, problem }) => {
                    read("deflate", DeflateDecoder::new(&body[..]), limit)
                        .map_err(|_| BodyError::Corrupt { encoding, problem })
                }
                decoded => decoded,
            }
        }
        Some(Encoding::Deflate) => read("deflate", DeflateDecoder::new(&body[..]), limit),
        Some(Encoding::Zstd) => unzstd(body, limit),
        None => {
            let name = encoding.get(..encoding.len().min(40)).unwrap_or_default();
            Err(BodyError::UnknownEncoding(String::from_utf8_lossy(name).into_owned()))
        }
    }
}

#[derive(Clone, Copy)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

impl Encoding {
    fn of(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if name.is_empty() || is("identity") {
            return Some(Self::Identity);
        }
        if is("gzip") || is("x-gzip") {
            return Some(Self::Gzip);
        }
        if is("deflate") {
            return Some(Self::Deflate);
        }
        is("zstd").then_some(Self::Zstd)
    }
}

/// Window that a zstd frame may ask for, as a power of two: 8 MiB, what RFC 9659 allows in HTTP. It
/// is memory that a few bytes of input can claim.
const ZSTD_WINDOW_LOG: u32 = 23;

fn unzstd(body: &Bytes, limit: usize) -> Result<Bytes, BodyError> {
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(corrupt("zstd"))?;
    decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(corrupt("zstd"))?;
    read("zstd", decoder, limit)
}

fn read(encoding: &'static str, decoder: impl Read, limit: usize) -> Result<Bytes, BodyError> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoded = Vec::new();
    decoder.take(most).read_to_end(&mut decoded).map_err(corrupt(encoding))?;
    if decoded.len() > limit {
        return Err(BodyError::TooLong { limit });
    }
    Ok(decoded.into())
}

fn corrupt(encoding: &'static str) -> impl Fn(io::Error) -> BodyError {
    move |error| BodyError::Corrupt { encoding, problem: error.to_string() }
}

/// RFC 1950 2.2: method 8, a window of at most 32 KiB, and a check that makes it a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    match body.first_chunk::<2>() {
        Some(&[method, flags]) => {
            method & 0x0f == 8
                && method >> 4 <= 7
                && (u16::from(method) << 8 | u16::from(flags)) % 31 == 0
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;
