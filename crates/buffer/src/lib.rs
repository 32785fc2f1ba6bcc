//! Memory that a byte from a socket stays in until the last one who needs it is done.
//!
//! - [`Slab`]: one allocation with room in front of and behind what was read, so that a record can
//!   be built around the bytes without moving them.
//! - [`ReadSize`]: how large the next slab of a direction should be.
//! - [`Roll`]: small records, one behind the other in one allocation.
//! - [`Shelf`]: slabs that were prepared and not needed, so that an idle connection holds none.
//! - [`Budget`]: one bound for all of it.
//!
//! No I/O, no clock. [`Roll`] and [`join`] copy; of the others only [`Slab::seal`] does, when the room
//! in front is too small, and then it says so.

#![forbid(unsafe_code)]

mod budget;
mod read_size;
mod roll;
mod shelf;
mod slab;

pub use budget::{Budget, Charge, Room};
pub use read_size::ReadSize;
pub use roll::Roll;
pub use shelf::Shelf;
pub use slab::{HEADROOM, Sealed, Slab, TAILROOM, counted, join};
