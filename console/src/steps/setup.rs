//! `godwit setup check`: both clusters, before anything is done.

use std::collections::BTreeSet;

use cluster::{Cluster, Flavour, Method, data_stream_of};
use jiff::Timestamp;
use journal::{JournalUrl, Reader, StartFrom};
use serde_json::{Value, json};
use settings::Exit;

use crate::clusters::{Clusters, ask, known, send};
use crate::command::{confirmed, is_interactive};
use crate::console::Console;
use crate::output::{Checks, Outcome};
use crate::problem::{Problem, Side};

/// An index of our own, made and deleted to see whether that may be done; the migration's name follows, since two may
/// be checked at the same moment.
const PROBE: &str = ".godwit-setup-check";
/// Clocks that are further apart are named, in seconds.
const SKEW: i64 = 5;

/// Checks, says, and remembers which clusters these are.
///
/// # Errors
/// When a cluster can't be asked.
pub async fn check(console: &Console, accept_target_data: bool) -> Result<Exit, Problem> {
    let state = console.state()?;
    let clusters = Clusters::connect(&console.migration, &state).await?;
    let mut checks = Checks::default();
    versions(&clusters, &mut checks);
    for side in [Side::Source, Side::Target] {
        health(side, clusters.of(side), &mut checks).await?;
        clock(side, clusters.of(side), &mut checks).await?;
    }
    may_write(&clusters.target, &console.migration.name, &mut checks).await;
    journal(console, &mut checks).await;
    lacks(console, &mut checks).await?;
    data_streams(console, &clusters.source, &mut checks).await?;
    let accepted = target_data(console, &clusters.target, accept_target_data, &mut checks).await?;
    let next = match checks.checks.iter().all(|check| check.outcome != Outcome::No) {
        true => "`godwit capture start`".to_owned(),
        false => "see to what says NO, then `godwit setup check`".to_owned(),
    };
    let checks = checks.conclude(Some(next));
    console.output.show(&checks);
    if checks.passed {
        console.change(|state| {
            state.source = Some(known(&clusters.source));
            state.target = Some(known(&clusters.target));
            state.target_data_accepted |= accepted;
            state.setup_checked = Some(Timestamp::now());
        })?;
    }
    Ok(console.exit(checks.passed))
}

fn versions(clusters: &Clusters, checks: &mut Checks) {
    let words = |cluster: &Cluster| {
        let known = known(cluster);
        format!("{} {} at {}", known.flavour, known.version, known.url)
    };
    let (source, target) = (clusters.source.info(), clusters.target.info());
    checks.add("source", Outcome::Ok, words(&clusters.source));
    if !source.reads_sequence_numbers() {
        let message = "it doesn't tell sequence numbers when it is read (Elasticsearch before 6.7): \
                       the backfill has to end before the replay starts";
        checks.add("source's version", Outcome::Note, message);
    }
    let outcome = match target.flavour {
        Flavour::OpenSearch => Outcome::Ok,
        Flavour::Elasticsearch => Outcome::No,
    };
    let mut message = words(&clusters.target);
    if outcome == Outcome::No {
        message.push_str(": a target has to be an OpenSearch");
    }
    checks.add("target", outcome, message);
}

async fn health(side: Side, cluster: &Cluster, checks: &mut Checks) -> Result<(), Problem> {
    let health = ask(side, cluster, "/_cluster/health").await?;
    let status = health["status"].as_str().unwrap_or("unknown").to_owned();
    let nodes = &health["number_of_nodes"];
    let outcome = match status.as_str() {
        "green" => Outcome::Ok,
        "yellow" => Outcome::Note,
        _ => Outcome::No,
    };
    let name = if side == Side::Source { "source's health" } else { "target's health" };
    checks.add(name, outcome, format!("{status}, {nodes} nodes"));
    Ok(())
}

async fn clock(side: Side, cluster: &Cluster, checks: &mut Checks) -> Result<(), Problem> {
    let health = ask(side, cluster, "/_cat/health?format=json").await;
    // Elasticsearch 1 has no JSON there.
    let Ok(health) = health else { return Ok(()) };
    let epoch = health[0]["epoch"].as_str().and_then(|text| text.parse::<i64>().ok());
    let Some(epoch) = epoch else { return Ok(()) };
    let apart = (Timestamp::now().as_second() - epoch).abs();
    let name = if side == Side::Source { "source's clock" } else { "target's clock" };
    match apart <= SKEW {
        true => checks.add(name, Outcome::Ok, format!("within {} s of this host's", apart.max(1))),
        false => checks.add(
            name,
            Outcome::Note,
            format!("{apart} s from this host's; nothing here depends on it"),
        ),
    }
    Ok(())
}

async fn may_write(target: &Cluster, migration: &str, checks: &mut Checks) {
    let probe = format!("/{PROBE}-{migration}");
    let body = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}});
    let tried = async {
        // Left over by a check that was killed.
        let _ = send(Side::Target, target, Method::DELETE, &probe, None).await;
        send(Side::Target, target, Method::PUT, &probe, Some(&body)).await?;
        let document = json!({"a": 1});
        let path = format!("{probe}/_doc/1");
        let written = send(Side::Target, target, Method::PUT, &path, Some(&document)).await;
        let deleted = send(Side::Target, target, Method::DELETE, &probe, None).await;
        written.and(deleted)
    };
    match tried.await {
        Ok(_) => checks.add("target takes", Outcome::Ok, "an index was made, written and deleted"),
        Err(problem) => {
            checks.add("target takes", Outcome::No, format!("{}: {}", problem.what, problem.why))
        }
    }
}

