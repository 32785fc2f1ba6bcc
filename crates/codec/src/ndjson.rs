//! The lines of a `_bulk` body, without copying them.
//!
//! Elasticsearch and OpenSearch split the body at LF before they read any JSON, so a line break can't
//! hide in a string. Lines of white space where an action is expected are passed over; a CR in front
//! of the LF isn't part of a source.

use bytes::Bytes;
use memchr::memchr;

/// What an item does, by the first key of its action line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Index,
    Create,
    Update,
    /// The only one without a source line.
    Delete,
}

/// One item of a bulk request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkItem {
    /// Counts from 0; responses list items in the same order.
    pub position: usize,
    pub action: Action,
    /// The action line without its LF: `{"index":{…}}`.
    pub action_line: Bytes,
    /// The source line without its line end: a document, or what an update does. `None` for a delete.
    pub source: Option<Bytes>,
}

/// Why a bulk body can't be read further. The source refuses such a request, as a whole or from
/// there on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BulkError {
    #[error("line {line} of the bulk body is not an action: it begins with {start:?}")]
    NotAnAction { line: usize, start: String },
    #[error("the bulk body ends after the action on line {line}, which needs a source")]
    NoSource { line: usize },
}

/// The items of `body`, a bulk request's decoded body. Ends after the first error. A last line without
/// LF counts as a line.
pub fn bulk_items(body: &Bytes) -> BulkItems {
    BulkItems { rest: body.clone(), line: 0, position: 0, failed: false }
}

/// See [`bulk_items`].
#[derive(Clone, Debug)]
pub struct BulkItems {
    rest: Bytes,
    /// Lines taken.
    line: usize,
    position: usize,
    failed: bool,
}

impl Iterator for BulkItems {
    type Item = Result<BulkItem, BulkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let action_line = loop {
            let line = self.line()?;
            if !line.trim_ascii().is_empty() {
                break line;
            }
        };
        let item = self.item(action_line);
        self.failed = item.is_err();
        Some(item)
    }
}

impl BulkItems {
    fn item(&mut self, action_line: Bytes) -> Result<BulkItem, BulkError> {
        let line = self.line;
        let Some(action) = action_of(&action_line) else {
            let start = action_line.get(..action_line.len().min(40)).unwrap_or_default();
            let start = String::from_utf8_lossy(start).into_owned();
            return Err(BulkError::NotAnAction { line, start });
        };
        let source = if action == Action::Delete {
            None
        } else {
            let mut source = self.line().ok_or(BulkError::NoSource { line })?;
            if source.last() == Some(&b'\r') {
                source.truncate(source.len() - 1);
            }
            Some(source)
        };
        let position = self.position;
        self.position += 1;
        Ok(BulkItem { position, action, action_line, source })
    }

    /// The next line without its LF.
    fn line(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let Some(end) = memchr(b'\n', &self.rest) else {
            return Some(std::mem::take(&mut self.rest));
        };
        let line = self.rest.split_to(end);
        self.rest = self.rest.slice(1..);
        Some(line)
    }
}

/// The action that the first key of the object on `line` names. Escapes are undone, and a key without
/// quotes is taken too: Elasticsearch before 6 does.
fn action_of(line: &[u8]) -> Option<Action> {
    let rest = line.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    let Some(key) = rest.strip_prefix(b"\"") else {
        let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic())?;
        rest.get(end..)?.trim_ascii_start().strip_prefix(b":")?;
        return action_named(rest.get(..end)?);
    };
    let (name, rest) = short_string(key)?;
    rest.trim_ascii_start().strip_prefix(b":")?;
    action_named(&name.bytes[..name.len])
}

fn action_named(name: &[u8]) -> Option<Action> {
    match name {
        b"index" => Some(Action::Index),
        b"create" => Some(Action::Create),
        b"update" => Some(Action::Update),
        b"delete" => Some(Action::Delete),
        _ => None,
    }
}

/// A string of ASCII no longer than an action's name.
struct Short {
    bytes: [u8; 6],
    len: usize,
}

/// Reads a JSON string after its opening quote; returns what follows the closing one. `None` for a
/// string that can't be an action's name.
fn short_string(mut rest: &[u8]) -> Option<(Short, &[u8])> {
    let mut short = Short { bytes: [0; 6], len: 0 };
    loop {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        let byte = match byte {
            b'"' => return Some((short, rest)),
            // Of the escapes only `\u00xx` can be a letter.
            b'\\' => {
                let digits = rest.strip_prefix(b"u00")?;
                let (digits, tail) = digits.split_at_checked(2)?;
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => byte,
        };
        *short.bytes.get_mut(short.len)? = byte;
        short.len += 1;
    }
}

#[cfg(test)]
mod tests;
