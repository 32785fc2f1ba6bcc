//! What would become of one request, in words and as JSON.

use std::{collections::BTreeMap, fmt};

use cluster::Request;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::rules::{Ruled, message_of};

/// A request before and after.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// `connection:number`
    pub exchange: String,
    /// `read`, `write`, `control`, `mirror`; `doubt`, `nothing` and `not sent` are not sent.
    pub meaning: &'static str,
    /// Those of the list that made something, by their places.
    pub rules: Vec<String>,
    pub before: Side,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a request says, in the shape that rules have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Side(pub Value);

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It is sent as it is.
    Unchanged,
    Changed {
        after: Side,
    },
    Dropped,
    Failed {
        why: String,
    },
    /// Nothing of it goes to the target as a request.
    NotSent,
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    pub exchanges: u64,
    pub unchanged: u64,
    pub changed: u64,
    pub dropped: u64,
    pub failed: u64,
    pub not_sent: u64,
    /// Of the journal, that can't be read.
    pub bad_records: u64,
    /// Requests that each rule made something of.
    pub rules: BTreeMap<String, u64>,
}

impl Outcome {
    pub(super) fn of(ruled: Ruled, before: &Request) -> Self {
        match ruled {
            Ruled::Dropped => Self::Dropped,
            Ruled::Failed(why) => Self::Failed { why },
            Ruled::Send(request) => match Side::of(&request) {
                after if after == Side::of(before) => Self::Unchanged,
                after => Self::Changed { after },
            },
        }
    }
}

impl Side {
    fn of(request: &Request) -> Self {
        Self(serde_json::from_slice(&message_of(request)).unwrap_or_default())
    }
}

impl Tried {
    pub(super) fn new(
        exchange: String,
        meaning: &'static str,
        before: &Request,
        (outcome, rules): (Outcome, Vec<String>),
    ) -> Self {
        Self { exchange, meaning, rules, before: Side::of(before), outcome }
    }

    /// There is something to see.
    pub fn is_touched(&self) -> bool {
        !matches!(self.outcome, Outcome::Unchanged | Outcome::NotSent)
    }
}

impl Totals {
    pub(super) fn add(&mut self, tried: &Tried) {
        self.exchanges += 1;
        *match tried.outcome {
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Changed { .. } => &mut self.changed,
            Outcome::Dropped => &mut self.dropped,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::NotSent => &mut self.not_sent,
        } += 1;
        for rule in &tried.rules {
            *self.rules.entry(rule.clone()).or_default() += 1;
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |name: &str| self.before.0[name].as_str().unwrap_or_default();
        write!(f, "{} {} {} ({})", self.exchange, text("method"), text("URI"), self.meaning)?;
        match &self.outcome {
            Outcome::Unchanged => write!(f, ": unchanged"),
            Outcome::NotSent => write!(f, ": not sent"),
            Outcome::Dropped => write!(f, ": dropped by {}", self.rules.join(", ")),
            Outcome::Failed { why } => write!(f, ": failed: {why}"),
            Outcome::Changed { after } => {
                if !self.rules.is_empty() {
                    write!(f, ": {}", self.rules.join(", "))?;
                }
                differences("", &self.before.0, &after.0, f)
            }
        }
    }
}

/// One line for each place that differs.
fn differences(
    path: &str,
    before: &Value,
    after: &Value,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let below = |name: &dyn fmt::Display| match path {
        "" => name.to_string(),
        path => format!("{path}.{name}"),
    };
    match (before, after) {
        _ if before == after => Ok(()),
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            old.keys().chain(added).try_for_each(|name| {
                let of =
                    |object: &Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                differences(&below(name), &of(old), &of(new), f)
            })
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let mut pairs = old.iter().zip(new).enumerate();
            pairs.try_for_each(|(at, (old, new))| differences(&below(&at), old, new, f))
        }
        _ => write!(f, "\n    {path}: {before} → {after}"),
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exchanges, unchanged, changed, dropped, failed, not_sent, .. } = self;
        write!(
            f,
            "{exchanges} requests: {changed} changed, {dropped} dropped, {failed} failed, {unchanged} unchanged, \
             {not_sent} not sent"
        )?;
        for (rule, count) in &self.rules {
            write!(f, "\n    {rule}: {count}")?;
        }
        match self.bad_records {
            0 => Ok(()),
            bad => write!(f, "\n    {bad} records of the journal can't be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_a_line_each() {
        let before = json!({"method": "POST", "URI": "/i/_bulk", "headers": {"a": ["1"], "b": ["2"]},
            "payload": {"inlinedJsonSequenceBodies": [{"index": {}}, {"n": 1, "s": "x"}]}});
        let after = json!({"method": "POST", "URI": "/i/_bulk?x", "headers": {"a": ["1"], "c": ["3"]},
            "payload": {"inlinedJsonSequenceBodies": [{"index": {}}, {"n": 2, "s": "x"}]}});
        let tried = Tried {
            exchange: "c:0".into(),
            meaning: "write",
            rules: vec!["rule 1 (jq)".into()],
            before: Side(before),
            outcome: Outcome::Changed { after: Side(after) },
        };
        assert_eq!(
            tried.to_string(),
            "c:0 POST /i/_bulk (write): rule 1 (jq)\n    \
             URI: \"/i/_bulk\" → \"/i/_bulk?x\"\n    \
             headers.b: [\"2\"] → null\n    \
             headers.c: null → [\"3\"]\n    \
             payload.inlinedJsonSequenceBodies.1.n: 1 → 2"
        );
        let mut totals = Totals::default();
        totals.add(&tried);
        assert!(totals.to_string().starts_with("1 requests: 1 changed, 0 dropped"));
        let shown = serde_json::to_value(&tried).unwrap();
        assert_eq!(
            (&shown["outcome"], &shown["after"]["URI"]),
            (&json!("changed"), &json!("/i/_bulk?x"))
        );
    }
}
