//! What differs between the answers of two clusters to the same requests, added up.
//!
//! One [`Pair`] after the other goes in; a [`Report`] comes out. Memory is bounded by the classes, statuses and
//! examples that are kept, not by the pairs.

mod hits;
mod items;
mod latency;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use hits::{Hits, HitsReport};
pub use items::ItemsReport;
pub use latency::{Latencies, Percentiles};

/// Examples of what differs that are kept of each kind.
const EXAMPLES: usize = 20;

/// A request with its final answers.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Names the exchange, for examples.
    pub id: &'a str,
    /// The class of endpoint, one of a fixed few.
    pub class: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub source: Option<Answer<'a>>,
    /// `None`: nothing was sent, or nobody answered.
    pub target: Option<Answer<'a>>,
    /// A read that the two sides could not but answer differently.
    pub apart: Option<Apart>,
}

/// Why it says nothing that the answers to a read differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// The target was asked before it had the history.
    BeforeHistory,
    /// The target had documents already that the source didn't have yet.
    Ahead,
}

/// One side's answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub status: u16,
    /// From the last byte of the request to the first of the answer.
    pub millis: u64,
    /// As JSON, where it is that.
    pub body: Option<&'a Value>,
}

/// Where both sides differ, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    pub id: String,
    pub method: String,
    pub path: String,
    pub what: String,
}

/// One class of endpoints.
#[derive(Debug, Serialize)]
pub struct ClassReport {
    pub pairs: u64,
    pub same_status: u64,
    pub source_ms: Percentiles,
    pub target_ms: Percentiles,
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Captured requests.
    pub requests: u64,
    /// Of these both sides answered.
    pub pairs: u64,
    /// Nothing was sent to the target: what the journal proves to change nothing, or what isn't replayed.
    pub not_sent: u64,
    /// `200 → 200`, by the status of the source and that of the target.
    pub statuses: BTreeMap<String, u64>,
    pub classes: BTreeMap<String, ClassReport>,
    /// Of searches that both sides answered.
    pub hits: HitsReport,
    /// Of bulks that both sides answered.
    pub items: ItemsReport,
    /// Searches that were not compared: the target didn't have the history yet.
    pub before_history: u64,
    /// Searches that were not compared: the target was ahead of the source.
    pub ahead: u64,
    /// Of the others, those whose status differs, or whose hits do.
    pub differing_reads: u64,
    pub examples: Vec<Example>,
}

#[derive(Debug, Default)]
struct Class {
    pairs: u64,
    same_status: u64,
    source: Latencies,
    target: Latencies,
}

/// Adds up.
#[derive(Debug)]
pub struct Traffic {
    requests: u64,
    pairs: u64,
    not_sent: u64,
    statuses: BTreeMap<(u16, u16), u64>,
    classes: BTreeMap<String, Class>,
    hits: Hits,
    items: items::Items,
    before_history: u64,
    ahead: u64,
    differing_reads: u64,
    examples: Vec<Example>,
}

impl Traffic {
    /// `first`: how many hits of a search are compared.
    pub fn new(first: usize) -> Traffic {
        Traffic {
            requests: 0,
            pairs: 0,
            not_sent: 0,
            statuses: BTreeMap::new(),
            classes: BTreeMap::new(),
            hits: Hits::new(first),
            items: items::Items::default(),
            before_history: 0,
            ahead: 0,
            differing_reads: 0,
            examples: Vec::new(),
        }
    }

