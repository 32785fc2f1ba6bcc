//! A journal in files: checksummed segments in one folder.
//!
//! ```text
//! 00000000000000000000.seg     named by the offset of its first byte; offsets are byte positions
//! 00000000000067108871.seg     in the log as a whole; the next segment begins at this one's end, or
//!                              behind it where bytes were taken back that a reader may have seen
//! writer.lock                  held by the one writer
//! groups/NAME                  what a reading group has committed
//!
//! segment:  [ "GODWITJ1" | base offset u64 | crc32 of both u32 | 0 u32 ]  then frames
//! frame:    [ "GWR1" | body length u32 | key length u16 | 0 u16 | crc32 of body | crc32 of header ]
//!           [ key | record ]                                         (integers little-endian)
//! ```
//!
//! - One writer thread: what came while the disk was busy is written with one call and made durable
//!   with one `fdatasync`, so a lone append waits for one and a thousand share one.
//! - Opening for append cuts off what is torn behind the last whole frame, and no more: a flipped
//!   bit before it stays, and is reported by every reader with its place.
//! - A reader that meets a bad frame looks for the next good header and goes on there.

mod append;
mod check;
mod format;
mod log;
mod reader;
mod segment;

#[cfg(test)]
mod tests;

pub(crate) use append::{FileAppender, Named};
pub(crate) use check::check;
pub(crate) use reader::FileReader;

/// Where the first record of a journal begins.
pub(crate) const FIRST_RECORD: u64 = format::SEGMENT_HEADER as u64;
/// Whatever its name.
pub(crate) const LARGEST_RECORD: usize = format::MAX_BODY - u16::MAX as usize;
