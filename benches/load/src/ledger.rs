//! What the clients were promised, and whether a cluster keeps it.
//!
//! For every document: the acknowledged write with the highest (primary term, sequence number), which
//! is the state that must be found, and the writes that may or may not have happened (no answer, or
//! an answer without a version on a document that several clients write), any of which may be found
//! instead. Documents are kept as fingerprints, so the ledger stays small.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// The place of a write in the history of its shard; later writes are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub primary_term: u64,
    pub seq_no: u64,
}

/// Index and id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub index: &'static str,
    pub id: String,
}

/// What a write makes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Absent,
    /// A document with this fingerprint.
    Document(u64),
    /// There or not, with content that the answer did not tell.
    Anything,
}

/// Who writes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// One client, one request after the other: a later answer is a later state.
    One,
    /// Several at once: only versions tell what came later.
    Many,
}

#[derive(Debug, Default)]
struct Entry {
    certain: Option<(Option<Version>, State)>,
    possible: Vec<State>,
}

/// Fingerprints of documents whose id no answer told: how many must be found, how many may.
#[derive(Debug, Default, Clone, Copy)]
struct Nameless {
    must: usize,
    may: usize,
}

/// The promises of one or more loads on one cluster.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: HashMap<Key, Entry>,
    nameless: HashMap<u64, Nameless>,
    /// Writes that a success acknowledged.
    pub acknowledged: u64,
    /// Writes that were refused; they change nothing.
    pub refused: u64,
    /// Writes without an answer; either outcome is right.
    pub unanswered: u64,
}

impl Ledger {
    /// A success that told the id, and perhaps the version.
    pub fn acknowledge(
        &mut self,
        key: Key,
        writers: Writers,
        version: Option<Version>,
        state: State,
    ) {
        self.acknowledged += 1;
        let entry = self.entries.entry(key).or_default();
        match (writers, version) {
            (Writers::Many, None) => entry.possible.push(state),
            (Writers::One, None) => {
                let known = entry.certain.and_then(|(known, _)| known);
                entry.certain = Some((known, state));
            }
            (_, Some(version)) => {
                let newer = match entry.certain {
                    Some((Some(known), _)) => version > known,
                    _ => true,
                };
                if newer {
                    entry.certain = Some((Some(version), state));
                }
            }
        }
    }

    /// No answer, or one that leaves open whether the write happened.
    pub fn unanswered(&mut self, key: Key, state: State) {
        self.unanswered += 1;
        self.entries.entry(key).or_default().possible.push(state);
    }

    /// A success for a generated id that the answer did not tell.
    pub fn acknowledge_nameless(&mut self, fingerprint: u64) {
        self.acknowledged += 1;
        self.nameless.entry(fingerprint).or_default().must += 1;
    }

    /// No answer for a generated id.
    pub fn unanswered_nameless(&mut self, fingerprint: u64) {
        self.unanswered += 1;
        self.nameless.entry(fingerprint).or_default().may += 1;
    }

    /// A refusal.
    pub fn refuse(&mut self) {
        self.refused += 1;
    }

    /// The version of the last known write to a document, if it is there for certain.
    #[must_use]
    pub fn version(&self, key: &Key) -> Option<Version> {
        let entry = self.entries.get(key)?;
        match entry.certain {
            Some((version, State::Document(_))) if entry.possible.is_empty() => version,
            _ => None,
        }
    }

    /// Starts a check of one cluster's content.
    #[must_use]
    pub fn check(&self) -> Check<'_> {
        Check {
            ledger: self,
            seen: HashSet::new(),
            nameless: HashMap::new(),
            documents: 0,
            violations: Vec::new(),
        }
    }
}

/// A document found where the ledger knows better, or not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub index: String,
    pub id: String,
    pub what: &'static str,
}

/// Holds a cluster's documents against the ledger; [`Check::finish`] tells what is wrong.
#[derive(Debug)]
pub struct Check<'a> {
    ledger: &'a Ledger,
    seen: HashSet<&'a Key>,
    nameless: HashMap<u64, usize>,
    /// How many documents were shown.
    pub documents: u64,
    violations: Vec<Violation>,
}

impl Check<'_> {
    /// A document that the cluster has.
    pub fn found(&mut self, index: &'static str, id: &str, routing: Option<&str>, source: &Value) {
        self.documents += 1;
        let found = fingerprint(source, routing);
        let key = Key { index, id: id.to_owned() };
        let Some((key, entry)) = self.ledger.entries.get_key_value(&key) else {
            let allowed = self.ledger.nameless.get(&found).copied().unwrap_or_default();
            let count = self.nameless.entry(found).or_default();
            *count += 1;
            if *count > allowed.must + allowed.may {
                self.complain(index, id, "nobody wrote it");
            }
            return;
        };
        self.seen.insert(key);
        if !entry.allows(|state| matches!(state, State::Document(known) if known == found)) {
            let what = match entry.certain {
                Some((_, State::Absent)) => "was deleted",
                _ => "has another content than was acknowledged",
            };
            self.complain(index, id, what);
        }
    }

    /// What is wrong, after all documents were shown.
    #[must_use]
    pub fn finish(mut self) -> Vec<Violation> {
        let ledger = self.ledger;
        for (key, entry) in &ledger.entries {
            if !self.seen.contains(key) && !entry.allows(|state| state == State::Absent) {
                self.complain(key.index, &key.id, "is missing");
            }
        }
        for (fingerprint, expected) in &ledger.nameless {
            let found = self.nameless.get(fingerprint).copied().unwrap_or(0);
            if found < expected.must {
                self.complain("?", "(generated, never told)", "is missing");
            }
        }
        self.violations.sort_by(|a, b| (&a.index, &a.id).cmp(&(&b.index, &b.id)));
        self.violations
    }

    fn complain(&mut self, index: &str, id: &str, what: &'static str) {
        let violation = Violation { index: index.to_owned(), id: id.to_owned(), what };
        self.violations.push(violation);
    }
}

impl Entry {
    /// Is a state right that `matches`? A document that was never acknowledged may be absent.
    fn allows(&self, matches: impl Fn(State) -> bool) -> bool {
        let certain = self.certain.map_or(State::Absent, |(_, state)| state);
        let mut states = self.possible.iter().copied().chain([certain]);
        states.any(|state| state == State::Anything || matches(state))
    }
}

/// A number that two documents share when source (as parsed JSON) and routing are equal.
#[must_use]
pub fn fingerprint(source: &Value, routing: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    routing.hash(&mut hasher);
    hash_value(source, &mut hasher);
    hasher.finish()
}

/// Independent of the order of an object's keys.
fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(value) => (1_u8, value).hash(hasher),
        Value::Number(value) => (2_u8, value).hash(hasher),
        Value::String(value) => (3_u8, value).hash(hasher),
        Value::Array(values) => {
            (4_u8, values.len()).hash(hasher);
            values.iter().for_each(|value| hash_value(value, hasher));
        }
        Value::Object(fields) => {
            (5_u8, fields.len()).hash(hasher);
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in fields {
                name.hash(hasher);
                hash_value(value, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests;
