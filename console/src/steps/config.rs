//! `godwit config`.

use std::path::Path;

use settings::Exit;

use crate::console::Console;
use crate::migration::has_secret;
use crate::output::{Checks, Outcome, Output, Said};
use crate::problem::Problem;

/// The commented example, which the tests read.
const EXAMPLE: &str = include_str!("../../../config/migration.yaml");

/// Writes a commented file.
///
/// # Errors
/// When there is one already, or it can't be written.
pub fn init(path: &Path, force: bool, output: Output) -> Result<Exit, Problem> {
    let fail = |error: std::io::Error| Problem::file(path, error);
    if path.exists() && !force {
        let what = format!("{} is there already", path.display());
        let next = "`godwit config check`, or `godwit config init --force` to write over it";
        return Err(Problem::config(what, "a file of yours is never written over unasked", next));
    }
    std::fs::write(path, EXAMPLE).map_err(fail)?;
    let message =
        format!("{} is written: set source, target, capture and snapshot in it", path.display());
    output.show(&Said::new("config init", message, Some("`godwit config check`")));
    Ok(Exit::Done)
}

/// Says what the file means. The programs' files are made of it, so that their sections are checked too.
///
/// # Errors
/// What is wrong.
pub fn check(console: &Console) -> Result<Exit, Problem> {
    let Console { migration, folder, environment, .. } = console;
    migration.replay_file(folder, None, environment)?;
    migration.backfill_file(folder, environment)?;
    migration.metadata_settings(folder, false, environment)?;
    if migration.capture.listen.is_some() {
        migration.capture_file(folder)?;
    }
    let mut checks = Checks::default();
    for (name, cluster) in [("source", &migration.source), ("target", &migration.target)] {
        let with = match has_secret(&cluster.settings.auth) {
            true => String::new(),
            false => ", whose secret is empty".to_owned(),
        };
        let outcome = if with.is_empty() { Outcome::Ok } else { Outcome::No };
        checks.add(name, outcome, format!("{}{with}", cluster.settings.url));
    }
    checks.add("journal", Outcome::Ok, migration.journal.to_string());
    checks.add("clients go to", Outcome::Ok, migration.capture.url.clone());
    let snapshot = &migration.snapshot;
    checks.add("snapshot", Outcome::Ok, format!("{} in {}", snapshot.name, snapshot.url));
    let indices = match migration.indices.is_empty() {
        true => "all but system indices".to_owned(),
        false => migration.indices.join(", "),
    };
    checks.add("indices", Outcome::Ok, indices);
    checks.add("state", Outcome::Ok, folder.path().display().to_string());
    let checks = checks.conclude(Some("`godwit setup check`".into()));
    console.output.show(&checks);
    Ok(console.exit(checks.passed))
}
