//! What a captured exchange means for the target, decided without I/O.
//!
//! Replaying requests in order per connection is not enough: two clients that write the same
//! document race, ids that the source makes up differ, a request that failed on the source may
//! succeed on the target, a retried bulk doubles. The journal holds the source's *answers*, so what
//! really happened is known: [`interpret`] turns an [`Exchange`] into a [`Meaning`].
//!
//! ```text
//! Exchange ─ interpret(.., &Facts) ─▶ Meaning
//!   Write           render ─▶ the target's request ─▶ outcomes
//!   Control, Read   ordered by `order::Order`, then sent
//!   Doubt           when `Order` allows, read from the source, then `render_documents`
//!   Nothing, NotSent   counted
//! ```
//!
//! Invariants:
//! - What the journal proves is sent; what it doesn't prove is doubt; nothing is guessed.
//! - Bytes from outside never panic and never make memory grow past a small multiple of themselves.
//! - A document's body is a slice of the captured request, never a copy.
#![forbid(unsafe_code)]

mod address;
mod answer;
mod bulk;
mod endpoint;
mod exchange;
mod facts;
mod meaning;
pub mod order;
mod outcome;
mod render;
mod scope;
mod selection;
mod target;
mod text;
mod version;

pub use address::Address;
pub use endpoint::{ControlKind, DocumentAction, Endpoint, QueryAction, ReadKind};
pub use exchange::{Answer, BodyState, Exchange, Method};
pub use facts::{Facts, IndexFacts, Versioning};
pub use meaning::{
    Change, Control, Doubt, DoubtKind, DoubtReason, Item, Meaning, NothingReason, Operation, Read,
    Refresh, Shape, Task, Write, interpret, unsettles,
};
pub use outcome::{Outcome, OutcomeError, outcomes};
pub use render::{Rendering, Request, render, render_documents};
pub use scope::Scope;
pub use selection::Selection;
pub use target::Target;
pub use version::{Version, VersionError};
