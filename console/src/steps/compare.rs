//! `godwit compare report`: what the tuples of the replay say.

mod page;

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;

use codec::reads::endpoint_class;
use compare::traffic::{Answer, Apart, Pair, Report, Traffic};
use serde::Serialize;
use serde_json::Value;
use settings::Exit;

use crate::console::Console;
use crate::problem::Problem;

/// Hits of a search that are compared.
const FIRST: usize = 10;
/// Exchanges that are remembered, so that one that a killed replayer wrote twice counts once.
const REMEMBERED: usize = 8_000_000;

/// The report, with what is to be known of the tuples themselves.
#[derive(Debug, Serialize)]
pub struct Compared {
    #[serde(flatten)]
    pub report: Report,
    /// Tuples that came again.
    pub repeats: u64,
    /// Lines that are no tuple.
    pub unreadable: u64,
    /// Files that end in the middle, as one does that is still written.
    pub unfinished_files: u64,
}

/// `godwit compare report`.
///
/// # Errors
/// When there are no tuples, or the page can't be written.
pub fn report(console: &Console, html: Option<PathBuf>) -> Result<Exit, Problem> {
    let compared = compared(console)?;
    console.output.show(&compared);
    if let Some(path) = html {
        let page = page::page(&console.migration.name, &compared);
        std::fs::write(&path, page).map_err(|error| Problem::file(&path, error))?;
        eprintln!("godwit: the page is {}", path.display());
    }
    Ok(console.exit(compared.report.differing_reads == 0))
}

/// Adds the tuples up.
///
/// # Errors
/// When there are none.
pub(crate) fn compared(console: &Console) -> Result<Compared, Problem> {
    let place = &console.migration.tuples;
    let mut tuples = tuples::read(place).map_err(|error| {
        let next = "`godwit replay start` writes them; tuples in a store are fetched first, and `tuples` set to their folder";
        Problem::early(format!("there are no tuples in {}", place.display()), error, next)
    })?;
    let state = console.state()?;
    let history = match (state.backfill_started, state.backfill_complete) {
        (_, Some(complete)) => complete.as_millisecond(),
        (Some(_), None) => i64::MAX,
        // Nothing but the replay brings documents.
        (None, None) => 0,
    };
    let (mut traffic, mut repeats, mut unreadable) = (Traffic::new(FIRST), 0, 0);
    let (mut seen, hasher) = (HashSet::new(), RandomState::new());
    for tuple in &mut tuples {
        let Ok(tuple) = tuple else {
            unreadable += 1;
            continue;
        };
        let id = tuple["connectionId"].as_str().unwrap_or_default();
        if seen.len() < REMEMBERED && !seen.insert(hasher.hash_one(id)) {
            repeats += 1;
            continue;
        }
        let request = &tuple["sourceRequest"];
        let method = request["Method"].as_str().unwrap_or_default();
        let path = request["Request-URI"].as_str().unwrap_or_default();
        traffic.add(Pair {
            id,
            class: endpoint_class(method.as_bytes(), path.as_bytes()).as_str(),
            method,
            path,
            source: answer(&tuple["sourceResponse"]),
            target: tuple["targetResponses"].as_array().and_then(|all| answer(all.last()?)),
            apart: apart(&tuple["godwit"], history),
        });
    }
    let unfinished_files = tuples.torn_files();
    Ok(Compared { report: traffic.report(), repeats, unreadable, unfinished_files })
}

/// `history`: since when the target has all of it, in milliseconds since 1970.
fn apart(godwit: &Value, history: i64) -> Option<Apart> {
    if godwit["answered_at_ms"].as_i64().is_some_and(|at| at < history) {
        return Some(Apart::BeforeHistory);
    }
    (godwit["ahead"] == true).then_some(Apart::Ahead)
}

fn answer(response: &Value) -> Option<Answer<'_>> {
    Some(Answer {
        status: u16::try_from(response["Status-Code"].as_u64()?).ok()?,
        millis: response["response_time_ms"].as_u64().unwrap_or(0),
        body: response["payload"].get("inlinedJsonBody"),
    })
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { requests, pairs, not_sent, statuses, classes, hits, items, .. } = &self.report;
        writeln!(f, "requests   {requests}: {pairs} answered by both sides, {not_sent} not sent")?;
        let list = |counts: &std::collections::BTreeMap<String, u64>| {
            let all: Vec<String> =
                counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
            if all.is_empty() { "none".to_owned() } else { all.join(", ") }
        };
        writeln!(f, "statuses   {}", list(statuses))?;
        for (name, class) in classes {
            let of = |p: &compare::traffic::Percentiles| {
                format!("p50 {}, p90 {}, p99 {}, max {} ms", p.p50, p.p90, p.p99, p.max)
            };
            writeln!(
                f,
                "{name:<9}  {} pairs, {} with the same status",
                class.pairs, class.same_status
            )?;
            writeln!(f, "           source  {}", of(&class.source_ms))?;
            writeln!(f, "           target  {}", of(&class.target_ms))?;
        }
        writeln!(
            f,
            "searches   {}: {} with the same total, {} with the same first {}; overlap {:.4}",
            hits.searches, hits.same_total, hits.same_hits, hits.first, hits.overlap
        )?;
        writeln!(
            f,
            "bulks      {}: items {}; {} not sent in them",
            items.bulks,
            list(&items.statuses),
            items.not_sent
        )?;
        for example in &self.report.examples {
            writeln!(
                f,
                "differs: {} {} {}: {}",
                example.id, example.method, example.path, example.what
            )?;
        }
        write!(
            f,
            "{} reads differ; {} were not compared, as the target didn't have the history yet, {} as it was ahead; \
             {} repeats, {} unreadable, {} files end in the middle, as one does that is still written",
            self.report.differing_reads,
            self.report.before_history,
            self.report.ahead,
            self.repeats,
            self.unreadable,
            self.unfinished_files
        )
    }
}
