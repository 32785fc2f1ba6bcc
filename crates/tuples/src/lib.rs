//! Tuples: a captured request with the source's answer, and what was sent to the target with its answers.
//!
//! Files of JSON lines, gzip or zstd, in the public format of the reference implementation's replayer. What is ours
//! stands under the key `godwit`, so that other readers skip it.
//!
//! ```text
//! {"sourceRequest":  {<header>: [values…], "Request-URI", "Method", "HTTP-Version", "payload": {…}},
//!  "sourceResponse": {<header>: [values…], "HTTP-Version", "Status-Code", "Reason-Phrase", "response_time_ms", "payload"},
//!  "targetRequest":  {…}, "targetResponses": [{…} one per attempt],
//!  "connectionId": "<connection>.<request>", "numRequests", "numErrors", "error"?, "godwit": {…}}
//! ```
//!
//! Invariants: `response_time_ms` means the same on both sides, from the last byte of the request to the first
//! of the response; after [`Writer::flush`] every tuple appended before is on disk; a crash costs
//! at most what was appended after the last flush, and leaves a file that [`read`] can read.
//! A replayer that was killed may write a tuple twice: `connectionId` is the key.
#![forbid(unsafe_code)]

mod compression;
mod error;
mod object;
mod payload;
mod reader;
mod tuple;
mod writer;

pub use compression::Compression;
pub use error::TupleError;
pub use object::{Object, Objects};
pub use reader::{Tuples, read};
pub use tuple::{Request, Response, Tuple};
pub use writer::{Layout, Writer, WriterSettings};
