//! `godwit cutover check`: the verdict.

use std::time::Duration;

use capture_proxy::audit::{Audit, Auditor};
use converge::Facts;
use journal::StartFrom;
use metadata::State as Planned;
use settings::Exit;
use tokio::time::{Instant, sleep};

use super::replay::{Replaying, replaying};
use crate::capture::bypass::{Bypass, Counted, Counter};
use crate::capture::each;
use crate::clusters::Clusters;
use crate::console::Console;
use crate::output::{Checks, Outcome};
use crate::problem::{Problem, Side};
use crate::source_numbers;
use crate::verify::Units;

/// Between two looks at the replay.
const LOOK: Duration = Duration::from_millis(100);

/// Checks everything; 0 when clients may be switched to the target.
///
/// # Errors
/// When it is too early, or something can't be asked at all.
pub async fn check(console: &Console, no_verify: bool) -> Result<Exit, Problem> {
    let checks = verdict(console, no_verify).await?;
    console.output.show(&checks);
    Ok(console.exit(checks.passed))
}

/// The verdict, with all that it stands on.
///
/// # Errors
/// As [`check`].
pub(crate) async fn verdict(console: &Console, no_verify: bool) -> Result<Checks, Problem> {
    // Another cluster under the same address is a problem of its own, said at once.
    let clusters = console.clusters().await?;
    let state = console.state()?;
    if state.replay_started.is_none() {
        let why = "nothing has been replayed yet";
        return Err(Problem::early("it is too early", why, "`godwit replay start`"));
    }
    let began = unix_seconds();
    let mut checks = Checks::default();
    checks.add("clusters", Outcome::Ok, "the same as at the start, by their uuids");
    capture(console, &mut checks).await?;
    backfill(console, &mut checks).await?;
    let (audit, bypass, newest) = journal(console, &clusters).await?;
    whole(&audit, &mut checks);
    around(bypass.as_ref(), &mut checks);
    replay(console, began, newest, &mut checks).await?;
    deferred(console, &mut checks).await?;
    reads(console, &mut checks);
    verification(console, &clusters, no_verify, &mut checks).await?;
    let passed = checks.checks.iter().all(|check| check.outcome != Outcome::No);
    let next = match passed {
        true => {
            "stop the clients' writes, `godwit cutover check` once more, `godwit metadata migrate --deferred`, and point \
             the clients at the target"
        }
        false => "see to what says NO, then `godwit cutover check`",
    };
    Ok(checks.conclude(Some(next.into())))
}

fn unix_seconds() -> f64 {
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64()
}

async fn capture(console: &Console, checks: &mut Checks) -> Result<(), Problem> {
    let capturing = super::capture::capturing(console).await?;
    let name = "capture";
    match capturing.running {
        Some(true) if capturing.dropped > 0 || capturing.uncaptured > 0 => {
            let message = format!(
                "{} records dropped, {} bytes uncaptured",
                capturing.dropped, capturing.uncaptured
            );
            checks.add(name, Outcome::No, message);
        }
        Some(true) if capturing.unrecorded > 0 => {
            let message = format!(
                "{} connections were not captured (capture-only, for)",
                capturing.unrecorded
            );
            checks.add(name, Outcome::No, message);
        }
        Some(true) if capturing.spilling => {
            let message =
                "records lie in the proxy's spill: Kafka is slow or gone, or has just come back";
            checks.add(name, Outcome::No, message);
        }
        Some(true) => checks.add(name, Outcome::Ok, format!("runs at {}", capturing.url)),
        // Clients that are switched already need none; what went around it is audited below.
        Some(false) => {
            checks.add(name, Outcome::Note, "does not run: nothing that is written now is captured")
        }
        None => checks.add(name, Outcome::Note, "runs elsewhere; set capture.admin to ask it"),
    }
    Ok(())
}

async fn backfill(console: &Console, checks: &mut Checks) -> Result<(), Problem> {
    let standings = super::backfill::standings(console).await?;
    let message = format!(
        "{} of {} documents, {} failed, {} units refused",
        standings.passed, standings.documents, standings.failed, standings.refused
    );
    let outcome = if standings.complete { Outcome::Ok } else { Outcome::No };
    let message = match (standings.complete, standings.finished && !standings.swept) {
        (false, true) => {
            format!("{message}; deletes are to be swept once more: `godwit backfill start`")
        }
        _ => message,
    };
    checks.add("backfill", outcome, message);
    Ok(())
}

