//! `godwit run`: everything up to the approval of the cut-over, going on where it was left.

use std::time::Duration;

use jiff::Timestamp;
use settings::Exit;
use tokio::time::{Instant, sleep};

use super::backfill::Standings;
use super::{backfill, capture, compare, cutover, metadata, replay, setup, snapshot};
use crate::console::Console;
use crate::output::Said;
use crate::problem::Problem;
use crate::programs::{Program, Standing};

/// Between two looks at the programs.
const LOOK: Duration = Duration::from_millis(500);
/// A program that was killed is started again so often; one that can't run ends sooner, by its own word.
const RESTARTS: usize = 10;
/// So long the first verdict is put off while the replay catches up without anything new.
const WORDS: Duration = Duration::from_secs(30);

/// Does what is left to do.
///
/// # Errors
/// What stopped it.
pub async fn run(console: &Console, accept_target_data: bool) -> Result<Exit, Problem> {
    let state = console.state()?;
    if state.setup_checked.is_none() {
        step(console, "setup check");
        stop_at(setup::check(console, accept_target_data).await?)?;
    }
    if console.migration.capture.listen.is_some() {
        step(console, "capture start");
        capture::start(console).await?;
    }
    if state.capture_verified.is_none() {
        step(console, "capture verify");
        stop_at(capture::verify(console).await?)?;
    }
    step(console, "snapshot create");
    snapshot::create(console).await?;
    if console.state()?.metadata_migrated.is_none() {
        step(console, "metadata migrate");
        stop_at(metadata::migrate(console, false).await?)?;
    }
    let mut keeper = Keeper::default();
    let beside = console.clusters().await?.source.info().reads_sequence_numbers();
    step(console, "backfill start");
    keeper.start(&console.backfill(), async || backfill::start(console).await).await?;
    if beside {
        step(console, "replay start");
        keeper.start(&console.replayer(), async || replay::start(console).await).await?;
    }
    keeper.until_backfilled(console, beside).await?;
    if !beside {
        step(console, "replay start");
        keeper.start(&console.replayer(), async || replay::start(console).await).await?;
    }
    keeper.until_caught_up(console).await?;
    step(console, "compare report");
    let page = console.folder.join("report.html");
    compare::report(console, Some(page))?;
    step(console, "cutover check");
    let verdict = cutover::verdict(console, false).await?;
    console.output.show(&verdict);
    if verdict.passed {
        let message =
            "everything is moved, and goes on being moved; the cut-over waits for your approval";
        let next = "read docs/migration-guide.md on the cut-over; `godwit cutover check` repeats the verdict at any time";
        console.output.show(&Said::new("run", message, Some(next)));
    }
    Ok(console.exit(verdict.passed))
}

fn step(console: &Console, name: &str) {
    console.progress(&format!("== {name}"));
}

/// A step whose answer is no has said why.
fn stop_at(exit: Exit) -> Result<(), Problem> {
    match exit {
        Exit::Done => Ok(()),
        exit => Err(Problem::new(
            exit,
            "the migration waits here",
            "the step above says what is wrong",
            "see to it, then `godwit run` again: it goes on from here",
        )),
    }
}

/// Keeps programs running while they are needed.
#[derive(Debug, Default)]
struct Keeper {
    restarts: usize,
    said: Option<Instant>,
}

impl Keeper {
    /// Starts a program; again, where it is killed before it is ready.
    async fn start(
        &mut self,
        program: &Program,
        start: impl AsyncFn() -> Result<Exit, Problem>,
    ) -> Result<(), Problem> {
        while let Err(problem) = start().await {
            if !matches!(program.standing()?, Standing::Ended(None)) {
                return Err(problem);
            }
            self.count(program)?;
        }
        Ok(())
    }

    /// Starts what has been killed again.
    async fn keep(&mut self, console: &Console, replays: bool) -> Result<(), Problem> {
        let is_down =
            |program: &Program| program.standing().map(|s| !matches!(s, Standing::Running(_)));
        if console.migration.capture.listen.is_some() && is_down(&console.proxy())? {
            self.count(&console.proxy())?;
            self.start(&console.proxy(), async || capture::start(console).await).await?;
        }
        if replays && is_down(&console.replayer())? {
            self.count(&console.replayer())?;
            self.start(&console.replayer(), async || replay::start(console).await).await?;
        }
        Ok(())
    }

    fn count(&mut self, program: &Program) -> Result<(), Problem> {
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err(program.died());
        }
        eprintln!(
            "godwit: {} has ended; starting it again ({} of {RESTARTS})",
            program.name, self.restarts
        );
        Ok(())
    }

    async fn until_backfilled(&mut self, console: &Console, replays: bool) -> Result<(), Problem> {
        let mut reported = 0;
        loop {
            self.keep(console, replays).await?;
            // Before how far it is: one that ends in between is looked at once more.
            let running = matches!(console.backfill().standing()?, Standing::Running(_));
            let standings = backfill::standings(console).await?;
            if standings.complete && !running {
                console.change(|state| state.backfill_complete = Some(Timestamp::now()))?;
                console.progress(&format!("backfill complete: {} documents", standings.documents));
                return Ok(());
            }
            if !running {
                judge(&standings)?;
                self.count(&console.backfill())?;
                self.start(&console.backfill(), async || backfill::start(console).await).await?;
            }
            let tenths = standings.passed * 10 / standings.documents.max(1);
            if tenths > reported {
                reported = tenths;
                console.progress(&format!(
                    "backfill: {} of {} documents",
                    standings.passed, standings.documents
                ));
            }
            sleep(LOOK).await;
        }
    }

    async fn until_caught_up(&mut self, console: &Console) -> Result<(), Problem> {
        loop {
            self.keep(console, true).await?;
            let replaying = replay::replaying(console).await?;
            let lag = console.migration.cutover.max_lag.as_secs_f64();
            if replaying.running && replaying.lag <= lag {
                console.progress(&format!("replay: {:.1} s behind", replaying.lag));
                return Ok(());
            }
            if self.said.is_none_or(|said| said.elapsed() > WORDS) {
                self.said = Some(Instant::now());
                console.progress(&replaying.to_string());
            }
            sleep(LOOK).await;
        }
    }
}

/// Whether a backfill that has ended may be started again.
fn judge(standings: &Standings) -> Result<(), Problem> {
    if standings.failed == 0 && standings.refused == 0 {
        return Ok(());
    }
    let why = format!(
        "{} documents failed, {} units could not be read",
        standings.failed, standings.refused
    );
    let next = "`godwit backfill status` says which; mend the cause, `godwit backfill retry`, then `godwit run`";
    Err(Problem::new(Exit::No, "the backfill is not complete", why, next))
}
