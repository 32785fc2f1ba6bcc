//! Writes that went around the proxy: what the source's shards numbered, less what was captured.
//!
//! Each operation takes one sequence number of its shard: a document indexed, a delete (of what isn't there, too),
//! and nothing else. So the growth of the highest numbers since capture was verified is what was written; what the
//! journal holds says how much of it was captured, exactly where answers tell it, and within bounds where they
//! don't. More growth than could have been captured went around.

use std::collections::{BTreeMap, BTreeSet};

use capture_proxy::audit::{Next, Numbering};
use codec::record::Nanos;
use converge::{DoubtReason, Facts, Item, Meaning, NothingReason, interpret};
use serde::{Deserialize, Serialize};

use super::exchanges::{Rebuilder, Seen};
use crate::state::Numbers;

/// What was captured between two looks at the source's numbers.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Captured {
    /// Operations that answers prove.
    pub certain: u64,
    /// Operations that may have been, besides.
    pub possible: u64,
    /// Requests that may have written any number of documents, by what they were.
    pub unbounded: BTreeMap<&'static str, u64>,
    /// Exchanges that were looked at.
    pub exchanges: u64,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bypass {
    /// Operations that the source numbered.
    pub growth: u64,
    pub captured: Captured,
    /// Operations that went around the proxy for certain.
    pub around: u64,
    /// Indices that were deleted or made anew meanwhile: what was written to them isn't counted.
    pub left_out: Vec<String>,
    /// Indices with more operations than were captured for them by name, where that can be told.
    pub by_index: BTreeMap<String, u64>,
}

/// Which indices are counted.
#[derive(Debug, Default, Clone)]
pub struct Counted {
    /// Indices, aliases and data streams whose operations count.
    pub names: BTreeSet<String>,
    pub left_out: Vec<String>,
    pub growth: BTreeMap<String, u64>,
}

impl Counted {
    /// From the numbers at both looks, and the names (aliases, data streams) that lead to indices now.
    pub fn between(
        before: &Numbers,
        after: &Numbers,
        aliases: impl IntoIterator<Item = String>,
        moves: impl Fn(&str) -> bool,
    ) -> Counted {
        let mut counted = Counted::default();
        let now: BTreeMap<&str, &str> = after
            .indices
            .iter()
            .map(|(uuid, index)| (index.name.as_str(), uuid.as_str()))
            .collect();
        for (uuid, index) in &before.indices {
            if now.get(index.name.as_str()) != Some(&uuid.as_str()) && moves(&index.name) {
                counted.left_out.push(index.name.clone());
            }
        }
        for (uuid, index) in &after.indices {
            if !moves(&index.name) || counted.left_out.contains(&index.name) {
                continue;
            }
            let known = before.indices.get(uuid).map_or(0, |known| known.operations);
            counted.growth.insert(index.name.clone(), index.operations.saturating_sub(known));
            counted.names.insert(index.name.clone());
        }
        counted.names.extend(aliases);
        counted
    }
}

/// Counts along with the journal.
#[derive(Debug)]
pub struct Counter {
    numbering: Numbering,
    rebuilder: Rebuilder,
    tally: Tally,
}

#[derive(Debug)]
struct Tally {
    counted: Counted,
    facts: Facts,
    /// The first look: asked, answered. The second.
    looks: [(Nanos, Nanos); 2],
    captured: Captured,
    by_index: BTreeMap<String, u64>,
}

impl Counter {
    pub fn new(counted: Counted, facts: Facts, before: &Numbers, after: &Numbers) -> Counter {
        let looks = [(before.asked, before.answered), (after.asked, after.answered)];
        let (captured, by_index) = (Captured::default(), BTreeMap::new());
        Counter {
            numbering: Numbering::default(),
            rebuilder: Rebuilder::default(),
            tally: Tally { counted, facts, looks, captured, by_index },
        }
    }

