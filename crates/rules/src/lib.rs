//! Rules that users write: in jq or JavaScript, each perhaps with a condition in JMESPath.
//!
//! ```text
//! configuration ─▶ Rules (text, shared) ─▶ Engine (compiled, of one thread) ─ message ─▶ none, one or several messages
//! ```
//! A message is an object: a document to be written, a request, an item of a cluster's metadata. Messages are JSON texts
//! on both sides, because a number of JSON is more than a machine's: what a rule doesn't touch comes out digit by
//! digit, whichever language has seen it.
//!
//! A rule is given time, memory and stack ([`Limits`]) and nothing of the host. What goes wrong with a message
//! is an error of that message. (The clock that ends a script, and the files of a configuration, are all of the world that this crate sees.)

#![forbid(unsafe_code)]

mod configuration;
mod engine;
mod failure;
mod file;
mod javascript;
mod jq;
mod message;
mod number;
mod predicate;
mod providers;
mod watch;
mod worker;

pub use configuration::{Handed, ReadFile, Rules, RulesError, WithTypes};
pub use engine::{Applied, Engine, Traced};
pub use failure::{RuleError, Why};
pub use file::UnreadableRules;
pub use worker::{NoWorker, Worker};

use std::time::Duration;

/// Levels of objects and arrays in a message.
pub const DEPTH: usize = 128;

/// What applying the rules to one message may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time, for all rules together.
    pub time: Duration,
    /// Bytes of a JavaScript engine's heap, and of what a rule makes of one message.
    pub memory: usize,
    /// Bytes of stack that a rule may use. The thread must have a MiB more.
    pub stack: usize,
    /// Messages that may be made of one.
    pub outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(1), memory: 64 << 20, stack: 1 << 20, outputs: 1000 }
    }
}
