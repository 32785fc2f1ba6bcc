//! `godwit status`: one screen.

use std::fmt;

use serde::Serialize;
use settings::Exit;

use super::backfill::Standings;
use super::capture::Capturing;
use super::replay::Replaying;
use crate::console::Console;
use crate::problem::Problem;
use crate::state::{State, VerifiedAt};

/// How everything stands.
#[derive(Debug, Serialize)]
pub struct Status {
    pub migration: String,
    pub source: String,
    pub target: String,
    pub capture: Capturing,
    pub capture_verified: bool,
    pub snapshot: String,
    pub metadata_migrated: bool,
    /// `None`: the target doesn't answer.
    pub backfill: Option<Standings>,
    pub replay: Replaying,
    pub verified: Option<VerifiedAt>,
    pub next: String,
}

impl Status {
    fn is_well(&self) -> bool {
        let capture = self.capture.running != Some(false) || !self.capture_verified;
        let replay = !self.replay.started || self.replay.running && self.replay.is_clean();
        let backfill = self.backfill.as_ref();
        let backfill = backfill.is_some_and(|b| {
            b.failed == 0 && b.refused == 0 && (!b.started || b.running || b.complete)
        });
        capture && replay && backfill
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = |is: bool| if is { "done" } else { "not yet" };
        writeln!(f, "migration {}", self.migration)?;
        writeln!(f, "source    {}", self.source)?;
        writeln!(f, "target    {}", self.target)?;
        writeln!(f, "{}", self.capture)?;
        writeln!(f, "          verified: {}", done(self.capture_verified))?;
        writeln!(f, "snapshot  {}", self.snapshot)?;
        writeln!(f, "metadata  {}", done(self.metadata_migrated))?;
        match &self.backfill {
            None => writeln!(f, "backfill  unknown: the target does not answer")?,
            Some(b) => {
                let how = match (b.started, b.complete, b.running) {
                    (false, ..) => "not started",
                    (_, true, _) => "complete",
                    (_, _, true) => "runs",
                    (_, _, false) => "does NOT run",
                };
                let Standings { passed, documents, failed, refused, .. } = b;
                writeln!(
                    f,
                    "backfill  {how}: {passed} of {documents} documents, {failed} failed, {refused} units refused"
                )?;
            }
        }
        writeln!(f, "{}", self.replay)?;
        match &self.verified {
            None => writeln!(f, "verify    not yet")?,
            Some(v) => writeln!(
                f,
                "verify    {:.0}: {} documents, {} differences, {} not compared",
                v.at, v.documents, v.differences, v.skipped
            )?,
        }
        write!(f, "next: {}", self.next)
    }
}

/// `godwit status`.
///
/// # Errors
/// When the state can't be read.
pub async fn status(console: &Console) -> Result<Exit, Problem> {
    let state = console.state()?;
    let words = |known: &Option<crate::state::Known>, url: &str| match known {
        Some(known) => format!("{} {} at {}", known.flavour, known.version, known.url),
        None => format!("{url}, not checked"),
    };
    let migration = &console.migration;
    let backfill = super::backfill::standings(console).await.ok();
    let replay = super::replay::replaying(console).await?;
    let capture = super::capture::capturing(console).await?;
    let snapshot = match &state.snapshot {
        None => "not yet".to_owned(),
        Some(taken) if taken.complete => format!("{} is whole", taken.name),
        Some(taken) => format!("{} is not complete", taken.name),
    };
    let status = Status {
        migration: migration.name.clone(),
        source: words(&state.source, &migration.source.settings.url),
        target: words(&state.target, &migration.target.settings.url),
        next: next(&state, backfill.as_ref(), &replay),
        capture,
        capture_verified: state.capture_verified.is_some(),
        snapshot,
        metadata_migrated: state.metadata_migrated.is_some(),
        backfill,
        replay,
        verified: state.verified,
    };
    console.output.show(&status);
    Ok(console.exit(status.is_well()))
}

/// The first step that isn't done.
fn next(state: &State, backfill: Option<&Standings>, replay: &Replaying) -> String {
    let next = if state.setup_checked.is_none() {
        "`godwit setup check`"
    } else if state.capture_started.is_none() {
        "`godwit capture start`"
    } else if state.capture_verified.is_none() {
        "`godwit capture verify`"
    } else if state.snapshot.as_ref().is_none_or(|taken| !taken.complete) {
        "`godwit snapshot create`"
    } else if state.metadata_migrated.is_none() {
        "`godwit metadata migrate`"
    } else if backfill.is_some_and(|b| !b.running && !b.complete) {
        "`godwit backfill start`"
    } else if !replay.running {
        "`godwit replay start`"
    } else if backfill.is_none_or(|b| !b.complete) {
        "wait for the backfill"
    } else {
        "`godwit cutover check`"
    };
    next.to_owned()
}
