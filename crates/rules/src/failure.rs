//! Why the rules can't be applied to a message.

use std::time::Duration;

use thiserror::Error;

use crate::DEPTH;

/// A message that the rules can't be applied to.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{rule}: {why}")]
pub struct RuleError {
    /// Its place in the configuration, and its language.
    pub rule: String,
    pub why: Why,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum Why {
    #[error("the message isn't JSON: {0}")]
    NotJson(String),
    #[error("a name comes twice in an object")]
    Twice,
    #[error("objects and arrays are nested more than {DEPTH} times")]
    Deep,
    #[error("the script threw {0}")]
    Thrown(String),
    #[error("it failed: {0}")]
    Failed(String),
    #[error("it didn't end within {0:?} of CPU time (limits.time)")]
    Time(Duration),
    #[error("it wanted more than {0} bytes (limits.memory)")]
    Memory(usize),
    #[error("it wanted more than {0} bytes of stack (limits.stack)")]
    Stack(usize),
    #[error("it made more than {0} messages of one (limits.outputs)")]
    Outputs(usize),
    #[error("it returned {0} where a message, an object, is expected; null drops a message")]
    NoMessage(&'static str),
    #[error("{0} can't be part of a message")]
    Value(String),
    #[error("JavaScript can't tell the numbers {0} and {1} apart; use jq, which can")]
    Numbers(String, String),
}

impl RuleError {
    /// The message itself can't be taken; it may be when it is written as strict JSON.
    pub fn is_of_message(&self) -> bool {
        matches!(self.why, Why::NotJson(_) | Why::Twice)
    }
}

/// The beginning of a text that may hold a document.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