/// One pass over the journal: what it lacks, what went around it, its newest observation.
async fn journal(
    console: &Console,
    clusters: &Clusters,
) -> Result<(Audit, Option<Bypass>, f64), Problem> {
    let source = &clusters.source;
    let problem = |error: &cluster::ClusterError| Problem::cluster(Side::Source, error);
    let baseline = console.state()?.baseline;
    let has_numbers = source.info().has_sequence_numbers();
    let mut counter = match baseline.filter(|_| has_numbers) {
        None => None,
        Some(before) => {
            let aliases = source.aliases().await.map_err(|error| problem(&error))?;
            let units = Units::of(source, &clusters.target, |_| true).await?;
            let streams =
                units.both.into_iter().filter(|unit| unit.is_stream).map(|unit| unit.name);
            let names = aliases.into_keys().chain(streams).collect::<Vec<_>>();
            let after = source_numbers::read(source).await.map_err(|error| problem(&error))?;
            // The source's own indices are written by itself.
            let moves = |name: &str| console.migration.moves(name) || name.starts_with(".ds-");
            let counted = Counted::between(&before, &after, names, moves);
            let info = source.info();
            let is_elasticsearch = info.flavour == cluster::Flavour::Elasticsearch;
            let facts = Facts {
                elasticsearch_major: is_elasticsearch.then_some(info.major),
                ..Facts::default()
            };
            Some(Counter::new(counted, facts, &before, &after))
        }
    };
    let (mut auditor, mut newest) = (Auditor::default(), 0);
    each(&console.migration, StartFrom::Beginning, &console.shutdown, |entry| {
        if let Ok(record) = &entry.record {
            newest =
                record.observations.iter().map(|observation| observation.at).fold(newest, u64::max);
        }
        auditor.take(entry);
        if let Some(counter) = &mut counter {
            counter.take(entry);
        }
    })
    .await?;
    let newest = Duration::from_nanos(newest).as_secs_f64();
    Ok((auditor.finish(), counter.map(Counter::finish), newest))
}

fn whole(audit: &Audit, checks: &mut Checks) {
    match audit.whole {
        true => {
            checks.add("journal", Outcome::Ok, format!("{} records, none missing", audit.records))
        }
        false => {
            let first = audit.findings.first().cloned().unwrap_or_default();
            let message = format!("{} records missing: {first}", audit.missing + audit.bad_records);
            checks.add("journal", Outcome::No, message);
        }
    }
}

fn around(bypass: Option<&Bypass>, checks: &mut Checks) {
    let name = "around the proxy";
    let Some(bypass) = bypass else {
        let message =
            "can't be told: this source numbers no operations, or capture was never verified";
        return checks.add(name, Outcome::Note, message);
    };
    let captured = &bypass.captured;
    let mut message = format!(
        "{} operations on the source since capture was verified; captured: {} proven, {} possible",
        bypass.growth, captured.certain, captured.possible
    );
    if !bypass.left_out.is_empty() {
        message.push_str(&format!(
            "; not counted, deleted or made anew: {}",
            bypass.left_out.join(", ")
        ));
    }
    if bypass.around > 0 {
        let worst: Vec<String> = bypass
            .by_index
            .iter()
            .take(5)
            .map(|(index, count)| format!("{index} ({count})"))
            .collect();
        let message = format!(
            "{} writes did not pass the proxy: {}; {message}",
            bypass.around,
            worst.join(", ")
        );
        return checks.add(name, Outcome::No, message);
    }
    if captured.unbounded.is_empty() {
        return checks.add(name, Outcome::Ok, message);
    }
    let what: Vec<String> =
        captured.unbounded.iter().map(|(what, count)| format!("{count} × {what}")).collect();
    checks.add(
        name,
        Outcome::Note,
        format!("can't be told, because of {}; {message}", what.join(", ")),
    );
}