    pub fn take(&mut self, entry: &journal::Entry) {
        let Ok(record) = &entry.record else {
            return self.tally.unbounded("a record not readable");
        };
        if record.heartbeat.is_some() {
            return;
        }
        let Counter { numbering, rebuilder, tally } = self;
        numbering.take(record.clone(), |next| match next {
            Next::Record(record) => rebuilder.take(*record, |seen| tally.see(&seen)),
            Next::Gap { connection, .. } => rebuilder.lose(&connection),
            Next::Begins { .. } | Next::Twice { .. } | Next::Disorder { .. } => {}
        });
    }

    /// The outcome at the journal's end.
    pub fn finish(self) -> Bypass {
        let Counter { numbering, mut rebuilder, mut tally } = self;
        numbering.finish(|next| match next {
            Next::Record(record) => rebuilder.take(*record, |seen| tally.see(&seen)),
            Next::Gap { connection, .. } => rebuilder.lose(&connection),
            Next::Begins { .. } | Next::Twice { .. } | Next::Disorder { .. } => {}
        });
        let unknown = rebuilder.finish(|seen| tally.see(&seen));
        for _ in 0..unknown.opaque {
            tally.unbounded("a connection without boundaries");
        }
        let Tally { counted, captured, by_index, .. } = tally;
        let growth = counted.growth.values().sum::<u64>();
        let most = captured.certain.saturating_add(captured.possible);
        let bounded = captured.unbounded.is_empty();
        let around = if bounded { growth.saturating_sub(most) } else { 0 };
        let beyond = |(name, growth): (&String, &u64)| {
            let beyond = growth.saturating_sub(by_index.get(name).copied().unwrap_or(0));
            (beyond > 0).then(|| (name.clone(), beyond))
        };
        let by_index = counted.growth.iter().filter_map(beyond).collect();
        Bypass { growth, captured, around, left_out: counted.left_out, by_index }
    }
}

impl Tally {
    fn unbounded(&mut self, what: &'static str) {
        *self.captured.unbounded.entry(what).or_default() += 1;
    }

    fn see(&mut self, seen: &Seen) {
        let [(first_asked, first_answered), (second_asked, second_answered)] = self.looks;
        let ended = seen.ended.unwrap_or(Nanos::MAX);
        if ended < first_asked || seen.began > second_answered {
            return;
        }
        self.captured.exchanges += 1;
        // Whether a look saw it can't be told of what overlapped the look.
        let surely = seen.began > first_answered && ended < second_asked;
        match interpret(&seen.exchange, &self.facts) {
            Meaning::Write(write) => {
                let answered = seen.exchange.answer.as_ref();
                let told = answered.is_some_and(|answer| (200..300).contains(&answer.status));
                let mut open = 0;
                for item in &write.items {
                    match item {
                        Item::Operation(operation) => self.count(&operation.address.index, surely),
                        Item::Nothing(NothingReason::Refused(404)) => self.captured.possible += 1,
                        Item::Nothing(_) => {}
                        Item::Doubt(doubt) if told && is_done(doubt.reason) => {
                            self.count_doubt(&doubt.kind, surely);
                        }
                        Item::Doubt(_) => open += 1,
                    }
                }
                if open > 0 {
                    self.estimate(seen, open, told && surely);
                }
            }
            Meaning::Doubt(doubts) => {
                for doubt in doubts {
                    match doubt.reason {
                        DoubtReason::UpdateByQuery
                        | DoubtReason::DeleteByQuery
                        | DoubtReason::Reindex => self.by_query(seen, surely),
                        DoubtReason::Restore => self.unbounded("a restore"),
                        DoubtReason::Resize => self.unbounded("a shrink, split or clone"),
                        // A definition: no documents.
                        _ => continue,
                    }
                    break;
                }
            }
            Meaning::Nothing(_) | Meaning::Read(_) | Meaning::Control(_) | Meaning::NotSent(_) => {}
        }
    }

    fn count(&mut self, index: &str, surely: bool) {
        if !self.counted.names.contains(index) {
            return;
        }
        match surely {
            true => self.captured.certain += 1,
            false => self.captured.possible += 1,
        }
        *self.by_index.entry(index.to_owned()).or_default() += 1;
    }

