//! `.fdt`: the stored fields of all documents, in order.
//!
//! The chunks lie one after the other behind the header, so no index is needed: [`StoredFields`] is given the
//! file's bytes block by block and returns chunk after chunk, each a run of documents.
//!
//! ```text
//! header · [vInt chunk size · vInt packed version] · chunk … · [2 × vLong] · footer
//! chunk: vInt first document · vInt token · counts · lengths · compressed documents
//! ```

mod chunk;
mod compression;
mod document;
mod format;
mod ints;
mod lz4;
mod reader;

pub use chunk::{Chunk, TooLong};
pub use document::{FieldRoles, Stored};
pub use format::Format;
pub use reader::{Advance, Place, StoredFields};
