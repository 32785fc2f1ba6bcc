//! The report for a terminal: a line an item, what changed below it.

use std::fmt;

use comfy_table::{Table, presets};
use serde_json::Value;

use super::{Line, Report};
use crate::{State, Verified};

/// Characters of a value that a line shows.
const SHOWN: usize = 60;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "source  {}  {}", self.source.version, self.source.place)?;
        writeln!(f, "target  {}  {}\n", self.target.version, self.target.place)?;
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let has_outcomes = self.command != "evaluate";
        let mut header = vec!["KIND", "NAME", "STATE", "CHANGES"];
        if has_outcomes {
            header.extend(["RESULT", "READ BACK"]);
        }
        table.set_header(header);
        for line in &self.items {
            let mut row = vec![
                line.item.kind.to_string(),
                line.item.name.clone(),
                match &line.item.state {
                    skipped @ State::Skipped(_) => skipped.to_string(),
                    state => state.name().to_owned(),
                },
                changes(line).to_string(),
            ];
            if has_outcomes {
                row.push(line.outcome.as_ref().map(|of| of.name().to_owned()).unwrap_or_default());
                row.push(line.verified.as_ref().map(found).unwrap_or_default().to_owned());
            }
            table.add_row(row);
        }
        writeln!(f, "{table}")?;
        for line in &self.items {
            details(line, f)?;
        }
        for note in &self.notes {
            writeln!(f, "\nnote: {note}")?;
        }
        let counts = self.counts.iter().map(|(state, count)| format!("{count} {state}"));
        write!(f, "\n{}", counts.collect::<Vec<_>>().join(", "))?;
        if has_outcomes {
            let counts = self.outcomes.iter().map(|(result, count)| format!("{count} {result}"));
            write!(f, "\n{}", counts.collect::<Vec<_>>().join(", "))?;
        }
        write!(f, "\n{}", self.verdict())
    }
}

impl Report {
    /// In one sentence.
    pub(super) fn verdict(&self) -> &'static str {
        match (self.stopped, self.complete, self.command) {
            (true, ..) => "ended early: run it again, and it goes on",
            (_, true, "evaluate") => "everything can be moved; nothing was written",
            (_, false, "evaluate") => "not everything can be moved; nothing was written",
            (_, true, _) => "complete: the target holds what was planned",
            (_, false, _) => "NOT complete: see above what is missing",
        }
    }
}

pub(super) fn found(verified: &Verified) -> &'static str {
    match verified {
        Verified::Equal => "equal",
        Verified::Missing => "missing",
        Verified::Different { .. } => "different",
    }
}

fn details(line: &Line, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let texts = texts(line);
    if texts.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{} {}", line.item.kind, line.item.name)?;
    texts.iter().try_for_each(|text| writeln!(f, "  {text}"))
}

/// What is said of an item below the table.
pub(super) fn texts(line: &Line) -> Vec<String> {
    let item = &line.item;
    let mut texts = Vec::new();
    if let State::Unsupported(_) = item.state {
        texts.push(item.state.to_string());
    }
    for change in item.changes.iter().filter(|change| !is_of_the_cluster(&change.path)) {
        let sign = if change.deferred { "deferred" } else { "changed " };
        let (before, after) = (shown(&change.before), shown(&change.after));
        texts.push(format!("{sign}  {}: {before} → {after}  ({})", change.path, change.why));
    }
    for refusal in &item.unsupported {
        texts.push(format!("unsupported  {}: {}", refusal.path, refusal.why));
    }
    let mut differences = item.differences.iter().collect::<Vec<_>>();
    if let Some(Verified::Different { differences: found }) = &line.verified {
        differences = found.iter().collect();
    }
    for difference in differences {
        let (wanted, held) = (shown(&difference.wanted), shown(&difference.held));
        texts.push(format!("differs  {}: wanted {wanted}, the target has {held}", difference.path));
    }
    texts.extend(
        line.outcome
            .as_ref()
            .and_then(|outcome| outcome.why().map(|why| format!("{}  {why}", outcome.name()))),
    );
    texts
}

/// What every index has otherwise on another cluster; only JSON has it.
fn is_of_the_cluster(path: &str) -> bool {
    const OWN: [&str; 4] = ["uuid", "creation_date", "provided_name", "version.created"];
    path.strip_prefix("settings.index.").is_some_and(|name| OWN.contains(&name))
}

fn changes(line: &Line) -> usize {
    line.item.changes.iter().filter(|change| !is_of_the_cluster(&change.path)).count()
}

/// A value, shortened; `-` for nothing.
pub(super) fn shown(value: &Value) -> String {
    if value.is_null() {
        return "-".into();
    }
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