    fn count_doubt(&mut self, kind: &converge::DoubtKind, surely: bool) {
        use converge::DoubtKind::{ById, ByIdAnywhere, Definition, Named, Sweep, Walk, WalkAfter};
        match kind {
            ById(address) | ByIdAnywhere(address) => self.count(&address.index, surely),
            Sweep { index } | Walk { index } | WalkAfter { index, .. } => self.count(index, surely),
            Definition { .. } | Named { .. } => {}
        }
    }

    /// Writes whose answer doesn't tell of each: a filtered bulk, or none at all.
    fn estimate(&mut self, seen: &Seen, open: u64, answered: bool) {
        let body = &seen.exchange.body;
        let Lines { writes, updates } = Lines::of(body);
        let in_bulk = writes + updates > 0 && open > 1 || writes + updates == open && open > 0;
        let all_went_well = answered
            && seen.exchange.answer.as_ref().is_some_and(|answer| says_no_errors(&answer.body));
        match (in_bulk, all_went_well) {
            (true, true) if writes + updates == open => {
                self.captured.certain += writes;
                self.captured.possible += updates;
            }
            _ => self.captured.possible += open.max(writes + updates),
        }
    }

    /// The answer counts what was written, unless it runs as a task.
    fn by_query(&mut self, seen: &Seen, surely: bool) {
        #[derive(Deserialize)]
        struct Counts {
            #[serde(default)]
            updated: u64,
            #[serde(default)]
            deleted: u64,
            #[serde(default)]
            created: u64,
            total: Option<u64>,
        }
        let answer = seen.exchange.answer.as_ref();
        if answer.is_some_and(|answer| (400..500).contains(&answer.status)) {
            self.captured.possible += u64::from(answer.is_some_and(|answer| answer.status == 409));
            return;
        }
        let counts = answer.and_then(|answer| serde_json::from_slice::<Counts>(&answer.body).ok());
        match counts {
            Some(Counts { updated, deleted, created, total: Some(_) }) if surely => {
                self.captured.certain += updated + deleted + created;
            }
            Some(Counts { total: Some(total), .. }) => self.captured.possible += total,
            _ => self.unbounded("an update, delete or reindex by query without its counts"),
        }
    }
}

/// A success was told of the item; only what it made isn't known.
fn is_done(reason: DoubtReason) -> bool {
    matches!(
        reason,
        DoubtReason::Update
            | DoubtReason::Pipeline
            | DoubtReason::ExternalVersion
            | DoubtReason::VersionRange
    )
}

fn says_no_errors(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        errors: Option<bool>,
    }
    serde_json::from_slice::<Answer>(body).is_ok_and(|answer| answer.errors == Some(false))
}

/// The actions of a bulk's body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    /// `index`, `create`, `delete`.
    writes: u64,
    /// `update`: may change nothing.
    updates: u64,
}