/// Whether the journal can be reached; it need not be there yet.
async fn journal(console: &Console, checks: &mut Checks) {
    let migration = &console.migration;
    let url = migration.journal.to_string();
    let found = match &migration.journal {
        JournalUrl::File(folder) => {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|error| format!("{error}; the proxy runs as this user"))
        }
        _ => {
            let read = Reader::open(
                &migration.journal,
                "godwit-console",
                StartFrom::Beginning,
                &migration.kafka,
            );
            match read.await {
                Ok(_) => Ok(()),
                // The proxy makes it.
                Err(error) if error.reason.contains("there is no topic") => Ok(()),
                Err(error) => Err(error.reason),
            }
        }
    };
    match found {
        Ok(()) => checks.add("journal", Outcome::Ok, url),
        Err(why) => checks.add("journal", Outcome::No, format!("{url}: {why}")),
    }
}

/// What the source uses that the target lacks.
async fn lacks(console: &Console, checks: &mut Checks) -> Result<(), Problem> {
    let Console { migration, folder, environment, .. } = console;
    let settings = migration.metadata_settings(folder, false, environment)?;
    let report = match super::metadata::evaluated(&settings).await {
        Ok(report) => report,
        Err(problem) => {
            checks.add("metadata", Outcome::No, format!("{}: {}", problem.what, problem.why));
            return Ok(());
        }
    };
    let refused: Vec<String> = report.items.iter().filter_map(super::metadata::refusal).collect();
    if refused.is_empty() {
        let message = format!("{} items; the target can have all of them", report.items.len());
        checks.add("metadata", Outcome::Ok, message);
        return Ok(());
    }
    let first: Vec<&str> = refused.iter().take(5).map(String::as_str).collect();
    let message = format!(
        "{} of {} items can't be made as they are: {}; `godwit metadata evaluate` says all",
        refused.len(),
        report.items.len(),
        first.join(", ")
    );
    checks.add("metadata", Outcome::Note, message);
    Ok(())
}

/// Data streams that move: what costs more with them, and what isn't certain.
async fn data_streams(
    console: &Console,
    source: &Cluster,
    checks: &mut Checks,
) -> Result<(), Problem> {
    let indices = source.index_identities().await;
    let indices = indices.map_err(|error| Problem::cluster(Side::Source, &error))?;
    let streams: BTreeSet<&str> = indices
        .keys()
        .filter_map(|index| data_stream_of(index))
        .filter(|stream| console.migration.moves(stream))
        .collect();
    if !streams.is_empty() {
        let names: Vec<&str> = streams.into_iter().collect();
        let message = format!(
            "{}: each document written to them is read from the source; one that is deleted while the backfill runs may come \
             back, and `verify` names it",
            names.join(", ")
        );
        checks.add("data streams", Outcome::Note, message);
    }
    Ok(())
}

/// Whether what the target holds may stay, as a person said now or before.
async fn target_data(
    console: &Console,
    target: &Cluster,
    accept: bool,
    checks: &mut Checks,
) -> Result<bool, Problem> {
    let foreign = foreign(console, target).await?;
    let name = "target's data";
    if foreign.is_empty() {
        checks.add(name, Outcome::Ok, "nothing that isn't of this migration");
        return Ok(false);
    }
    let documents: u64 = foreign.iter().map(|(_, count)| count).sum();
    let first: Vec<&str> = foreign.iter().take(5).map(|(name, _)| name.as_str()).collect();
    let holds = format!("{documents} documents in {} indices: {}", foreign.len(), first.join(", "));
    if console.state()?.target_data_accepted || accept {
        checks.add(name, Outcome::Note, format!("{holds}; accepted"));
        return Ok(true);
    }
    eprintln!("godwit: the target holds data already: {holds}");
    if is_interactive() && confirmed("may it stay, and indices of the same names be written to?") {
        checks.add(name, Outcome::Note, format!("{holds}; accepted"));
        return Ok(true);
    }
    let message = format!("{holds}; empty it, or `godwit setup check --accept-target-data`");
    checks.add(name, Outcome::No, message);
    Ok(false)
}

/// Indices of the target with documents that this migration did not put there.
async fn foreign(console: &Console, target: &Cluster) -> Result<Vec<(String, u64)>, Problem> {
    let problem = |error: &cluster::ClusterError| Problem::cluster(Side::Target, error);
    let definitions = target.index_definitions("*").await.map_err(|error| problem(&error))?;
    let counts = ask(Side::Target, target, "/_cat/indices?format=json&h=index,docs.count").await?;
    let mut foreign = Vec::new();
    for row in counts.as_array().into_iter().flatten() {
        let name = row["index"].as_str().unwrap_or_default();
        let count =
            row["docs.count"].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let ours = definitions.get(name).is_some_and(|index| is_ours(&index.mappings));
        if count > 0 && !ours && !name.starts_with('.') && console.migration.moves(name) {
            foreign.push((name.to_owned(), count));
        }
    }
    Ok(foreign)
}

/// Whether a target's index carries the mark of a migration.
pub(crate) fn is_ours(mappings: &serde_json::Map<String, Value>) -> bool {
    mappings.get("_meta").is_some_and(|meta| meta.get("godwit").is_some())
}
