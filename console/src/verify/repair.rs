//! What the source has, written where the target differs, with its own version: nothing newer is lost.

use bytes::Bytes;
use cluster::Document;
use serde_json::{Map, Value, json};

use super::report::{Difference, Kind};
use super::settle::Look;
use super::{SideError, Unit, UnitReport, Verifier};
use crate::problem::Side;

/// Bytes of one bulk, but for a document that is longer by itself.
const BULK: usize = 8 << 20;

impl Verifier {
    /// Writes and deletes; gives what still differs afterwards.
    pub(super) async fn repair(
        &self,
        unit: &Unit,
        differing: Vec<(Look, Difference)>,
        report: &mut UnitReport,
    ) -> Result<Vec<(Look, Difference)>, SideError> {
        if unit.is_stream {
            report.notes.push("a data stream takes no versions, so it isn't repaired here".into());
            return Ok(differing);
        }
        let mut lines = Vec::new();
        for (look, _) in &differing {
            let Some(line) = action(unit, look) else { continue };
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
            if let Some(document) = &look.source {
                lines.extend_from_slice(&document.source);
                lines.push(b'\n');
            }
            if lines.len() >= BULK {
                self.write(std::mem::take(&mut lines), report).await?;
            }
        }
        self.write(lines, report).await?;
        let suspects: Vec<_> = differing.iter().map(|(look, _)| look.suspect.clone()).collect();
        let again = self.look(unit, &suspects).await?;
        let mut left = Vec::new();
        for (look, (_, difference)) in again.into_iter().zip(differing) {
            match still(&look, &difference) {
                true => left.push((look, difference)),
                false => report.repaired += 1,
            }
        }
        Ok(left)
    }

    async fn write(&self, lines: Vec<u8>, report: &mut UnitReport) -> Result<(), SideError> {
        if lines.is_empty() {
            return Ok(());
        }
        let path = "/_bulk?pipeline=_none";
        let sent = self.target.bulk(path, Bytes::from(lines), self.target.patience()).await;
        let (_, reply) = sent.map_err(|error| SideError(Side::Target, error))?;
        let refused = reply.items.iter().find(|item| !item.is_success() && item.status != 404);
        if let Some(item) = refused {
            let reason = item.reason.clone().unwrap_or_default();
            let note = match item.is_version_conflict() {
                true => format!(
                    "the target has something newer than the source ({reason}): who else writes to it? What was deleted there by hand is remembered for a minute (index.gc_deletes)"
                ),
                false => format!("the target refused a document with {}: {reason}", item.status),
            };
            report.notes.push(note);
        }
        Ok(())
    }
}

/// The bulk action that makes the target as the source is; `None`: nothing is to be done, or no version is known.
fn action(unit: &Unit, look: &Look) -> Option<Value> {
    let of_target = look.target.as_ref().map(|document| document.version);
    let (name, version) = match &look.source {
        Some(document) => ("index", unit.version(document, of_target)?),
        None => ("delete", of_target?),
    };
    let mut action = Map::new();
    action.insert("_index".into(), json!(unit.name));
    action.insert("_id".into(), json!(look.suspect.id));
    if let Some(routing) = &look.suspect.routing {
        action.insert("routing".into(), json!(routing));
    }
    action.insert("version".into(), json!(version));
    action.insert("version_type".into(), json!("external_gte"));
    Some(json!({name: action}))
}

/// Whether it differs as before. A client may have changed it meanwhile; then the next run says so.
fn still(look: &Look, before: &Difference) -> bool {
    let same = |here: &Document, there: &Document| {
        let side = |document: &Document| document.source.clone();
        let (left, right) = (side(here), side(there));
        let of = |source| compare::Document { routing: None, source };
        compare::documents(of(&left), of(&right), 1).is_empty()
    };
    match (before.kind, &look.source, &look.target) {
        (_, None, None) => false,
        (Kind::Extra, None, Some(_)) => true,
        (_, Some(here), Some(there)) => !same(here, there),
        (_, Some(_), None) => true,
        (_, None, Some(_)) => true,
    }
}
