//! What the target did with what it was sent.

use serde::Deserialize;
use thiserror::Error;

use crate::answer;
use crate::meaning::Shape;
use crate::text::Text;

/// What the target did with one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written or deleted.
    Applied,
    /// A version conflict: the target has the same or something newer. A success in an index whose
    /// versions come from sequence numbers; doubt anywhere else.
    AlreadyNewer,
    /// A delete of a document that isn't there. Its tombstone is, with the version.
    NotFoundDelete,
    /// The index isn't there: create it from the source's definition, then send again.
    IndexMissing,
    /// The mapping refuses the document: bring the mapping up to the source's, then send again.
    MappingError { kind: String, reason: String },
    /// 429 or 5xx: send again later.
    Retry { status: u16, kind: String },
    /// Anything else.
    Failed { status: u16, kind: String, reason: String },
}

/// Why an answer of the target doesn't tell what it did. Operations can be sent again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutcomeError {
    #[error("the target's answer with status {status} to a write can't be read; send it again")]
    Unreadable { status: u16 },
    #[error("the target answered {found} items to a bulk of {expected}; send it again")]
    ItemCount { expected: usize, found: usize },
}

impl Outcome {
    /// Whether the target now has this operation or something newer, in an index with versions from
    /// sequence numbers.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Applied | Self::AlreadyNewer | Self::NotFoundDelete)
    }
}

#[derive(Deserialize)]
struct TargetAnswer<'a> {
    #[serde(borrow)]
    result: Option<Text<'a>>,
    status: Option<u16>,
    #[serde(borrow)]
    error: Option<TargetError<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TargetError<'a> {
    Named {
        #[serde(borrow, rename = "type")]
        kind: Option<Text<'a>>,
        #[serde(borrow)]
        reason: Option<Text<'a>>,
    },
    /// Elasticsearch 1.
    #[serde(borrow)]
    Said(Text<'a>),
}

#[derive(Deserialize)]
struct TargetBulk<'a> {
    #[serde(borrow)]
    items: Vec<TargetItem<'a>>,
}

#[derive(Deserialize)]
struct TargetItem<'a> {
    #[serde(borrow, alias = "delete", alias = "create", alias = "update")]
    index: TargetAnswer<'a>,
}

/// What the target did with each operation of a request made by [`crate::render()`], in order: one
/// for [`Shape::Single`], `count` for [`Shape::Bulk`].
pub fn outcomes(
    shape: Shape,
    status: u16,
    body: &[u8],
    count: usize,
) -> Result<Vec<Outcome>, OutcomeError> {
    if shape == Shape::Bulk && (200..300).contains(&status) {
        let bulk: TargetBulk<'_> = answer::read(body).ok_or(OutcomeError::Unreadable { status })?;
        if bulk.items.len() != count {
            return Err(OutcomeError::ItemCount { expected: count, found: bulk.items.len() });
        }
        let judge =
            |item: &TargetItem<'_>| outcome(item.index.status.unwrap_or(status), &item.index);
        return Ok(bulk.items.iter().map(judge).collect());
    }
    let answer = match answer::read::<TargetAnswer<'_>>(body) {
        Some(answer) => answer,
        // A proxy's own page.
        None if status >= 400 => TargetAnswer { result: None, status: None, error: None },
        None => return Err(OutcomeError::Unreadable { status }),
    };
    let outcome = outcome(status, &answer);
    let count = if shape == Shape::Single { 1 } else { count };
    Ok(vec![outcome; count])
}

fn outcome(status: u16, answer: &TargetAnswer<'_>) -> Outcome {
    let text = |text: Option<&Text<'_>>| text.map(|text| clip(text.as_str())).unwrap_or_default();
    let (kind, reason) = match &answer.error {
        None if (200..300).contains(&status) => return Outcome::Applied,
        None => (String::new(), String::new()),
        Some(TargetError::Named { kind, reason }) => (text(kind.as_ref()), text(reason.as_ref())),
        Some(TargetError::Said(said)) => (String::new(), clip(said.as_str())),
    };
    match status {
        404 if answer.result.as_ref().is_some_and(|result| result.as_str() == "not_found") => {
            Outcome::NotFoundDelete
        }
        404 if kind == "index_not_found_exception" => Outcome::IndexMissing,
        409 if kind == "version_conflict_engine_exception" => Outcome::AlreadyNewer,
        429 | 500.. => Outcome::Retry { status, kind },
        _ if is_mapping_error(&kind, &reason) => Outcome::MappingError { kind, reason },
        _ => Outcome::Failed { status, kind, reason },
    }
}

/// Whether another mapping might take the document.
fn is_mapping_error(kind: &str, reason: &str) -> bool {
    match kind {
        "mapper_parsing_exception"
        | "document_parsing_exception"
        | "strict_dynamic_mapping_exception" => true,
        "illegal_argument_exception" => {
            ["mapper [", "mapping", "Limit of "].iter().any(|part| reason.contains(part))
        }
        _ => false,
    }
}

/// The first characters: a reason may quote a whole document.
fn clip(text: &str) -> String {
    const LONGEST: usize = 1_000;
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
