//! A load of many clients that knows what it was promised.
//!
//! [`run`] writes to a cluster like real clients do: bulks, single writes, updates, scripts, deletes,
//! generated ids, several clients on the same documents. The [`Ledger`] holds what each answer
//! promised, so that afterwards a cluster can be checked: every acknowledged write is there, and
//! nothing that nobody wrote. A write without an answer is kept as "either".
//!
//! The program `demo` has such clients write and read while `godwit` moves a cluster, and compares the two.
#![forbid(unsafe_code)]

pub mod answer;
pub mod bulk;
pub mod cities;
pub mod client;
pub mod compare;
pub mod inserts;
pub mod ledger;
pub mod migration;
pub mod programs;
pub mod reader;
pub mod run;
pub mod stages;
pub mod table;
pub mod updates;
pub mod writer;

pub use cities::{Cities, City};
pub use ledger::{Ledger, Version};
pub use run::{LoadSettings, LoadStats, Mix, create_indices, run};