/// Waits for the replay to deal with what was captured before the check.
async fn replay(
    console: &Console,
    began: f64,
    newest: f64,
    checks: &mut Checks,
) -> Result<(), Problem> {
    let since = Instant::now();
    let is_caught_up = |replaying: &Replaying| {
        replaying.replayed_until >= began || replaying.replayed_until > newest
    };
    let mut replaying = replaying(console).await?;
    while replaying.running
        && !(is_caught_up(&replaying) && replaying.doubt_left == 0)
        && since.elapsed() < console.migration.cutover.max_lag
    {
        sleep(LOOK).await;
        replaying = super::replay::replaying(console).await?;
    }
    let outcome = |is: bool| if is { Outcome::Ok } else { Outcome::No };
    if !replaying.running {
        checks.add("replay", Outcome::No, "does not run: `godwit replay start`");
        return Ok(());
    }
    let message = match is_caught_up(&replaying) {
        true => format!("caught up, {:.1} s after the check began", since.elapsed().as_secs_f64()),
        false => format!(
            "{:.1} s behind, more than `cutover.max-lag` after the check began",
            replaying.lag
        ),
    };
    checks.add("replay", outcome(is_caught_up(&replaying)), message);
    checks.add(
        "doubt",
        outcome(replaying.doubt_left == 0),
        format!("{} left", replaying.doubt_left),
    );
    let lost = replaying.gaps + replaying.bad_records;
    let message = format!(
        "{} requests refused by the target, {lost} places of the journal lost",
        replaying.failed
    );
    checks.add("failed", outcome(replaying.failed == 0 && lost == 0), message);
    Ok(())
}

/// What is put on the target at the cut-over.
async fn deferred(console: &Console, checks: &mut Checks) -> Result<(), Problem> {
    let Console { migration, folder, environment, .. } = console;
    let settings = migration.metadata_settings(folder, false, environment)?;
    let report = super::metadata::evaluated(&settings).await?;
    let waits = |line: &&metadata::Line| {
        line.item.state == Planned::Deferred || !line.item.deferred.is_empty()
    };
    let named: Vec<String> = report
        .items
        .iter()
        .filter(waits)
        .map(|line| format!("{:?} {}", line.item.kind, line.item.name))
        .collect();
    match named.is_empty() {
        true => checks.add("deferred", Outcome::Ok, "nothing waits for the cut-over"),
        false => {
            let message = format!(
                "{} wait for `godwit metadata migrate --deferred`: {}",
                named.len(),
                named.join(", ")
            );
            checks.add("deferred", Outcome::Note, message);
        }
    }
    Ok(())
}

/// Reads that both sides answered otherwise: a person's to judge, because a write in between changes them too.
fn reads(console: &Console, checks: &mut Checks) {
    match super::compare::compared(console) {
        Ok(compared) => {
            let report = &compared.report;
            let outcome = if report.differing_reads == 0 { Outcome::Ok } else { Outcome::Note };
            let message = format!(
                "{} of {} answers compared differ; `godwit compare report` says how",
                report.differing_reads, report.pairs
            );
            checks.add("reads", outcome, message);
        }
        Err(problem) => checks.add("reads", Outcome::Note, problem.what),
    }
}

async fn verification(
    console: &Console,
    clusters: &Clusters,
    no_verify: bool,
    checks: &mut Checks,
) -> Result<(), Problem> {
    if no_verify {
        let Some(last) = console.state()?.verified else {
            checks.add("verification", Outcome::No, "there was none: `godwit verify`");
            return Ok(());
        };
        let clean = last.differences == 0 && last.skipped == 0;
        let message = format!(
            "of {:.0}: {} differences, {} not compared",
            last.at, last.differences, last.skipped
        );
        checks.add("verification", if clean { Outcome::Ok } else { Outcome::No }, message);
        return Ok(());
    }
    let report = super::verify::verified(console, clusters, false).await?;
    let message = format!(
        "{} documents, {} differences, {} changing, {} not compared",
        report.documents,
        report.differences,
        report.changing,
        report.skipped() + report.absent.len() as u64
    );
    checks.add("verification", if report.equal { Outcome::Ok } else { Outcome::No }, message);
    Ok(())
}
