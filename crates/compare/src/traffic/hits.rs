//! What two searches found.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

/// Adds up.
#[derive(Debug)]
pub struct Hits {
    first: usize,
    searches: u64,
    same_total: u64,
    same_hits: u64,
    /// Hits compared, and of these on both sides.
    compared: u64,
    shared: u64,
}

/// Searches that both sides answered with hits.
#[derive(Debug, Serialize)]
pub struct HitsReport {
    pub searches: u64,
    pub same_total: u64,
    /// The first hits are the same documents, whatever their order.
    pub same_hits: u64,
    /// So many of the first hits are compared.
    pub first: usize,
    /// Of the first hits of the source, those that are among the first of the target: 1 when all are.
    pub overlap: f64,
}

impl Hits {
    pub fn new(first: usize) -> Hits {
        Hits { first, searches: 0, same_total: 0, same_hits: 0, compared: 0, shared: 0 }
    }

    /// Takes two answers; says how they differ, if they do. Answers without hits say nothing.
    pub fn add(&mut self, left: &Value, right: &Value) -> Option<String> {
        let (here, there) = (left.get("hits")?, right.get("hits")?);
        self.searches += 1;
        let (total, other) = (total(here), self::total(there));
        let same_total = total == other;
        self.same_total += u64::from(same_total);
        let (mine, theirs) = (ids(here, self.first), ids(there, self.first));
        let shared = mine.intersection(&theirs).count();
        self.compared += mine.len() as u64;
        self.shared += shared as u64;
        let same_hits = shared == mine.len() && mine.len() == theirs.len();
        self.same_hits += u64::from(same_hits);
        if same_total && same_hits {
            return None;
        }
        let words =
            |total: Option<u64>| total.map_or("unknown".to_owned(), |total| total.to_string());
        Some(format!(
            "{} hits on the source, {} on the target; {shared} of the first {} on both",
            words(total),
            words(other),
            mine.len()
        ))
    }

    pub fn report(self) -> HitsReport {
        let Hits { first, searches, same_total, same_hits, compared, shared } = self;
        let overlap = if compared == 0 { 1.0 } else { shared as f64 / compared as f64 };
        HitsReport { searches, same_total, same_hits, first, overlap }
    }
}

/// A number before Elasticsearch 7, an object since.
fn total(hits: &Value) -> Option<u64> {
    let total = hits.get("total")?;
    total.as_u64().or_else(|| total.get("value")?.as_u64())
}

fn ids(hits: &Value, first: usize) -> HashSet<&str> {
    let hits = hits.get("hits").and_then(Value::as_array);
    let hits = hits.into_iter().flatten().take(first);
    hits.filter_map(|hit| hit.get("_id")?.as_str()).collect()
}
