//! The deletes of a replay, kept on the target until the backfills of their indices have ended.
//!
//! Writes with external versions commute, but for one: a delete that the target has forgotten (`index.gc_deletes`, or
//! a restart) no longer keeps an older write out. A backfill that runs beside a replay writes old documents for
//! hours. So the replayer notes each delete here *before* it sends it, and the backfill of an index ends with
//! sending them again: whatever was noted before its last document was written, it finds; what is noted later meets
//! nothing older any more.
//!
//! ```text
//! .godwit-deletes, hidden, one document a note, ids made by the cluster:
//!   {"image": UUID of the target's index, "index": its name, "what": "version", "id", "routing"?, "version"}
//!   {"image", "index", "what": "gone", "id"}      the source didn't have it when it was asked
//!   {"image", "index", "what": "walk"}            the source was asked for all: any document may have been gone
//! ```
//! Notes are of the target's index, not of the source's: when that is deleted they mean nothing any more.
#![forbid(unsafe_code)]

mod note;
mod notes;

pub use note::{Delete, Note};
pub use notes::{Deletes, Noted};

/// Hidden, so that no pattern of a client's request finds it.
pub const INDEX: &str = ".godwit-deletes";
