//! Results on stdout, as a table or as JSON.

use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;

/// How results are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
}

impl Output {
    /// Writes a result. Whoever reads may have seen enough: the exit code says the rest.
    pub fn show(self, value: &(impl Display + Serialize)) {
        let mut out = std::io::stdout().lock();
        let _ = match self {
            Output::Table => writeln!(out, "{value}"),
            Output::Json => {
                writeln!(out, "{}", serde_json::to_string_pretty(value).unwrap_or_default())
            }
        };
    }
}

/// A simple answer: a line, with what it is about.
#[derive(Debug, Serialize)]
pub struct Said {
    pub done: &'static str,
    pub message: String,
    /// What to type next, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Said {
    pub fn new(done: &'static str, message: impl Into<String>, next: Option<&str>) -> Said {
        Said { done, message: message.into(), next: next.map(str::to_owned) }
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        self.next.as_ref().map_or(Ok(()), |next| write!(f, "\nnext: {next}"))
    }
}

/// A check with its outcome.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub outcome: Outcome,
    pub message: String,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// To be known; it stands in nobody's way.
    Note,
    No,
}

/// A list of checks.
#[derive(Debug, Default, Serialize)]
pub struct Checks {
    pub passed: bool,
    pub checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Checks {
    pub fn add(&mut self, name: &'static str, outcome: Outcome, message: impl Into<String>) {
        self.checks.push(Check { name, outcome, message: message.into() });
    }

    /// Nothing says no.
    pub fn conclude(mut self, next: Option<String>) -> Checks {
        self.passed = self.checks.iter().all(|check| check.outcome != Outcome::No);
        self.next = next;
        self
    }
}

impl Display for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Check { name, outcome, message } in &self.checks {
            let mark = match outcome {
                Outcome::Ok => "ok  ",
                Outcome::Note => "note",
                Outcome::No => "NO  ",
            };
            writeln!(f, "{mark}  {name:<16}  {message}")?;
        }
        write!(f, "{}", if self.passed { "all is well" } else { "NOT READY" })?;
        self.next.as_ref().map_or(Ok(()), |next| write!(f, "\nnext: {next}"))
    }
}