    /// Takes one pair.
    pub fn add(&mut self, pair: Pair<'_>) {
        self.requests += 1;
        let Some(target) = pair.target else {
            self.not_sent += 1;
            return;
        };
        let Some(source) = pair.source else { return };
        self.pairs += 1;
        *self.statuses.entry((source.status, target.status)).or_default() += 1;
        let class = self.classes.entry(pair.class.to_owned()).or_default();
        class.pairs += 1;
        class.source.add(source.millis);
        class.target.add(target.millis);
        let same = source.status == target.status;
        class.same_status += u64::from(same);
        match (pair.class, pair.apart) {
            ("search", Some(Apart::BeforeHistory)) => self.before_history += 1,
            ("search", Some(Apart::Ahead)) => self.ahead += 1,
            ("search", None) if !same => {
                let what =
                    format!("{} on the source, {} on the target", source.status, target.status);
                self.differ(pair, what);
            }
            ("search", None) => {
                if let (Some(left), Some(right)) = (source.body, target.body)
                    && let Some(what) = self.hits.add(left, right)
                {
                    self.differ(pair, what);
                }
            }
            ("bulk", _) => {
                if let (Some(left), Some(right)) = (source.body, target.body) {
                    self.items.add(left, right);
                }
            }
            _ => {}
        }
    }

    fn differ(&mut self, pair: Pair<'_>, what: String) {
        self.differing_reads += 1;
        if self.examples.len() < EXAMPLES {
            let (id, method, path) = (pair.id.into(), pair.method.into(), pair.path.into());
            self.examples.push(Example { id, method, path, what });
        }
    }

    /// What there is to say.
    pub fn report(self) -> Report {
        let status = |((left, right), count)| (format!("{left} → {right}"), count);
        let class = |(name, class): (String, Class)| {
            let Class { pairs, same_status, source, target } = class;
            let (source_ms, target_ms) = (source.percentiles(), target.percentiles());
            (name, ClassReport { pairs, same_status, source_ms, target_ms })
        };
        Report {
            requests: self.requests,
            pairs: self.pairs,
            not_sent: self.not_sent,
            statuses: self.statuses.into_iter().map(status).collect(),
            classes: self.classes.into_iter().map(class).collect(),
            hits: self.hits.report(),
            items: self.items.report(),
            before_history: self.before_history,
            ahead: self.ahead,
            differing_reads: self.differing_reads,
            examples: self.examples,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, millis: u64, body: &Value) -> Option<Answer<'_>> {
        Some(Answer { status, millis, body: Some(body) })
    }

    #[test]
    fn pairs_add_up_to_a_report() {
        let found = json!({"hits": {"total": {"value": 2, "relation": "eq"}, "hits": [{"_id": "1"}, {"_id": "2"}]}});
        let other = json!({"hits": {"total": 3, "hits": [{"_id": "2"}, {"_id": "3"}]}});
        let mut traffic = Traffic::new(10);
        let pair = |source, target| Pair {
            id: "c.1",
            class: "search",
            method: "POST",
            path: "/i/_search",
            source,
            target,
            apart: None,
        };
        traffic.add(pair(answer(200, 4, &found), answer(200, 6, &found)));
        traffic.add(pair(answer(200, 4, &found), answer(200, 60, &other)));
        traffic.add(pair(answer(200, 4, &found), answer(404, 1, &other)));
        traffic.add(pair(answer(200, 4, &found), None));
        for apart in [Apart::BeforeHistory, Apart::Ahead] {
            let pair = pair(answer(200, 4, &found), answer(200, 6, &other));
            traffic.add(Pair { apart: Some(apart), ..pair });
        }
        let report = traffic.report();
        assert_eq!((report.requests, report.pairs, report.not_sent), (6, 5, 1));
        assert_eq!(report.statuses["200 → 404"], 1);
        assert_eq!((report.classes["search"].pairs, report.classes["search"].same_status), (5, 4));
        assert_eq!((report.before_history, report.ahead), (1, 1));
        assert_eq!(report.classes["search"].target_ms.max, 60);
        assert_eq!(
            (report.hits.searches, report.hits.same_total, report.hits.same_hits),
            (2, 1, 1)
        );
        assert_eq!((report.differing_reads, report.examples.len()), (2, 2));
        assert_eq!(
            report.examples[0].what,
            "2 hits on the source, 3 on the target; 1 of the first 2 on both"
        );
    }
}
