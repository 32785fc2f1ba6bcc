//! What a command says: of every item what becomes of it, what changed and why, what the target answered.

mod html;
mod table;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{OnExisting, Outcome, Plan, Planned, Settings, Side, State, Verified, deferred};

pub use html::html;

/// One item's.
#[derive(Debug, Serialize)]
pub struct Line {
    #[serde(flatten)]
    pub item: Planned,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// The whole, as JSON has it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `evaluate`, `migrate` or `deferred`.
    pub command: &'static str,
    pub source: Side,
    pub target: Side,
    /// Everything that is asked for is, or can be, on the target.
    pub complete: bool,
    /// Ended early because it was asked to, or because the target didn't answer: a repeat goes on.
    pub stopped: bool,
    /// Items by state.
    pub counts: BTreeMap<&'static str, usize>,
    /// Items by what became of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<&'static str, usize>,
    pub notes: Vec<String>,
    pub items: Vec<Line>,
}

impl Report {
    pub(crate) fn evaluated(plan: Plan, settings: &Settings) -> Self {
        let none = plan.items.len();
        let mut report = Self::of("evaluate", plan, vec![None; none], vec![None; none], false);
        let fails = settings.on_existing == OnExisting::Fail;
        let differs = |line: &Line| fails && line.item.state == State::ExistsDifferent;
        report.complete &= !report.items.iter().any(differs);
        report
    }

    pub(crate) fn migrated(
        plan: Plan,
        outcomes: Vec<Option<Outcome>>,
        verified: Vec<Option<Verified>>,
        settings: &Settings,
        stopped: bool,
    ) -> Self {
        let command = if settings.deferred { "deferred" } else { "migrate" };
        let unanswered = |of: &Option<Outcome>| matches!(of, Some(Outcome::Unanswered { .. }));
        let stopped = stopped || outcomes.iter().any(unanswered);
        let mut report = Self::of(command, plan, outcomes, verified, stopped);
        report.complete &= report.items.iter().all(|line| match (&line.outcome, &line.verified) {
            // Left as it is because a person said so.
            (Some(Outcome::Kept), _) => true,
            (Some(outcome), verified) => {
                let is_there = verified.as_ref().is_some_and(Verified::is_equal);
                outcome.is_good() && (is_there || line.item.state == State::Deferred)
            }
            (None, _) if settings.deferred => !deferred::waits(&line.item),
            (None, _) => !line.item.state.is_moved(),
        });
        report
    }

    fn of(
        command: &'static str,
        plan: Plan,
        outcomes: Vec<Option<Outcome>>,
        verified: Vec<Option<Verified>>,
        stopped: bool,
    ) -> Self {
        let mut counts = BTreeMap::new();
        let mut results = BTreeMap::new();
        let mut items = Vec::with_capacity(plan.items.len());
        for ((item, outcome), verified) in plan.items.into_iter().zip(outcomes).zip(verified) {
            *counts.entry(item.state.name()).or_default() += 1;
            if let Some(outcome) = &outcome {
                *results.entry(outcome.name()).or_default() += 1;
            }
            items.push(Line { item, outcome, verified });
        }
        let is_refused = |line: &Line| matches!(line.item.state, State::Unsupported(_));
        Self {
            command,
            source: plan.source,
            target: plan.target,
            complete: !items.iter().any(is_refused),
            stopped,
            counts,
            outcomes: results,
            notes: plan.notes,
            items,
        }
    }
}

impl Outcome {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept",
            Self::Refused(_) => "refused",
            Self::NotDone { .. } => "not done",
            Self::Unanswered { .. } => "unanswered",
        }
    }

    /// Why it isn't done, if it isn't.
    pub(crate) fn why(&self) -> Option<String> {
        match self {
            Self::Refused(refused) => {
                let part =
                    refused.part.as_ref().map(|part| format!("{part}: ")).unwrap_or_default();
                Some(format!(
                    "{part}the target answered {}: {}. {}",
                    refused.status, refused.words, refused.what_to_do
                ))
            }
            Self::NotDone { why } => Some(why.clone()),
            Self::Unanswered { error } => Some(error.clone()),
            _ => None,
        }
    }
}
