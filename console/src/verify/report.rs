//! What a comparison found.

use std::fmt;

use serde::Serialize;

/// How a document differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The target hasn't got it.
    Missing,
    /// Only the target has it.
    Extra,
    Differs,
}

/// A document that isn't the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub index: String,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<String>,
    pub kind: Kind,
    /// Where its source differs; the first of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
}

/// One index or data stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct UnitReport {
    pub name: String,
    pub source_documents: u64,
    pub target_documents: u64,
    pub differences: u64,
    /// Changed on both sides all the while.
    pub changing: u64,
    pub repaired: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(skip)]
    listed: Vec<Difference>,
}

/// All of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    pub equal: bool,
    pub documents: u64,
    pub differences: u64,
    pub changing: u64,
    pub repaired: u64,
    /// Indices and data streams that only one side has.
    pub absent: Vec<String>,
    pub units: Vec<UnitReport>,
    /// The first differences.
    pub listed: Vec<Difference>,
}

impl UnitReport {
    pub(super) fn new(name: &str) -> UnitReport {
        UnitReport { name: name.to_owned(), ..UnitReport::default() }
    }

    pub(super) fn differ(&mut self, found: impl Iterator<Item = Difference>, shown: usize) {
        for difference in found {
            self.differences += 1;
            if self.listed.len() < shown {
                self.listed.push(difference);
            }
        }
    }
}

impl VerifyReport {
    pub(super) fn add(&mut self, mut unit: UnitReport, shown: usize) {
        self.documents += unit.source_documents;
        self.differences += unit.differences;
        self.changing += unit.changing;
        self.repaired += unit.repaired;
        let room = shown.saturating_sub(self.listed.len());
        self.listed.extend(std::mem::take(&mut unit.listed).into_iter().take(room));
        unit.notes.dedup();
        self.units.push(unit);
    }

    /// Indices that could not be compared.
    pub fn skipped(&self) -> u64 {
        self.units.iter().filter(|unit| unit.skipped.is_some()).count() as u64
    }

    pub(super) fn conclude(mut self) -> VerifyReport {
        self.units.sort_by(|a, b| a.name.cmp(&b.name));
        self.equal = self.differences == 0 && self.absent.is_empty() && self.skipped() == 0;
        self
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for unit in &self.units {
            let UnitReport { name, source_documents, target_documents, differences, .. } = unit;
            match &unit.skipped {
                Some(why) => writeln!(f, "{name}: NOT COMPARED: {why}")?,
                None => writeln!(
                    f,
                    "{name}: {source_documents} documents on the source, {target_documents} on the target, \
                     {differences} differ"
                )?,
            }
            unit.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        }
        self.absent.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        for Difference { index, id, kind, places, routing } in &self.listed {
            let what = match kind {
                Kind::Missing => "is not on the target",
                Kind::Extra => "is on the target only",
                Kind::Differs => "differs",
            };
            let routing = routing.as_ref().map(|r| format!(" (routing {r})")).unwrap_or_default();
            let places =
                if places.is_empty() { String::new() } else { format!(": {}", places.join(", ")) };
            writeln!(f, "{index}/{id}{routing} {what}{places}")?;
        }
        if self.repaired > 0 {
            writeln!(f, "{} repaired", self.repaired)?;
        }
        if self.changing > 0 {
            writeln!(f, "{} changed on both sides all the while", self.changing)?;
        }
        let verdict = if self.equal { "equal" } else { "NOT EQUAL" };
        write!(f, "{} documents, {} differences: {verdict}", self.documents, self.differences)
    }
}