impl Lines {
    fn of(body: &[u8]) -> Lines {
        let mut found = Lines::default();
        let mut lines =
            body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        while let Some(line) = lines.next() {
            let action = line.trim_ascii().strip_prefix(b"{").unwrap_or_default().trim_ascii();
            let is =
                |name: &[u8]| action.strip_prefix(b"\"").is_some_and(|rest| rest.starts_with(name));
            if is(b"delete\"") {
                found.writes += 1;
            } else if is(b"index\"") || is(b"create\"") {
                found.writes += 1;
                lines.next();
            } else if is(b"update\"") {
                found.updates += 1;
                lines.next();
            } else {
                return Lines::default();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use converge::{Answer, BodyState, Exchange, Method};

    use super::*;
    use crate::state::IndexNumbers;

    fn numbers(asked: u64, indices: &[(&str, &str, u64)]) -> Numbers {
        let index = |(uuid, name, operations): &(&str, &str, u64)| {
            let name = (*name).to_owned();
            ((*uuid).to_owned(), IndexNumbers { name, operations: *operations })
        };
        Numbers { asked, answered: asked + 1, indices: indices.iter().map(index).collect() }
    }

    fn seen(target: &str, body: &str, answer: Option<(u16, &str)>, at: u64) -> Seen {
        let json = (Bytes::from_static(b"content-type"), Bytes::from_static(b"application/json"));
        let exchange = Exchange {
            method: Method::parse(b"POST"),
            target: Bytes::copy_from_slice(target.as_bytes()),
            headers: vec![json.clone()],
            body: Bytes::copy_from_slice(body.as_bytes()),
            body_state: BodyState::Whole,
            answer: answer.map(|(status, body)| Answer {
                status,
                headers: vec![json],
                body: Bytes::copy_from_slice(body.as_bytes()),
            }),
        };
        Seen { began: at, ended: answer.map(|_| at + 1), exchange }
    }

    fn bypass(seen: &[Seen], growth: u64) -> Bypass {
        let before = numbers(100, &[("U", "i", 5), ("V", "gone", 9)]);
        let after = numbers(1_000, &[("U", "i", 5 + growth), ("W", "gone", 2)]);
        let counted = Counted::between(&before, &after, [], |_| true);
        let mut counter = Counter::new(counted, Facts::default(), &before, &after);
        seen.iter().for_each(|seen| counter.tally.see(seen));
        counter.finish()
    }

    const DONE: &str =
        r#"{"_index":"i","_id":"1","_version":1,"result":"created","_seq_no":5,"_primary_term":1}"#;

    #[test]
    fn what_was_captured_is_taken_off() {
        let one = || seen("/i/_doc/1", "{}", Some((201, DONE)), 200);
        let found = bypass(&[one(), one()], 3);
        assert_eq!((found.growth, found.captured.certain, found.around), (3, 2, 1));
        assert_eq!(found.left_out, ["gone"]);
        assert_eq!(bypass(&[one(), one()], 2).around, 0);
        // Before the first look, and during it.
        let found = bypass(&[seen("/i/_doc/1", "{}", Some((201, DONE)), 50)], 1);
        assert_eq!((found.captured.certain, found.captured.possible, found.around), (0, 0, 1));
        let found = bypass(&[seen("/i/_doc/1", "{}", Some((201, DONE)), 100)], 1);
        assert_eq!((found.captured.certain, found.captured.possible, found.around), (0, 1, 0));
        // No answer: it may have been.
        assert_eq!(bypass(&[seen("/i/_doc/1", "{}", None, 200)], 1).around, 0);
        assert_eq!(bypass(&[seen("/i/_doc/1", "{}", None, 200)], 2).around, 1);
    }

    #[test]
    fn a_filtered_bulk_that_had_no_errors_is_counted() {
        let body = "{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n{\"delete\":{\"_id\":\"2\"}}\n";
        let bulk = |answer| seen("/i/_bulk?filter_path=errors", body, Some((200, answer)), 300);
        let found = bypass(&[bulk(r#"{"errors":false}"#)], 3);
        assert_eq!((found.captured.certain, found.captured.possible, found.around), (2, 0, 1));
        let found = bypass(&[bulk(r#"{"errors":true}"#)], 3);
        assert_eq!((found.captured.certain, found.captured.possible, found.around), (0, 2, 1));
    }

    #[test]
    fn by_query_counts_itself_and_a_task_does_not() {
        let query = |answer| seen("/i/_delete_by_query", "{}", Some((200, answer)), 300);
        let found = bypass(&[query(r#"{"total":4,"deleted":4}"#)], 5);
        assert_eq!((found.captured.certain, found.around), (4, 1));
        let found = bypass(&[query(r#"{"task":"n:1"}"#)], 5);
        assert_eq!((found.captured.unbounded.len(), found.around), (1, 0));
    }

    #[test]
    fn actions_are_told_from_sources() {
        let body = b"{\"update\":{}}\n{\"index\":1}\n{ \"create\":{}}\n{}\n";
        assert_eq!(Lines::of(body), Lines { writes: 1, updates: 1 });
        assert_eq!(Lines::of(b"{\"a\":1}\n"), Lines::default());
    }
}
