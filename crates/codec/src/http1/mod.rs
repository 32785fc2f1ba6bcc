//! Where HTTP/1.x messages begin and end in a stream of bytes.
//!
//! A framer looks at bytes that somebody else forwards. It never changes, repairs or refuses them; it
//! only says where a head ends, what it announces and where the message ends. Whatever two sane
//! servers could read in two ways makes the connection [`Event::Opaque`] for good: from there on its
//! bytes have no boundaries. So a framer may know less than the server behind it, but it never
//! believes something else.
//!
//! Invariants:
//! - The events, and the bytes they stand at, do not depend on how the stream was cut into reads.
//! - [`RequestFramer::advance`] returns no event only when it has consumed the whole input.
//! - A head that arrives in one piece is not copied. A head that doesn't is kept, up to the limit
//!   given to the framer, until the call after the one that completed it.
//! - Nothing after an opaque event is framed again.

mod assembler;
mod body;
mod body_bytes;
mod byte_class;
mod direction;
mod fields;
mod framer;
mod head;
mod headers;
mod message;
mod reason;
mod scan;
mod secret_search;
mod secrets;

pub use assembler::{Assembled, Finished, RequestAssembler, ResponseAssembler};
pub use body_bytes::BodyBytes;
pub use direction::{Eof, Event};
pub use fields::{Fields, fields};
pub use framer::{DEFAULT_HEAD_LIMIT, RequestFramer, ResponseFramer};
pub use head::{Framing, Method, RequestHead, ResponseHead, Version};
pub use headers::Headers;
pub use message::{RequestMessage, ResponseMessage};
pub use reason::Reason;
pub use secret_search::SecretSearch;
pub use secrets::{secret_ranges, secret_ranges_and};

#[cfg(test)]
mod tests;
